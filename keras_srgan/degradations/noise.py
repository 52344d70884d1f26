import keras
from keras import ops

from keras_srgan import draws
from keras_srgan.degradations.base import RandomDegradation
from keras_srgan.degradations.base import check_bounds
from keras_srgan.degradations.base import check_probability
from keras_srgan.degradations.base import per_image


@keras.saving.register_keras_serializable(package="keras_srgan")
class SensorNoise(RandomDegradation):
    """Adds noise whose variance grows with the level, as in a camera.

    The noise is Gaussian with a variance of `sigma ** 2 + gain * level`. The
    first term is the sensor's read noise; the second approximates the Poisson
    noise of a sensor that counts `1 / gain` photons per level.

    Args:
        sigma: Number or pair of numbers in [0, 255]. The range of the standard
            deviation that does not depend on the level, in levels. Defaults
            to `(0, 15)`.
        gain: Number or pair of numbers in [0, 255]. The range of the variance
            per level, in levels. Defaults to `0`.
        gray: Float in [0, 1]. The share of images whose noise is the same in
            all channels. Defaults to `0.0`.
        probability, seed: See `RandomDegradation`.

    Call arguments:
        images: `(batch, height, width, 3)`, RGB in [0, 255].
        parameters: Dictionary of the tensors `sigma`, `gain` and `gray`
            (Boolean), of shape `(batch,)`, and `noise`, standard normal
            numbers of the shape of the images. Defaults to `None`: new draws.

    Output shape:
        `(batch, height, width, 3)`, RGB in [0, 255], float32, not rounded.

    Example:

    ```python
    import numpy as np
    from keras_srgan.degradations import SensorNoise

    photos = np.random.randint(0, 256, (2, 64, 64, 3), "uint8")
    SensorNoise(sigma=(1, 10), gain=(0, 0.2), gray=0.4)(photos)
    ```

    Reference: Foi et al., "Practical Poissonian-Gaussian Noise Modeling and
    Fitting for Single-Image Raw-Data" (2008),
    https://doi.org/10.1109/TIP.2008.2001399.
    """

    def __init__(self, sigma=(0.0, 15.0), gain=0.0, gray=0.0, **kwargs):
        super().__init__(**kwargs)
        self.sigma = check_bounds("sigma", sigma, 0, 255)
        self.gain = check_bounds("gain", gain, 0, 255)
        self.gray = check_probability("gray", gray)

    def draw(self, images):
        return {
            "sigma": self.uniform(images, self.sigma),
            "gain": self.uniform(images, self.gain),
            "gray": self.chance(images, self.gray),
            "noise": draws.normal(ops.shape(images), self.seed_generator),
        }

    def degrade(self, images, sigma, gain, gray, noise):
        noise = ops.where(per_image(gray, "bool"), noise[..., :1], noise)
        variance = per_image(sigma) ** 2 + per_image(gain) * ops.maximum(
            images, 0
        )
        # The square root of zero has no gradient.
        deviation = ops.sqrt(ops.maximum(variance, 1e-12))
        return ops.clip(images + deviation * noise, 0, 255)

    def get_config(self):
        return {
            **super().get_config(),
            "sigma": self.sigma,
            "gain": self.gain,
            "gray": self.gray,
        }
