"""The part of `keras_srgan.layers.Conv2D` that differs between backends."""

import keras

if keras.backend.backend() == "torch":
    from keras_srgan.convolutions.torch import ConvolutionMixin
else:

    class ConvolutionMixin:
        """Leaves `keras.layers.Conv2D` as it is."""
