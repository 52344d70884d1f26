import contextlib
import os
import warnings
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_srgan.checks import get_generator
from keras_srgan.files import replacing
from keras_srgan.receptive_field import receptive_field
from keras_srgan.self_test import SELF_TESTED
from keras_srgan.self_test import TEST_SIZE
from keras_srgan.self_test import TOLERANCE
from keras_srgan.self_test import SelfTest
from keras_srgan.self_test import attach_self_test
from keras_srgan.self_test import make_test_photos

SUFFIXES = {
    "tf_saved_model": "",
    "onnx": ".onnx",
    "litert": ".tflite",
    "openvino": ".xml",
    "torch": ".pt2",
}
# The backends that can write each format for photos of any size.
# docs/export.md gives the reasons for the missing ones.
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
    verbose: bool | None = None,
    input_signature: list | None = None,
    *,
    dtype: str = "float32",
) -> None:
    """Exports a generator to another runtime.

    The exported model maps uint8 RGB photos in [0, 255] of shape
    `(batch, height, width, 3)` to uint8 photos of shape
    `(batch, scale * height, scale * width, 3)`. Casting, rounding and clipping
    are part of it. The ONNX model names its input `photo` and its output
    `large`.

    ONNX and LiteRT files carry `scale`, `halo`, the number of pixels of context
    that each side of a tile needs, and a `SelfTest` that shows whether a
    runtime computes the right result: see `keras_srgan.verification.verify`.

    The file is written atomically: an interrupted export leaves an existing
    file unchanged.

    Args:
        generator: A `Generator` or `MSRResNet`, an `SRGAN` with one of them,
            or an `SRGANImageUpscaler` of `keras_srgan.hub`.
        filepath: Path of the file, or of the folder for `"tf_saved_model"`.
            OpenVINO writes a `.bin` file with the weights beside the `.xml`.
        format: String, one of `"tf_saved_model"`, `"onnx"`, `"litert"`,
            `"openvino"` and `"torch"`. Defaults to `None`: inferred from the
            suffix, which is empty, `.onnx`, `.tflite`, `.xml` or `.pt2`.
        verbose: Boolean. Whether Keras prints a summary. Defaults to `None`,
            as `False`.
        input_signature: List of one `keras.InputSpec` or `KerasTensor` of
            shape `(batch, height, width, 3)`, where a number fixes the size.
            Defaults to `None`: photos of any number and size.
        dtype: String, `"float32"` or `"float16"`. The dtype of the stored
            weights and of the computation between the first and the last
            convolution, independent of the generator's dtype policy. (LiteRT
            stores float16 and lets the device choose the arithmetic.)
            Defaults to `"float32"`.

    Raises:
        ValueError: if an argument is invalid, or if the current backend
            cannot write `format`. The message names the backends that can.
        ImportError: if a package of the `export` extra is missing.
        FileExistsError: if `filepath` exists and is not a previous export.

    Example:

    ```python
    from keras_srgan import Generator
    from keras_srgan.export import export

    export(Generator(num_blocks=5), "generator.onnx", dtype="float16")
    ```
    """
    generator = get_generator(generator, "generator", with_scale=True)
    path = Path(filepath)
    format = _get_format(path, format)
    _check_backend(format)
    if dtype not in DTYPES:
        raise ValueError(
            f"`dtype` must be one of {', '.join(DTYPES)}. "
            f"Received: dtype={dtype!r}"
        )
    _check_place(path, format)
    shape = _get_shape(input_signature)

    options, stored_dtype = {}, dtype
    if format == "litert" and dtype == "float16":
        options, dtype = _get_litert_options(), "float32"
    if format == "torch":
        options = _get_torch_options(shape)
    with _device():
        model = _take_photos(generator, dtype)
    spec = keras.InputSpec("uint8", shape, name="photo")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        try:
            if format == "onnx":
                import onnx  # noqa: F401

            with warnings.catch_warnings(), _device():
                # The converters emit deprecation warnings.
                warnings.simplefilter("ignore")
                model.export(
                    str(part),
                    format,
                    bool(verbose),
                    input_signature=[spec],
                    **options,
                )
            if format == "onnx":
                _label_onnx(part, shape)
            if format in SELF_TESTED:
                with _device():
                    test = _make_self_test(generator, shape, stored_dtype)
                attach_self_test(part, test)
        except ImportError as error:
            raise ImportError(
                f"Exporting to {format} on {keras.backend.backend()} needs a "
                "package that is not installed. `pip install "
                f"keras-srgan[export]` provides most of them: {error}"
            ) from error


def _get_shape(input_signature):
    shapes = [tuple(spec.shape) for spec in input_signature or []]
    if not shapes:
        return (None, None, None, 3)
    if len(shapes) > 1 or len(shapes[0]) != 4 or shapes[0][-1] != 3:
        raise ValueError(
            "`input_signature` must be a list of one spec of shape (batch, "
            f"height, width, 3). Received: input_signature={input_signature!r}"
        )
    return shapes[0]


def _get_format(path, format):
    by_suffix = {suffix: name for name, suffix in SUFFIXES.items()}
    format = format or by_suffix.get(path.suffix)
    if format not in SUFFIXES or format != by_suffix.get(
        path.suffix, "tf_saved_model"
    ):
        raise ValueError(
            "`filepath` must end in .onnx (ONNX), .tflite (LiteRT), .xml "
            "(OpenVINO), .pt2 (torch) or have no suffix (SavedModel), and "
            "`format`, if given, must match the suffix. "
            f"Received: filepath={str(path)!r}, format={format!r}"
        )
    return format


def _check_backend(format):
    backend, able = keras.backend.backend(), BACKENDS[format]
    if backend not in able:
        raise ValueError(
            f"To export to {format}, the backend must be {' or '.join(able)}: "
            f"set KERAS_BACKEND={able[0]} and restart. "
            f"Received: format={format!r} on {backend}"
        )


def _check_place(path, format):
    """Raises an error if anything but a previous export would be replaced."""
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
            f"{path} exists and is not a previous export to {format}. Move "
            "it away, or choose another path."
        )


def _device():
    """Returns the device scope for tracing: torch.export records the device."""
    if keras.backend.backend() == "torch":
        return keras.device("cpu")
    return contextlib.nullcontext()


def _take_photos(generator, dtype):
    """Returns a uint8-to-uint8 model with a copy of the weights."""
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


def _get_torch_options(shape):
    import torch

    names = enumerate(("batch", "height", "width"))
    return {
        "dynamic_shapes": {
            i: torch.export.Dim(name) for i, name in names if shape[i] is None
        }
    }


def _make_self_test(generator, shape, dtype):
    """Computes the expected result of the test photo, in float32."""

    field = receptive_field(generator)
    photos = make_test_photos(shape)
    photo = photos[0, :TEST_SIZE, :TEST_SIZE]
    height, width = (field.scale * side for side in photo.shape[:2])

    def enlarge(dtype):
        model = _take_photos(generator, dtype)
        return model.predict_on_batch(photos)[0, :height, :width]

    result = enlarge("float32")
    tolerance = TOLERANCE
    if dtype == "float16":
        # Runtimes differ in how much of the arithmetic is in half precision.
        half = enlarge("float16").astype(int)
        tolerance += 2 * int(np.abs(half - result).max())
    return SelfTest(photo, result, tolerance, field.scale, field.halo)


def _label_onnx(path, shape):
    """Gives inputs and outputs the same names for every exporter."""
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
        names = "batch", f"{prefix}height", f"{prefix}width"
        for dim, name, size in zip(dims, names, shape, strict=False):
            if size is None:
                dim.dim_param = name
    onnx.checker.check_model(model)
    onnx.save(model, path)
