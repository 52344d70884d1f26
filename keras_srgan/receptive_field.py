import dataclasses
import math
from fractions import Fraction

import keras
from keras import layers

from keras_srgan.layers import LevelClipping
from keras_srgan.layers import PixelShuffle
from keras_srgan.layers import ResidualBlock
from keras_srgan.masking import CONVOLUTIONS
from keras_srgan.masking import run_masked
from keras_srgan.msrresnet import BilinearUpsampling

# Layers whose output at a position depends only on the input there.
POINTWISE = (
    layers.Activation,
    layers.Add,
    layers.Average,
    layers.BatchNormalization,
    layers.Concatenate,
    layers.Dense,
    layers.Dropout,
    layers.ELU,
    layers.Identity,
    layers.LeakyReLU,
    LevelClipping,
    layers.Multiply,
    layers.PReLU,
    layers.ReLU,
    layers.Rescaling,
    layers.SpatialDropout2D,
    layers.Subtract,
)


@dataclasses.dataclass(frozen=True)
class ReceptiveField:
    """The input pixels that one position of a feature map depends on.

    Args:
        scale: Integer. Positions per input pixel, along a side.
        radius: Fraction. Input pixels on either side of the position's own.
    """

    scale: int = 1
    radius: Fraction = Fraction(0)

    @property
    def halo(self) -> int:
        """The radius rounded up to whole input pixels."""
        return math.ceil(self.radius)


def receptive_field(model: keras.Model) -> ReceptiveField:
    """Computes the receptive field of a network from its layers.

    The radii of layers in sequence add up, and the widest of parallel branches
    counts. A convolution of size `k` and dilation `d` adds `d * (k - 1) / 2`
    positions, each of which is `1 / s` input pixels after upscaling by `s`.

    Args:
        model: Functional or sequential `keras.Model` with one input and one
            output, of shapes `(batch, height, width, channels)`, made of
            "same" convolutions, pointwise layers, `PixelShuffle`,
            `ResidualBlock`, `BilinearUpsampling` and nearest `UpSampling2D`.

    Returns:
        The `ReceptiveField` of the output.

    Raises:
        ValueError: if a layer is of another kind, whose receptive field is
            unknown.

    Example:

    ```python
    from keras_srgan import Generator
    from keras_srgan.receptive_field import receptive_field

    field = receptive_field(Generator(scale=4, num_blocks=16))
    field.scale, field.radius, field.halo  # (4, Fraction(79, 2), 40)
    ```
    """
    return _walk(keras.Function(model.inputs, model.outputs))[-1].field


class Part(keras.Model):
    """A part of a functional model, which shares its layers.

    Unlike `keras.Model(inputs, outputs)`, it may start at an inner tensor
    without changing the graph. It takes an image, or a padded image and the
    size of the image within it: see `run_masked`.

    Args:
        inputs, outputs: `KerasTensor`s of one functional model.

    Attributes:
        field: The `ReceptiveField` of its output.
        widest: Integer. Values per input position of the largest feature
            map.
    """

    def __init__(self, inputs, outputs):
        super().__init__()
        self.function = keras.Function(inputs, outputs)
        self.steps = [
            operation
            for operation in self.function.operations
            if isinstance(operation, layers.Layer)
        ]
        self.built = True
        if keras.backend.backend() == "tensorflow":
            # XLA, Keras' choice on a GPU, compiles for each size of image.
            self.jit_compile = False

        maps = _walk(self.function)
        self.field = maps[-1].field
        self.widest = max(
            here.tensor.shape[-1] * here.field.scale**2 for here in maps
        )

    def call(self, inputs):
        if isinstance(inputs, tuple | list):
            return run_masked(self.function, *inputs)
        return self.function(inputs)


def split(model: keras.Model) -> list[Part]:
    """Splits a network in two, before it upscales.

    The first part has a large receptive field and works at the input's
    resolution; the second has a small one and holds the large feature maps.
    The split is at a feature map after the first convolution that all data
    passes through: the last of those with the fewest channels.

    Args:
        model: As for `receptive_field`.

    Returns:
        List of the two `Part`s, to be called in sequence; or of one, the whole
        network, if no feature map is suitable.
    """
    maps = _walk(keras.Function(model.inputs, model.outputs))
    cut = None
    for i, here in enumerate(maps[:-1]):
        if (
            here.field.scale == 1
            and here.field.radius > 0
            and all(before.last_use <= i for before in maps[:i])
            and (cut is None or here.tensor.shape[-1] <= cut.shape[-1])
        ):
            cut = here.tensor
    (start,), (end,) = model.inputs, model.outputs
    if cut is None:
        return [Part(start, end)]
    return [Part(start, cut), Part(cut, end)]


@dataclasses.dataclass
class _FeatureMap:
    tensor: keras.KerasTensor
    field: ReceptiveField
    last_use: int


def _walk(function):
    """Returns the input and all feature maps, in order of computation.

    `last_use` is the index of the last map that is computed from each.
    """
    maps = [_FeatureMap(function.inputs[0], ReceptiveField(), 0)]
    index = {id(function.inputs[0]): 0}
    for depth in sorted(function._nodes_by_depth, reverse=True):
        for node in function._nodes_by_depth[depth]:
            if id(node.outputs[0]) in index:
                continue
            sources = [maps[index[id(x)]] for x in node.input_tensors]
            for source in sources:
                source.last_use = len(maps)
            field = _join([source.field for source in sources], node.operation)
            (output,) = node.outputs
            index[id(output)] = len(maps)
            maps.append(_FeatureMap(output, _through(node.operation, field), 0))
    return maps


def _join(fields, layer):
    if len({field.scale for field in fields}) > 1:
        raise ValueError(
            "Branches that are merged must have the same resolution. "
            f"Received: layer={layer.name!r} with inputs {fields}"
        )
    return max(fields, key=lambda field: field.radius)


def _through(layer, field):
    if isinstance(layer, CONVOLUTIONS):
        seen = max(
            dilation * (size - 1)
            for dilation, size in zip(
                layer.dilation_rate, layer.kernel_size, strict=True
            )
        )
        if set(layer.strides) != {1} or (seen and layer.padding != "same"):
            raise ValueError(
                'Convolutions must have padding="same" and strides=1, so that '
                "every input pixel becomes one square of output pixels. "
                f"Received: layer={layer.name!r} with "
                f"padding={layer.padding!r}, strides={layer.strides}"
            )
        return ReceptiveField(
            field.scale,
            field.radius + Fraction(math.ceil(seen / 2), field.scale),
        )
    if isinstance(layer, PixelShuffle):
        return ReceptiveField(field.scale * layer.block_size, field.radius)
    if (
        isinstance(layer, layers.UpSampling2D)
        and layer.interpolation == "nearest"
        and layer.size[0] == layer.size[1]
    ):
        return ReceptiveField(field.scale * layer.size[0], field.radius)
    if isinstance(layer, BilinearUpsampling):
        radius = field.radius + Fraction(1, field.scale)
        return ReceptiveField(field.scale * layer.scale, radius)
    if isinstance(layer, ResidualBlock):
        for step in layer.steps:
            field = _through(step, field)
        return field
    if getattr(layer, "inputs", None):
        inner = receptive_field(layer)
        return ReceptiveField(
            field.scale * inner.scale, field.radius + inner.radius / field.scale
        )
    if isinstance(layer, POINTWISE):
        return field
    raise ValueError(
        "Cannot compute the receptive field of this kind of layer, and so the "
        "overlap of tiles. Networks may have convolutions, pointwise layers, "
        "`PixelShuffle`, `ResidualBlock`, `BilinearUpsampling` and nearest "
        "`UpSampling2D`. "
        f"Received: layer={layer.name!r} of class {type(layer).__name__}"
    )
