import math

import keras
from keras import ops

from keras_srgan.degradations.base import RandomDegradation
from keras_srgan.degradations.base import check_bounds
from keras_srgan.degradations.filtering import filter_images
from keras_srgan.degradations.filtering import normalize
from keras_srgan.degradations.filtering import offsets

RADIUS = 10


@keras.saving.register_keras_serializable(package="keras_srgan")
class SincFilter(RandomDegradation):
    """Cuts off high frequencies, which leaves ringing beside edges.

    Sharpened and strongly compressed photos have such ringing. The kernel is
    that of an ideal circular low-pass filter, cut off at 21 x 21 pixels.

    Args:
        cutoff: Number or pair of numbers in [0.3, pi]. The range of the cutoff
            frequency, in radians per pixel. Defaults to `(pi / 3, pi)`.
        probability, seed: See `RandomDegradation`.

    Call arguments:
        images: `(batch, height, width, 3)`, RGB in [0, 255].
        parameters: Dictionary of one tensor `(batch,)`, `cutoff`. Defaults to
            `None`: new draws.

    Output shape:
        `(batch, height, width, 3)`, RGB in [0, 255], float32.

    Example:

    ```python
    import numpy as np
    from keras_srgan.degradations import SincFilter

    photos = np.random.randint(0, 256, (2, 64, 64, 3), "uint8")
    SincFilter(cutoff=(1.0, 2.0))(photos)
    ```

    Reference: Wang et al., "Real-ESRGAN: Training Real-World Blind
    Super-Resolution with Pure Synthetic Data" (2021),
    https://arxiv.org/abs/2107.10833, equation 6.
    """

    def __init__(self, cutoff=(math.pi / 3, math.pi), **kwargs):
        super().__init__(**kwargs)
        self.cutoff = check_bounds("cutoff", cutoff, 0.3, math.pi)

    def draw(self, images):
        return {"cutoff": self.uniform(images, self.cutoff)}

    def degrade(self, images, cutoff):
        cutoff = ops.reshape(ops.cast(cutoff, "float32"), (-1, 1, 1))
        x, y = offsets(RADIUS)
        center = (x == 0) & (y == 0)
        distance = ops.where(center, 1.0, ops.sqrt(x**2 + y**2))
        kernels = ops.where(
            center, cutoff / 2, _bessel_j1(cutoff * distance) / distance
        )
        images = filter_images(images, normalize(kernels))
        return ops.clip(images, 0, 255)

    def get_config(self):
        return {**super().get_config(), "cutoff": self.cutoff}


def _bessel_j1(z):
    # The mean of cos(t - z sin t) over a period. With this many points the
    # error is below rounding for the arguments here, at most 45.
    t = ops.arange(96, dtype="float32") * (2 * math.pi / 96)
    z = ops.expand_dims(z, -1)
    return ops.mean(ops.cos(t - z * ops.sin(t)), axis=-1)
