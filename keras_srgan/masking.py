import keras
from keras import layers
from keras import ops

from keras_srgan.layers import ResidualBlock
from keras_srgan.msrresnet import BilinearUpsampling

CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)


def run_masked(function: keras.Function, window, size):
    """Runs a network on an image that is padded at the bottom and right.

    The output for the image is that for the image alone: each convolution
    gets zeros beyond the image's ends, as a "same" convolution pads there.
    So images of many sizes share one input shape, and one compilation.

    Args:
        function: `keras.Function` from one image to one image, of the layers
            that `receptive_field` knows.
        window: Tensor `(batch, height, width, channels)` of a static shape.
        size: Integer tensor of shape `(2,)`. Height and width of the image
            within the window.

    Returns:
        The output for the window. Its values beyond the image's ends have no
        meaning.
    """
    side = window.shape[1]

    def mask(x):
        rows, columns = _indices(x)
        height, width = _size_in(x)
        inside = (rows < height)[:, None] & (columns < width)
        return ops.where(inside[None, :, :, None], x, ops.zeros_like(x))

    def repeat_edge(x):
        for axis, index, length in zip(
            (1, 2), _indices(x), _size_in(x), strict=True
        ):
            x = ops.take(x, ops.minimum(index, length - 1), axis=axis)
        return x

    def _size_in(x):
        scale = x.shape[1] // side
        return scale * size[0], scale * size[1]

    def masked(layer):
        if isinstance(layer, CONVOLUTIONS):
            return lambda x: layer(mask(x))
        if isinstance(layer, BilinearUpsampling):
            return lambda x: layer(repeat_edge(x))
        if isinstance(layer, ResidualBlock):
            return lambda x: x + _chain(map(masked, layer.steps), x)
        if getattr(layer, "inputs", None):
            inner = keras.Function(layer.inputs, layer.outputs)
            return lambda x, **_: inner._run_through_graph(x, masked)[0]
        return layer

    return function._run_through_graph(window, masked)


def _indices(x):
    return ops.arange(x.shape[1]), ops.arange(x.shape[2])


def _chain(steps, x):
    for step in steps:
        x = step(x)
    return x
