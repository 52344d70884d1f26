import keras
from keras_hub.src.layers.preprocessing.image_converter import ImageConverter

from keras_srgan.hub.srgan_backbone import SRGANBackbone


@keras.saving.register_keras_serializable(package="keras_srgan")
class SRGANImageConverter(ImageConverter):
    """Converts photos to inputs of an `SRGANBackbone`.

    RGB in [0, 255] becomes [-1, 1]. Photos are never cropped, since the result
    must show the whole photo.

    Args:
        image_size: `(height, width)` tuple or `None`. The size to which
            photos are resized. Defaults to `None`, no resizing: the model
            takes photos of any size.
        scale: Three floats for red, green and blue, the factors of the
            levels. Defaults to `(1 / 127.5, 1 / 127.5, 1 / 127.5)`.
        offset: Three floats, added after the scaling. Defaults to
            `(-1.0, -1.0, -1.0)`.
        interpolation: String, see `keras_hub.layers.ImageConverter`. Defaults
            to `"bicubic"`.
        antialias: Boolean. Whether to filter when downsampling. Defaults to
            `True`.
        **kwargs: Other arguments of `keras_hub.layers.ImageConverter`.

    Example:

    ```python
    import numpy as np
    from keras_srgan.hub import SRGANImageConverter

    photos = np.zeros((2, 32, 48, 3), "uint8")
    SRGANImageConverter()(photos)  # (2, 32, 48, 3) of -1.0
    ```
    """

    backbone_cls = SRGANBackbone

    def __init__(
        self,
        image_size=None,
        scale=(1 / 127.5,) * 3,
        offset=(-1.0,) * 3,
        crop_to_aspect_ratio=False,
        interpolation="bicubic",
        antialias=True,
        **kwargs,
    ):
        if crop_to_aspect_ratio:
            raise ValueError(
                "`crop_to_aspect_ratio` must be False: photos are upscaled "
                "whole. Received: crop_to_aspect_ratio=True"
            )
        super().__init__(
            image_size=image_size,
            scale=scale,
            offset=offset,
            crop_to_aspect_ratio=False,
            interpolation=interpolation,
            antialias=antialias,
            **kwargs,
        )
