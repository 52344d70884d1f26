"""SRGAN as a model of keras-hub: backbone, task, preprocessor and presets.

The modules are laid out and named as those of keras-hub. Like its own models,
they import from `keras_hub.src`.
"""

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
