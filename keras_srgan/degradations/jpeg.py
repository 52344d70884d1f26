import keras
import numpy as np
from keras import ops

from keras_srgan.degradations.base import RandomDegradation
from keras_srgan.degradations.base import check_bounds
from keras_srgan.degradations.base import per_image
from keras_srgan.degradations.base import to_levels
from keras_srgan.degradations.filtering import extend

# The example tables of the standard, annex K, which libjpeg scales.
LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    "float32",
)
CHROMINANCE = np.full((8, 8), 99, "float32")
CHROMINANCE[:4, :4] = [
    [17, 18, 24, 47],
    [18, 21, 26, 66],
    [24, 26, 56, 99],
    [47, 66, 99, 99],
]
SUBSAMPLING = ("4:4:4", "4:2:0")


@keras.saving.register_keras_serializable(package="keras_srgan")
class JPEGCompression(RandomDegradation):
    """Compresses images as JPEG and decodes them, as libjpeg does.

    All steps that lose information are reproduced: conversion to YCbCr,
    chroma subsampling, the quantization of the 8 x 8 DCT's coefficients, and
    the rounding of levels. Images of other sizes than multiples of 8 or 16
    are padded with their edge pixels. No gradient passes through rounding.

    Args:
        quality: Number or pair of numbers in [1, 100]. The range of libjpeg's
            quality, which is a whole number. Defaults to `(30, 95)`.
        subsampling: `"4:4:4"` (full-size chroma), `"4:2:0"` (chroma at half
            the width and height) or a tuple of both, to draw either. Defaults
            to `"4:2:0"`, the default of libjpeg.
        probability, seed: See `RandomDegradation`.

    Call arguments:
        images: `(batch, height, width, 3)`, RGB in [0, 255].
        parameters: Dictionary of tensors `(batch,)`: `quality`, and
            `subsampled` (Boolean), true for 4:2:0. Defaults to `None`: new
            draws.

    Output shape:
        `(batch, height, width, 3)`, RGB in [0, 255], float32, whole levels.

    Example:

    ```python
    import numpy as np
    from keras_srgan.degradations import JPEGCompression

    photos = np.random.randint(0, 256, (2, 60, 60, 3), "uint8")
    JPEGCompression(quality=(50, 90))(photos)
    JPEGCompression()(
        photos,
        parameters={
            "quality": np.array([30, 75]),
            "subsampled": np.array([True, False]),
        },
    )
    ```

    Reference: Wallace, "The JPEG Still Picture Compression Standard" (1992),
    https://doi.org/10.1109/30.125072; ITU-T T.81.
    """

    def __init__(self, quality=(30, 95), subsampling="4:2:0", **kwargs):
        super().__init__(**kwargs)
        self.quality = check_bounds("quality", quality, 1, 100)
        self.subsampling = check_subsampling(subsampling)

    def draw(self, images):
        low, high = self.quality
        quality = ops.floor(self.uniform(images, (low, high + 1)))
        share = self.subsampling.count("4:2:0") / len(self.subsampling)
        return {
            "quality": ops.minimum(quality, high),
            "subsampled": self.chance(images, share),
        }

    def degrade(self, images, quality, subsampled):
        _, height, width, _ = ops.shape(images)
        y, chroma = _rgb_to_ycc(to_levels(images))
        y = _compress(y, _scale_table(LUMINANCE, quality))
        tables = _scale_table(CHROMINANCE, quality)
        # libjpeg pads columns before it averages, and rows after.
        small = _halve(extend(chroma, 0, (height % 2, -width % 16)))
        small = _compress(small, tables)[:, :, : (width + 1) // 2]
        chroma = ops.where(
            per_image(subsampled, "bool"),
            _double(small)[:, :height, :width],
            _compress(chroma, tables),
        )
        return _ycc_to_rgb(y, chroma)

    def get_config(self):
        return {
            **super().get_config(),
            "quality": self.quality,
            "subsampling": self.subsampling,
        }


def check_subsampling(subsampling):
    """Returns `subsampling` as a tuple of some of `SUBSAMPLING`."""
    if isinstance(subsampling, str):
        subsampling = (subsampling,)
    if not subsampling or not set(subsampling) <= set(SUBSAMPLING):
        raise ValueError(
            "`subsampling` must be '4:4:4', '4:2:0' or a tuple of them. "
            f"Received: subsampling={subsampling!r}"
        )
    return tuple(subsampling)


def scale_table(table, quality):
    """Returns a quantization table `(8, 8)` at one of libjpeg's qualities."""
    return ops.convert_to_numpy(_scale_table(table, [quality]))[0]


def _scale_table(table, quality):
    # libjpeg divides integers. The halves keep a quotient that is a whole
    # number from being rounded down below it.
    quality = ops.reshape(ops.cast(quality, "float32"), (-1, 1, 1))
    percent = ops.where(
        quality < 50, ops.floor(5000.5 / quality), 200 - 2 * quality
    )
    table = ops.convert_to_tensor(table)
    return ops.clip(ops.floor((table * percent + 50.5) / 100), 1, 255)


# Color conversion in libjpeg's fixed point. All sums are integers below
# 2 ** 24, which float32 holds exactly, so all backends round alike.
def _rgb_to_ycc(images):
    r, g, b = ops.split(images, 3, axis=-1)
    half, center = 32768, 128 * 65536
    y = 19595 * r + 38470 * g + 7471 * b + half
    cb = center + half - 1 - 11059 * r - 21709 * g + 32768 * b
    cr = center + half - 1 + 32768 * r - 27439 * g - 5329 * b
    chroma = ops.concatenate([cb, cr], axis=-1)
    return ops.floor(y / 65536), ops.floor(chroma / 65536)


def _ycc_to_rgb(y, chroma):
    cb, cr = ops.split(chroma - 128, 2, axis=-1)
    half = 32768
    r = y + ops.floor((91881 * cr + half) / 65536)
    g = y + ops.floor((half - 22554 * cb - 46802 * cr) / 65536)
    b = y + ops.floor((116130 * cb + half) / 65536)
    return ops.clip(ops.concatenate([r, g, b], axis=-1), 0, 255)


def _halve(planes):
    """Averages 2 x 2 pixels, rounding down and up in alternate columns."""
    _, height, width, channels = ops.shape(planes)
    planes = ops.reshape(planes, (-1, height // 2, 2, width // 2, 2, channels))
    bias = 1 + ops.arange(width // 2) % 2
    bias = ops.reshape(ops.cast(bias, "float32"), (1, 1, -1, 1))
    return ops.floor((ops.sum(planes, axis=(2, 4)) + bias) / 4)


def _double(planes):
    """Enlarges by libjpeg's "fancy upsampling", a triangle filter."""
    _, height, width, channels = ops.shape(planes)
    padded = extend(planes, 1, 1)
    rows = [
        3 * padded[:, 1:-1] + padded[:, :-2],
        3 * padded[:, 1:-1] + padded[:, 2:],
    ]
    rows = ops.stack(rows, axis=2)
    columns = [
        3 * rows[:, :, :, 1:-1] + rows[:, :, :, :-2] + 8,
        3 * rows[:, :, :, 1:-1] + rows[:, :, :, 2:] + 7,
    ]
    planes = ops.floor(ops.stack(columns, axis=4) / 16)
    return ops.reshape(planes, (-1, 2 * height, 2 * width, channels))


def _compress(planes, tables):
    """Returns planes of any size after compression; see `_quantize`."""
    _, height, width, _ = ops.shape(planes)
    planes = extend(planes, 0, (-height % 8, -width % 8))
    return _quantize(planes, tables)[:, :height, :width]


def _quantize(planes, tables):
    """Returns planes whose DCT coefficients are quantized.

    Args:
        planes: Levels `(batch, height, width, channels)`; height and width
            are multiples of 8.
        tables: Quantization tables `(batch, 8, 8)`.
    """
    batch, height, width, channels = ops.shape(planes)
    split = (batch, height // 8, 8, width // 8, 8, channels)
    blocks = ops.transpose(ops.reshape(planes - 128, split), (0, 1, 3, 5, 2, 4))
    # TensorFlow does not broadcast the tables over more dimensions.
    merged = ops.reshape(blocks, (batch, -1, 8, 8))

    # libjpeg's DCT has three fractional bits. Rounding to them, too, gives
    # its result, and exact integers, which all backends round alike.
    dct = ops.convert_to_tensor(DCT)
    eighths = _multiply(_multiply(8 * merged, dct, 2), dct, 3)
    eighths = ops.floor(eighths + 0.5)
    tables = ops.expand_dims(tables, 1)
    levels = (ops.abs(eighths) + 4 * tables + 0.25) / (8 * tables)
    coefficients = ops.sign(eighths) * ops.floor(levels) * tables

    inverse = ops.transpose(dct)
    merged = _multiply(_multiply(coefficients, inverse, 2), inverse, 3)
    # Halves, which are frequent, are rounded up on all backends.
    merged = ops.clip(ops.floor(merged + 128.5 + 1e-3), 0, 255)
    blocks = ops.reshape(
        merged, (batch, height // 8, width // 8, channels, 8, 8)
    )
    blocks = ops.transpose(blocks, (0, 1, 4, 2, 5, 3))
    return ops.reshape(blocks, (batch, height, width, channels))


def _multiply(blocks, matrix, axis):
    """Returns the products of a matrix and `axis` of `(batch, n, 8, 8)`."""
    # Not a product of matrices, which GPUs compute in lower precision.
    shape = (8, 8, 1) if axis == 2 else (1, 8, 8)
    products = ops.expand_dims(blocks, axis) * ops.reshape(matrix, shape)
    return ops.sum(products, axis=axis + 1)


def _make_dct():
    frequency, position = np.mgrid[:8, :8]
    matrix = np.cos((2 * position + 1) * frequency * np.pi / 16) / 2
    matrix[0] /= np.sqrt(2)
    return matrix.astype("float32")


DCT = _make_dct()
