"""Twenty steps from one start on one backend: a part of test_backends.py.

    KERAS_BACKEND=jax python tests/steps.py START.npz VGG.weights.h5 OUT.npz

START holds `photos` (80, 32, 32, 3) and, one array a weight, `weight_0`…
"""

import sys

import keras
import numpy as np

from keras_srgan import SRGAN
from keras_srgan import Discriminator
from keras_srgan import Generator
from keras_srgan import VGGContentLoss


def make_srgan():
    srgan = SRGAN(
        Generator(num_blocks=2, filters=8),
        Discriminator(filters=4),
        augmentation=keras.layers.Identity(),
    )
    # At first a discriminator says nearly 0 of all photos, and its gradient is
    # a difference of nearly equal numbers: rounding. Let it have an opinion.
    for weight in srgan.discriminator.trainable_variables:
        if len(weight.shape) == 4:
            weight.assign(2 * weight)
    return srgan


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.001),
    "adam": lambda: keras.optimizers.Adam(1e-4, epsilon=1e-8),
}


def main(start, vgg, out):
    start = np.load(start)
    weights = [start[f"weight_{i}"] for i in range(len(start) - 1)]
    results = {}
    for optimizer, make in OPTIMIZERS.items():
        for loss in (VGGContentLoss(weights=vgg), "mse"):
            srgan = make_srgan()
            srgan.compile(make(), make(), loss, pixel_weight=0.1)
            srgan.set_weights(weights)
            srgan.fit(
                start["photos"],
                batch_size=4,
                epochs=1,
                shuffle=False,
                verbose=0,
            )
            name = loss if loss == "mse" else "vgg"
            for i, weight in enumerate(srgan.trainable_variables):
                results[f"{optimizer} {name} {i}"] = np.array(weight.numpy())
    np.savez(out, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
