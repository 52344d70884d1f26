import io
import os
import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import ExifTags
from PIL import Image
from PIL import ImageOps
from PIL import PngImagePlugin
from PIL import UnidentifiedImageError

from keras_srgan.files import replacing

# What a photo of each Pillow mode is worked on, and returned, as. Modes that
# are not here are worked on as they are.
MODES = {
    "1": "L",
    "P": "RGB",
    "PA": "RGBA",
    "La": "LA",
    "RGBa": "RGBA",
    "I": "I;16",
    "CMYK": "RGB",
    "HSV": "RGB",
    "LAB": "RGB",
    "RGBX": "RGB",
    "YCbCr": "RGB",
}
WITH_ALPHA = {"L": "LA", "RGB": "RGBA"}
COLOR_SPACE = {"L": b"GRAY", "LA": b"GRAY", "I;16": b"GRAY"}
# Texts of PNG files that are not texts, and are kept in their own ways.
OTHER_TEXTS = (
    "Raw profile type APP1",
    "Raw profile type exif",
    "XML:com.adobe.xmp",
)
# EXIF tags that say how the pixels of the old file were stored.
STORAGE_TAGS = {
    *range(0x00FE, 0x0104),  # subfile type, width, length, bits, compression
    0x0106,  # photometric interpretation
    0x010A,  # fill order
    0x0111,  # strip offsets
    0x0112,  # orientation
    *range(0x0115, 0x0118),  # samples, rows per strip, strip byte counts
    0x011C,  # planar configuration
    0x013D,  # predictor
    *range(0x0140, 0x0146),  # palette, tiles
    *range(0x0152, 0x0154),  # extra samples, sample format
    0x015B,  # JPEG tables
    *range(0x0211, 0x0215),  # YCbCr layout, reference black and white
    0x02BC,  # XMP
    0x83BB,  # IPTC
    0x8649,  # Photoshop resources
    0x8773,  # ICC profile
}
SIZE_TAGS = (0xA002, 0xA003)
FORMATS = {
    ".png": ("PNG", 2**31 - 1),
    ".jpg": ("JPEG", 65535),
    ".jpeg": ("JPEG", 65535),
    ".webp": ("WEBP", 16383),
}


def open_photo(path: str | os.PathLike) -> Image.Image:
    """Read a photo file whole.

    Args:
        path: Path of any file that Pillow reads. Of an animation or a file of
            several pages, the first picture is read, with a warning.

    Returns:
        The decoded Pillow image, neither turned nor converted.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError: as `open` does.
        OSError: if it is not the file of a photo, is damaged, or unpacks to
            more pixels than `PIL.Image.MAX_IMAGE_PIXELS` allows. The message
            names the file.

    Example:

    ```python
    from keras_srgan.photo import open_photo

    photo = open_photo("photo.jpg")
    ```
    """
    path = Path(path)
    with path.open("rb") as file:
        try:
            image = Image.open(file)
            pictures = getattr(image, "n_frames", 1)
            image.load()
        except UnidentifiedImageError as error:
            raise OSError(
                f"Cannot read photo {path}: cannot identify its format"
            ) from error
        except (
            Image.DecompressionBombError,
            OSError,
            SyntaxError,
            ValueError,
        ) as error:
            raise OSError(f"Cannot read photo {path}: {error}") from error
    # The further pictures of a phone's JPEG are previews of the first.
    if pictures > 1 and image.format != "MPO":
        warnings.warn(
            f"{path} holds {pictures} pictures; only the first is read.",
            stacklevel=2,
        )
    return image


def upright(image: Image.Image) -> Image.Image:
    """Turn a photo as its EXIF says, in a mode that can be worked on.

    Args:
        image: Pillow image of any mode. See `upscale` for what becomes of it.

    Returns:
        A new image of mode L, LA, RGB, RGBA, I;16 or F. Its `info` has what
        of the metadata still holds: EXIF without orientation and thumbnail,
        an ICC profile of its colour space, resolution, XMP and comments.
    """
    texts = getattr(image, "text", {})
    image, exif = _turn(image)
    info = {
        key: image.info[key]
        for key in ("comment", "dpi", "icc_profile", "xmp")
        if key in image.info
    }
    info |= {key: texts[key] for key in texts if key not in OTHER_TEXTS}
    if exif:
        info["exif"] = exif

    profile = info.get("icc_profile")
    mode = MODES.get(image.mode, image.mode)
    if image.mode == "CMYK" and profile:
        image = _to_srgb(image, profile)
    elif image.mode.startswith("I"):
        image = _to_16_bit(image)
    elif image.has_transparency_data:
        image = image.convert(WITH_ALPHA.get(mode, mode))
    elif image.mode != mode:
        image = image.convert(mode)
    if profile and profile[16:20] != COLOR_SPACE.get(image.mode, b"RGB "):
        del info["icc_profile"]

    image.info = info
    return image


def save_photo(
    image: Image.Image, path: str | os.PathLike, quality: int = 95
) -> None:
    """Write a photo whole or not at all, with its metadata.

    The file is written beside its place under another name and then put
    there, so that neither an error nor an interruption leaves half of it.

    Args:
        image: Pillow image, as `upscale` returns it. What JPEG and WebP
            cannot hold is converted: 16-bit grey to 8 bits, and for JPEG
            transparent photos are laid on white.
        path: Where to. The suffix says the format: `.png`, `.jpg`, `.jpeg`
            or `.webp`.
        quality: Integer from 1 to 100, of JPEG and WebP. Defaults to `95`.

    Raises:
        ValueError: if the suffix is another, or the photo is too large for
            the format (JPEG: 65,535 pixels a side, WebP: 16,383).
        OSError: if the file cannot be written. The message names it.

    Example:

    ```python
    from keras_srgan.photo import open_photo
    from keras_srgan.photo import save_photo

    save_photo(open_photo("photo.jpg"), "photo.png")
    ```
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(
            f"`path` must end in one of {', '.join(FORMATS)}. "
            f"Received: path={str(path)!r}"
        )
    format, limit = FORMATS[suffix]
    if max(image.size) > limit:
        raise ValueError(
            f"{format} holds at most {limit} pixels a side; save as PNG. "
            f"Received: path={str(path)!r} for a photo of "
            f"{image.width}x{image.height}"
        )
    info = image.info
    options = {
        key: info[key]
        for key in ("dpi", "exif", "icc_profile", "xmp")
        if info.get(key)
    }
    if format == "PNG":
        options.pop("xmp", None)
        options["pnginfo"] = _png_texts(info)
    else:
        options.update(quality=quality)
    if format != "PNG" or image.mode == "F":
        image = _to_8_bit(image)
    if format == "JPEG":
        options.update(subsampling="4:4:4")
        if image.mode in ("LA", "RGBA"):
            paper = Image.new(image.mode[:-1], image.size, "white")
            paper.paste(image, mask=image)
            image = paper
        # A segment of a JPEG file holds no more.
        for key, limit in ("exif", 65533), ("xmp", 65504):
            if len(options.get(key, b"")) > limit:
                del options[key]

    try:
        with replacing(path) as partial:
            image.save(partial, format, **options)
    except OSError as error:
        raise OSError(
            f"Cannot write photo {path}: {error.strerror or error}"
        ) from error


def _turn(image):
    """The image as its EXIF turns it, and what of the EXIF still holds."""
    try:
        turned = ImageOps.exif_transpose(image)
        exif = Image.Exif()
        exif.load(image.getexif().tobytes())
        for tag in STORAGE_TAGS & set(exif):
            del exif[tag]
        for tag in SIZE_TAGS:
            exif.get_ifd(ExifTags.IFD.Exif).pop(tag, None)
        return turned, exif.tobytes() if len(exif) else b""
    except (
        SyntaxError,
        ValueError,
        TypeError,
        KeyError,
        struct.error,
    ) as error:
        warnings.warn(f"Damaged EXIF is dropped: {error}", stacklevel=4)
        return image.copy(), b""


def _to_srgb(image, profile):
    from PIL import ImageCms

    try:
        return ImageCms.profileToProfile(
            image,
            io.BytesIO(profile),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError):
        return image.convert("RGB")


def _to_16_bit(image):
    levels = np.asarray(image)
    low, high = levels.min(), levels.max()
    if low < 0 or high > 65535:
        raise ValueError(
            "`image` of mode I must hold levels in [0, 65535]. "
            f"Received: image with levels from {low} to {high}"
        )
    return Image.fromarray(levels.astype("uint16"))


def _to_8_bit(image):
    if image.mode not in ("I;16", "F"):
        return image
    levels = np.asarray(image, "float32") / (257 if image.mode == "I;16" else 1)
    return Image.fromarray(np.rint(levels).astype("uint8"))


def _png_texts(info):
    texts = PngImagePlugin.PngInfo()
    for key, value in info.items():
        if key == "comment" and isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str):
            texts.add_itxt(key, value)
    if "xmp" in info:
        texts.add_itxt("XML:com.adobe.xmp", info["xmp"].decode())
    return texts
