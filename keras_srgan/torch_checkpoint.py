import os
import re
import warnings
from collections.abc import Mapping

import numpy as np

from keras_srgan.generator import Generator
from keras_srgan.msrresnet import MSRResNet
from keras_srgan.srresnet_reader import BATCH_NORM_EPSILON
from keras_srgan.srresnet_reader import SRResNetReader


def import_torch_checkpoint(
    path: str | os.PathLike,
    mean: float | tuple[float, float, float] = 0.0,
    std: float | tuple[float, float, float] = 1.0,
    output_range: str = "tanh",
    pixel_shuffle: str = "crd",
    batch_norm_epsilon: float = BATCH_NORM_EPSILON,
) -> Generator | MSRResNet:
    """Returns a generator with the weights of a PyTorch checkpoint.

    SRResNets are recognized by the shapes and the order of their layers,
    regardless of their names: a convolution of RGB and a PReLU; residual blocks
    of two 3x3 convolutions and a PReLU; a convolution; for each doubling a
    convolution, a pixel shuffle and a PReLU; a convolution to RGB. The number
    of blocks and filters is free. Convolutions may have biases, and slopes may
    be shared or per channel. Batch normalizations are folded into the preceding
    convolutions.

    The MSRResNet of BasicSR and mmagic is recognized by its keys.

    Nothing in the file is executed. Pickles of anything but tensors and
    numbers raise an error.

    Args:
        path: Path of a file that holds a state dict, or a checkpoint with a
            state dict inside. The first one of an SRResNet is used. A
            `.safetensors` file does not keep the order of layers, so it must
            hold an MSRResNet.
        mean: Float, or three floats for red, green and blue. The mean that
            the original network subtracts from its input in [0, 1]. Defaults
            to `0.0`. Use `0.5` for a network with input in [-1, 1].
        std: Float, or three floats, positive. The standard deviation by which
            the original network then divides. Defaults to `1.0`. Use `0.5`
            for a network with input in [-1, 1].
        output_range: String, the output of the original network: `"tanh"`,
            scaled to any range, or a linear output in [0, 1], `"unit"`, or in
            [-1, 1], `"signed"`. Defaults to `"tanh"`.
        pixel_shuffle: String, the channel order of the pixel shuffle: `"crd"`
            as in `torch.nn.PixelShuffle`, or `"dcr"` as in TensorFlow.
            Defaults to `"crd"`.
        batch_norm_epsilon: Float. The epsilon of the batch normalizations,
            which no file holds: with another one than the original's, the
            pictures are wrong. It is the second argument of `BatchNorm2d`.
            Defaults to `1e-5`, the default of PyTorch.

    Returns:
        A `Generator`, or an `MSRResNet`, with the outputs of the original
        network, including the borders of photos.

    Raises:
        ImportError: if PyTorch is not installed, or `safetensors` for such a
            file.
        OSError: if the file cannot be read.
        ValueError: if an argument is invalid, or if the file does not hold an
            SRResNet. The message lists the missing and unexpected keys.

    Example:

    ```python
    from keras_srgan.torch_checkpoint import import_torch_checkpoint

    generator = import_torch_checkpoint("netG_epoch_4_100.pth")
    generator.save("model.keras")
    ```
    """
    mean, std = _check_normalization(mean, std)
    _check_choice(output_range=(output_range, ("tanh", "unit", "signed")))
    _check_choice(pixel_shuffle=(pixel_shuffle, ("crd", "dcr")))

    if not 0 < batch_norm_epsilon < np.inf:
        raise ValueError(
            "`batch_norm_epsilon` must be a positive number. "
            f"Received: batch_norm_epsilon={batch_norm_epsilon!r}"
        )

    state_dicts = read_state_dicts(path)
    network = _find_msrresnet(state_dicts)
    if network is not None:
        ranges = mean.tolist(), std.tolist(), output_range, pixel_shuffle
        if ranges != (0.0, 1.0, "tanh", "crd"):
            raise ValueError(
                "`mean`, `std`, `output_range` and `pixel_shuffle` must be "
                "the defaults for an MSRResNet, whose ranges are known. "
                f"Received: {ranges}"
            )
        return network
    if _is_safetensors(path):
        raise ValueError(
            f"{path} does not hold an MSRResNet. The layers of other networks "
            "are recognized by their order, which .safetensors files do not "
            "keep: save the weights with `torch.save`."
        )
    network = _find_network(state_dicts, path, batch_norm_epsilon)
    filters = len(network["start_conv"][0])
    generator = Generator(
        scale=2 ** len(network["upscales"]),
        num_blocks=len(network["blocks"]),
        filters=filters,
        use_bias=True,
        use_end_prelu=bool(network["end_prelu"]),
        input_mean=(255 * mean).tolist(),
        output_activation="tanh" if output_range == "tanh" else "hard_tanh",
    )

    # Zero is the same level for both networks, so only the scale differs.
    kernel, bias = network["start_conv"]
    kernel = kernel / (2 * std.reshape(-1, 1, 1))
    _set_conv(generator.get_layer("start_conv"), kernel, bias)
    _set_prelu(generator.get_layer("start_prelu"), network["start_prelu"])
    for i, (first, slopes, second) in enumerate(network["blocks"]):
        conv_1, prelu, conv_2 = generator.get_layer(f"block_{i}").steps
        _set_conv(conv_1, *first)
        _set_prelu(prelu, slopes)
        _set_conv(conv_2, *second)
    _set_conv(generator.get_layer("end_conv"), *network["end_conv"])
    for slopes in network["end_prelu"]:
        _set_prelu(generator.get_layer("end_prelu"), slopes)
    for i, ((kernel, bias), slopes) in enumerate(network["upscales"]):
        if pixel_shuffle == "crd":
            order = np.arange(4 * filters).reshape(filters, 4).T.ravel()
            kernel, bias = kernel[order], bias[order]
        _set_conv(generator.get_layer(f"upscale_{i}_conv"), kernel, bias)
        _set_prelu(generator.get_layer(f"upscale_{i}_prelu"), slopes)
    kernel, bias = network["rgb_conv"]
    if output_range == "unit":
        kernel, bias = 2 * kernel, 2 * bias - 1
    _set_conv(generator.get_layer("rgb_conv"), kernel, bias)
    return generator


def _check_normalization(mean, std):
    mean, std = np.asarray(mean, "float64"), np.asarray(std, "float64")
    for name, value in {"mean": mean, "std": std}.items():
        if value.shape not in ((), (3,)) or not np.isfinite(value).all():
            raise ValueError(
                f"`{name}` must be a number or three numbers. "
                f"Received: {name}={value.tolist()}"
            )
    if (std <= 0).any():
        raise ValueError(
            f"`std` must be positive. Received: std={std.tolist()}"
        )
    return mean, std


def _check_choice(**arguments):
    for name, (value, choices) in arguments.items():
        if value not in choices:
            raise ValueError(
                f"`{name}` must be one of {choices}. Received: {name}={value!r}"
            )


def _set_conv(layer, kernel, bias):
    layer.set_weights([np.transpose(kernel, (2, 3, 1, 0)), bias])


def _set_prelu(layer, slopes):
    (alpha,) = layer.weights
    alpha.assign(np.broadcast_to(slopes, alpha.shape).astype("float32"))


# === The file ===


def read_state_dicts(path: str | os.PathLike) -> list[tuple[str, dict]]:
    """Reads the state dicts in a file of PyTorch or safetensors.

    Nothing in the file is executed. Pickles of anything but tensors and
    numbers raise an error.

    Args:
        path: Path of a file that holds a state dict, or a checkpoint with
            state dicts inside.

    Returns:
        List of tuples, outermost first: the name of a state dict in the file,
        such as `"best.params"`, empty for the file's own, and a dict of key
        to PyTorch tensor.

    Raises:
        ImportError: if PyTorch is not installed, or `safetensors` for such a
            file.
        OSError: if the file cannot be read.
        ValueError: if the file is damaged or holds more than tensors.

    Example:

    ```python
    from keras_srgan.torch_checkpoint import read_state_dicts

    for name, tensors in read_state_dicts("netG_epoch_4_100.pth"):
        print(name, list(tensors))
    ```
    """
    load = _load_safetensors if _is_safetensors(path) else _load
    return list(_state_dicts(load(path)))


def _is_safetensors(path):
    return str(path).endswith(".safetensors")


def _load(path):
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "To read a checkpoint of PyTorch, PyTorch is needed: "
            "`pip install keras-srgan[torch]`"
        ) from error
    try:
        with (
            warnings.catch_warnings(),
            torch.serialization.safe_globals(_NUMBERS),
        ):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch.load raises many classes
        reason = str(error)
        found = re.search(r"GLOBAL (\S+)|(TorchScript)", reason)
        if found:
            # Most often a whole pickled model, whose class is code.
            raise ValueError(
                f"{path} holds more than tensors ({found[1] or found[2]}), "
                "so reading it could run code. In the project that wrote it, "
                "save the weights only: "
                "`torch.save(model.state_dict(), 'weights.pth')`."
            ) from None
        raise ValueError(
            f"{path} is damaged or not a PyTorch checkpoint."
        ) from error


def _load_safetensors(path):
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise ImportError(
            f"Reading {path} needs PyTorch and the package safetensors: "
            "`pip install keras-srgan[torch]`"
        ) from error
    try:
        return load_file(path)
    except OSError:
        raise
    except Exception as error:  # of its own class
        raise ValueError(
            f"{path} is damaged or not a safetensors file: {error}"
        ) from error


class _NumPyNumber:
    """A placeholder for a NumPy number, such as the loss of an epoch.

    Unpickling it creates this object instead: no function of NumPy is called,
    regardless of the content of the file.
    """

    def __init__(self, *args):
        """Ignores the type and the bytes of the number."""

    def __setstate__(self, state):
        """Ignores the details of the type."""


_NUMBERS = [
    (_NumPyNumber, f"numpy.{name}")
    for name in ("dtype", "core.multiarray.scalar", "_core.multiarray.scalar")
]


def _find_msrresnet(state_dicts):
    for _, tensors in state_dicts:
        arrays = {
            key: tensor.detach().float().numpy()
            for key, tensor in tensors.items()
            if str(tensor.layout) == "torch.strided" and not tensor.is_meta
        }
        network = MSRResNet.from_torch_state(arrays)
        if network is not None:
            return network
    return None


def _find_network(state_dicts, path, batch_norm_epsilon):
    problems = []
    for name, tensors in state_dicts:
        try:
            return SRResNetReader(tensors, batch_norm_epsilon).network()
        except ValueError as error:
            problems.append(f"{name}: {error}" if name else str(error))
    raise ValueError(
        f"{path} is not an SRResNet that can be imported. "
        + ("\n".join(problems) or "There is no state dict in it.")
    )


def _state_dicts(content, name=""):
    """Yields the tensors of all mappings with weights, outermost first."""
    if isinstance(content, Mapping):
        tensors = {
            str(key): value
            for key, value in content.items()
            if hasattr(value, "detach")
        }
        # An optimizer's state has no weights.
        if any(key.rpartition(".")[2] == "weight" for key in tensors):
            yield name, tensors
        for key, value in content.items():
            yield from _state_dicts(value, f"{name}.{key}".strip("."))
