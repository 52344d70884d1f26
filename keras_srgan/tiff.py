"""Metadata of TIFF files."""

import os
import struct

from PIL import ExifTags
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

XMP = 0x02BC
ICC_PROFILE = 0x8773
X_RESOLUTION = 0x011A
Y_RESOLUTION = 0x011B
RESOLUTION_UNIT = 0x0128
INCH = 2
BYTE = 1
UNDEFINED = 7
ENTRY = 12  # bytes of an entry of a directory


def add_metadata(path: str | os.PathLike, info: dict) -> None:
    """Adds metadata to a TIFF file of one picture.

    Writers of TIFF files take some tags only, and Pillow's fails on
    compressed files with camera settings. So the pixels are written without
    metadata, and the directory of the file is then replaced by one with all
    of them.

    Args:
        path: A little-endian file of less than 4 GiB.
        info: Dict with `"exif"`, `"icc_profile"`, `"xmp"` (bytes) and `"dpi"`
            (two numbers), any of which may be missing.

    Raises:
        OSError: if the file cannot be written.

    Example:

    ```python
    from PIL import Image
    from keras_srgan.tiff import add_metadata

    Image.new("RGB", (64, 48)).save("photo.tif")
    add_metadata("photo.tif", {"dpi": (300, 300)})
    ```
    """
    tags = _make_directory(info)
    if not len(tags):
        return
    with open(path, "r+b") as file:
        if file.read(4) != b"II*\0":
            raise OSError(f"{path}: not a little-endian TIFF file")
        (start,) = struct.unpack("<I", file.read(4))
        file.seek(start)
        (count,) = struct.unpack("<H", file.read(2))
        old = [file.read(ENTRY) for _ in range(count)]
        old = [entry for entry in old if _get_tag(entry) not in tags]
        # A directory begins at an even offset.
        start = file.seek(0, os.SEEK_END)
        start += file.write(bytes(start % 2))
        # The values follow the table, which the old entries make longer.
        content = tags.tobytes(start + ENTRY * len(old))
        (count,) = struct.unpack("<H", content[:2])
        end = 2 + ENTRY * count
        new = [content[i : i + ENTRY] for i in range(2, end, ENTRY)]
        entries = sorted(old + new, key=_get_tag)
        file.write(struct.pack("<H", len(entries)))
        file.write(b"".join(entries) + content[end:])
        file.seek(4)
        file.write(struct.pack("<I", start))


def _get_tag(entry):
    return struct.unpack("<H", entry[:2])[0]


def _make_directory(info):
    tags = ImageFileDirectory_v2(prefix=b"II")
    if info.get("exif"):
        exif = Image.Exif()
        exif.load(info["exif"])
        # Places in the old file have no meaning in the new one.
        for tag in set(exif) - set(ExifTags.IFD):
            tags[tag] = exif[tag]
        for tag in ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo:
            inner = dict(exif.get_ifd(tag))
            if ExifTags.IFD.Interop in inner:
                inner[ExifTags.IFD.Interop] = dict(
                    exif.get_ifd(ExifTags.IFD.Interop)
                )
            if inner:
                tags[tag] = inner
    for key, tag, kind in (
        ("xmp", XMP, BYTE),
        ("icc_profile", ICC_PROFILE, UNDEFINED),
    ):
        if info.get(key):
            tags.tagtype[tag] = kind
            tags[tag] = info[key]
    if info.get("dpi"):
        tags[X_RESOLUTION], tags[Y_RESOLUTION] = map(float, info["dpi"])
        tags[RESOLUTION_UNIT] = INCH
    return tags
