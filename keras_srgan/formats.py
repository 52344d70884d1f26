"""The formats that photos are written in."""

import os
from pathlib import Path
from typing import NamedTuple

from PIL import features


class Format(NamedTuple):
    """A file format for photos.

    Attributes:
        name: String, Pillow's name.
        side: Integer, the maximum number of pixels per side.
        area: Integer, the maximum number of pixels.
        lossless: Boolean. Whether reading returns the pixels that were written.
        deep: Boolean. Whether 16-bit gray stays 16 bits.
        alpha: Boolean. Whether it holds transparency.
        quality: Boolean. Whether it is written with a quality.
    """

    name: str
    side: int = 2**31 - 1
    area: int = 2**62
    lossless: bool = False
    deep: bool = False
    alpha: bool = True
    quality: bool = False


def _find_formats():
    formats = {".png": Format("PNG", lossless=True, deep=True)}
    jpeg = Format("JPEG", side=65500, alpha=False, quality=True)
    formats |= {".jpg": jpeg, ".jpeg": jpeg}
    formats[".webp"] = Format("WEBP", side=16383, quality=True)
    # Offsets in a TIFF file have 32 bits.
    tiff = Format("TIFF", area=10**9, lossless=True, deep=True)
    formats |= {".tif": tiff, ".tiff": tiff}
    # libavif reads no larger files by default.
    if _has("avif"):
        formats[".avif"] = Format("AVIF", 32768, 2**28, quality=True)
    # OpenJPEG holds 4 bytes per level in memory.
    if _has("jpg_2000"):
        formats[".jp2"] = Format(
            "JPEG2000", area=2**28, lossless=True, deep=True
        )
    return formats


def _has(feature):
    # Older versions of Pillow warn about features that they do not know.
    known = {**features.modules, **features.codecs}
    return feature in known and bool(features.check(feature))


# By suffix. They depend on the version of Pillow.
FORMATS = _find_formats()
# Suffixes of lossless formats.
LOSSLESS = tuple(
    suffix for suffix, format in FORMATS.items() if format.lossless
)


def get_format(path: str | os.PathLike) -> Format:
    """Returns the format that the suffix of a file names.

    Args:
        path: The file.

    Raises:
        ValueError: if the suffix is not one of `FORMATS`.

    Example:

    ```python
    from keras_srgan.formats import get_format

    get_format("photo.jpg").name  # "JPEG"
    ```
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(
            f"`path` must end in one of {', '.join(FORMATS)}. "
            f"Received: path={str(path)!r}"
        )
    return FORMATS[suffix]


def check_size(size: tuple[int, int], path: str | os.PathLike) -> None:
    """Raises unless a photo of a size can be saved under a name.

    Args:
        size: `(width, height)` in pixels.
        path: The file. The suffix determines the format.

    Raises:
        ValueError: if the suffix is not one of `FORMATS`, or the format does
            not allow the size.

    Example:

    ```python
    from keras_srgan.formats import check_size

    check_size((65500, 100), "wide.jpg")
    ```
    """
    format = get_format(path)
    width, height = size
    if max(size) > format.side:
        limit = f"{format.side} pixels per side"
    elif width * height > format.area:
        limit = f"{format.area / 1e6:.0f} megapixels"
    else:
        return
    raise ValueError(
        f"{format.name} holds at most {limit}; save as PNG (--format png). "
        f"Received: path={str(path)!r} for a photo of {width}x{height}"
    )
