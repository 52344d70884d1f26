import io

import numpy as np
from PIL import ExifTags
from PIL import Image

from keras_srgan.checks import check_range

# The mode that each Pillow mode is converted to.
MODES = {
    "1": "L",
    "L": "L",
    "LA": "LA",
    "La": "LA",
    "PA": "RGBA",
    "RGBA": "RGBA",
    "RGBa": "RGBA",
    "F": "F",
}
WITH_ALPHA = {"L": "LA", "RGB": "RGBA"}
# How to turn the pixels for each value of the EXIF orientation.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def convert(image: Image.Image) -> tuple[Image.Image, bool, list[str]]:
    """Turns a photo according to its EXIF, and converts it to a common mode.

    Args:
        image: Pillow image of any mode. It is not changed.

    Returns:
        A new image, whose `info` is not cleaned; whether it was turned; and a
        list of texts that describe what was lost.

    Raises:
        ValueError: if the levels are outside the range of the mode.
    """
    image.load()
    notes = []
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    # Pillow's parser of EXIF raises arbitrary exceptions, but only once.
    except Exception as error:
        turn = None
        notes.append(f"EXIF (damaged: {error})")
    info = image.info
    photo = image.copy() if turn is None else image.transpose(turn)
    mode = MODES.get(photo.mode, "RGB")
    transparency = info.get("transparency")
    if isinstance(transparency, str):
        # A text chunk of a PNG file may have this keyword.
        del photo.info["transparency"]
    if photo.mode == "CMYK" and isinstance(info.get("icc_profile"), bytes):
        photo = _to_srgb(photo, info["icc_profile"])
    elif photo.mode.startswith("I"):
        photo = _to_16_bit(photo)
        if isinstance(transparency, int):
            # Pillow has no mode of 16-bit gray with alpha.
            hidden = np.asarray(photo) == transparency
            photo = to_8_bit(photo)
            photo.putalpha(Image.fromarray(np.uint8(255) * ~hidden))
            notes.append("8 of 16 bits of gray to keep its transparency")
    elif photo.mode == "F":
        check_range(np.asarray(photo), "image")
    elif photo.has_transparency_data:
        photo = photo.convert(WITH_ALPHA.get(mode, mode))
    elif photo.mode != mode:
        photo = photo.convert(mode)
    return photo, turn is not None, notes


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


def to_8_bit(image: Image.Image) -> Image.Image:
    """Returns an image of mode I;16 or F as mode L, others unchanged.

    Raises:
        ValueError: if a level is not finite.
    """
    if image.mode not in ("I;16", "F"):
        return image
    levels = np.asarray(image, "float32") / (257 if image.mode == "I;16" else 1)
    if not np.isfinite(levels).all():
        raise ValueError(
            "`image` must have finite levels. "
            f"Received: image with levels from {levels.min()} to "
            f"{levels.max()}"
        )
    return Image.fromarray(np.rint(levels.clip(0, 255)).astype("uint8"))


def on_white(image: Image.Image) -> Image.Image:
    """Returns a transparent image composited onto white, others unchanged."""
    if image.mode not in ("LA", "RGBA"):
        return image
    paper = Image.new(image.mode[:-1], image.size, "white")
    paper.paste(image, mask=image.getchannel("A"))
    return paper


def shrink(photo: np.ndarray, max_megapixels: float) -> np.ndarray:
    """Halves a photo as often as needed.

    Args:
        photo: uint8 array of shape `(height, width, 3)`.
        max_megapixels: Float. Pixels that the result may have, in millions.

    Returns:
        uint8 array of shape `(height / n, width / n, 3)`, rounded up, with
        `n` a power of 2. Each pixel is the mean of `n` x `n`.
    """
    factor = 1
    while photo[..., 0].size > max_megapixels * 1e6 * factor**2:
        factor *= 2
    return np.asarray(Image.fromarray(photo).reduce(factor))
