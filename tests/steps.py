"""Steps from one start on one backend: a part of test_backends.py.

    KERAS_BACKEND=jax python tests/steps.py START.npz VGG.weights.h5 OUT.npz

START holds `photos` (40, 32, 32, 3) and one array per weight, `weight_0`…
"""

import sys

import keras
import numpy as np

from keras_srgan import SRGAN
from keras_srgan import Discriminator
from keras_srgan import Generator
from keras_srgan import Muon
from keras_srgan import UNetDiscriminator
from keras_srgan import VGGContentLoss


def make_srgan(discriminator=None):
    srgan = SRGAN(
        Generator(num_blocks=2, filters=8),
        Discriminator(filters=4) if discriminator is None else discriminator,
        augmentation=keras.layers.Identity(),
    )
    # The logits of a new discriminator are all nearly 0, and its gradient is a
    # difference of nearly equal numbers: rounding. Larger kernels prevent it.
    for weight in srgan.discriminator.trainable_variables:
        if len(weight.shape) == 4:
            weight.assign(2 * weight)
    return srgan


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.001),
    "adam": lambda: keras.optimizers.Adam(1e-4, epsilon=1e-8),
    "muon": lambda: Muon(1e-4),
}
# Name to arguments of `compile` and the discriminator.
OPTIONS = {
    "layers relativistic": (
        {
            "content_loss": "layers",
            "adversarial_loss": "relativistic",
            "pixel_loss": "mae",
            "pixel_weight": 1.0,
        },
        lambda: Discriminator(filters=4),
    ),
    "hinge grid spectral": (
        {
            "content_loss": "mae",
            "adversarial_loss": "hinge",
            "adversarial_weight": 0.1,
            "grid_weight": 10.0,
            "spectrum_weight": 0.1,
        },
        lambda: Discriminator(filters=4, spectral_normalization=True),
    ),
    "least_squares unet muon": (
        {
            "generator_optimizer": "muon",
            "content_loss": "mse",
            "adversarial_loss": "least_squares",
            "adversarial_weight": 0.1,
        },
        lambda: UNetDiscriminator(filters=4),
    ),
}


def draw_weights(srgan):
    """Gives the same weights to a model on each backend."""
    rng = np.random.default_rng(0)
    for weight in srgan.weights:
        if weight.name not in ("kernel", "left_vector"):
            continue
        # Small enough that no generated image has clipped areas, where
        # neighbors tie in VGG19's poolings.
        fan_in = np.prod(weight.shape[:-1])
        values = rng.normal(0, np.sqrt(1 / fan_in), weight.shape)
        if weight.name == "left_vector":
            values /= np.linalg.norm(values)
        weight.assign(values)


def fit(srgan, photos):
    srgan.fit(photos, batch_size=4, epochs=1, shuffle=False, verbose=0)
    return [
        np.array(variable.numpy())
        for variable in srgan.trainable_variables
        + srgan.discriminator.non_trainable_variables
    ]


def main(start, vgg, out):
    start = np.load(start)
    weights = [start[f"weight_{i}"] for i in range(len(start) - 1)]
    results = {}
    for optimizer in ("sgd", "adam"):
        make = OPTIMIZERS[optimizer]
        for loss in (VGGContentLoss(weights=vgg), "mse"):
            srgan = make_srgan()
            srgan.compile(make(), make(), loss, pixel_weight=0.1)
            srgan.set_weights(weights)
            name = loss if loss == "mse" else "vgg"
            for i, weight in enumerate(fit(srgan, start["photos"])):
                results[f"{optimizer} {name} {i}"] = weight
    for name, (arguments, make_discriminator) in OPTIONS.items():
        srgan = make_srgan(make_discriminator())
        if arguments["content_loss"] == "layers":
            arguments["content_loss"] = VGGContentLoss(
                {"block1_conv2": 0.1, "block3_conv4": 1.0},
                weights=vgg,
                before_activation=True,
                distance="absolute",
                feature_scale=0.01,
            )
        optimizer = arguments.pop("generator_optimizer", "adam")
        srgan.compile(
            OPTIMIZERS[optimizer](), OPTIMIZERS["adam"](), **arguments
        )
        draw_weights(srgan)
        before = [np.array(v.numpy()) for v in srgan.trainable_variables]
        after = fit(srgan, start["photos"])
        for i, weight in enumerate(after):
            results[f"{name} {i}"] = weight
        for i, weight in enumerate(before):
            results[f"before {name} {i}"] = weight
    np.savez(out, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
