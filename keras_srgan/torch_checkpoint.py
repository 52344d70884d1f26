import os
import re
import warnings
from collections.abc import Mapping

import numpy as np

from keras_srgan.generator import Generator

# PyTorch's default, which all known networks use. State dicts do not hold it.
BATCH_NORM_EPSILON = 1e-5
BATCH_NORM = {"weight", "bias", "running_mean", "running_var"}
# The initial slope of PyTorch's PReLU: the slope of a layer that is not used.
UNTRAINED_SLOPE = 0.25


def import_torch_checkpoint(
    path: str | os.PathLike,
    mean: float | tuple[float, float, float] = 0.0,
    std: float | tuple[float, float, float] = 1.0,
    output_range: str = "tanh",
    pixel_shuffle: str = "crd",
) -> Generator:
    """Returns a generator with the weights of a PyTorch checkpoint.

    SRResNets are recognized by the shapes and the order of their layers,
    whatever their names: a convolution of RGB and a PReLU; residual blocks of
    two 3x3 convolutions and a PReLU; a convolution; for each doubling a
    convolution, a pixel shuffle and a PReLU; a convolution to RGB. The number
    of blocks and filters is free. Convolutions may have biases, and slopes
    may be shared or per channel. Batch normalizations are folded into the
    preceding convolutions.

    Nothing in the file is executed. Pickles of anything but tensors raise an
    error.

    Args:
        path: Path of a file that holds a state dict, or a checkpoint with a
            state dict inside. The first one of an SRResNet is used.
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

    Returns:
        A `Generator` with the outputs of the original network, including the
        borders of photos.

    Raises:
        ImportError: If PyTorch is not installed.
        OSError: If the file cannot be read.
        ValueError: If an argument is invalid, or if the file does not hold an
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

    network = _find_network(_load(path), path)
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


def _load(path):
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "To read a checkpoint of PyTorch, PyTorch is needed: "
            "`pip install keras-srgan[torch]`"
        ) from error
    try:
        with warnings.catch_warnings():
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


def _find_network(content, path):
    problems = []
    for name, tensors in _state_dicts(content):
        try:
            return _Reader(tensors).network()
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


# === The network ===


class _Reader:
    """Reads the layers of a state dict one after the other.

    PyTorch keeps the order in which layers were declared and names their
    tensors "weight", "bias", "running_mean" and "running_var". The rest of a
    key depends on the project.
    """

    def __init__(self, tensors):
        self.layers = {}
        for key, tensor in tensors.items():
            if tensor.ndim:  # skip counters, such as num_batches_tracked
                name, _, part = key.rpartition(".")
                if str(tensor.layout) != "torch.strided" or tensor.is_meta:
                    raise ValueError(
                        f"{key} holds no numbers: it is sparse or has no data."
                    )
                array = tensor.detach().double().numpy()
                self.layers.setdefault(name, {})[part] = array
        self.before = None
        self._check_keys()

    def network(self):
        """Returns the arrays of all layers; convolutions as (kernel, bias)."""
        sizes = [parts["weight"].shape for parts in self.layers.values()]
        filters = sizes[0][0]
        inner = [size[:2] == (filters, filters) for size in sizes]
        network = {
            "start_conv": self._conv(filters, 3, 9),
            "start_prelu": self._prelu(filters),
        }

        blocks, unused = [], []
        for _ in range(sum(inner) // 2):
            # Some projects declare the PReLU before or after both convolutions,
            # and some declare a second one that they never call.
            slopes = self._prelus(filters)
            before = bool(slopes)
            first = self._conv(filters, filters, 3)
            slopes += [] if before else self._prelus(filters)
            second = self._conv(filters, filters, 3)
            slopes += [] if before else self._prelus(filters)
            if not slopes:
                self._fail("a PReLU of this block")
            blocks.append((first, slopes[0], second))
            unused += slopes[1:]
        network["blocks"] = blocks

        network["end_conv"] = self._conv(filters, filters, 3)
        end_prelu = self._prelus(filters)
        if unused:
            unused += end_prelu
            end_prelu = []
        if any((slopes != UNTRAINED_SLOPE).any() for slopes in unused):
            raise ValueError(
                "Its residual blocks have a second PReLU with trained slopes."
            )
        network["end_prelu"] = end_prelu

        upscales = []
        while self._next_size()[:2] != (3, filters):
            conv = self._conv(4 * filters, filters, 3)
            upscales.append((conv, self._prelu(filters)))
        network["upscales"] = upscales
        network["rgb_conv"] = self._conv(3, filters, 9)
        if self.layers:
            raise ValueError(
                f"Unexpected after the last layer: {_names(self._keys())}."
            )
        if len(upscales) not in (1, 2, 3):
            raise ValueError(
                f"It enlarges {2 ** len(upscales)} times instead of 2, 4 or 8."
            )
        return network

    def _check_keys(self):
        missing, unexpected, misshapen = [], [], []
        for name, parts in self.layers.items():
            weight = parts.get("weight", np.empty(0))
            if weight.ndim == 4 or len(parts) == 1:
                needed, known = {"weight"}, {"weight", "bias"}
            elif parts.keys() & {"running_mean", "running_var"}:
                needed = known = BATCH_NORM
            else:
                needed = known = set()
            prefix = f"{name}." if name else ""
            missing += [prefix + part for part in sorted(needed - set(parts))]
            unexpected += [prefix + part for part in parts if part not in known]
            misshapen += [
                f"{prefix}{part} {array.shape}"
                for part, array in parts.items()
                if part in known - {"weight"}
                and array.shape != weight.shape[:1]
            ]
        problems = [
            f"{problem}: {_names(keys)}."
            for problem, keys in {
                "Missing": missing,
                "Unexpected": unexpected,
                "Shape differs from the weight's": misshapen,
            }.items()
            if keys
        ]
        if problems or not self.layers:
            raise ValueError(" ".join(problems) or "It has no layers.")

    def _conv(self, outputs, inputs, size):
        """Reads a convolution and folds in a following normalization."""
        parts = self._next()
        shape = parts.get("weight", np.empty(0)).shape
        if len(shape) != 4 or not (
            shape[:2] == (outputs, inputs)
            and shape[2] == shape[3] <= size
            and shape[2] % 2
        ):
            self._fail(
                f"a convolution {inputs} → {outputs}, at most {size}x{size}"
            )
        self._take()
        kernel, bias = parts["weight"], parts.get("bias", np.zeros(outputs))
        margin = (size - shape[2]) // 2
        kernel = np.pad(kernel, [(0, 0), (0, 0), (margin,) * 2, (margin,) * 2])

        parts = self._next()
        if "running_var" in parts and len(parts["weight"]) == outputs:
            self._take()
            scale = parts["weight"] / np.sqrt(
                parts["running_var"] + BATCH_NORM_EPSILON
            )
            kernel = kernel * scale.reshape(-1, 1, 1, 1)
            bias = (bias - parts["running_mean"]) * scale + parts["bias"]
        return kernel, bias

    def _prelu(self, filters):
        """Reads the slopes of a PReLU."""
        found = self._prelus(filters)
        return found[0] if found else self._fail("a PReLU")

    def _prelus(self, filters):
        """Reads the slopes if the next layer is a PReLU; returns a list."""
        parts = self._next()
        shape = parts.get("weight", np.empty(0)).shape
        if parts.keys() == {"weight"} and shape in ((1,), (filters,)):
            return [self._take()["weight"]]
        return []

    def _next(self):
        return next(iter(self.layers.values()), {})

    def _next_size(self):
        return self._next().get("weight", np.empty(0)).shape

    def _take(self):
        self.before = next(iter(self.layers))
        return self.layers.pop(self.before)

    def _keys(self):
        return [
            f"{name}.{part}" if name else part
            for name, parts in self.layers.items()
            for part in parts
        ]

    def _fail(self, expected):
        place = f"after {self.before!r}" if self.before else "at the start"
        found = "the file ends"
        if self.layers:
            key = self._keys()[0]
            found = f"{key} of shape {self._next_size()} comes"
        raise ValueError(f"Missing {place}: {expected}. Instead, {found}.")


def _names(keys, limit=10):
    more = f" and {len(keys) - limit} more" if len(keys) > limit else ""
    return ", ".join(keys[:limit]) + more
