import math

import keras
from keras import ops

from keras_srgan.degradations.base import RandomDegradation
from keras_srgan.degradations.base import check_bounds
from keras_srgan.degradations.base import check_probability
from keras_srgan.degradations.filtering import filter_images
from keras_srgan.degradations.filtering import normalize
from keras_srgan.degradations.filtering import offsets


@keras.saving.register_keras_serializable(package="keras_srgan")
class GaussianBlur(RandomDegradation):
    """Blurs each image with a Gaussian of random width, as a lens does.

    Args:
        sigma: Number or pair of numbers in [0, 50]. The range of the standard
            deviation, in pixels. Defaults to `(0.2, 3.0)`.
        anisotropy: Float in [0, 1]. The share of images whose Gaussian has
            two different standard deviations, in a random direction. Defaults
            to `0.0`.
        probability, seed: See `RandomDegradation`.

    Call arguments:
        images: `(batch, height, width, 3)`, RGB in [0, 255].
        parameters: Dictionary of tensors `(batch,)`: `sigma_x` and
            `sigma_y`, the standard deviations along two perpendicular axes,
            and `angle`, by which these are rotated, in radians. Kernels are
            cut off at four times the largest `sigma` of the constructor.
            Defaults to `None`: new draws.

    Output shape:
        `(batch, height, width, 3)`, RGB in [0, 255], float32.

    Example:

    ```python
    import numpy as np
    from keras_srgan.degradations import GaussianBlur

    photos = np.random.randint(0, 256, (2, 64, 64, 3), "uint8")
    GaussianBlur(sigma=(0.5, 2), anisotropy=0.5)(photos)
    ```

    Reference: Zhang et al., "Learning a Single Convolutional Super-Resolution
    Network for Multiple Degradations" (2018), https://arxiv.org/abs/1712.06116.
    """

    def __init__(self, sigma=(0.2, 3.0), anisotropy=0.0, **kwargs):
        super().__init__(**kwargs)
        self.sigma = check_bounds("sigma", sigma, 0, 50)
        self.anisotropy = check_probability("anisotropy", anisotropy)
        self.radius = max(1, math.ceil(4 * self.sigma[1]))

    def draw(self, images):
        sigma_x = sigma_y = self.uniform(images, self.sigma)
        angle = ops.zeros_like(sigma_x)
        if self.anisotropy:
            sigma_y = ops.where(
                self.chance(images, self.anisotropy),
                self.uniform(images, self.sigma),
                sigma_y,
            )
            angle = self.uniform(images, (0.0, math.pi))
        return {"sigma_x": sigma_x, "sigma_y": sigma_y, "angle": angle}

    def degrade(self, images, sigma_x, sigma_y, angle):
        sigma_x, sigma_y, angle = (
            ops.reshape(ops.cast(parameter, "float32"), (-1, 1, 1))
            for parameter in (sigma_x, sigma_y, angle)
        )
        # As narrow as that, a kernel is a single pixel.
        sigma_x = ops.maximum(sigma_x, 0.05)
        sigma_y = ops.maximum(sigma_y, 0.05)
        x, y = offsets(self.radius)
        along = ops.cos(angle) * x + ops.sin(angle) * y
        across = ops.cos(angle) * y - ops.sin(angle) * x
        kernels = ops.exp(
            -0.5 * ((along / sigma_x) ** 2 + (across / sigma_y) ** 2)
        )
        return filter_images(images, normalize(kernels))

    def get_config(self):
        return {
            **super().get_config(),
            "sigma": self.sigma,
            "anisotropy": self.anisotropy,
        }
