import keras
import numpy as np
from keras import ops

from keras_srgan.checks import check_integer
from keras_srgan.pixels import LUMA


@keras.saving.register_keras_serializable(package="keras_srgan")
class SpectrumLoss(keras.losses.Loss):
    """Difference of local spectra: texture that is missing, or too much of it.

    It compares how strong the frequencies of the luma are, whatever their
    phase: texture of the right strength in the wrong place costs little, and
    missing texture costs as much as too much of it. Networks trained with
    perceptual losses alone can draw most texture along rows and columns,
    which looks like woven cloth. This loss also asks for the texture in all
    other directions.

    The power spectrum of windows that overlap by half is averaged over 3x3
    windows. The loss is the mean absolute difference of the logarithms of its
    root, over all frequencies that are not below those of the LR image, which
    are known. An amplitude twice as large as it should be costs 0.69, and so
    does one half as large. The power of noise with a standard deviation of
    one level is added to both spectra, so that weaker texture hardly counts.

    Args:
        scale: Integer, at least 2. Frequencies below `1 / (2 * scale)` cycles
            per pixel are ignored. Defaults to `4`.
        window: Integer, even, at least 4. Size of a window in pixels. Images
            must be at least twice as high and wide. Defaults to `16`.

    Call arguments:
        y_true: HR images, `(batch, height, width, 3)`, RGB in [0, 255].
        y_pred: Generated images of the same shape.

    Raises:
        ValueError: if an argument is not one of the above; in a call, if the
            images are smaller than two windows.

    Example:

    ```python
    import numpy as np
    from keras_srgan import SpectrumLoss

    texture = np.random.uniform(0, 255, (1, 64, 64, 3))
    SpectrumLoss()(texture, texture[:, ::-1])  # about 0.2
    SpectrumLoss()(texture, texture / 2)  # about 0.7
    ```
    """

    def __init__(self, scale=4, window=16, *, name="spectrum_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        check_integer(2, scale=scale)
        check_integer(4, 2, window=window)
        self.scale = scale
        self.window = window
        # A periodic Hann window and half of the frequencies: the other half
        # has the same power.
        line = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
        taper = np.outer(line, line)
        y, x = np.mgrid[:window, :window]
        waves = [
            taper * np.exp(-2j * np.pi * (v * y + u * x) / window)
            for v in range(-window // 2 + 1, window // 2 + 1)
            for u in range(window // 2 + 1)
            if (0 < u < window // 2 or v >= 0)
            and np.hypot(u, v) * 2 * scale >= window
        ]
        waves = np.stack([*np.real(waves), *np.imag(waves)], axis=-1)
        kernel = LUMA[:, None] * waves[:, :, None]
        self._kernel = kernel.astype("float32")
        self._noise = float(np.sum(taper**2))

    def call(self, y_true, y_pred):
        smallest = 2 * self.window
        if any(size and size < smallest for size in y_pred.shape[1:3]):
            raise ValueError(
                f"SpectrumLoss needs images of at least {smallest} pixels a "
                f"side. Received: y_pred.shape={tuple(y_pred.shape)}"
            )
        difference = self._log_amplitudes(y_pred) - self._log_amplitudes(y_true)
        return ops.mean(ops.abs(difference), axis=(1, 2, 3))

    def _log_amplitudes(self, images):
        parts = ops.conv(
            images,
            self._kernel,
            strides=self.window // 2,
            data_format="channels_last",
        )
        real, imaginary = ops.split(parts, 2, axis=-1)
        power = ops.average_pool(
            ops.square(real) + ops.square(imaginary),
            3,
            strides=1,
            data_format="channels_last",
        )
        return ops.log(power + self._noise) / 2

    def get_config(self):
        return {
            **super().get_config(),
            "scale": self.scale,
            "window": self.window,
        }
