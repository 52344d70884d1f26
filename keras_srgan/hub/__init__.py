"""SRGAN as a model of keras-hub: backbone, task, preprocessor and presets.

The modules are laid out and named as those of keras-hub. Like its own models,
they import from `keras_hub.src`.
"""

import warnings

try:
    import keras_hub  # noqa: F401
except ImportError as error:
    raise ImportError(
        "`keras_srgan.hub` needs keras-hub: `pip install keras-srgan[hub]`"
    ) from error

from keras_hub.src.utils.preset_utils import register_presets

from keras_srgan.hub.image_upscaler import ImageUpscaler
from keras_srgan.hub.image_upscaler_preprocessor import (
    ImageUpscalerPreprocessor,
)
from keras_srgan.hub.srgan_backbone import SRGANBackbone
from keras_srgan.hub.srgan_image_converter import SRGANImageConverter
from keras_srgan.hub.srgan_image_upscaler import SRGANImageUpscaler
from keras_srgan.hub.srgan_image_upscaler_preprocessor import (
    SRGANImageUpscalerPreprocessor,
)
from keras_srgan.hub.srgan_presets import backbone_presets
from keras_srgan.hub.upload import upload_preset

register_presets(backbone_presets, SRGANBackbone)

__all__ = [
    "ImageUpscaler",
    "ImageUpscalerPreprocessor",
    "SRGANBackbone",
    "SRGANImageConverter",
    "SRGANImageUpscaler",
    "SRGANImageUpscalerPreprocessor",
    "upload_preset",
]


def _from_generator(cls, generator):
    warnings.warn(
        "`SRGANBackbone.from_generator` is deprecated: use "
        "`SRGANImageUpscaler.from_generator`, which this returns.",
        DeprecationWarning,
        stacklevel=2,
    )
    return SRGANImageUpscaler.from_generator(generator)


# In version 0.1 a backbone was a whole generator. Here, because the backbone
# does not import the task.
SRGANBackbone.from_generator = classmethod(_from_generator)
