import keras
from keras import layers
from keras_hub.src.models.preprocessor import Preprocessor
from keras_hub.src.utils.tensor_utils import preprocessing_function


@keras.saving.register_keras_serializable(package="keras_srgan")
class ImageUpscalerPreprocessor(Preprocessor):
    """Base class for image upscaling preprocessing layers.

    It wraps a `keras_hub.layers.ImageConverter`, which converts the
    low-resolution images `x`. The high-resolution images `y` stay RGB in
    [0, 255]. If the converter resizes `x`, then `y` is resized to
    `upscale_factor` times that size, so that both stay aligned.

    The layer returns `x`, or `(x, y)`, or `(x, y, sample_weight)`, depending
    on its inputs.

    Args:
        image_converter: A `keras_hub.layers.ImageConverter`, or `None`.
        upscale_factor: Integer. The ratio of the sides of `y` and `x`.
            Defaults to `4`.

    Example:

    ```python
    import numpy as np
    from keras_srgan.hub import ImageUpscalerPreprocessor

    preprocessor = ImageUpscalerPreprocessor.from_preset("srgan_x4")
    x = np.random.randint(0, 256, (2, 24, 32, 3))
    y = np.random.randint(0, 256, (2, 96, 128, 3))
    x = preprocessor(x)
    x, y = preprocessor(x, y)
    ```
    """

    def __init__(self, image_converter=None, upscale_factor=4, **kwargs):
        super().__init__(**kwargs)
        self.image_converter = image_converter
        self.upscale_factor = upscale_factor

    @preprocessing_function
    def call(self, x, y=None, sample_weight=None):
        if y is not None:
            self._check_register(x, y)
            if self.image_size is not None:
                y = self._resize(y)
        if self.image_converter:
            x = self.image_converter(x)
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)

    def _check_register(self, x, y):
        shapes = tuple(x.shape), tuple(y.shape)
        # The same with and without a batch, and in both data formats.
        for small, large in zip(*shapes, strict=True):
            if None in (small, large) or small == large:
                continue
            if large != small * self.upscale_factor:
                raise ValueError(
                    f"`y` must be {self.upscale_factor} times as large as `x` "
                    f"per side. Received: x.shape={shapes[0]}, "
                    f"y.shape={shapes[1]}"
                )

    def _resize(self, y):
        converter = self.image_converter
        height, width = self.image_size
        resizing = layers.Resizing.from_config(
            {
                **converter.resizing.get_config(),
                "height": self.upscale_factor * height,
                "width": self.upscale_factor * width,
                "name": None,
            }
        )
        return resizing(y)

    def get_config(self):
        return {**super().get_config(), "upscale_factor": self.upscale_factor}
