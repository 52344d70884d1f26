import itertools
from collections.abc import Callable
from typing import NamedTuple
from typing import TypeVar

import numpy as np
from PIL import Image

from keras_srgan.photo import upright
from keras_srgan.pixels import white_level
from keras_srgan.tiling import Span
from keras_srgan.tiling import equal_windows
from keras_srgan.tiling import get_spans

# Largest deviation of a consistent picture, in levels of 255. Within it, the
# shrunk picture rounds to the photo.
BOUND = 0.5
# Deviations up to this remain. Rounding to 8 bits causes them, so their
# correction would only move them elsewhere.
REST = 0.3
# Back-projection converges below 2, and large steps are faster. With steps of
# one size, the rounding to 8 bits can make the same pixels oscillate forever.
STEPS = (1.9, 1.6, 1.2)
SWEEPS = 1000
# Sweeps without progress after which the largest deviation counts as final.
PATIENCE = 100
# Bicubic interpolation uses two pixels of the photo on either side.
HALO = 2
# In pixels of the photo.
TILE_SIZE = 64
# Corrections are smaller than a level of 255.
FINE = 257

Picture = TypeVar("Picture", Image.Image, np.ndarray)


class Deviation(NamedTuple):
    """How far a shrunk picture is from the photo.

    Attributes:
        largest: Float, the largest absolute difference, in levels of 255.
        mean: Float, the mean absolute difference, in levels of 255.
        x, y: Integers, the pixel of the photo where it is largest.
    """

    largest: float
    mean: float
    x: int
    y: int


def measure_deviation(
    large: Image.Image | np.ndarray, photo: Image.Image | np.ndarray
) -> Deviation:
    """Measures how far an enlarged photo is from the photo when shrunk.

    Each channel is shrunk by antialiased bicubic, clipped to its range and
    not rounded: the bicubic of `Degradation`. Colors of invisible pixels do
    not count.

    Args:
        large: The enlarged photo: Pillow image, or array `(height, width)`
            or `(height, width, channels)`, uint8, uint16, or float in
            [0, 255]. Each side is the same multiple of the photo's.
        photo: The photo, in the same channels, of any of these dtypes.

    Returns:
        A `Deviation`.

    Raises:
        ValueError: if the sizes or the channels do not match.

    Example:

    ```python
    from keras_srgan import Upscaler, load_generator
    from keras_srgan.consistency import measure_deviation
    from keras_srgan.photo import open_photo

    photo = open_photo("photo.png")
    large = Upscaler(load_generator("srgan_x4_small"))(photo)
    measure_deviation(large, photo).largest  # in levels of 255
    ```
    """
    large, photo = get_pixels(large), get_pixels(photo)
    residual = measure_residual(large, photo)
    deviation = np.abs(residual).max(axis=-1)
    y, x = np.unravel_index(deviation.argmax(), deviation.shape)
    return Deviation(
        float(deviation[y, x]), float(np.abs(residual).mean()), int(x), int(y)
    )


def make_consistent(
    large: Picture,
    photo: Image.Image | np.ndarray,
    *,
    allow_deviation: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Picture:
    """Changes an enlarged photo until it shrinks to the photo.

    Iterative back-projection: the picture is shrunk by antialiased bicubic, and
    its differences from the photo are enlarged and added, until the deviation
    is at most half a level of 255 at each pixel. The deviation is computed from
    rounded pixels. Pictures are processed in tiles, with the surroundings that
    the interpolation uses, so the result does not depend on the tiles.

    Some photos, such as checkerboards of black and white pixels, are not the
    bicubic reduction of any picture.

    Args:
        large: The enlarged photo, as `upscale` returns it: see
            `measure_deviation`. It is not changed.
        photo: The photo.
        allow_deviation: Boolean. Whether to return the closest picture found
            if the deviation remains larger. Defaults to `False`.
        progress: Function that is called with the fraction of the photo that
            is within half a level, from time to time until the end.

    Returns:
        A picture of the kind, size and dtype of `large`.

    Raises:
        ValueError: if the sizes or the channels do not match; or if the
            deviation remains larger than half a level, and `allow_deviation`
            is `False`. The message names the largest and its place.

    Example:

    ```python
    from keras_srgan import Upscaler, load_generator
    from keras_srgan.consistency import make_consistent
    from keras_srgan.photo import open_photo, save_photo

    photo = open_photo("photo.jpg")
    large = Upscaler(load_generator("srgan_x4_small"))(photo)
    # A lossy format would change the pixels again.
    save_photo(make_consistent(large, photo), "photo-x4.png")
    ```

    Reference: Irani and Peleg, "Improving Resolution by Image Registration"
    (1991), https://doi.org/10.1016/1049-9652(91)90045-L
    """
    pixels, small = get_pixels(large), get_pixels(photo)
    pixels = _back_project(pixels, small, progress or (lambda fraction: None))
    if not allow_deviation:
        check_deviation(measure_deviation(pixels, small))
    if isinstance(large, Image.Image):
        result = Image.fromarray(pixels.reshape(np.asarray(large).shape))
        result.info = dict(large.info)
        return result
    return pixels.reshape(large.shape)


def check_deviation(deviation: Deviation) -> None:
    """Raises unless a deviation is at most half a level.

    Args:
        deviation: As `measure_deviation` returns it.

    Raises:
        ValueError: if it is larger.
    """
    if deviation.largest > BOUND:
        raise ValueError(
            "The shrunk result must equal the photo within "
            f"{BOUND} levels of 255, and no such result was found. Hard "
            "patterns of black and white have none; --allow-deviation (in "
            "Python: `allow_deviation`) accepts the closest. "
            f"Received: a photo with a deviation of {deviation.largest:.2f} "
            f"levels at (x, y) = ({deviation.x}, {deviation.y})"
        )


def measure_residual(large: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """Returns the photo minus the shrunk picture, in levels of 255.

    Args:
        large: Array `(scale * height, scale * width, channels)`.
        photo: Array `(height, width, channels)`; see `measure_deviation`.

    Returns:
        float32 array `(height, width, channels)`.
    """
    scale = _get_scale(large, photo)
    residual = np.empty(photo.shape, "float32")
    for tile in _get_tiles(photo):
        _fill_residual(residual, large, photo, tile, scale)
    return residual


# === Back-projection ===


def _back_project(large, photo, progress):
    scale = _get_scale(large, photo)
    pixels = fine = large.copy()
    if large.dtype == "uint8":
        fine = large.astype("uint16") * np.uint16(FINE)
    residual = np.empty(photo.shape, "float32")
    tiles = stale = _get_tiles(photo)
    best, waited = np.inf, 0
    for sweep in range(SWEEPS):
        for tile in stale:
            _fill_residual(residual, pixels, photo, tile, scale)
        largest = np.abs(residual).max()
        progress(float((np.abs(residual) <= BOUND).mean()))
        waited = waited + 1 if largest > 0.98 * best else 0
        best = min(best, largest)
        if largest <= BOUND or waited > PATIENCE:
            break
        excess = residual - residual.clip(-REST, REST)
        excess *= np.float32(STEPS[sweep % len(STEPS)])
        changed = [tile for tile in tiles if excess[_window(tile)].any()]
        for tile in changed:
            _add_excess(pixels, fine, excess, tile, scale)
        # Neighbors see the changed pixels within their windows.
        stale = [tile for tile in tiles if excess[_grow(tile)].any()]
    return pixels


def _add_excess(pixels, fine, excess, tile, scale):
    """Adds the enlarged excess of a tile to the picture, in place."""
    window = excess[_window(tile)]
    added = _resize(window, [scale * side for side in window.shape[:2]])
    added = added[_times(_inner(tile), scale)]
    kept = _times(_kept(tile), scale)
    white = white_level(fine.dtype)
    levels = fine[kept] + added * np.float32(white / 255)
    levels = levels.clip(0, white)
    if fine.dtype.kind == "u":
        levels = np.rint(levels)
    fine[kept] = levels
    if fine is not pixels:
        pixels[kept] = np.rint(levels / FINE)


def _fill_residual(residual, large, photo, tile, scale):
    """Measures the residual of a tile."""
    window = _times(_window(tile), scale)
    levels = large[window] * np.float32(255 / white_level(large.dtype))
    shrunk = _resize(levels, [side // scale for side in levels.shape[:2]])
    kept = _kept(tile)
    target = photo[kept] * np.float32(255 / white_level(photo.dtype))
    difference = target - shrunk[_inner(tile)].clip(0, 255)
    if photo.shape[-1] in (2, 4):
        difference[..., :-1] *= photo[kept][..., -1:] > 0
    residual[kept] = difference


def _resize(levels, shape):
    """Resizes a float32 array by antialiased bicubic."""
    height, width = shape
    channels = [
        Image.fromarray(np.ascontiguousarray(levels[..., i])).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        for i in range(levels.shape[-1])
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)


# === Tiles ===


def _get_tiles(photo) -> list[tuple[Span, Span]]:
    return list(
        itertools.product(
            *(
                get_spans(side, equal_windows(side, TILE_SIZE, HALO), HALO)
                for side in photo.shape[:2]
            )
        )
    )


def _window(tile):
    return tuple(span.window for span in tile)


def _kept(tile):
    return tuple(span.kept for span in tile)


def _inner(tile):
    return tuple(span.inner for span in tile)


def _grow(tile):
    """Returns the pixels whose corrections can change a tile's residual."""
    return tuple(
        slice(max(0, span.window.start - HALO), span.window.stop + HALO)
        for span in tile
    )


def _times(slices, scale):
    return tuple(slice(s.start * scale, s.stop * scale) for s in slices)


# === Checks ===


def get_pixels(picture: Image.Image | np.ndarray) -> np.ndarray:
    """Returns a picture as an array `(height, width, channels)`."""
    if isinstance(picture, Image.Image):
        picture = np.asarray(upright(picture))
    return np.atleast_3d(picture)


def _get_scale(large, photo):
    sizes = large.shape[:2], photo.shape[:2]
    scales = {big // small for big, small in zip(*sizes, strict=True)}
    rest = [big % small for big, small in zip(*sizes, strict=True)]
    if len(scales) > 1 or any(rest) or large.shape[2:] != photo.shape[2:]:
        raise ValueError(
            "`large` must have the channels of `photo`, and sides that are "
            "one multiple of its sides. "
            f"Received: large.shape={large.shape}, photo.shape={photo.shape}"
        )
    return scales.pop()
