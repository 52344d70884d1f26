"""Formats that photos are written in, beside PNG, JPEG and WebP."""

import numpy as np
import pytest
from PIL import ExifTags
from PIL import Image
from PIL import ImageCms

from keras_srgan.formats import FORMATS
from keras_srgan.formats import LOSSLESS
from keras_srgan.formats import check_size
from keras_srgan.photo import open_photo
from keras_srgan.photo import open_stored
from keras_srgan.photo import save_photo

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
CAMERA = {33434: (1, 50), 36867: "2024:01:01 00:00:00", 37500: b"a\0b"}
PLACE = {1: "N", 2: (1.0, 2.0, 3.0)}


def noise(*shape, dtype="uint8"):
    random = np.random.default_rng(sum(shape))
    return random.integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def with_metadata(image):
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Ada"
    exif[0x9C9B] = b"T\0i\0"  # a tag that libtiff does not know
    exif.get_ifd(ExifTags.IFD.Exif).update({**CAMERA, 0xA005: {1: "R98"}})
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(PLACE)
    image.info = {
        "exif": exif.tobytes(),
        "icc_profile": SRGB,
        "dpi": (300.0, 299.5),
        "xmp": XMP,
    }
    return image


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (133, 200)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 16])
def test_lossless_formats_give_back_the_pixels(
    tmp_path, suffix, size, channels
):
    if channels == 16:
        image = Image.fromarray(noise(*size, dtype="uint16"))
    elif channels == 1:
        image = Image.fromarray(noise(*size))
    else:
        image = Image.fromarray(noise(*size, channels))
    save_photo(image, tmp_path / f"photo{suffix}", quality=1)
    saved = open_stored(tmp_path / f"photo{suffix}")
    assert (saved.mode, saved.size) == (image.mode, image.size)
    assert saved.tobytes() == image.tobytes()


def test_tiff_is_compressed(tmp_path):
    save_photo(Image.new("RGB", (64, 64)), tmp_path / "photo.tif")
    assert (tmp_path / "photo.tif").stat().st_size < 64 * 64


@pytest.mark.parametrize("width", [7, 8])
def test_tiff_keeps_metadata(tmp_path, width):
    image = with_metadata(Image.fromarray(noise(5, width, 3)))
    save_photo(image, tmp_path / "photo.tif")
    saved = open_photo(tmp_path / "photo.tif")
    assert saved.tobytes() == image.tobytes()
    assert saved.info["icc_profile"] == SRGB
    assert saved.info["xmp"] == XMP
    assert saved.info["dpi"] == (300.0, 299.5)
    exif = saved.getexif()
    assert exif[ExifTags.Base.Artist] == "Ada"
    assert exif[0x9C9B] == b"T\0i\0"
    camera = exif.get_ifd(ExifTags.IFD.Exif)
    assert {tag: camera[tag] for tag in CAMERA} == CAMERA
    assert exif.get_ifd(ExifTags.IFD.Interop) == {1: "R98"}
    assert exif.get_ifd(ExifTags.IFD.GPSInfo) == PLACE


@pytest.mark.skipif(".avif" not in FORMATS, reason="needs AVIF in Pillow")
def test_avif_keeps_metadata_and_has_a_quality(tmp_path):
    image = with_metadata(Image.fromarray(noise(64, 64, 3)))
    sizes = []
    for quality in 30, 95:
        save_photo(image, tmp_path / "photo.avif", quality=quality)
        sizes.append((tmp_path / "photo.avif").stat().st_size)
    assert sizes[0] < 0.7 * sizes[1]
    saved = open_photo(tmp_path / "photo.avif")
    assert saved.info["icc_profile"] == SRGB
    assert saved.info["xmp"] == XMP
    camera = saved.getexif().get_ifd(ExifTags.IFD.Exif)
    assert {tag: camera[tag] for tag in CAMERA} == CAMERA


@pytest.mark.skipif(".jp2" not in FORMATS, reason="needs OpenJPEG in Pillow")
def test_jpeg_2000_keeps_only_the_comment(tmp_path):
    image = with_metadata(Image.fromarray(noise(8, 8, 3)))
    image.info["comment"] = b"Ada"
    with pytest.warns(match="resolution, EXIF, the ICC profile, XMP, which"):
        save_photo(image, tmp_path / "photo.jp2")
    assert open_photo(tmp_path / "photo.jp2").info == {"comment": b"Ada"}


@pytest.mark.parametrize(
    "name, size",
    [
        ("photo.jpg", (65501, 1)),
        ("photo.webp", (1, 16384)),
        ("photo.tif", (40000, 30000)),
        ("photo.AVIF", (32769, 1)),
        ("photo.avif", (20000, 20000)),
        ("photo.jp2", (20000, 20000)),
    ],
)
def test_limits(name, size):
    suffix = name[5:].lower()
    if suffix not in FORMATS:
        pytest.skip(f"needs {suffix} in Pillow")
    with pytest.raises(ValueError, match="(side|megapixels); save as PNG"):
        check_size(size, name)
    check_size((1000, 1000), name)
