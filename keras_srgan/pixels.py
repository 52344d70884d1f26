import numpy as np
from PIL import Image

# Shares of R, G and B in the luma.
LUMA = np.array([0.299, 0.587, 0.114])


def white_level(dtype: np.dtype) -> int:
    """Returns the level of white: 65535 for uint16, else 255."""
    return 65535 if dtype == "uint16" else 255


def quantize(levels: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Clips float levels to a dtype's range, and rounds unless it is float."""
    levels = np.clip(levels, 0, white_level(dtype))
    return levels if dtype == "float32" else np.rint(levels).astype(dtype)


def resize_channel(
    channel: np.ndarray, size: tuple[int, int], dtype: np.dtype
) -> np.ndarray:
    """Resizes one channel to `(width, height)` by antialiased bicubic."""
    if dtype != "uint8":
        channel = channel.astype("float32")
    resized = np.asarray(
        Image.fromarray(channel).resize(size, Image.Resampling.BICUBIC)
    )
    return resized if dtype == "uint8" else quantize(resized, dtype)


def spread_colors(colors: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Replaces the colors of invisible pixels by nearby visible colors.

    Args:
        colors: Array `(height, width, channels)`.
        alpha: Array `(height, width)`; 0 is invisible.

    Reference: the pyramid of Gortler et al., "The Lumigraph" (1996), section
    3.4.
    """
    hidden = alpha == 0
    if not hidden.any():
        return colors
    levels = np.dstack([colors, alpha])
    if levels.dtype != "uint8":
        levels = np.ceil(levels * np.float32(255 / white_level(levels.dtype)))
    near = _spread_image(Image.fromarray(levels.astype("uint8")))
    colors = colors.copy()
    near = np.atleast_3d(np.asarray(near))[hidden]
    colors[hidden] = near * (white_level(colors.dtype) / 255)
    return colors


def _spread_image(image):
    """Returns an opaque image, filled in where `image` is invisible."""
    colors = image.convert(image.mode[:-1])
    alpha = image.getchannel("A")
    if alpha.getextrema()[0] > 0 or max(image.size) == 1:
        return colors
    near = _spread_image(image.reduce(2)).resize(
        image.size, Image.Resampling.BILINEAR
    )
    return Image.composite(colors, near, alpha.point(lambda a: 255 * (a > 0)))
