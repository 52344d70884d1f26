"""Layers that turn HR photos into degraded LR images.

`Degradation` is clean: antialiased bicubic downscaling, the default of
`SRGAN`. `PhotoDegradation` adds the others in their usual order.
"""

from keras_srgan.degradations.bicubic import Degradation
from keras_srgan.degradations.blur import GaussianBlur
from keras_srgan.degradations.chain import DegradationChain
from keras_srgan.degradations.jpeg import JPEGCompression
from keras_srgan.degradations.measurement import PhotoMeasurement
from keras_srgan.degradations.measurement import measure_photo
from keras_srgan.degradations.noise import SensorNoise
from keras_srgan.degradations.parse import degrade_photo
from keras_srgan.degradations.parse import parse_degradation
from keras_srgan.degradations.photo import PhotoDegradation
from keras_srgan.degradations.report import PhotoReport
from keras_srgan.degradations.resize import RandomResize
from keras_srgan.degradations.sinc import SincFilter

__all__ = [
    "Degradation",
    "DegradationChain",
    "GaussianBlur",
    "JPEGCompression",
    "PhotoDegradation",
    "PhotoMeasurement",
    "PhotoReport",
    "RandomResize",
    "SensorNoise",
    "SincFilter",
    "degrade_photo",
    "measure_photo",
    "parse_degradation",
]
