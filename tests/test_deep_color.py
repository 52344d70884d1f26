"""Photos of 16 bits per color stay TIFF photos of 16 bits per color."""

import os
import sys
import warnings

import keras
import numpy as np
import pytest
import tifffile
from PIL import ExifTags
from PIL import Image
from PIL import ImageCms

from keras_srgan.cli import main
from keras_srgan.deep_color import check_deep_size
from keras_srgan.deep_color import read_deep_color
from keras_srgan.deep_color import save_deep_color
from keras_srgan.photo import has_deep_color
from keras_srgan.photo import open_photo

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


@pytest.fixture
def upscale(tmp_path, monkeypatch, capsys):
    """Runs the command with a network that repeats pixels."""
    monkeypatch.chdir(tmp_path)
    inputs = keras.Input((None, None, 3))
    nearest = keras.Model(inputs, keras.layers.UpSampling2D(4)(inputs))
    nearest.save("nearest.keras")

    def run(*arguments):
        status = main(["upscale", *arguments, "--model", "nearest.keras"])
        return status, *capsys.readouterr()

    return run


def noise(*shape):
    random = np.random.default_rng(sum(shape))
    return random.integers(0, 65536, shape, "uint16")


def metadata():
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Ada"
    exif.get_ifd(ExifTags.IFD.Exif).update({33434: (1, 50), 37500: b"a\0b"})
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (1.0, 2.0, 3.0)})
    return {
        "exif": exif.tobytes(),
        "icc_profile": SRGB,
        "xmp": XMP,
        "dpi": (300.0, 299.5),
    }


def assert_metadata(path):
    info, expected = open_photo(path).info, metadata()
    for key in "icc_profile", "xmp", "dpi":
        assert info[key] == expected[key]
    exif = open_photo(path).getexif()
    assert exif[ExifTags.Base.Artist] == "Ada"
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    assert (inner[33434], inner[37500]) == ((1, 50), b"a\0b")
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[2] == (1.0, 2.0, 3.0)


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 7, 3), (40, 30, 4)])
def test_round_trip(tmp_path, shape):
    path = tmp_path / "photo.tif"
    save_deep_color(noise(*shape), path, metadata())
    assert os.listdir(tmp_path) == ["photo.tif"]
    assert has_deep_color(path)
    assert np.array_equal(read_deep_color(path), noise(*shape))
    assert_metadata(path)


@pytest.mark.parametrize(
    "options",
    [
        {"byteorder": ">"},
        {"compression": "lzw", "predictor": True},
        {"planarconfig": "separate"},
        {"tile": (16, 16)},
    ],
    ids=str,
)
def test_layouts(tmp_path, options):
    pixels = noise(20, 30, 3)
    if options.get("planarconfig"):
        file_pixels = np.moveaxis(pixels, -1, 0)
    else:
        file_pixels = pixels
    path = tmp_path / "photo.tif"
    tifffile.imwrite(path, file_pixels, photometric="rgb", **options)
    assert np.array_equal(read_deep_color(path), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_as_pillow_turns_them(tmp_path, orientation):
    pixels = noise(3, 5, 3) // 257 * 257
    path = tmp_path / "photo.tif"
    tags = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(path, pixels, photometric="rgb", extratags=tags)
    expected = np.asarray(open_photo(path))
    assert np.array_equal(read_deep_color(path) // 257, expected)


def test_other_photos(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")
    Image.fromarray(noise(8, 8)).save(tmp_path / "gray.tif")
    for name in "photo.png", "gray.tif":
        assert not has_deep_color(tmp_path / name)
        assert read_deep_color(tmp_path / name) is None
    tifffile.imwrite(
        tmp_path / "cmyk.tif", noise(8, 8, 4), photometric="separated"
    )
    assert has_deep_color(tmp_path / "cmyk.tif")
    assert read_deep_color(tmp_path / "cmyk.tif") is None


@pytest.mark.parametrize("channels", [3, 4])
def test_command(upscale, channels):
    pixels = noise(5, 7, channels)
    if channels == 4:
        pixels[..., 3] = 65535
    save_deep_color(pixels, "photo.tif", metadata())
    status, out, err = upscale("photo.tif")
    assert (status, err) == (0, "")
    assert out.startswith("photo.tif -> photo-x4.tif (28x20, ")
    large = read_deep_color("photo-x4.tif")
    expected = pixels.repeat(4, 0).repeat(4, 1)
    # The network computes in float32.
    assert np.abs(large.astype(int) - expected).max() <= 1
    assert_metadata("photo-x4.tif")


def test_gray_stays_deep_without_tifffile(upscale, monkeypatch):
    monkeypatch.setitem(sys.modules, "tifffile", None)
    Image.fromarray(noise(5, 7)).save("photo.tif")
    assert upscale("photo.tif")[::2] == (0, "")
    assert open_photo("photo-x4.tif").mode == "I;16"


def test_without_tifffile(upscale, monkeypatch):
    save_deep_color(noise(5, 7, 3), "photo.tif")
    monkeypatch.setitem(sys.modules, "tifffile", None)
    status, out, err = upscale("photo.tif")
    assert (status, out) == (1, "")
    assert err.startswith("failed: photo.tif: ") and err.count("\n") == 1
    assert "pip install 'keras-srgan[tiff]'" in err and "--format png" in err
    assert sorted(os.listdir()) == ["nearest.keras", "photo.tif"]
    assert upscale("photo.tif", "--format", "png")[0] == 0


@pytest.mark.parametrize("options", [["--format", "png"], ["--consistent"]])
def test_results_of_8_bits_are_said(upscale, options):
    smooth = np.full((5, 7, 3), 30000, "uint16")
    save_deep_color(smooth, "photo.tif")
    status, _, err = upscale("photo.tif", *options)
    assert status == 0
    assert err.startswith("warning: photo.tif: reduced to 8 bits per color")


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="uint16 array.*Received: pixels"):
        save_deep_color(np.zeros((8, 8), "uint16"), tmp_path / "photo.tif")
    with pytest.raises(ValueError, match="4 GB.*30000x30000"):
        check_deep_size(noise(8, 8, 3), (30000, 30000))
    with pytest.raises(OSError, match="no-such"):
        save_deep_color(noise(8, 8, 3), tmp_path / "no-such" / "photo.tif")
    with pytest.warns(match="dropped Title, which TIFF"):
        save_deep_color(
            noise(8, 8, 3), tmp_path / "photo.tif", {"Title": "Circles"}
        )


def test_damaged_file(tmp_path):
    path = tmp_path / "photo.tif"
    save_deep_color(noise(40, 40, 3), path)
    content = bytearray(path.read_bytes())
    content[40:80] = bytes(40)
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(OSError, match="photo.tif"):
            read_deep_color(path)
