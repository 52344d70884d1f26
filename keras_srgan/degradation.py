"""The former home of `Degradation`, for code that imports it from here."""

from keras_srgan.degradations.bicubic import Degradation as Degradation
