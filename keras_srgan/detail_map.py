from typing import NamedTuple

import numpy as np
from PIL import Image

from keras_srgan.consistency import get_pixels
from keras_srgan.consistency import measure_residual
from keras_srgan.pixels import white_level

# Side, in pixels of the photo, of the area that each value averages over.
WINDOW = 5
# Rows of the photo that are processed at once.
BAND = 64
# In levels of 255: a difference above this is strong.
STRONG = 8
PLACES = (
    ("upper left", "upper middle", "upper right"),
    ("left", "middle", "right"),
    ("lower left", "lower middle", "lower right"),
)
HALVES = ("upper half", "lower half", "left half", "right half")


class DetailMap(NamedTuple):
    """Where the photo does not determine the detail of a result.

    Attributes:
        difference: float32 array `(height, width)` of the photo's size: the
            difference between the vivid and the faithful result, in levels of
            255; root mean square over the colors and the result's pixels for
            each pixel of the photo, averaged over 5x5 pixels of the photo.
        deviation: float32 array `(height, width)`: how far the shrunk result
            is from the photo, in levels of 255, of the color where it is
            farthest; not averaged.
    """

    difference: np.ndarray
    deviation: np.ndarray


def map_detail(
    result: Image.Image | np.ndarray,
    other: Image.Image | np.ndarray,
    photo: Image.Image | np.ndarray,
) -> DetailMap:
    """Maps where a vivid and a faithful network disagree about a photo.

    Both networks fit the photo. Where their results differ, the photo does
    not determine the detail, and the error is likely to be large.

    Args:
        result: The enlarged photo: Pillow image, or array `(height, width)`
            or `(height, width, channels)`, uint8, uint16, or float in
            [0, 255]. Each side is the same multiple of the photo's.
        other: The result of the other network, of the same size.
        photo: The photo, in the same channels. Invisible pixels are 0 in the
            map.

    Returns:
        A `DetailMap`.

    Raises:
        ValueError: if the sizes or the channels do not fit.

    Example:

    ```python
    from keras_srgan import load_generator, upscale
    from keras_srgan.detail_map import map_detail
    from keras_srgan.photo import open_photo

    photo = open_photo("photo.jpg")
    vivid, faithful = (
        upscale(load_generator(name), photo)
        for name in ("srgan_x4_small", "srresnet_x4_small")
    )
    map_detail(vivid, faithful, photo).difference.mean()
    ```
    """
    result, other, photo = map(get_pixels, (result, other, photo))
    if result.shape != other.shape:
        raise ValueError(
            "`other` must have the shape of `result`. "
            f"Received: result.shape={result.shape}, other.shape={other.shape}"
        )
    has_alpha = photo.shape[-1] in (2, 4)
    colors = slice(photo.shape[-1] - has_alpha)
    deviation = measure_residual(result, photo)[..., colors]
    difference = _pool_difference(
        result[..., colors], other[..., colors], photo.shape[:2]
    )
    if has_alpha:
        difference *= photo[..., -1] > 0
    return DetailMap(_smooth(difference), np.abs(deviation).max(axis=-1))


def describe_detail(detail: DetailMap) -> str:
    """Returns sentences that say how much a map shows, and where.

    Args:
        detail: As `map_detail` returns it.

    Example:

    ```python
    import numpy as np
    from keras_srgan.detail_map import DetailMap, describe_detail

    difference = np.zeros((30, 40), "float32")
    difference[25:, :10] = 12
    describe_detail(DetailMap(difference, np.zeros((30, 40))))
    # "The two networks differ by more than 8 levels of 255 on 4.2 % of the
    # area, most of it in the lower left. ..."
    ```
    """
    strong = detail.difference > STRONG
    text = f"The two networks differ by more than {STRONG} levels of 255 on "
    if strong.any():
        text += f"{_percent(strong.mean())} of the area, {_place(strong)}."
    else:
        text += "no part of the picture."
    y, x = np.unravel_index(detail.deviation.argmax(), detail.deviation.shape)
    return (
        f"{text} Shrunk to the photo's size, the result differs from it by "
        f"{detail.deviation.mean():.1f} levels on average and by at most "
        f"{detail.deviation[y, x]:.1f} levels, at ({x}, {y})."
    )


def _pool_difference(one, two, size):
    scale = one.shape[0] // size[0]
    factor = np.float32(255 / white_level(one.dtype))
    pooled = np.empty(size, "float32")
    for top in range(0, size[0], BAND):
        band = slice(scale * top, scale * (top + BAND))
        error = np.square((one[band].astype("float32") - two[band]) * factor)
        blocks = error.reshape(-1, scale, size[1], scale, error.shape[-1])
        pooled[top : top + BAND] = np.sqrt(blocks.mean(axis=(1, 3, 4)))
    return pooled


def _smooth(levels):
    for axis in 0, 1:
        border = [(0, 0), (0, 0)]
        border[axis] = WINDOW // 2, WINDOW // 2
        levels = np.lib.stride_tricks.sliding_window_view(
            np.pad(levels, border, "edge"), WINDOW, axis
        ).mean(axis=-1)
    return levels


def _percent(fraction):
    percent = 100 * fraction
    if percent < 0.1:
        return "less than 0.1 %"
    return f"{percent:.1f} %" if percent < 9.95 else f"{percent:.0f} %"


def _place(strong):
    """Returns a text that says where most of an area is."""
    rows = np.array_split(strong, 3) if len(strong) > 2 else [strong]
    for names, row in zip(PLACES, rows, strict=False):
        parts = np.array_split(row, 3, axis=1)
        for name, part in zip(names, parts, strict=True):
            if part.sum() > strong.sum() / 2:
                return f"most of it in the {name}"
    height, width = strong.shape
    halves = (
        strong[: height // 2],
        strong[height // 2 :],
        strong[:, : width // 2],
        strong[:, width // 2 :],
    )
    for name, half in zip(HALVES, halves, strict=True):
        if half.sum() > 2 / 3 * strong.sum():
            return f"most of it in the {name}"
    return "spread over the picture"
