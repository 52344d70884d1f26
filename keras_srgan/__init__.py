"""SRGAN in Keras 3: 4x photo super-resolution on any backend."""

from keras_srgan.augmentation import Augmentation
from keras_srgan.data import ImageFolder
from keras_srgan.degradation import Degradation
from keras_srgan.discriminator import Discriminator
from keras_srgan.distribution import distribute
from keras_srgan.generator import Generator
from keras_srgan.losses import PixelLoss
from keras_srgan.losses import VGGContentLoss
from keras_srgan.metrics import PSNR
from keras_srgan.metrics import SSIM
from keras_srgan.metrics import psnr
from keras_srgan.metrics import ssim
from keras_srgan.msrresnet import MSRResNet
from keras_srgan.preset import presets
from keras_srgan.srgan import SRGAN
from keras_srgan.upscaling import upscale

__version__ = "0.1.0"
