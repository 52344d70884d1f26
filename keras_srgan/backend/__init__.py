"""Layer code that differs between backends.

`layers.py` imports `ConvolutionMixin` from here. A backend that needs nothing
special gets an empty mixin.
"""

import keras

if keras.backend.backend() == "torch":
    from keras_srgan.backend.torch import ConvolutionMixin
else:

    class ConvolutionMixin:
        """Leaves `keras.layers.Conv2D` as it is."""
