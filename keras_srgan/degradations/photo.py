import math

import keras
import numpy as np

from keras_srgan.degradations.base import check_bounds
from keras_srgan.degradations.base import check_probability
from keras_srgan.degradations.bicubic import Degradation
from keras_srgan.degradations.blur import GaussianBlur
from keras_srgan.degradations.chain import DegradationChain
from keras_srgan.degradations.jpeg import SUBSAMPLING
from keras_srgan.degradations.jpeg import JPEGCompression
from keras_srgan.degradations.jpeg import check_subsampling
from keras_srgan.degradations.noise import SensorNoise
from keras_srgan.degradations.report import PhotoReport
from keras_srgan.degradations.resize import RandomResize
from keras_srgan.degradations.sinc import SincFilter


@keras.saving.register_keras_serializable(package="keras_srgan")
class PhotoDegradation(DegradationChain):
    """Makes LR images that are blurred, resized, noisy and compressed.

    The order is that of Real-ESRGAN: blur, resizing, noise, then ringing and
    JPEG compression. By default the chain runs once, at the size of the LR
    image; in second order it runs twice. Every image has its own parameters.

    Args:
        scale: Integer, at least 2. The downscaling factor per side. Defaults
            to `4`.
        strength: Float in [0, 1]. Sets the ranges below that are not given. 0
            is clean bicubic downscaling, 1 about as strong as the first stage
            of Real-ESRGAN. Defaults to `1.0`.
        order: 1 or 2. Number of passes. In second order, each pass has the
            given range of quality, and 0.7 times those of blur and noise,
            whose variances add up. Defaults to `1`.
        blur: Number or pair of numbers in [0, 10]. The range of the standard
            deviation of the blur, in LR pixels. Defaults to
            `(0, 2 * strength)`.
        blurred: Float in [0, 1]. The share of images that are blurred, in
            each pass. Defaults to `1.0`.
        noise: Number or pair of numbers in [0, 255]. The range of the
            standard deviation of the noise that does not depend on the level,
            in levels. Defaults to `(0, 20 * strength)`.
        gain: Number or pair of numbers in [0, 255]. The range of the
            variance of the noise per level; see `SensorNoise`. Defaults to
            `(0, 0.3 * strength)`.
        noisy: Float in [0, 1]. The share of images with noise, in each pass.
            Defaults to `1.0`.
        jpeg: Float in [0, 1]. The share of images that are compressed.
            Defaults to `0.8`, or `0` if `strength` is 0.
        quality: Number or pair of numbers in [1, 100]. The range of libjpeg's
            quality. Defaults to `(95 - 65 * strength, 95)`, rounded.
        subsampling: See `JPEGCompression`. Defaults to both.
        factors: See `RandomResize`. Defaults to `(1, 1, 2,
            1 - strength / 2)`.
        ringing: Float in [0, 1]. The share of images with ringing. Defaults
            to `0.1 * strength`.
        seed: Integer, for repeatable draws. Defaults to `None`: drawn from
            the global seed.

    Input shape:
        `(batch, height, width, 3)`, RGB in [0, 255]; height and width are
        known and multiples of `scale`.

    Output shape:
        `(batch, height / scale, width / scale, 3)`, RGB in [0, 255], float32,
        whole levels.

    Example:

    ```python
    import numpy as np
    from keras_srgan import SRGAN
    from keras_srgan.degradations import PhotoDegradation

    photos = np.random.randint(0, 256, (2, 64, 64, 3), "uint8")
    PhotoDegradation(quality=(50, 90), noise=(0, 5))(photos)
    srgan = SRGAN(degradation=PhotoDegradation(strength=0.5))
    ```

    Reference: Wang et al., "Real-ESRGAN: Training Real-World Blind
    Super-Resolution with Pure Synthetic Data" (2021),
    https://arxiv.org/abs/2107.10833.
    """

    def __init__(
        self,
        scale=4,
        strength=1.0,
        order=1,
        blur=None,
        noise=None,
        gain=None,
        jpeg=None,
        quality=None,
        subsampling=SUBSAMPLING,
        factors=None,
        ringing=None,
        seed=None,
        blurred=1.0,
        noisy=1.0,
        **kwargs,
    ):
        strength = check_probability("strength", strength)
        if order not in (1, 2):
            raise ValueError(
                f"`order` must be 1 or 2. Received: order={order!r}"
            )

        def default(value, otherwise):
            return otherwise if value is None else value

        blur = default(blur, (0, 2 * strength))
        noise = default(noise, (0, 20 * strength))
        gain = default(gain, (0, 0.3 * strength))
        jpeg = default(jpeg, 0.8 if strength else 0.0)
        quality = default(quality, (round(95 - 65 * strength), 95))
        factors = default(
            factors, (1, 1, 2, 1 - strength / 2) if strength else (1,)
        )
        ringing = default(ringing, 0.1 * strength)
        self._config = {
            "scale": scale,
            "strength": strength,
            "order": order,
            "blur": check_bounds("blur", blur, 0, 10),
            "noise": check_bounds("noise", noise, 0, 255),
            "gain": check_bounds("gain", gain, 0, 255),
            "jpeg": check_probability("jpeg", jpeg),
            "quality": check_bounds("quality", quality, 1, 100),
            "subsampling": check_subsampling(subsampling),
            "factors": tuple(factors),
            "ringing": check_probability("ringing", ringing),
            "seed": seed,
            "blurred": check_probability("blurred", blurred),
            "noisy": check_probability("noisy", noisy),
        }
        super().__init__(_make_chain(**self._config), **kwargs)

    @classmethod
    def from_photos(cls, folder, scale=4, verbose=1, **kwargs):
        """Returns a layer that degrades like the photos of a folder.

        Args:
            folder: Path of a folder with photos like those to be upscaled.
                Up to 200 of them are measured; see `measure_photo`.
            scale: Integer, at least 2. The downscaling factor per side.
                Defaults to `4`.
            verbose: 0 or 1. Whether to print the measurements. Defaults to `1`.
            **kwargs: Arguments of `PhotoDegradation`, instead of those
                measured.

        Returns:
            A `PhotoDegradation`. Its attribute `report` is the `PhotoReport`.

        Raises:
            ValueError: if the folder does not exist or none of its files can be
                measured.

        Example:

        ```python
        from keras_srgan.degradations import PhotoDegradation

        degradation = PhotoDegradation.from_photos("photos")
        ```
        """
        report = PhotoReport.of_folder(folder)
        if verbose:
            print(report)
        layer = cls(scale, **{**report.settings(), **kwargs})
        layer.report = report
        return layer

    def get_config(self):
        config = super().get_config()
        del config["degradations"]
        return {**config, **self._config}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _make_chain(
    scale,
    strength,
    order,
    blur,
    noise,
    gain,
    jpeg,
    quality,
    subsampling,
    factors,
    ringing,
    seed,
    blurred,
    noisy,
):
    # Generators with neighboring seeds would draw the same numbers on
    # PyTorch, one draw apart. It takes 31 bits.
    seeds = iter(
        [None] * 20
        if seed is None
        else (np.random.SeedSequence(seed).generate_state(20) // 2).tolist()
    )
    Degradation(scale)  # checks `scale`
    if order == 1:
        scales = [scale]
    else:
        first = max(
            i for i in range(1, scale) if scale % i == 0 and i**2 <= scale
        )
        scales = [first, scale // first]
        blur, noise = (
            [math.sqrt(0.5) * bound for bound in bounds]
            for bounds in (blur, noise)
        )
        gain = [0.5 * bound for bound in gain]

    chain = []
    for i, factor in enumerate(scales):
        remaining = math.prod(scales[i:])
        if blur[1]:
            sigma = tuple(remaining * bound for bound in blur)
            chain.append(
                GaussianBlur(
                    sigma,
                    anisotropy=0.5,
                    probability=blurred,
                    seed=next(seeds),
                )
            )
        if set(factors) != {1}:
            chain.append(RandomResize(factor, factors, seed=next(seeds)))
        elif factor > 1:
            chain.append(Degradation(factor))
        if noise[1] or gain[1]:
            chain.append(
                SensorNoise(
                    noise,
                    gain,
                    gray=0.4,
                    probability=noisy,
                    seed=next(seeds),
                )
            )
        if ringing:
            chain.append(SincFilter(probability=ringing, seed=next(seeds)))
        if jpeg:
            chain.append(
                JPEGCompression(
                    quality, subsampling, probability=jpeg, seed=next(seeds)
                )
            )
    if order == 2 and ringing:
        # Some photos are sharpened after they have been compressed.
        chain.append(SincFilter(probability=ringing, seed=next(seeds)))
    return chain
