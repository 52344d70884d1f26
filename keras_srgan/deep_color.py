"""Photos of 16 bits per color, for which Pillow has no mode."""

import os
import warnings

import numpy as np
from PIL import ExifTags
from PIL import Image

from keras_srgan import tiff
from keras_srgan.files import replacing
from keras_srgan.photo import has_deep_color
from keras_srgan.photo_modes import TURNS

HINT = "to keep 16 bits per color: pip install 'keras-srgan[tiff]'"
SUFFIXES = (".tif", ".tiff")
# Offsets in a TIFF file have 32 bits.
MAX_BYTES = 4 * 10**9


def read_deep_color(path: str | os.PathLike) -> np.ndarray | None:
    """Reads a TIFF photo of 16 bits per color, upright.

    `open_photo` reads the metadata of such photos, and their colors as 8 bits.

    Args:
        path: The file.

    Returns:
        uint16 array of shape `(height, width, 3)` or, with alpha, `(height,
        width, 4)`; or `None` for other photos, such as CMYK photos or those
        with premultiplied alpha.

    Raises:
        ImportError: if tifffile is not installed.
        OSError: if the file is not a photo, or is damaged.

    Example:

    ```python
    import numpy as np
    from keras_srgan.deep_color import read_deep_color
    from keras_srgan.deep_color import save_deep_color

    save_deep_color(np.zeros((48, 64, 3), "uint16"), "photo.tif")
    read_deep_color("photo.tif").shape  # (48, 64, 3)
    ```
    """
    if not has_deep_color(path):
        return None
    tifffile = _import_tifffile()
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            if (
                page.photometric != tifffile.PHOTOMETRIC.RGB
                or page.dtype != "uint16"
                or page.extrasamples
                not in ((), (tifffile.EXTRASAMPLE.UNASSALPHA,))
            ):
                return None
            pixels = page.asarray()
            if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
                pixels = np.moveaxis(pixels, 0, -1)
            orientation = page.tags.get(int(ExifTags.Base.Orientation))
    # On damaged files, tifffile raises arbitrary exceptions.
    except Exception as error:
        raise OSError(f"Cannot read photo {path}: {error}") from error
    turn = TURNS.get(orientation and orientation.value)
    if turn is None:
        return pixels
    channels = [
        Image.fromarray(np.ascontiguousarray(pixels[..., i])).transpose(turn)
        for i in range(pixels.shape[-1])
    ]
    return np.stack([np.asarray(channel) for channel in channels], -1)


def check_deep_size(pixels: np.ndarray, size: tuple[int, int]) -> None:
    """Raises unless a photo of a size can be saved with 16 bits per color.

    Args:
        pixels: Array with the channels of the photo.
        size: `(width, height)` of the photo to be saved.

    Raises:
        ValueError: if the file would have more than 4 GB.

    Example:

    ```python
    import numpy as np
    from keras_srgan.deep_color import check_deep_size

    check_deep_size(np.zeros((48, 64, 3), "uint16"), (256, 192))
    ```
    """
    if 2 * size[0] * size[1] * pixels.shape[-1] > MAX_BYTES:
        raise ValueError(
            f"TIFF holds at most {MAX_BYTES // 10**9} GB of pixels; save as "
            "PNG of 8 bits (--format png). Received: a photo of "
            f"{size[0]}x{size[1]} with 16 bits per color"
        )


def save_deep_color(
    pixels: np.ndarray, path: str | os.PathLike, info: dict | None = None
) -> None:
    """Writes a TIFF photo of 16 bits per color atomically.

    Args:
        pixels: uint16 array of shape `(height, width, channels)`, with 3
            (RGB) or 4 (RGBA) channels.
        path: The file.
        info: Metadata, as `open_photo` returns them. EXIF, ICC profile, XMP
            and resolution are kept; others are dropped with a warning.

    Raises:
        ImportError: if tifffile is not installed.
        ValueError: if the array is not such a photo, or is too large.
        OSError: if the file cannot be written. The message names it.

    Example:

    ```python
    import numpy as np
    from keras_srgan.deep_color import save_deep_color

    save_deep_color(np.full((48, 64, 3), 65535, "uint16"), "white.tif")
    ```
    """
    if (
        pixels.dtype != "uint16"
        or pixels.ndim != 3
        or pixels.shape[-1] not in (3, 4)
    ):
        raise ValueError(
            "`pixels` must be a uint16 array of shape (height, width, 3) or "
            f"(height, width, 4). Received: pixels of {pixels.dtype} and shape "
            f"{pixels.shape}"
        )
    check_deep_size(pixels, pixels.shape[1::-1])
    tifffile = _import_tifffile()
    info = info or {}
    try:
        with replacing(path) as partial:
            tifffile.imwrite(
                partial,
                pixels,
                bigtiff=False,
                byteorder="<",
                photometric="rgb",
                planarconfig="contig",
                extrasamples=["unassalpha"] * (pixels.shape[-1] - 3),
                compression="zlib",
                predictor=True,
                metadata=None,
                software=False,
            )
            tiff.add_metadata(partial, info)
    except Exception as error:
        reason = getattr(error, "strerror", None) or error
        raise OSError(f"Cannot write photo {path}: {reason}") from error
    others = set(info) - {"dpi", "exif", "icc_profile", "xmp"}
    if others:
        warnings.warn(
            f"{path}: dropped {', '.join(sorted(others))}, which TIFF does "
            "not hold.",
            stacklevel=2,
        )


def _import_tifffile():
    try:
        import tifffile
    except ImportError as error:
        raise ImportError(HINT) from error
    return tifffile
