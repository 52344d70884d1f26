"""Random numbers for the images of a batch that several devices may share.

Each device draws for the whole batch and takes its part, so the numbers are
the same on one device and on many.
"""

import keras

from keras_srgan.collectives import share


def uniform(shape, low, high, seed):
    """Returns uniform random numbers for this device's part of a batch.

    Args:
        shape: Tuple, the batch size of this device first.
        low, high: Floats, the bounds.
        seed: `keras.random.SeedGenerator`.
    """
    return _draw(keras.random.uniform, shape, low, high, seed)


def normal(shape, seed):
    """Returns standard normal numbers for this device's part of a batch.

    Args:
        shape: Tuple, the batch size of this device first.
        seed: `keras.random.SeedGenerator`.
    """
    return _draw(keras.random.normal, shape, 0.0, 1.0, seed)


def _draw(function, shape, first, second, seed):
    index, count = share()
    batch, *rest = shape
    draws = function(
        (count * batch, *rest), first, second, dtype="float32", seed=seed
    )
    return draws[index * batch : (index + 1) * batch]
