"""The generator in the layout of keras-hub: a backbone and a task.

The arguments and the names of the layers are those of `keras_srgan.hub`,
which is not imported, since it needs keras-hub.
"""

import copy
import io
from collections.abc import Iterator

import numpy as np

# Arguments of `Generator` to those of `SRGANBackbone`.
BACKBONE_ARGUMENTS = {
    "num_blocks": "num_blocks",
    "filters": "num_filters",
    "use_batch_norm": "use_batch_norm",
    "use_bias": "use_bias",
    "use_end_prelu": "use_end_prelu",
}
# Arguments of `Generator` to those of `SRGANImageUpscaler`.
TASK_ARGUMENTS = {
    "scale": "upscale_factor",
    "upsampling": "upsampling",
    "output_activation": "output_activation",
}
# Class of a layer to the name that Keras gives its kind in a weights file.
KINDS = {
    "BatchNormalization": "batch_normalization",
    "Conv2D": "conv2d",
    "PReLU": "channel_p_re_lu",
    "SquaresConv2D": "conv2d",
}


# === Arguments ===


def to_hub_config(generator: dict) -> tuple[dict, dict]:
    """Returns `config.json` and `task.json` of a generator's `get_config`."""
    mean = np.broadcast_to(generator["input_mean"], 3)
    backbone = _serialize(
        "srgan_backbone",
        "SRGANBackbone",
        trainable=True,
        dtype=_FLOAT32,
        **{t: generator[o] for o, t in BACKBONE_ARGUMENTS.items()},
    )
    converter = _serialize(
        "srgan_image_converter",
        "SRGANImageConverter",
        trainable=True,
        dtype=_FLOAT32,
        scale=[1 / 127.5] * 3,
        offset=(-mean / 127.5).tolist(),
    )
    preprocessor = _serialize(
        "srgan_image_upscaler_preprocessor",
        "SRGANImageUpscalerPreprocessor",
        trainable=True,
        dtype=_FLOAT32,
        image_converter=converter,
        upscale_factor=generator["scale"],
        config_file="preprocessor.json",
    )
    # The level of an output of zero.
    direct = generator["upsampling"] == "pixel_shuffle_direct"
    task = _serialize(
        "srgan_image_upscaler",
        "SRGANImageUpscaler",
        backbone=copy.deepcopy(backbone),
        preprocessor=preprocessor,
        output_offset=mean.tolist() if direct else 127.5,
        **{t: generator[o] for o, t in TASK_ARGUMENTS.items()},
    )
    return backbone, task


def from_hub_config(task: dict) -> dict:
    """Returns the arguments of the `Generator` that `task.json` describes."""
    task = task["config"]
    backbone = task["backbone"]["config"]
    converter = task["preprocessor"]["config"]["image_converter"]["config"]
    if not np.allclose(converter["scale"], 1 / 127.5, rtol=1e-9):
        raise ValueError(
            "`scale` of the image converter must be 1 / 127.5. "
            f"Received: scale={converter['scale']!r}"
        )
    # The division by 127.5 has rounded the last digit.
    mean = np.round(-127.5 * np.array(converter["offset"]), 9)
    if np.ptp(mean) == 0:
        mean = mean.flat[0]
    return {
        **{o: backbone[t] for o, t in BACKBONE_ARGUMENTS.items()},
        **{o: task[t] for o, t in TASK_ARGUMENTS.items()},
        "input_mean": mean.tolist(),
    }


_FLOAT32 = {
    "module": "keras",
    "class_name": "DTypePolicy",
    "config": {"name": "float32"},
    "registered_name": None,
}


def _serialize(name, class_name, **config):
    return {
        "module": f"keras_srgan.hub.{name}",
        "class_name": class_name,
        "config": {"name": name, **config},
        "registered_name": f"keras_srgan>{class_name}",
    }


# === Weights ===


def named_layers(generator) -> Iterator[tuple[str, object]]:
    """Yields each layer that has weights, with its name in keras-hub."""
    for layer in generator.layers:
        if hasattr(layer, "steps"):  # a `ResidualBlock`
            if layer.use_batch_norm:
                steps = "conv_1", "norm_1", "prelu", "conv_2", "norm_2"
            else:
                steps = "conv_1", "prelu", "conv_2"
            for name, step in zip(steps, layer.steps, strict=True):
                yield f"{layer.name}_{name}", step
        elif layer.weights:
            yield layer.name, layer


def write_weights(layers: list[tuple[str, object]], path) -> None:
    """Writes layers as Keras writes those of a functional model, in float16.

    Args:
        layers: List of names and Keras layers, in the order of the network.
        path: Path of the `.weights.h5` file.

    Raises:
        ValueError: if a weight is not finite in float16.
    """
    import h5py

    counts = {}
    with h5py.File(path, "w") as file:
        for name, layer in layers:
            kind = KINDS[type(layer).__name__]
            count = counts[kind] = counts.get(kind, -1) + 1
            group = f"layers/{kind}_{count}" if count else f"layers/{kind}"
            group = file.create_group(f"{group}/vars")
            group.attrs["name"] = name
            for i, array in enumerate(layer.get_weights()):
                with np.errstate(over="ignore"):
                    half = array.astype("float16")
                if not np.isfinite(half).all():
                    raise ValueError(
                        "Weights must be finite in half precision, below "
                        f"65504. Received: {np.abs(array).max():g} in layer "
                        f"{name!r}"
                    )
                # A PReLU has one slope per channel there.
                group[str(i)] = half.ravel() if kind == KINDS["PReLU"] else half


def read_weights(content: bytes) -> dict[str, list[np.ndarray]]:
    """Reads a `.weights.h5` file.

    Args:
        content: The bytes of the file.

    Returns:
        Dict of a layer's name to its arrays, in the order of its variables.

    Raises:
        ValueError: if it is not such a file.
    """
    import h5py

    weights = {}

    def read(path, group):
        is_layer = path.startswith("layers/") and path.endswith("/vars")
        if is_layer and isinstance(group, h5py.Group) and len(group):
            weights[group.attrs["name"]] = [
                _read_array(group[str(i)]) for i in range(len(group))
            ]

    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            file.visititems(read)
    except (KeyError, OSError, RuntimeError, TypeError) as error:
        raise ValueError(f"not a weights file of Keras: {error}") from error
    return weights


def _read_array(dataset):
    # A file may name another file, or claim more than it holds.
    stored = dataset.id.get_storage_size()
    if dataset.external or dataset.is_virtual or stored != dataset.nbytes:
        raise ValueError(f"{dataset.name} must be stored uncompressed")
    if dataset.attrs.get("dtype") == "bfloat16":
        import ml_dtypes

        return np.array(dataset, ml_dtypes.bfloat16).astype("float32")
    return np.array(dataset)
