import io
import math
import re

from PIL import ExifTags
from PIL import Image
from PIL import PngImagePlugin

from keras_srgan import xmp

# `info` of a photo holds these, and the texts of PNG files by their keywords.
KEYS = ("comment", "dpi", "exif", "icc_profile", "xmp")
# Pillow reads texts with these keywords as something else.
RESERVED = {
    "background",
    "bbox",
    "compression",
    "default_image",
    "dpi",
    "duration",
    "exif",
    "gamma",
    "icc_profile",
    "interlace",
    "loop",
    "srgb",
    "transparency",
    "xmp",
}
COLOR_SPACE = {"L": b"GRAY", "LA": b"GRAY", "I;16": b"GRAY"}
NAMES = {
    "dpi": "the resolution",
    "exif": "EXIF",
    "icc_profile": "the ICC profile",
    "xmp": "XMP",
}
# A segment of a JPEG file holds no more.
JPEG_LIMITS = {"EXIF": 65533, "XMP": 65504, "comment": 65533}
# EXIF tags that describe how the pixels of the old file were stored.
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
# EXIF tags in pixels of the old photo: sizes, subject, focal plane.
PIXEL_TAGS = (0xA002, 0xA003, 0x9214, 0xA214, 0xA20E, 0xA20F, 0xA210)
INTEROP_SIZE_TAGS = (0x1001, 0x1002)

# Patterns of attachments to the photo in a JPEG file.
ATTACHMENTS = {
    "the HDR gain map": rb"hdrgm:|HDRGainMap|urn:iso:std:iso:ts:21496",
    "the video of a motion photo": (
        rb"MotionPhoto(_Data|=\"1|>1)|MicroVideo(=\"1|>1)|\0\0\0.ftyp"
    ),
}


def clean(
    image: Image.Image, mode: str, turned: bool
) -> tuple[dict, list[str]]:
    """Returns the metadata of a photo that can be kept.

    They are valid, so that they can be written to any format, and correct for
    the upright photo.

    Args:
        image: Pillow image as decoded, neither turned nor converted.
        mode: Mode of the converted photo.
        turned: Boolean. Whether the EXIF orientation turned the photo.

    Returns:
        A dict for `info` of the converted photo, and a list of texts that
        describe what was dropped.
    """
    texts, dropped = _clean_texts(image)
    # Pillow mixes texts with the other metadata.
    old = {
        key: value
        for key, value in image.info.items()
        if key not in texts and not isinstance(value, str)
    }
    info = dict(texts)
    if isinstance(old.get("comment"), bytes):
        info["comment"] = old["comment"]
    if "dpi" in old:
        if _is_resolution(old["dpi"]):
            info["dpi"] = tuple(map(float, old["dpi"]))
        else:
            dropped.append("the resolution (not a positive number)")
    try:
        exif = _clean_exif(image)
        if exif:
            info["exif"] = exif
    # Damaged data, which Pillow reads but cannot write.
    except Exception as error:
        dropped.append(f"EXIF (damaged: {error})")
    profile = old.get("icc_profile")
    if profile and image.mode != "CMYK":
        if _is_profile(profile):
            if profile[16:20] == COLOR_SPACE.get(mode, b"RGB "):
                info["icc_profile"] = profile
            elif image.mode != "LAB":
                dropped.append("the ICC profile (of another color space)")
        else:
            dropped.append("the ICC profile (damaged)")
    packet = old.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if packet:
        packet, lost = xmp.clean(packet, turned)
        dropped += lost
        if packet:
            info["xmp"] = packet
    return info, dropped


def find_attachments(image: Image.Image, file: io.BufferedIOBase) -> list[str]:
    """Returns the names of the attachments to the photo in a JPEG file.

    Args:
        image: Pillow image that was opened from the file.
        file: The binary file, open.
    """
    if image.format not in ("JPEG", "MPO"):
        return []
    file.seek(0)
    content = file.read()
    return [
        name
        for name, pattern in ATTACHMENTS.items()
        if re.search(pattern, content, re.DOTALL)
    ]


def save_options(info: dict, format: str) -> tuple[dict, list[str]]:
    """Returns arguments of Pillow's `save` that write metadata.

    TIFF files get theirs from `tiff.add_metadata`.

    Args:
        info: The metadata, as `clean` returns them.
        format: `"PNG"`, `"JPEG"`, `"WEBP"`, `"TIFF"`, `"AVIF"` or
            `"JPEG2000"`.

    Returns:
        The arguments, and a list of texts that describe what the format
        cannot hold.
    """
    options = {
        key: info[key]
        for key in ("dpi", "exif", "icc_profile", "xmp")
        if info.get(key)
    }
    if format == "PNG":
        options.pop("xmp", None)
        options["pnginfo"] = _png_texts(info)
        return options, []
    dropped = []
    if format == "TIFF":
        options = {}
    elif format == "JPEG2000":
        # Pillow writes only the comment.
        dropped += [NAMES[key] for key in options]
        options = {}
    comment = info.get("comment")
    if comment and format in ("JPEG", "JPEG2000"):
        options["comment"] = (
            comment.encode() if isinstance(comment, str) else comment
        )
    elif comment:
        dropped.append("the comment")
    if format == "JPEG":
        for name, limit in JPEG_LIMITS.items():
            key = name.lower()
            if len(options.get(key, b"")) > limit:
                del options[key]
                dropped.append(f"{name} of more than {limit} bytes")
        # Without this, Pillow takes the comment from `info`.
        options.setdefault("comment", b"")
    texts = [
        key
        for key, value in info.items()
        if key not in KEYS and isinstance(value, str)
    ]
    if texts:
        dropped.append(f"the texts {', '.join(texts)}")
    return options, dropped


# === EXIF, ICC, texts ===


def _clean_texts(image):
    """Returns the texts of a PNG file, and a list of dropped texts."""
    info = {
        key: value
        for key, value in image.info.items()
        if isinstance(value, str)
    }
    # The texts of a photo that was opened before are in its `info` alone.
    found = {} if image.format not in (None, "PNG") else info
    texts, dropped = {}, []
    for key, value in found.items():
        if key in ("XML:com.adobe.xmp", "Raw profile type exif"):
            continue  # read as XMP and EXIF
        if key in RESERVED and image.format is None:
            continue  # no text
        if (
            key in RESERVED
            or key.startswith("Raw profile type")
            or not _is_keyword(key)
        ):
            dropped.append(f"the text {key!r}")
        else:
            texts[key] = str(value)
    return texts, dropped


def _clean_exif(image):
    exif = Image.Exif()
    exif.load(image.getexif().tobytes())
    for tag in STORAGE_TAGS & set(exif):
        del exif[tag]
    ifd = exif.get_ifd(ExifTags.IFD.Exif)
    for tag in PIXEL_TAGS:
        ifd.pop(tag, None)
    if ExifTags.IFD.Interop in ifd:
        interop = exif.get_ifd(ExifTags.IFD.Interop)
        for tag in INTEROP_SIZE_TAGS:
            interop.pop(tag, None)
    return exif.tobytes() if len(exif) else b""


def _is_resolution(dpi):
    try:
        across, down = map(float, dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return False
    # JPEG holds 16-bit integers.
    return all(math.isfinite(x) and 0.5 <= x <= 65535 for x in (across, down))


def _is_profile(profile):
    from PIL import ImageCms

    try:
        ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (ImageCms.PyCMSError, OSError, TypeError):
        return False
    return True


def _is_keyword(key):
    """Returns whether a text of a PNG file may have this keyword."""
    try:
        key.encode("latin-1")
    except UnicodeError:
        return False
    return 0 < len(key) < 80 and key.strip() == key and key.isprintable()


def _png_texts(info):
    texts = PngImagePlugin.PngInfo()
    for key, value in info.items():
        if key == "comment" and isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str) and _is_keyword(key):
            value = value.replace("\0", "").encode("utf-8", "replace")
            texts.add_itxt(key, value)
    if info.get("xmp"):
        texts.add_itxt("XML:com.adobe.xmp", info["xmp"])
    return texts
