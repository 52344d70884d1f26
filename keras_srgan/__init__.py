from keras_srgan.discriminator import Discriminator
from keras_srgan.generator import Generator

__version__ = "0.1.0"
