import contextlib
import os
import warnings
from pathlib import Path

import keras
from keras import ops

from keras_srgan.files import replacing
from keras_srgan.generator import Generator
from keras_srgan.receptive_field import receptive_field

SUFFIXES = {
    "tf_saved_model": "",
    "onnx": ".onnx",
    "litert": ".tflite",
    "openvino": ".xml",
    "torch": ".pt2",
}
# Those that can write a format for photos of any size. docs/export.md says why
# the others cannot.
BACKENDS = {
    "tf_saved_model": ("tensorflow", "jax"),
    "onnx": ("tensorflow", "torch"),
    "litert": ("tensorflow",),
    "openvino": ("tensorflow", "torch"),
    "torch": ("torch",),
}
DTYPES = ("float32", "float16")
SAVED_MODEL = {"assets", "fingerprint.pb", "saved_model.pb", "variables"}


def export(
    generator: keras.Model,
    filepath: str | os.PathLike,
    format: str | None = None,
    *,
    dtype: str = "float32",
) -> None:
    """Write a generator for another runtime, whole or not at all.

    What is written takes photos as they are decoded and gives photos to be
    shown: uint8 RGB in [0, 255], shape `(batch, height, width, 3)` in and
    `(batch, scale * height, scale * width, 3)` out, rounded and clipped.
    In an ONNX file the input is called `photo` and the output `large`, and
    the metadata has `scale` and `halo`: how much around a tile the network
    sees, in pixels, for a program that works by tiles.

    Args:
        generator: `Generator`, `SRGANBackbone`, or `SRGAN` with one of them.
        filepath: Path of the file; for `"tf_saved_model"` of a folder. An
            OpenVINO `.xml` gets its weights in a `.bin` beside it.
        format: String, one of `"tf_saved_model"`, `"onnx"`, `"litert"`,
            `"openvino"` and `"torch"`. Defaults to what the suffix says: none,
            `.onnx`, `.tflite`, `.xml` or `.pt2`.
        dtype: String, `"float32"` or `"float16"`: what the weights are stored
            in, and what is computed in between the first and the last
            convolution, whatever the generator computes in. (LiteRT stores
            float16 and leaves the arithmetic to the device.) Defaults to
            `"float32"`.

    Raises:
        ValueError: if an argument is not as above, or this backend cannot
            write that format; the message says which can.
        ImportError: if a package of the extra `export` is missing.
        FileExistsError: if what is there is more than an older export.

    Example:

    ```python
    from keras_srgan import Generator
    from keras_srgan.export import export

    export(Generator(num_blocks=5), "generator.onnx", dtype="float16")
    ```
    """
    generator = getattr(generator, "generator", generator)
    if hasattr(generator, "to_generator"):  # a backbone of keras-hub
        generator = generator.to_generator()
    if not isinstance(generator, Generator):
        raise ValueError(
            "`generator` must be a `Generator`, or an `SRGAN` with one. "
            f"Received: generator={generator!r}"
        )
    path = Path(filepath)
    format = _get_format(path, format)
    _check_backend(format)
    if dtype not in DTYPES:
        raise ValueError(
            f"`dtype` must be one of {', '.join(DTYPES)}. "
            f"Received: dtype={dtype!r}"
        )
    _check_place(path, format)

    options = {}
    if format == "litert" and dtype == "float16":
        options, dtype = _get_litert_options(), "float32"
    if format == "torch":
        options = _get_torch_options()
    with _device():
        model = _take_photos(generator, dtype)
    spec = keras.InputSpec("uint8", model.inputs[0].shape, name="photo")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        try:
            if format == "onnx":
                import onnx  # noqa: F401

            with warnings.catch_warnings(), _device():
                # Converters emit deprecation warnings.
                warnings.simplefilter("ignore")
                model.export(
                    str(part), format, False, input_signature=[spec], **options
                )
            if format == "onnx":
                _label_onnx(part, generator)
        except ImportError as error:
            raise ImportError(
                f"A package is missing that {keras.backend.backend()} needs to "
                f"export to {format}; `pip install keras-srgan[export]` has "
                f"most: {error}"
            ) from error


def _get_format(path, format):
    by_suffix = {suffix: name for name, suffix in SUFFIXES.items()}
    format = format or by_suffix.get(path.suffix)
    if format not in SUFFIXES or format != by_suffix.get(
        path.suffix, "tf_saved_model"
    ):
        raise ValueError(
            "`filepath` must end in .onnx (ONNX), .tflite (LiteRT), .xml "
            "(OpenVINO), .pt2 (torch) or have no suffix (SavedModel), and "
            "`format`, if given, must say the same. "
            f"Received: filepath={str(path)!r}, format={format!r}"
        )
    return format


def _check_backend(format):
    backend, able = keras.backend.backend(), BACKENDS[format]
    if backend not in able:
        raise ValueError(
            f"To export to {format}, the backend must be {' or '.join(able)}: "
            f"start anew with KERAS_BACKEND={able[0]}. "
            f"Received: format={format!r} on {backend}"
        )


def _check_place(path, format):
    """See that nothing but an older export would be replaced."""
    taken = path.exists() and not path.is_file()
    if format == "tf_saved_model":
        taken = path.exists() and not (
            (path / "saved_model.pb").is_file()
            and {file.name for file in path.iterdir()} <= SAVED_MODEL
        )
    if format == "openvino" and not path.exists():
        path = path.with_suffix(".bin")
        taken = path.exists()
    if taken:
        raise FileExistsError(
            f"{path} is there, and is not, or not only, an older export to "
            f"{format} that could be replaced."
        )


def _device():
    """Where to trace: torch.export writes down which device it was."""
    if keras.backend.backend() == "torch":
        return keras.device("cpu")
    return contextlib.nullcontext()


def _take_photos(generator, dtype):
    """A model from uint8 photos to uint8 photos, with a copy of the weights."""
    twin = type(generator).from_config(
        {**generator.get_config(), "dtype": dtype}
    )
    twin.set_weights(generator.get_weights())
    photo = keras.Input((None, None, 3), dtype="uint8", name="photo")
    large = twin(ops.cast(photo, "float32"))
    large = ops.cast(ops.clip(ops.round(large), 0, 255), "uint8")
    return keras.Model(photo, large)


def _get_litert_options():
    import tensorflow as tf

    return {
        "optimizations": [tf.lite.Optimize.DEFAULT],
        "target_spec": {"supported_types": [tf.float16]},
    }


def _get_torch_options():
    import torch

    names = enumerate(("batch", "height", "width"))
    return {"dynamic_shapes": {i: torch.export.Dim(name) for i, name in names}}


def _label_onnx(path, generator):
    """Name what goes in and out, which each exporter calls otherwise."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    (old,) = (value.name for value in graph.output)
    for node in graph.node:
        for names in node.input, node.output:
            names[:] = ["large" if name == old else name for name in names]
    graph.output[0].name = "large"
    del graph.value_info[:]
    for value, prefix in (graph.input[0], ""), (graph.output[0], "large_"):
        dims = value.type.tensor_type.shape.dim
        dims[0].dim_param = "batch"
        dims[1].dim_param = f"{prefix}height"
        dims[2].dim_param = f"{prefix}width"
    field = receptive_field(generator)
    onnx.helper.set_model_props(
        model, {"scale": str(field.scale), "halo": str(field.halo)}
    )
    onnx.checker.check_model(model)
    onnx.save(model, path)
