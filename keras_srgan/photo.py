import contextlib
import os
import stat
import threading
import warnings
from pathlib import Path

import numpy as np
from PIL import Image
from PIL import UnidentifiedImageError

from keras_srgan import metadata
from keras_srgan import photo_modes
from keras_srgan import tiff
from keras_srgan.files import replacing
from keras_srgan.formats import check_size
from keras_srgan.formats import get_format
from keras_srgan.photo_files import HEIC_HINT
from keras_srgan.photo_files import is_heic
from keras_srgan.photo_files import photo_formats

# Phones take 200-megapixel photos; this package writes larger ones.
MAX_MEGAPIXELS = 400
OPTIONS = {
    # Half of the time of Pillow's default, and files 3 % larger.
    "PNG": {"compress_level": 4},
    "JPEG": {"subsampling": "4:4:4"},
    "AVIF": {"subsampling": "4:4:4"},
    "TIFF": {"compression": "tiff_adobe_deflate"},
}
_open_lock = threading.Lock()


def open_photo(
    path: str | os.PathLike, max_megapixels: float = MAX_MEGAPIXELS
) -> Image.Image:
    """Reads a photo file, upright and ready to be processed.

    See `upright` for the modes and the metadata of the result. Metadata that
    are dropped are named in one warning.

    Args:
        path: The file. Its content decides its format, not its suffix. Of an
            animation or a file of several pages, the first picture is read,
            with a warning.
        max_megapixels: Float. Larger photos are refused before they are
            decoded. Defaults to `400`.

    Returns:
        Pillow image of mode L, LA, RGB, RGBA, I;16 or F.

    Raises:
        OSError: if the file is missing, not a photo, damaged or too large. The
            message names it. The errors of `open`, such as
            `FileNotFoundError`, are among them.

    Example:

    ```python
    from PIL import Image
    from keras_srgan.photo import open_photo

    Image.new("CMYK", (64, 48)).save("photo.jpg")
    open_photo("photo.jpg").mode  # "RGB"
    ```
    """
    photo, notes = _read(path, max_megapixels)
    if notes:
        warnings.warn(f"{path}: dropped {', '.join(notes)}.", stacklevel=2)
    return photo


def load_image(path: str | os.PathLike) -> np.ndarray:
    """Reads a photo file as 8-bit RGB, to train on or to measure.

    The file is read as `open_photo` reads it. Gray becomes RGB, 16 bits
    become 8, and transparent photos are composited onto white, as in browsers.

    Args:
        path: The file.

    Returns:
        uint8 array of shape `(height, width, 3)`, RGB in [0, 255].

    Raises:
        OSError: see `open_photo`.

    Example:

    ```python
    from PIL import Image
    from keras_srgan.photo import load_image

    Image.new("CMYK", (64, 48)).save("photo.jpg")
    load_image("photo.jpg").shape  # (48, 64, 3)
    ```
    """
    photo, _ = _read(path, MAX_MEGAPIXELS, keep_metadata=False)
    return np.array(
        photo_modes.on_white(photo_modes.to_8_bit(photo)).convert("RGB")
    )


def read_size(path: str | os.PathLike) -> tuple[int, int]:
    """Returns the `(width, height)` of a photo file as stored, not turned.

    Args:
        path: The file. It is not decoded.

    Raises:
        OSError: see `open_photo`, unless only decoding shows the fault.

    Example:

    ```python
    from PIL import Image
    from keras_srgan.photo import read_size

    Image.new("RGB", (64, 48)).save("photo.jpg")
    read_size("photo.jpg")  # (64, 48)
    ```
    """
    with _reading(path) as file:
        return _open(file, Path(path)).size


def has_deep_color(path: str | os.PathLike) -> bool:
    """Returns whether Pillow reduces the colors of a photo to 8 bits.

    Args:
        path: The file. It is not decoded.

    Raises:
        OSError: see `open_photo`, unless only decoding shows the fault.

    Example:

    ```python
    from PIL import Image
    from keras_srgan.photo import has_deep_color

    Image.new("RGB", (64, 48)).save("photo.tif")
    has_deep_color("photo.tif")  # False
    ```
    """
    with _reading(path) as file:
        image = _open(file, Path(path))
        if image.mode.startswith("I"):
            return False
        if image.format == "TIFF":
            return 16 in image.tag_v2.get(258, ())
        # The arguments of a decoder begin with the layout in the file.
        return any(";16" in str(tile[3]) for tile in image.tile[:1])


def open_stored(path: str | os.PathLike) -> Image.Image:
    """Reads a photo as its file stores it, neither turned nor converted.

    Args:
        path: The file.

    Returns:
        Pillow image, with the attributes of its format.

    Raises:
        OSError: see `open_photo`.

    Example:

    ```python
    from PIL import Image
    from keras_srgan.photo import open_stored

    Image.new("RGB", (64, 48)).save("photo.jpg")
    open_stored("photo.jpg").quantization[0][:3]  # [8, 6, 6]
    ```
    """
    with _reading(path) as file:
        image = _open(file, Path(path))
        image.load()
    return image


def upright(image: Image.Image) -> Image.Image:
    """Turns a photo according to its EXIF, and converts it to a common mode.

    - Modes L, LA, RGB, RGBA and 16-bit gray (I;16) keep their mode and depth;
      F too, with levels in [0, 255].
    - 1-bit becomes L; palettes RGB or RGBA; I (levels in [0, 65535]) I;16;
      YCbCr, HSV, LAB and CMYK become RGB, CMYK by its ICC profile, if it has
      one, to sRGB. A transparent color becomes an alpha channel; 16-bit gray
      with a transparent color becomes LA.
    - `info` keeps EXIF, ICC profile, resolution, XMP, comment and the texts of
      PNG files, as far as they are valid and still correct. EXIF orientation,
      thumbnail and positions in pixels are removed. One warning names other
      metadata that are dropped.

    Args:
        image: Pillow image of any mode. It is not changed.

    Returns:
        A new image of mode L, LA, RGB, RGBA, I;16 or F.

    Raises:
        ValueError: if the levels are outside the range of the mode.

    Example:

    ```python
    from PIL import Image
    from keras_srgan.photo import upright

    upright(Image.new("CMYK", (64, 48))).mode  # "RGB"
    ```
    """
    photo, turned, notes = photo_modes.convert(image)
    photo.info, dropped = metadata.clean(image, photo.mode, turned)
    if notes + dropped:
        warnings.warn(
            f"The photo lost {', '.join(notes + dropped)}.", stacklevel=2
        )
    return photo


def save_photo(
    image: Image.Image, path: str | os.PathLike, quality: int = 95
) -> None:
    """Writes a photo atomically, with its metadata.

    PNG, TIFF (deflate) and JPEG 2000 (reversible) are lossless and keep
    16-bit gray; JPEG, WebP and AVIF are not and hold 8 bits.

    Args:
        image: Pillow image, as `upscale` returns it. Levels deeper than the
            format are rounded; for JPEG, transparent photos are composited
            onto white. Metadata that the format cannot hold are dropped with a
            warning.
        path: The file. The suffix determines the format: `.png`, `.jpg`,
            `.jpeg`, `.webp`, `.tif` or `.tiff`; and `.avif` or `.jp2`, if the
            installed Pillow has them.
        quality: Integer from 1 to 100, for JPEG, WebP and AVIF. Defaults to
            `95`.

    Raises:
        ValueError: if the suffix is unknown, the photo is too large for the
            format (see `keras_srgan.formats`), or a level is not finite.
        OSError: if the file cannot be written. The message names it.

    Example:

    ```python
    from PIL import Image
    from keras_srgan.photo import save_photo

    save_photo(Image.new("RGB", (64, 48), "red"), "photo.png")
    ```
    """
    path = Path(path)
    check_size(image.size, path)
    format = get_format(path)
    options, dropped = metadata.save_options(image.info, format.name)
    if not format.deep or image.mode == "F":
        image = photo_modes.to_8_bit(image)
    if not format.alpha:
        image = photo_modes.on_white(image)
    if format.quality:
        options["quality"] = quality
    options |= OPTIONS.get(format.name, {})
    try:
        with replacing(path) as partial:
            image.save(partial, format.name, **options)
            if format.name == "TIFF":
                tiff.add_metadata(partial, image.info)
    # Pillow's writers raise arbitrary exceptions, as its readers do.
    except Exception as error:
        reason = getattr(error, "strerror", None) or error
        raise OSError(f"Cannot write photo {path}: {reason}") from error
    if dropped:
        warnings.warn(
            f"{path}: dropped {', '.join(dropped)}, which {format.name} does "
            "not hold.",
            stacklevel=2,
        )


# === Reading ===


@contextlib.contextmanager
def _reading(path):
    """Opens a file, and makes every error an `OSError` that names it."""
    path = Path(path)
    # Opening a named pipe would wait forever.
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(f"Cannot read photo {path}: it is not a regular file")
    with path.open("rb") as file:
        try:
            yield file
        except UnidentifiedImageError as error:
            file.seek(0)
            heic = is_heic(file.read(12))
            raise OSError(
                f"Cannot read photo {path}: cannot identify its format"
                + f" ({HEIC_HINT})" * heic
            ) from error
        # On a damaged file Pillow raises arbitrary exceptions, from
        # SyntaxError to struct.error, and seldom names the file.
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise OSError(f"Cannot read photo {path}: {reason}") from error


def _read(path, max_megapixels, keep_metadata=True):
    """Returns the photo and a list of the dropped metadata."""
    with _reading(path) as file:
        return _decode(file, Path(path), max_megapixels, keep_metadata)


def _decode(file, path, max_megapixels, keep_metadata):
    image = _open(file, path)
    megapixels = image.width * image.height / 1e6
    if megapixels > max_megapixels:
        raise ValueError(
            f"it has {megapixels:.0f} megapixels, more than the limit of "
            f"{max_megapixels:g} against decompression bombs; raise "
            "--max-megapixels (in Python: `max_megapixels`) if you trust it"
        )
    # Raw files of cameras are TIFF files that begin with a thumbnail.
    if image.format == "TIFF" and image.tag_v2.get(0x00FE, 0) == 1:
        raise ValueError("its first picture is a preview, as in raw files")
    pictures = _count_pictures(image)
    image.load()
    photo, turned, notes = photo_modes.convert(image)
    photo.info = {}
    if not keep_metadata:
        return photo, notes
    photo.info, dropped = metadata.clean(image, photo.mode, turned)
    dropped += metadata.find_attachments(image, file)
    # The other pictures of a phone's JPEG are previews; those of PSD, layers.
    if pictures > 1 and image.format not in ("MPO", "PSD"):
        warnings.warn(
            f"{path} holds {pictures} pictures; only the first is read.",
            stacklevel=4,
        )
    return photo, notes + dropped


def _open(file, path):
    # Pillow's own limit is a global of the program, and warns long before it
    # refuses.
    with _open_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=photo_formats(path))
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _count_pictures(image):
    try:
        return getattr(image, "n_frames", 1)
    # The first picture may still be intact.
    except Exception:
        return 1
