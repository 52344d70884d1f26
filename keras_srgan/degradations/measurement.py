"""Measures how a photo was degraded: compression, noise, blur, enlarging."""

import os
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
from PIL import JpegImagePlugin

from keras_srgan.degradations.jpeg import CHROMINANCE
from keras_srgan.degradations.jpeg import DCT
from keras_srgan.degradations.jpeg import LUMINANCE
from keras_srgan.degradations.jpeg import scale_table
from keras_srgan.photo import open_stored
from keras_srgan.pixels import LUMA

MAX_SIDE = 1024
MIN_SIDE = 64
WINDOW = 32
# Standard deviation of luma where that of independent R, G and B is 1.
LUMA_OF_COLOR = np.linalg.norm(LUMA)
FREQUENCY = np.add.outer(np.arange(8), np.arange(8))
HIGH = np.minimum.outer(np.arange(8), np.arange(8)) >= 4
# Natural photos have a spectrum of this power of 1 / frequency, on average.
SLOPE = 2.5
# Interpolation by a factor blurs by about this many pixels times the factor.
BLUR_OF_ENLARGING = 0.33


@dataclass(frozen=True)
class PhotoMeasurement:
    """Measured degradation of one photo.

    Attributes:
        path: Path of the file.
        quality: Integer, libjpeg's quality, or `None` if it is not a JPEG.
        exact: Boolean. Whether the file's quantization tables are those of
            `quality`, rather than only nearest to it.
        subsampling: `"4:4:4"` or `"4:2:0"` (also for other kinds of
            subsampling), or `None` if it is not a color JPEG.
        noise: Float. The standard deviation of the noise before compression,
            per channel, in levels, or `None` where texture or strong
            compression hides it.
        blur: Float. The standard deviation of the blur, in pixels, apart from
            that of enlarging, or `None` where too little detail is left.
        enlarged: Float, at least 1. The factor per side by which the photo
            was enlarged before.
    """

    path: Path
    quality: int | None
    exact: bool
    subsampling: str | None
    noise: float | None
    blur: float | None
    enlarged: float


def measure_photo(path: str | os.PathLike) -> PhotoMeasurement:
    """Measures how one photo was degraded.

    - The quality of a JPEG comes from its quantization tables.
    - Noise is measured in the flattest blocks of 8 x 8 pixels: by their
      highest frequencies or, in a JPEG, by how many of their coefficients
      were quantized to zero.
    - Blur is fitted to the spectrum, as far as it is above noise and
      quantization: a power of the frequency times that of a Gaussian.
    - Enlarging by interpolation leaves differences between neighbors whose
      mean is periodic.

    Args:
        path: Path of a photo of at least 64 pixels per side. Of large photos,
            1,024 x 1,024 pixels in the middle are measured.

    Raises:
        OSError: if the file is not a photo.
        ValueError: if the photo is too small.

    Example:

    ```python
    from keras_srgan.degradations import measure_photo

    print(measure_photo("photo.jpg").quality)
    ```

    Reference: Gallagher, "Detection of Linear and Cubic Interpolation in JPEG
    Compressed Images" (2005), https://doi.org/10.1109/CRV.2005.33, for
    enlarging.
    """
    # As stored: turning would move the blocks of a JPEG.
    image = open_stored(path)
    if min(image.size) < MIN_SIDE:
        raise ValueError(
            f"Photos must have at least {MIN_SIDE} pixels per side to be "
            f"measured. Received: path={str(path)!r} of "
            f"{image.width}x{image.height} pixels"
        )
    quality, exact, subsampling, table = _read_tables(image)
    # In whole blocks of 8, which a JPEG's are.
    left, top = (max(0, side - MAX_SIDE) // 16 * 8 for side in image.size)
    right = min(image.width, left + MAX_SIDE)
    bottom = min(image.height, top + MAX_SIDE)
    rgb = image.crop((left, top, right, bottom)).convert("RGB")
    rgb = np.asarray(rgb).astype("float64")
    luma = rgb @ LUMA

    if table is None:
        noise, luma_noise = _noise(rgb[..., 1]), _noise(luma)
    else:
        luma_noise = _noise_before_compression(luma, table)
        noise = luma_noise and luma_noise / LUMA_OF_COLOR
    blur = _blur(luma, luma_noise or 0, table)
    enlarged = _enlarging(luma, blur, table)
    if blur and enlarged > 1:
        blur = max(0, blur**2 - (BLUR_OF_ENLARGING * enlarged) ** 2) ** 0.5
    return PhotoMeasurement(
        Path(path), quality, exact, subsampling, noise, blur, enlarged
    )


def _read_tables(image):
    """Returns the quality, whether it is exact, subsampling, luma's table."""
    tables = getattr(image, "quantization", None)
    if image.format not in ("JPEG", "MPO") or not tables:
        return None, False, None, None
    found = [
        # A damaged file may hold zeros.
        np.maximum(1.0, np.reshape(tables[key], (8, 8)))
        for key in sorted(tables)
    ]
    distances = []
    for quality in range(1, 101):
        # A gray JPEG has no table for chroma.
        pairs = zip(found, (LUMINANCE, CHROMINANCE), strict=False)
        distances.append(
            sum(
                np.abs(np.log(table / scale_table(standard, quality))).mean()
                for table, standard in pairs
            )
        )
    quality = 1 + int(np.argmin(distances))
    sampling = JpegImagePlugin.get_sampling(image)
    subsampling = {-1: None, 0: "4:4:4"}.get(sampling, "4:2:0")
    return quality, bool(min(distances) == 0), subsampling, found[0]


def _blocks(plane, size, step):
    windows = np.lib.stride_tricks.sliding_window_view(plane, (size, size))
    return windows[::step, ::step].reshape(-1, size, size)


def _unclipped(blocks):
    # Where levels are clipped, noise is missing.
    inside = (blocks.min((1, 2)) > 2) & (blocks.max((1, 2)) < 253)
    return blocks[inside]


def _noise(plane):
    """Returns the standard deviation of white noise in uncompressed levels."""
    blocks = _unclipped(_blocks(plane, 8, 5))
    if len(blocks) < 100:
        return None
    coefficients = DCT @ blocks @ DCT.T
    energy = np.mean(coefficients[:, HIGH] ** 2, axis=1)
    flat, usual = np.quantile(energy, (0.05, 0.3))
    # Of noise alone these are the quantiles of a chi-squared distribution
    # with 16 degrees of freedom: 0.4976 and 0.7890 times its variance. Where
    # they are far apart, few blocks or none are flat.
    if usual > 6 * max(flat, 0.1):
        return None
    return float(np.sqrt(flat / 0.4976))


def _noise_before_compression(plane, table):
    """Returns the standard deviation of luma's noise in a JPEG's levels."""
    height, width = (side // 8 * 8 for side in plane.shape)
    blocks = _unclipped(_blocks(plane[:height, :width], 8, 8))
    if len(blocks) < 60:
        return None
    coefficients = np.round(DCT @ (blocks - 128) @ DCT.T / table)
    low = (FREQUENCY >= 1) & (FREQUENCY <= 2)
    energy = np.mean((coefficients * table)[:, low] ** 2, axis=1)
    flattest = np.argsort(energy)[: max(32, len(blocks) // 20)]
    zeros = np.mean(coefficients[flattest] == 0, axis=0)

    # A coefficient is zero where noise is below half a step of quantization.
    # Where nearly all are zero, that is only an upper bound.
    share = np.clip(zeros, 0.03, 0.985)
    inverse = np.vectorize(NormalDist().inv_cdf)
    estimates = table / 2 / inverse((1 + share) / 2)
    bands = []
    for frequency in range(3, 11):
        usable = (FREQUENCY == frequency) & (zeros > 0.03)
        if usable.any() and np.median(zeros[usable]) <= 0.985:
            bands.append(float(np.median(estimates[usable])))
    if not bands and np.median(zeros) > 0.985:
        return 0.0
    # Noise is equally strong in all bands. Texture adds to it, the more the
    # lower the frequency.
    coarse = np.mean(table[FREQUENCY == 3]) > 9  # below quality 70
    if coarse or len(bands) < 3 or bands[0] > 2 * min(bands):
        return None
    return min(bands)


def _spectrum(plane):
    """Returns frequencies, in cycles per pixel, and the mean power there."""
    blocks = _blocks(plane, WINDOW, WINDOW // 2)
    deviations = blocks.std((1, 2))
    detailed = np.argsort(deviations)[-max(8, len(blocks) // 2) :]
    blocks = blocks[detailed]
    window = np.outer(*[np.hanning(WINDOW)] * 2)
    window = window / np.sqrt(np.mean(window**2))
    blocks = (blocks - blocks.mean((1, 2), keepdims=True)) * window
    power = np.abs(np.fft.fft2(blocks)) ** 2 / WINDOW**2
    # A geometric mean, so that the edges in one block do not outweigh the
    # others. For random phases it is below the mean by Euler's constant.
    log_power = np.mean(np.log(power + 1e-6), axis=0) + np.euler_gamma
    frequency = np.fft.fftfreq(WINDOW)
    radius = np.hypot(*np.meshgrid(frequency, frequency)) * WINDOW
    steps = np.arange(2, WINDOW // 2 + 1)
    rings = [np.mean(log_power[np.round(radius) == step]) for step in steps]
    return steps / WINDOW, np.exp(rings)


def _blur(plane, noise, table):
    """Returns the standard deviation of a Gaussian blur, in pixels."""
    frequency, power = _spectrum(plane)
    floor = np.full(len(frequency), noise**2 + 1 / 12)
    if table is not None:
        radius = np.hypot(*np.mgrid[:8, :8]) / 16
        for i, center in enumerate(frequency):
            near = np.abs(radius - center) < 0.05
            floor[i] += np.exp(2 * np.mean(np.log(table[near]))) / 12
    above = power > 3 * floor
    count = len(above) if above.all() else int(np.argmin(above))
    if count < 3:
        return None
    frequency = frequency[:count]
    columns = [
        np.ones(count),
        -np.log(frequency),
        -4 * np.pi**2 * frequency**2,
    ]
    # A prior that keeps the slope near its typical value.
    weight = 0.3
    equations = np.vstack([np.transpose(columns), [0, weight, 0]])
    logs = np.log(power[:count] - floor[:count])
    solution, *_ = np.linalg.lstsq(
        equations, np.append(logs, weight * SLOPE), rcond=None
    )
    return float(max(0, solution[2]) ** 0.5)


def _enlarging(plane, blur, table):
    """Returns the factor by which a photo was enlarged, or 1."""
    peaks = []
    for axis in (0, 1):
        for order in (1, 2):
            differences = np.abs(np.diff(plane, order, axis=axis))
            differences = differences.mean(axis=1 - axis)
            line = np.log(differences + 0.05)
            line = line - np.convolve(line, np.full(9, 1 / 9), "same")
            line = line[5:-5]
            strength = np.abs(np.fft.rfft(line * np.hanning(len(line))))
            frequency = np.fft.rfftfreq(len(line))
            # Blocks of a JPEG have peaks of their own.
            eighths = np.abs(frequency * 8 - np.round(frequency * 8)) < 0.1
            usable = (frequency > 0.22) & ~(eighths & (table is not None))
            best = int(np.argmax(np.where(usable, strength, 0)))
            if strength[best] > 10 * np.median(strength[usable]):
                peaks.append(frequency[best])
    # Photos have repeating patterns, but rarely the same in both directions.
    agreeing = [f for f in peaks if sum(abs(f - g) < 0.01 for g in peaks) > 1]
    if not agreeing:
        return 1.0
    peak = float(np.median(agreeing))
    # A factor below 2 has its peak mirrored at half the sampling frequency.
    factors = 1 / peak, 1 / (1 - peak)
    expected = (blur or 0) / BLUR_OF_ENLARGING
    return min(factors, key=lambda factor: abs(factor - expected))
