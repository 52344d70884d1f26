import math

import keras
from keras import KerasTensor
from keras import ops

from keras_srgan.checks import check_integer

# SSIM's constants, for the 255 levels between black and white.
C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
# Its Gaussian window: 11 weights, standard deviation 1.5.
WINDOW = [math.exp(-((i / 1.5) ** 2) / 2) for i in range(-5, 6)]
WINDOW = [weight / sum(WINDOW) for weight in WINDOW]


def luma(images: KerasTensor) -> KerasTensor:
    """Returns the luma (Y) of RGB images, like MATLAB's `rgb2ycbcr`.

    Args:
        images: Tensor of shape `(..., 3)` and any dtype, RGB in integer
            levels from 0 to 255.

    Returns:
        A float32 tensor of shape `(..., 1)`, in integer levels from 16
        (black) to 235 (white).

    Example:

    ```python
    import numpy as np
    from keras_srgan.metrics import luma

    luma(np.array([255, 0, 0], "uint8"))  # [81.]
    ```

    Reference: Recommendation ITU-R BT.601, section 2.5,
    https://www.itu.int/rec/R-REC-BT.601
    """
    images = ops.cast(images, "float32")
    # The weights are 65.481, 128.553 and 24.966 over 255. Centered around 128,
    # the sums are integers that float32 represents exactly, so all backends
    # round alike.
    red, green, blue = (images[..., i : i + 1] - 128 for i in range(3))
    y = (21827 * red + 42851 * green + 8322 * blue) / 85000
    # Not `ops.round`, which rounds half to even.
    return ops.floor(y + 16.5 + 128 * 219 / 255)


def psnr(
    y_true: KerasTensor,
    y_pred: KerasTensor,
    shave: int = 0,
    channel: str = "y",
) -> KerasTensor:
    """Returns the peak signal-to-noise ratio of each image in a batch.

    The peak is 255, on Y too. Ratios are limited to 100 dB, the value for
    equal images, so that a mean stays finite.

    Args:
        y_true: Tensor of shape `(batch, height, width, 3)`, RGB in [0, 255],
            of any dtype. Both batches are clipped and rounded to integer
            levels, as in an image file.
        y_pred: Tensor of the same shape, the images to compare.
        shave: Integer, at least 0. Pixels to ignore at each border. Defaults
            to `0`. The super-resolution literature shaves `scale` pixels.
        channel: `"y"` for luma, as in the super-resolution literature, or
            `"rgb"` for all three channels. Defaults to `"y"`.

    Returns:
        A float32 tensor of shape `(batch,)`, in dB. Higher is better.

    Raises:
        ValueError: if an argument is out of range, if the shapes differ or
            are not those of RGB batches, or if no pixel is left after
            shaving.

    Example:

    ```python
    import numpy as np
    from keras_srgan.metrics import psnr

    photos = np.random.randint(0, 246, (2, 96, 128, 3), "uint8")
    psnr(photos, photos + 10, channel="rgb")  # [28.13, 28.13]
    ```
    """
    y_true, y_pred = _levels(y_true, y_pred, shave, channel, min_size=1)
    error = ops.mean(ops.square(y_true - y_pred), axis=(1, 2, 3))
    return -10 * ops.log10(ops.maximum(error / 255**2, 1e-10))


def ssim(
    y_true: KerasTensor,
    y_pred: KerasTensor,
    shave: int = 0,
    channel: str = "y",
) -> KerasTensor:
    """Returns the structural similarity of each image in a batch.

    The window is Gaussian, 11 pixels wide with a standard deviation of 1.5
    pixels, and stays inside the image. With `channel="rgb"`, the result is
    the mean over the channels.

    Args:
        y_true: Tensor of shape `(batch, height, width, 3)`, RGB in [0, 255],
            of any dtype. Both batches are clipped and rounded to integer
            levels, as in an image file.
        y_pred: Tensor of the same shape, the images to compare.
        shave: Integer, at least 0. Pixels to ignore at each border. Defaults
            to `0`. The super-resolution literature shaves `scale` pixels.
        channel: `"y"` for luma, as in the super-resolution literature, or
            `"rgb"` for all three channels. Defaults to `"y"`.

    Returns:
        A float32 tensor of shape `(batch,)`, in [-1, 1], where 1 means equal
        images. Higher is better.

    Raises:
        ValueError: if an argument is out of range, if the shapes differ or
            are not those of RGB batches, or if fewer than 11 pixels are left
            in height or width after shaving.

    Example:

    ```python
    import numpy as np
    from keras_srgan.metrics import ssim

    photos = np.random.randint(0, 256, (2, 96, 128, 3), "uint8")
    ssim(photos, photos)  # [1., 1.]
    ```

    Reference: Wang et al., "Image Quality Assessment: From Error Visibility
    to Structural Similarity" (2004), section III.B,
    https://doi.org/10.1109/TIP.2003.819861
    """
    y_true, y_pred = _levels(
        y_true, y_pred, shave, channel, min_size=len(WINDOW)
    )
    # SSIM is a function of the sum s and the difference d of two images:
    # 4xy = s² - d² and 2(x² + y²) = s² + d². The rounding error in the
    # variance of s then affects numerator and denominator alike. Centering s
    # makes it smaller.
    s = y_true + y_pred - 255
    d = y_true - y_pred
    # One blur of the concatenated maps compiles several times faster than
    # four.
    maps = ops.concatenate([s, d, ops.square(s), ops.square(d)])
    s_mean, d_mean, s_power, d_power = ops.split(_blur(maps), 4)
    s_var = s_power - ops.square(s_mean)
    d_var = d_power - ops.square(d_mean)
    s_mean2, d_mean2 = ops.square(s_mean + 255), ops.square(d_mean)
    similarity = (
        (s_mean2 - d_mean2 + 2 * C1)
        / (s_mean2 + d_mean2 + 2 * C1)
        * (s_var - d_var + 2 * C2)
        / (s_var + d_var + 2 * C2)
    )
    return ops.mean(similarity, axis=(1, 2, 3))


def _blur(images):
    """Applies the window along height, then width, without padding."""
    # Not a convolution, which GPUs compute in TF32: too coarse here.
    last = len(WINDOW) - 1
    rows = sum(
        weight * images[:, i : i - last or None]
        for i, weight in enumerate(WINDOW)
    )
    return sum(
        weight * rows[:, :, i : i - last or None]
        for i, weight in enumerate(WINDOW)
    )


def _levels(y_true, y_pred, shave, channel, min_size):
    """Returns both batches as the float32 integer levels to compare."""
    _check_settings(shave, channel)
    batches = [ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)]
    true_shape, pred_shape = (tuple(images.shape) for images in batches)
    if (
        len(true_shape) != 4
        or len(pred_shape) != 4
        or {true_shape[-1], pred_shape[-1]} - {3, None}
        or any(
            a != b and None not in (a, b)
            for a, b in zip(true_shape, pred_shape, strict=True)
        )
    ):
        raise ValueError(
            "`y_true` and `y_pred` must have the same shape (batch, height, "
            f"width, 3). Received: y_true.shape={true_shape}, "
            f"y_pred.shape={pred_shape}"
        )
    for size in true_shape[1:3] + pred_shape[1:3]:
        if size is not None and size - 2 * shave < min_size:
            raise ValueError(
                f"Images must be at least {min_size + 2 * shave} pixels high "
                f"and wide, so that {min_size} are left after `shave`. "
                f"Received: shave={shave}, y_true.shape={true_shape}, "
                f"y_pred.shape={pred_shape}"
            )
    inside = slice(shave, -shave or None)
    levels = []
    for images in batches:
        images = ops.cast(images[:, inside, inside], "float32")
        images = ops.round(ops.clip(images, 0, 255))
        levels.append(luma(images) if channel == "y" else images)
    return levels


def _check_settings(shave, channel):
    check_integer(0, shave=shave)
    if channel not in ("y", "rgb"):
        raise ValueError(
            f"`channel` must be 'y' or 'rgb'. Received: channel={channel!r}"
        )


class ImageMetric(keras.metrics.MeanMetricWrapper):
    """The mean over images of a higher-is-better metric.

    It accumulates in float32 under any dtype policy.
    """

    def __init__(self, fn, shave, channel, name):
        _check_settings(shave, channel)
        super().__init__(
            fn, name=name, dtype="float32", shave=shave, channel=channel
        )
        self.shave = shave
        self.channel = channel
        # Keras' callbacks read this to find the best epoch.
        self._direction = "up"

    def get_config(self):
        return {
            "shave": self.shave,
            "channel": self.channel,
            "name": self.name,
        }


@keras.saving.register_keras_serializable(package="keras_srgan")
class PSNR(ImageMetric):
    """The mean over images of the peak signal-to-noise ratio, in dB.

    The ratio is computed per image (see `psnr`), so the mean does not depend
    on the batch size. Equal images have 100 dB. Higher is better.

    Args:
        shave: Integer, at least 0. Pixels to ignore at each border. Defaults
            to `0`. The super-resolution literature shaves `scale` pixels.
        channel: `"y"` for luma, as in the super-resolution literature, or
            `"rgb"` for all three channels. Defaults to `"y"`.
        name: String. Defaults to `"psnr"`.

    Inputs: `y_true` and `y_pred` of shape `(batch, height, width, 3)`, RGB in
    [0, 255], of any dtype, and an optional `sample_weight` of shape
    `(batch,)`.

    Example:

    ```python
    import numpy as np
    from keras_srgan.metrics import PSNR

    photos = np.random.randint(0, 246, (2, 96, 128, 3), "uint8")
    PSNR(shave=4, channel="rgb")(photos, photos + 10)  # 28.13
    ```
    """

    def __init__(
        self, shave: int = 0, channel: str = "y", name: str = "psnr"
    ) -> None:
        super().__init__(psnr, shave, channel, name)


@keras.saving.register_keras_serializable(package="keras_srgan")
class SSIM(ImageMetric):
    """The mean over images of the structural similarity.

    The similarity is computed per image (see `ssim`), so the mean does not
    depend on the batch size. Equal images have 1. Higher is better.

    Args:
        shave: Integer, at least 0. Pixels to ignore at each border. Defaults
            to `0`. The super-resolution literature shaves `scale` pixels.
        channel: `"y"` for luma, as in the super-resolution literature, or
            `"rgb"` for all three channels. Defaults to `"y"`.
        name: String. Defaults to `"ssim"`.

    Inputs: `y_true` and `y_pred` of shape `(batch, height, width, 3)`, RGB in
    [0, 255], of any dtype, at least `11 + 2 * shave` pixels high and wide,
    and an optional `sample_weight` of shape `(batch,)`.

    Example:

    ```python
    import numpy as np
    from keras_srgan.metrics import SSIM

    photos = np.random.randint(0, 256, (2, 96, 128, 3), "uint8")
    SSIM(shave=4)(photos, photos)  # 1.0
    ```

    Reference: Wang et al., "Image Quality Assessment: From Error Visibility
    to Structural Similarity" (2004), section III.B,
    https://doi.org/10.1109/TIP.2003.819861
    """

    def __init__(
        self, shave: int = 0, channel: str = "y", name: str = "ssim"
    ) -> None:
        super().__init__(ssim, shave, channel, name)
