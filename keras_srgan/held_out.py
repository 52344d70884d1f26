from collections.abc import Callable
from collections.abc import Sequence

import numpy as np

from keras_srgan.evaluation import Row
from keras_srgan.evaluation import pixel_metrics
from keras_srgan.perceptual import VGGDistances
from keras_srgan.pixels import quantize

# Smaller differences of a score are rounding: half precision alone changes the
# layered distance by 0.001.
MIN_GAINS = {"psnr": 0.01, "layered": 0.005}
# How much the mean of a figure may grow: by a factor plus an amount.
LIMITS = {
    "color_shift": (1.0, 0.5),
    "low_frequency": (1.1, 0.1),
    "layered": (1.02, 0.0),
}
# Sharper-looking pictures cost some PSNR, in dB.
MAX_LOSS = 0.5


class HeldOut:
    """Held-out photos, and the figures by which a model is judged on them.

    - `psnr` and `ssim`, on Y.
    - `color_shift`: the largest shift of the mean of a channel, in levels.
    - `low_frequency`: the mean absolute difference between the mean colors of
      squares of 4 x 4 LR pixels, in levels: it detects color blotches and
      exposure shifts.
    - `layered`: see `VGGDistances`. Only with its weights.

    Args:
        lr: LR images, uint8 array `(count, height, width, 3)`, RGB.
        hr: HR photos, uint8 array, `scale` times as large.
        scale: Integer.
        score: The figure to improve, `"psnr"` or `"layered"`. Defaults to
            `"psnr"`.
        vgg_weights: As for `VGGDistances`. Defaults to `None`: the layered
            distance is not measured.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_srgan import Generator
    from keras_srgan.held_out import HeldOut

    hr = np.random.randint(0, 256, (4, 96, 96, 3), "uint8")
    held_out = HeldOut(hr[:, ::4, ::4], hr, 4)
    generator = Generator(num_blocks=1, filters=4)
    rows = held_out.measure(lambda lr: generator.predict(lr, verbose=0))
    ```
    """

    def __init__(
        self,
        lr: np.ndarray,
        hr: np.ndarray,
        scale: int,
        score: str = "psnr",
        vgg_weights: str | None = None,
    ):
        self.lr, self.hr, self.scale, self.score = lr, hr, scale, score
        self._metrics = {
            name: fn
            for name, fn in pixel_metrics(scale=scale).items()
            if name not in ("grid", "spectrum")
        }
        self._distances = VGGDistances(vgg_weights) if vgg_weights else None

    def measure(self, predict: Callable) -> list[Row]:
        """Returns the figures of each photo.

        Args:
            predict: Function from LR images `(1, height, width, 3)` to arrays
                of HR images in [0, 255].
        """
        return [self._measure(predict, i) for i in range(len(self.lr))]

    def _measure(self, predict, index):
        sr = np.nan_to_num(predict(self.lr[index][None])[0])
        sr = quantize(sr, "uint8")
        inside = (slice(self.scale, -self.scale),) * 2
        hr, cut = self.hr[index][inside], sr[inside]
        row = {name: fn(hr, cut) for name, fn in self._metrics.items()}
        shifts = [row[f"shift_{c}"] for c in ("red", "green", "blue")]
        row = {
            "psnr": row["psnr"],
            "ssim": row["ssim"],
            "color_shift": max(map(abs, shifts)),
            "low_frequency": _measure_low(hr, cut, 4 * self.scale),
        }
        if self._distances:
            row["layered"] = self._distances(hr, cut)["layered"]
        return row


def _measure_low(hr, sr, size):
    height, width = (side // size * size for side in hr.shape[:2])
    difference = np.float32(sr)[:height, :width] - hr[:height, :width]
    squares = difference.reshape(height // size, size, width // size, size, -1)
    return float(np.abs(squares.mean(axis=(1, 3))).mean())


def find_gains(
    rows: Sequence[Row], others: Sequence[Row], score: str
) -> np.ndarray:
    """Returns how much better the score of each photo is than another.

    Gains count above `MIN_GAINS`.
    """
    sign = 1 if score == "psnr" else -1
    return np.array(
        [
            sign * (row[score] - other[score])
            for row, other in zip(rows, others, strict=True)
        ]
    )


def find_faults(
    rows: Sequence[Row], before: Sequence[Row], score: str
) -> list[str]:
    """Returns descriptions of the figures that are worse than before.

    Args:
        rows: List of dicts, as `HeldOut.measure` returns.
        before: The same before training.
        score: The figure to improve. The others may become worse by `LIMITS`
            at most.
    """
    faults = []
    for name, (factor, amount) in LIMITS.items():
        if name == score or name not in before[0]:
            continue
        old, new = _mean(before, name), _mean(rows, name)
        if not new <= factor * old + amount:
            title = name.replace("_", " ")
            faults.append(f"{title} {old:.3g} before, {new:.3g} now")
    loss = _mean(before, "psnr") - _mean(rows, "psnr")
    if score != "psnr" and not loss <= MAX_LOSS:
        faults.append(f"{loss:.2f} dB of PSNR lost")
    return faults


def _mean(rows, name):
    return float(np.mean([row[name] for row in rows]))
