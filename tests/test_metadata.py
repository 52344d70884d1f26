"""Metadata are checked when a photo is opened, and stay true."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags
from PIL import Image
from PIL import ImageCms
from PIL import PngImagePlugin
from PIL import TiffImagePlugin

from keras_srgan import metadata
from keras_srgan import xmp
from keras_srgan.formats import FORMATS
from keras_srgan.photo import load_image
from keras_srgan.photo import open_photo
from keras_srgan.photo import read_size
from keras_srgan.photo import save_photo
from keras_srgan.photo import upright

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="Ada"
{}</rdf:Description></rdf:RDF></x:xmpmeta>"""


def packet(properties):
    return XMP.format(properties).encode()


def photo(mode="RGB", size=(8, 6)):
    return Image.new(mode, size, 100)


def save_everywhere(image, folder):
    for suffix in set(FORMATS) - {".jp2"}:
        save_photo(image, folder / f"large{suffix}")


# === XMP ===


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>\xff</x:xmpmeta>", "not UTF-8"),
        (b"<x:xmpmeta>", "not well-formed"),
        (b"", None),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        (b"<a>" * 5000 + b"</a>" * 5000, "not well-formed"),
    ],
)
@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_bad_xmp_is_dropped_with_a_warning(tmp_path, content, reason, suffix):
    """Pillow #8957: XMP that is not UTF-8 cannot be written to PNG."""
    path = tmp_path / f"photo.{suffix}"
    photo().save(path, xmp=content)
    if reason is None:
        image = open_photo(path)
    else:
        with pytest.warns(match=f"{path}: dropped XMP .*{reason}"):
            image = open_photo(path)
    assert "xmp" not in image.info
    save_everywhere(image, tmp_path)


def test_good_xmp_is_kept_byte_for_byte(tmp_path):
    photo().save(tmp_path / "photo.jpg", xmp=packet(">"))
    assert open_photo(tmp_path / "photo.jpg").info["xmp"] == packet(">")


PANORAMA = """xmlns:GPano="http://ns.google.com/photos/1.0/panorama/"
GPano:ProjectionType="equirectangular" GPano:FullPanoWidthPixels="32"
GPano:FullPanoHeightPixels="16" GPano:CroppedAreaLeftPixels="10">
<GPano:CroppedAreaTopPixels>5</GPano:CroppedAreaTopPixels>"""


def test_sizes_of_panoramas_are_scaled(tmp_path):
    photo().save(tmp_path / "photo.jpg", xmp=packet(PANORAMA))
    info = open_photo(tmp_path / "photo.jpg").info
    large = xmp.resize(info, (8, 6), (32, 18))["xmp"].decode()
    assert 'FullPanoWidthPixels="128"' in large
    assert 'FullPanoHeightPixels="48"' in large
    assert 'CroppedAreaLeftPixels="40"' in large
    assert ">15</GPano:CroppedAreaTopPixels>" in large
    assert 'dc:source="Ada"' in large and "equirectangular" in large


def test_positions_are_dropped_if_the_photo_is_turned(tmp_path):
    regions = """xmlns:mwg-rs=
"http://www.metadataworkinggroup.com/schemas/regions/"
xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#"><mwg-rs:Regions>
<mwg-rs:AppliedToDimensions stDim:w="8" stDim:h="6" stDim:unit="pixel"/>
</mwg-rs:Regions>"""
    exif = Image.Exif()
    path = tmp_path / "photo.jpg"
    for properties, name in (PANORAMA, "panorama"), (regions, "face regions"):
        exif[ExifTags.Base.Orientation] = 6
        photo().save(path, xmp=packet(properties), exif=exif)
        with pytest.warns(match=f"dropped {name}"):
            turned = open_photo(path).info["xmp"].decode()
        assert "Pixels" not in turned and "stDim:w" not in turned
        assert 'dc:source="Ada"' in turned
    exif[ExifTags.Base.Orientation] = 1
    photo().save(path, xmp=packet(regions), exif=exif)
    large = xmp.resize(open_photo(path).info, (8, 6), (16, 12))["xmp"]
    assert b'stDim:w="16"' in large and b'stDim:h="12"' in large


def test_panoramas_without_numbers(tmp_path):
    bad = PANORAMA.replace('"32"', '"wide"')
    photo().save(tmp_path / "photo.jpg", xmp=packet(bad))
    with pytest.warns(match="panorama data"):
        info = open_photo(tmp_path / "photo.jpg").info
    large = xmp.resize(info, (8, 6), (32, 24))["xmp"].decode()
    assert 'FullPanoHeightPixels="64"' in large and "wide" not in large


def test_xmp_does_not_turn_the_photo_again(tmp_path):
    stored = packet(
        'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6">'
    )
    photo().save(tmp_path / "photo.jpg", xmp=stored)
    image = open_photo(tmp_path / "photo.jpg")
    assert image.size == (6, 8)
    save_everywhere(image, tmp_path)
    for suffix in "jpg", "png", "webp":
        assert open_photo(tmp_path / f"large.{suffix}").size == (6, 8)


# === Attachments ===


def gain_map(path):
    namespace = 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"'
    main = photo()
    main.save(
        path,
        "MPO",
        save_all=True,
        append_images=[photo("L", (4, 3))],
        xmp=packet(f'{namespace} hdrgm:Version="1.0">'),
    )


def motion_photo(path):
    namespace = 'xmlns:Camera="http://ns.google.com/photos/1.0/camera/"'
    content = io.BytesIO()
    photo().save(
        content,
        "JPEG",
        xmp=packet(f'{namespace} Camera:MotionPhoto="1">'),
    )
    video = b"\0\0\0\x18ftypmp42" + bytes(100)
    path.write_bytes(content.getvalue() + video)


@pytest.mark.parametrize(
    "attach, name",
    [(gain_map, "HDR gain map"), (motion_photo, "video of a motion photo")],
)
def test_what_is_attached_to_a_jpeg_is_dropped_with_a_warning(
    tmp_path, attach, name
):
    path = tmp_path / "photo.jpg"
    attach(path)
    with pytest.warns(match=f"photo.jpg: dropped .*{name}"):
        image = open_photo(path)
    # The result does not claim what it no longer has.
    save_photo(image, tmp_path / "large.jpg")
    content = (tmp_path / "large.jpg").read_bytes()
    assert b'hdrgm:Version="' not in content
    assert b"MotionPhoto" not in content and b"ftyp" not in content
    assert b'dc:source="Ada"' in content


# === Resolution, texts, profiles, EXIF ===


@pytest.mark.parametrize("resolution", [(0, 0), (1, 0)])
def test_a_resolution_that_is_no_number_is_dropped(tmp_path, resolution):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[282] = tags[283] = TiffImagePlugin.IFDRational(300)
    tags[296] = 2
    photo().save(tmp_path / "photo.tif", tiffinfo=tags)
    content = (tmp_path / "photo.tif").read_bytes()
    good, bad = struct.pack("<II", 300, 1), struct.pack("<II", *resolution)
    assert content.count(good) == 2
    (tmp_path / "photo.tif").write_bytes(content.replace(good, bad))
    with pytest.warns(match="dropped the resolution"):
        image = open_photo(tmp_path / "photo.tif")
    assert "dpi" not in image.info
    save_everywhere(image, tmp_path)


def png(*chunks):
    """A PNG file of 2 x 1 pixels with further chunks."""
    content = io.BytesIO()
    photo(size=(2, 1)).save(content, "PNG")
    data = content.getvalue()
    return data[:33] + b"".join(map(_chunk, chunks)) + data[33:]


def _chunk(chunk):
    kind, data = chunk[:4], chunk[4:]
    crc = struct.pack(">I", zlib.crc32(chunk))
    return struct.pack(">I", len(data)) + kind + data + crc


@pytest.mark.parametrize(
    "keyword",
    "dpi xmp icc_profile transparency gamma background loop srgb".split()
    + ["a" * 80, " padded", "Raw profile type iptc"],
)
def test_odd_keywords_of_png_texts(tmp_path, keyword):
    """Pillow mixes texts with the metadata that it understands itself."""
    path = tmp_path / "photo.png"
    path.write_bytes(
        png(
            b"tEXt" + keyword.encode() + b"\0value",
            b"tEXtTitle\0Crop circles",
        )
    )
    with pytest.warns(match=f"dropped .*the text '{keyword}'"):
        image = open_photo(path)
    assert image.info == {"Title": "Crop circles"}
    save_photo(image, tmp_path / "large.png")
    assert open_photo(tmp_path / "large.png").info == image.info
    with pytest.warns(match="texts Title"):
        save_photo(image, tmp_path / "large.jpg")


def test_a_text_that_pretends_to_be_exif(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(png(b"tEXtexif\0value", b"tEXtTitle\0Crop circles"))
    with pytest.warns(match="dropped EXIF .damaged"):
        assert open_photo(path).info == {"Title": "Crop circles"}


def test_comments_survive(tmp_path):
    photo().save(tmp_path / "photo.jpg", comment=b"caf\xc3\xa9")
    image = open_photo(tmp_path / "photo.jpg")
    save_photo(image, tmp_path / "large.png")
    assert open_photo(tmp_path / "large.png").info["comment"] == "café"
    save_photo(image, tmp_path / "large.jpg")
    saved = open_photo(tmp_path / "large.jpg")
    assert saved.info["comment"] == "café".encode()
    with pytest.warns(match="the comment"):
        save_photo(image, tmp_path / "large.webp")


def test_a_comment_too_long_for_jpeg(tmp_path):
    photo().save(tmp_path / "photo.gif", comment=b"x" * 70000)
    image = open_photo(tmp_path / "photo.gif")
    with pytest.warns(match="comment of more than 65533 bytes"):
        save_photo(image, tmp_path / "large.jpg")
    assert "comment" not in open_photo(tmp_path / "large.jpg").info


@pytest.mark.parametrize("profile", [SRGB[:200], b"junk", b"RGB " * 40])
def test_damaged_profiles_are_dropped_with_a_warning(tmp_path, profile):
    photo().save(tmp_path / "photo.png", icc_profile=profile)
    with pytest.warns(match="dropped the ICC profile"):
        image = open_photo(tmp_path / "photo.png")
    assert "icc_profile" not in image.info
    save_everywhere(image, tmp_path)


def test_exif_positions_in_pixels_are_removed(tmp_path):
    exif = Image.Exif()
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    inner |= {0xA002: 8, 0x9214: (4, 3), 0xA20E: 500.0, 0x829D: 2.8}
    photo().save(tmp_path / "photo.jpg", exif=exif)
    inner = open_photo(tmp_path / "photo.jpg").getexif().get_ifd(0x8769)
    assert set(inner) == {0x829D}


def test_metadata_of_an_upright_photo_are_kept_as_they_are(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Ada"
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("Title", "Crop circles")
    texts.add_itxt("XML:com.adobe.xmp", packet(">"))
    path = tmp_path / "photo.png"
    photo().save(
        path, exif=exif, dpi=(300, 300), icc_profile=SRGB, pnginfo=texts
    )
    image = open_photo(path)
    assert set(image.info) == {"Title", "dpi", "exif", "icc_profile", "xmp"}
    again = upright(image)
    assert again.info == image.info
    assert metadata.clean(again, "RGB", turned=False) == (image.info, [])


def test_other_information_of_pillow_is_no_text(tmp_path):
    photo().save(tmp_path / "photo.tif")
    with Image.open(tmp_path / "photo.tif") as image:
        converted = image.convert("RGB")
    assert isinstance(converted.info["compression"], str)
    assert "compression" not in upright(converted).info


# === Pixels ===


def test_transparency_of_16_bit_gray_is_kept(tmp_path):
    levels = np.array([[0, 257, 65535]], "uint16")
    path = tmp_path / "photo.png"
    Image.fromarray(levels).save(path, transparency=257)
    with pytest.warns(match="transparency"):
        image = open_photo(path)
    assert image.mode == "LA"
    assert np.asarray(image)[0].tolist() == [[0, 255], [1, 0], [255, 255]]
    assert load_image(path)[0, :, 0].tolist() == [0, 255, 255]


def test_float_levels_above_white_are_white(tmp_path):
    levels = np.array([[-5, 300.0, 254.6]], "float32")
    save_photo(Image.fromarray(levels), tmp_path / "photo.png")
    with Image.open(tmp_path / "photo.png") as saved:
        assert np.asarray(saved)[0].tolist() == [0, 255, 255]
    levels[0, 0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        save_photo(Image.fromarray(levels), tmp_path / "nan.png")
    assert not (tmp_path / "nan.png").exists()


@pytest.mark.parametrize("mode", ["CMYK", "I;16", "LA", "P", "F", "LAB"])
def test_training_reads_what_upscaling_reads(tmp_path, mode):
    image = photo().convert("RGB" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.full((6, 8), 25700, "uint16"))
    image.save(tmp_path / "photo.tif")
    opened = open_photo(tmp_path / "photo.tif")
    pixels = np.asarray(opened.convert("F" if mode == "I;16" else "RGB"))
    expected = pixels / 257 if mode == "I;16" else pixels
    loaded = load_image(tmp_path / "photo.tif")
    assert loaded.shape == (6, 8, 3)
    assert np.abs(loaded[0, 0] - expected[0, 0]).max() <= 1


def test_raw_files_are_not_taken_for_their_preview(tmp_path):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = 1
    photo().save(tmp_path / "photo.tif", tiffinfo=tags)
    for read in open_photo, load_image:
        with pytest.raises(OSError, match="photo.tif: .*preview"):
            read(tmp_path / "photo.tif")


def test_read_size(tmp_path):
    photo().save(tmp_path / "photo.png")
    assert read_size(tmp_path / "photo.png") == (8, 6)
    (tmp_path / "photo.png").write_bytes(b"")
    with pytest.raises(OSError, match=r"photo\.png"):
        read_size(tmp_path / "photo.png")


def test_named_pipes_are_no_photos(tmp_path):
    os.mkfifo(tmp_path / "photo.png")
    with pytest.raises(OSError, match="not a regular file"):
        open_photo(tmp_path / "photo.png")


@pytest.mark.parametrize("suffix", ["heic", "jpg"])
def test_heic_without_pillow_heif(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"photo.{suffix}"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0heicmif1")
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    with pytest.raises(OSError, match="pip install pillow-heif"):
        open_photo(path)
