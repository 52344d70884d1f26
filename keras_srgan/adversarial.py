from collections.abc import Callable
from typing import NamedTuple

from keras import KerasTensor
from keras import ops


class AdversarialLoss(NamedTuple):
    """The two losses of a GAN, each a function of the discriminator's logits.

    Attributes:
        generator: Function of `(real_logits, fake_logits)` that returns the
            scalar loss of the generator.
        discriminator: Likewise, the loss of the discriminator.

    Both arguments are tensors of one shape: the logits of HR photos and those
    of generated images.

    Example:

    ```python
    import numpy as np
    from keras_srgan.adversarial import ADVERSARIAL_LOSSES

    loss = ADVERSARIAL_LOSSES["vanilla"]
    real, fake = np.zeros((1, 8, 8, 1)), np.zeros((1, 8, 8, 1))
    loss.generator(real, fake)  # log 2
    loss.discriminator(real, fake)  # 2 log 2
    ```
    """

    generator: Callable[[KerasTensor, KerasTensor], KerasTensor]
    discriminator: Callable[[KerasTensor, KerasTensor], KerasTensor]


def real_entropy(logits):
    """Returns the sigmoid cross-entropy of logits against "real"."""
    return ops.mean(ops.softplus(-logits))


def fake_entropy(logits):
    """Returns the sigmoid cross-entropy of logits against "fake"."""
    return ops.mean(ops.softplus(logits))


def _vanilla_generator(real, fake):
    return real_entropy(fake)


def _vanilla_discriminator(real, fake):
    return real_entropy(real) + fake_entropy(fake)


def _relativistic_discriminator(real, fake):
    # Is a photo more realistic than the mean image of the other kind?
    return real_entropy(real - ops.mean(fake)) + fake_entropy(
        fake - ops.mean(real)
    )


def _relativistic_generator(real, fake):
    return _relativistic_discriminator(real=fake, fake=real)


def _hinge_generator(real, fake):
    return -ops.mean(fake)


def _hinge_discriminator(real, fake):
    return ops.mean(ops.relu(1 - real)) + ops.mean(ops.relu(1 + fake))


def _least_squares_generator(real, fake):
    return ops.mean(ops.square(fake - 1)) / 2


def _least_squares_discriminator(real, fake):
    return (ops.mean(ops.square(real - 1)) + ops.mean(ops.square(fake))) / 2


# References:
# - vanilla: Ledig et al. (2017), equations 2 and 6,
#   https://arxiv.org/abs/1609.04802
# - relativistic: the relativistic average of Jolicoeur-Martineau (2018),
#   https://arxiv.org/abs/1807.00734, as in ESRGAN, Wang et al. (2018),
#   equations 1 and 2, https://arxiv.org/abs/1809.00219
# - hinge: Lim and Ye (2017), https://arxiv.org/abs/1705.02894
# - least_squares: Mao et al. (2016), https://arxiv.org/abs/1611.04076
ADVERSARIAL_LOSSES = {
    "vanilla": AdversarialLoss(_vanilla_generator, _vanilla_discriminator),
    "relativistic": AdversarialLoss(
        _relativistic_generator, _relativistic_discriminator
    ),
    "hinge": AdversarialLoss(_hinge_generator, _hinge_discriminator),
    "least_squares": AdversarialLoss(
        _least_squares_generator, _least_squares_discriminator
    ),
}
