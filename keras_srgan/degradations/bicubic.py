import keras
from keras import layers
from keras import ops

from keras_srgan.checks import check_integer


@keras.saving.register_keras_serializable(package="keras_srgan")
class Degradation(layers.Layer):
    """Downscales HR photos to clean LR images by antialiased bicubic.

    Levels are rounded, as they are in an image file. Antialiasing makes the
    result equal to the bicubic of Pillow and MATLAB and equal on all
    backends; a network trained without it learns the wrong inverse.

    For photos that are compressed, noisy or blurred, see `PhotoDegradation`.

    Args:
        scale: Integer, at least 2. The downscaling factor per side. Defaults
            to `4`.

    Input shape:
        `(batch, height, width, 3)`, RGB in [0, 255], height and width
        multiples of `scale`.

    Output shape:
        `(batch, height / scale, width / scale, 3)`, RGB in [0, 255], float32,
        whole levels.

    Example:

    ```python
    import numpy as np
    from keras_srgan import Degradation

    photos = np.random.randint(0, 256, (2, 128, 128, 3), "uint8")
    Degradation(scale=4)(photos).shape  # (2, 32, 32, 3)
    ```
    """

    def __init__(self, scale=4, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        check_integer(2, scale=scale)
        self.scale = scale

    def call(self, images):
        images = ops.cast(images, "float32")
        _, height, width, _ = ops.shape(images)
        size = []
        for side in (height, width):
            if isinstance(side, int) and side % self.scale:
                raise ValueError(
                    "The height and width of HR images must be multiples of "
                    f"the scale, {self.scale}. "
                    f"Received: shape={tuple(images.shape)}"
                )
            size.append(side // self.scale)
        images = ops.image.resize(
            images,
            size,
            interpolation="bicubic",
            antialias=True,
            data_format="channels_last",
        )
        return ops.round(ops.clip(images, 0, 255))

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (
            batch,
            height and height // self.scale,
            width and width // self.scale,
            channels,
        )

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}
