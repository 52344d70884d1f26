import functools

import keras
from keras import layers
from keras import ops

from keras_srgan.checks import check_integer
from keras_srgan.convolutions import ConvolutionMixin

# One slope per channel, shared over space: accepts images of any size.
PReLU = functools.partial(layers.PReLU, shared_axes=[1, 2])


@keras.saving.register_keras_serializable(package="keras_srgan")
class Conv2D(ConvolutionMixin, layers.Conv2D):
    """`keras.layers.Conv2D` with "same" padding, always channels last.

    The global `image_data_format` is ignored, because `depth_to_space` orders
    channels alike on all backends only in channels-last layout.

    Args:
        filters: Integer. Number of output channels.
        kernel_size: Integer or pair of integers, in pixels.
        **kwargs: Other arguments of `keras.layers.Conv2D`.

    Example:

    ```python
    import numpy as np
    from keras_srgan.layers import Conv2D

    Conv2D(64, 3)(np.zeros((1, 8, 8, 3), "float32")).shape  # (1, 8, 8, 64)
    ```
    """

    def __init__(self, filters, kernel_size, **kwargs):
        kwargs = {
            **kwargs,
            "padding": "same",
            "data_format": "channels_last",
        }
        super().__init__(filters, kernel_size, **kwargs)


@keras.saving.register_keras_serializable(package="keras_srgan")
class SquaresConv2D(Conv2D):
    """A faster `Conv2D` for large kernels, few filters and even image sizes.

    The weights and outputs are those of `Conv2D`. A convolution to a few
    channels leaves most vector units of a processor idle. This layer computes
    the four pixels of each 2x2 square at once, from 2x2 squares of the input:
    a quarter of the positions, four times the channels. The last convolution
    of a generator takes about a third of the time.

    Args:
        filters: Integer. Number of output channels.
        kernel_size: Integer, one more than a multiple of 4 (5, 9, 13, ...),
            so that the kernel reaches over a whole number of squares.
        **kwargs: Other arguments of `keras.layers.Conv2D`. `strides` must be
            1.

    Input shape:
        `(batch, height, width, channels)`, with even height and width.

    Raises:
        ValueError: if `kernel_size` or `strides` is not as above.

    Example:

    ```python
    import numpy as np
    from keras_srgan.layers import SquaresConv2D

    SquaresConv2D(3, 9)(np.zeros((1, 8, 8, 64), "float32")).shape
    # (1, 8, 8, 3)
    ```
    """

    def __init__(self, filters, kernel_size, **kwargs):
        super().__init__(filters, kernel_size, **kwargs)
        height, width = self.kernel_size
        if height != width or height % 4 != 1 or self.strides != (1, 1):
            raise ValueError(
                "`kernel_size` must be one more than a multiple of 4, and "
                f"`strides` 1. Received: kernel_size={kernel_size!r}, "
                f"strides={self.strides}"
            )

    def convolution_op(self, inputs, kernel):
        size, _, channels, filters = kernel.shape
        squares = (size + 1) // 2
        # One kernel per pixel (dy, dx) of an output square, padded to whole
        # input squares.
        kernels = [
            ops.pad(kernel, ((dy, 1 - dy), (dx, 1 - dx), (0, 0), (0, 0)))
            for dy in (0, 1)
            for dx in (0, 1)
        ]
        kernel = ops.reshape(
            ops.stack(kernels, axis=3),
            (squares, 2, squares, 2, channels, 4 * filters),
        )
        kernel = ops.reshape(
            ops.transpose(kernel, (0, 2, 1, 3, 4, 5)),
            (squares, squares, 4 * channels, 4 * filters),
        )
        x = ops.space_to_depth(inputs, 2, data_format="channels_last")
        x = super().convolution_op(x, kernel)
        return ops.depth_to_space(x, 2, data_format="channels_last")


@keras.saving.register_keras_serializable(package="keras_srgan")
class PixelShuffle(layers.Layer):
    """Rearranges channels into space, as sub-pixel convolution does.

    Args:
        block_size: Integer, at least 1. Factor by which height and width
            grow.

    Input shape: `(batch, height, width, block_size**2 * channels)`.

    Output shape:
        `(batch, block_size * height, block_size * width, channels)`. Input
        channel `(dy * block_size + dx) * channels + c` becomes channel `c` at
        row `dy` and column `dx` of each output square.

    Example:

    ```python
    import numpy as np
    from keras_srgan.layers import PixelShuffle

    PixelShuffle(2)(np.zeros((1, 8, 8, 256), "float32")).shape
    # (1, 16, 16, 64)
    ```

    Reference: Shi et al., "Real-Time Single Image and Video Super-Resolution
    Using an Efficient Sub-Pixel Convolutional Neural Network" (2016), section
    3.2, https://arxiv.org/abs/1609.05158
    """

    def __init__(self, block_size, **kwargs):
        super().__init__(**kwargs)
        check_integer(1, block_size=block_size)
        self.block_size = block_size

    def build(self, input_shape):
        channels = input_shape[-1]
        if len(input_shape) != 4 or channels % self.block_size**2:
            raise ValueError(
                "The input must have shape (batch, height, width, channels) "
                "with channels a multiple of `block_size**2` = "
                f"{self.block_size**2}. Received: shape={tuple(input_shape)}"
            )

    def call(self, inputs):
        return ops.depth_to_space(
            inputs, self.block_size, data_format="channels_last"
        )

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (
            batch,
            height and height * self.block_size,
            width and width * self.block_size,
            channels // self.block_size**2,
        )

    def get_config(self):
        return {**super().get_config(), "block_size": self.block_size}


@keras.saving.register_keras_serializable(package="keras_srgan")
class LevelClipping(layers.Layer):
    """Clips levels to [0, 255], except in training.

    Without clipping in training, levels outside the range keep their
    gradient.

    Input and output shape: any.

    Example:

    ```python
    import numpy as np
    from keras_srgan.layers import LevelClipping

    levels = np.array([-3.0, 128.0, 260.0])
    LevelClipping()(levels)  # [0, 128, 255]
    LevelClipping()(levels, training=True)  # [-3, 128, 260]
    ```
    """

    def call(self, inputs, training=None):
        return inputs if training else ops.clip(inputs, 0, 255)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="keras_srgan")
class ResidualBlock(layers.Layer):
    """Two 3x3 convolutions with a PReLU between them, plus a skip connection.

    Args:
        filters: Integer. Channels of both convolutions and of the input.
        use_batch_norm: Boolean. Whether batch normalization follows each
            convolution, as in the paper. Defaults to `False`: the network
            trains as well without it and keeps the contrast of each photo.
        use_bias: Boolean. Whether the convolutions have biases. Defaults to
            `False`.

    Input and output shape: `(batch, height, width, filters)`.

    Example:

    ```python
    import numpy as np
    from keras_srgan.layers import ResidualBlock

    ResidualBlock(64)(np.zeros((1, 8, 8, 64), "float32")).shape
    # (1, 8, 8, 64)
    ```

    Reference: Ledig et al., "Photo-Realistic Single Image Super-Resolution
    Using a Generative Adversarial Network" (2017), section 2.1 and figure 4,
    https://arxiv.org/abs/1609.04802
    """

    def __init__(self, filters, use_batch_norm=False, use_bias=False, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.use_batch_norm = use_batch_norm
        self.use_bias = use_bias

        def conv():
            return Conv2D(
                filters, 3, use_bias=use_bias, dtype=self.dtype_policy
            )

        def norm():
            return layers.BatchNormalization(dtype=self.dtype_policy)

        prelu = PReLU(dtype=self.dtype_policy)
        if use_batch_norm:
            self.steps = [conv(), norm(), prelu, conv(), norm()]
        else:
            self.steps = [conv(), prelu, conv()]

    def build(self, input_shape):
        if len(input_shape) != 4 or input_shape[-1] != self.filters:
            raise ValueError(
                "The input must have shape (batch, height, width, filters) "
                f"with filters={self.filters}. "
                f"Received: shape={tuple(input_shape)}"
            )
        for layer in self.steps:
            layer.build(input_shape)

    def call(self, inputs, training=None):
        x = inputs
        for layer in self.steps:
            if isinstance(layer, layers.BatchNormalization):
                x = layer(x, training=training)
            else:
                x = layer(x)
        return inputs + x

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "use_batch_norm": self.use_batch_norm,
            "use_bias": self.use_bias,
        }
