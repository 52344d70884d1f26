import keras

from keras_srgan.hub.image_upscaler_preprocessor import (
    ImageUpscalerPreprocessor,
)
from keras_srgan.hub.srgan_backbone import SRGANBackbone
from keras_srgan.hub.srgan_image_converter import SRGANImageConverter


@keras.saving.register_keras_serializable(package="keras_srgan")
class SRGANImageUpscalerPreprocessor(ImageUpscalerPreprocessor):
    backbone_cls = SRGANBackbone
    image_converter_cls = SRGANImageConverter
