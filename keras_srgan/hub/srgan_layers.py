import keras
from keras import ops
from keras_hub.src.utils.keras_utils import standardize_data_format


@keras.saving.register_keras_serializable(package="keras_srgan")
class ChannelPReLU(keras.layers.Layer):
    """A PReLU with one slope per channel, in either data format.

    Unlike in `keras.layers.PReLU` with shared axes, the shape of its weight
    does not depend on the data format: a preset loads in both.

    Args:
        data_format: String, `"channels_last"` or `"channels_first"`. Defaults
            to the global image data format.

    Input and output shape: images of the data format.

    Example:

    ```python
    import numpy as np
    from keras_srgan.hub.srgan_layers import ChannelPReLU

    ChannelPReLU()(np.full((1, 2, 2, 3), -1.0)).shape  # (1, 2, 2, 3)
    ```
    """

    def __init__(self, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)

    def build(self, input_shape):
        axis = -1 if self.data_format == "channels_last" else 1
        self.slopes = self.add_weight(
            shape=(input_shape[axis],), initializer="zeros", name="slopes"
        )

    def call(self, inputs):
        slopes = ops.convert_to_tensor(self.slopes, self.compute_dtype)
        if self.data_format == "channels_first":
            slopes = ops.reshape(slopes, (-1, 1, 1))
        return ops.relu(inputs) - slopes * ops.relu(-inputs)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}


@keras.saving.register_keras_serializable(package="keras_srgan")
class SubPixelShuffle(keras.layers.Layer):
    """Rearranges channels into space, in the same order in both data formats.

    `keras.ops.depth_to_space` has another order for `"channels_first"`, which
    depends on the backend.

    Args:
        block_size: Integer. The factor by which height and width grow.
        data_format: String, `"channels_last"` or `"channels_first"`. Defaults
            to the global image data format.

    Input shape: images with `block_size**2 * channels` channels.

    Output shape:
        Images with `channels` channels. Input channel
        `(dy * block_size + dx) * channels + c` becomes channel `c` at row `dy`
        and column `dx` of each output square.

    Example:

    ```python
    import numpy as np
    from keras_srgan.hub.srgan_layers import SubPixelShuffle

    shuffle = SubPixelShuffle(2, data_format="channels_first")
    shuffle(np.zeros((1, 12, 4, 5))).shape  # (1, 3, 8, 10)
    ```

    Reference: Shi et al., "Real-Time Single Image and Video Super-Resolution
    Using an Efficient Sub-Pixel Convolutional Neural Network" (2016), section
    3.2, https://arxiv.org/abs/1609.05158
    """

    def __init__(self, block_size, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.block_size = block_size
        self.data_format = standardize_data_format(data_format)

    def call(self, inputs):
        size = self.block_size
        if self.data_format == "channels_last":
            return ops.depth_to_space(inputs, size, data_format="channels_last")
        _, channels, height, width = ops.shape(inputs)
        channels //= size**2
        x = ops.reshape(inputs, (-1, size, size, channels, height, width))
        x = ops.transpose(x, (0, 3, 4, 1, 5, 2))
        return ops.reshape(x, (-1, channels, height * size, width * size))

    def compute_output_shape(self, input_shape):
        size = self.block_size
        shape = list(input_shape)
        channels, *space = (
            (3, 1, 2) if self.data_format == "channels_last" else (1, 2, 3)
        )
        shape[channels] //= size**2
        for axis in space:
            shape[axis] = shape[axis] and shape[axis] * size
        return tuple(shape)

    def get_config(self):
        return {
            **super().get_config(),
            "block_size": self.block_size,
            "data_format": self.data_format,
        }


@keras.saving.register_keras_serializable(package="keras_srgan")
class RGBLevels(keras.layers.Layer):
    """Scales network outputs to RGB levels; clips them, except in training.

    In training, levels outside of [0, 255] keep their gradient.

    Args:
        offset: Float, or three floats for red, green and blue: the level of
            an output of zero.
        data_format: String, `"channels_last"` or `"channels_first"`. Defaults
            to the global image data format.

    Input and output shape: images of the data format.

    Example:

    ```python
    import numpy as np
    from keras_srgan.hub.srgan_layers import RGBLevels

    RGBLevels(127.5)(np.full((1, 1, 1, 3), 0.2))  # 153
    ```
    """

    def __init__(self, offset, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.offset = offset
        self.data_format = standardize_data_format(data_format)

    def call(self, inputs, training=None):
        offset = ops.convert_to_tensor(self.offset, inputs.dtype)
        if self.data_format == "channels_first" and offset.shape:
            offset = ops.reshape(offset, (-1, 1, 1))
        levels = 127.5 * inputs + offset
        return levels if training else ops.clip(levels, 0, 255)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "offset": self.offset,
            "data_format": self.data_format,
        }
