"""Random photo files, whole and damaged, end in a result or in one error.

`KERAS_SRGAN_LONG=1` runs 10,000 photos instead of 200, and a folder of 2,000
instead of 60; then `--hypothesis-seed=N` chooses the photos.
"""

import io
import os
import pathlib
import shutil
import warnings

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck
from hypothesis import event
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image
from PIL import ImageCms
from PIL import PngImagePlugin

from keras_srgan import formats
from keras_srgan.cli import main
from keras_srgan.photo import load_image
from keras_srgan.photo import open_photo
from keras_srgan.photo import save_photo
from keras_srgan.photo import upright
from keras_srgan.upscaling import upscale

LONG = bool(os.environ.get("KERAS_SRGAN_LONG"))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SIDES = [1, 2, 3, 5, 8]
MODES = "1 L LA P RGB RGBA CMYK YCbCr HSV LAB I;16 I F".split()
FORMATS = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "WEBP": ".webp",
    "TIFF": ".tif",
    "GIF": ".gif",
    "BMP": ".bmp",
    "JPEG2000": ".jp2",
    "AVIF": ".avif",
    "PPM": ".ppm",
    "TGA": ".tga",
    "PCX": ".pcx",
    "SGI": ".sgi",
}
XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
xmlns:GPano="http://ns.google.com/photos/1.0/panorama/"
xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"
GPano:FullPanoWidthPixels="32" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>"""
KEYWORDS = ["Title", "exif", "dpi", "xmp", "transparency", "icc_profile"]


@st.composite
def images(draw):
    """A Pillow image of any mode."""
    size = draw(st.sampled_from(SIDES)), draw(st.sampled_from(SIDES))
    mode = draw(st.sampled_from(MODES))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    if mode in ("I;16", "I", "F"):
        low, high = draw(
            st.sampled_from([(0, 255), (0, 65535)])
            if mode == "I;16"
            else st.sampled_from([(0, 255), (0, 65535), (-9, 2**20), (0, 1)])
        )
        dtype = {"I;16": "uint16", "I": "int32", "F": "float32"}[mode]
        levels = random.uniform(low, high, size[::-1]).astype(dtype)
        if mode == "F" and draw(st.integers(0, 5)) == 0:
            levels[0, 0] = draw(st.sampled_from([np.nan, np.inf]))
        return Image.fromarray(levels)
    levels = random.integers(0, 256, (*size[::-1], 4), "uint8")
    image = Image.fromarray(levels)
    return image if mode == "RGBA" else image.convert("RGB").convert(mode)


@st.composite
def metadata(draw):
    """Arguments of `save`, valid and invalid."""

    def maybe(strategy):
        return draw(st.none() | strategy)

    exif = Image.Exif()
    exif[0x0112] = draw(st.integers(0, 9))
    exif[0x013B] = "Ada"
    exif.get_ifd(0x8769)[0x9214] = (1, 2)
    texts = PngImagePlugin.PngInfo()
    for _ in range(draw(st.integers(0, 2))):
        key = draw(
            st.sampled_from(KEYWORDS)
            | st.text(st.characters(max_codepoint=255), max_size=90)
        )
        value = draw(
            st.text(max_size=9).map(lambda x: x.encode("utf-8", "replace"))
        )
        texts.add_itxt(key, value)
    options = {
        "exif": maybe(st.just(exif) | st.binary(max_size=40)),
        "dpi": maybe(st.tuples(*[st.integers(0, 70000)] * 2)),
        "icc_profile": maybe(
            st.sampled_from([SRGB, SRGB[:300]]) | st.binary(max_size=40)
        ),
        "xmp": maybe(st.just(XMP) | st.binary(max_size=40)),
        "comment": maybe(st.binary(max_size=40)),
        "transparency": maybe(st.integers(0, 255)),
        "pnginfo": texts,
    }
    return {k: v for k, v in options.items() if v is not None}


@st.composite
def files(draw):
    """Bytes of a photo file, perhaps damaged, and a suffix."""
    image = draw(images())
    format = draw(st.sampled_from(list(FORMATS)))
    # Not each format takes each mode and each option.
    for options in draw(metadata()), {}:
        for attempt in image, image.convert("RGB"):
            content = io.BytesIO()
            try:
                attempt.save(content, format, **options)
            except Exception:
                content = None
                continue
            break
        if content:
            break
    if not content:
        content = io.BytesIO()
        image.convert("RGB").save(content, "PNG")
    data = bytearray(content.getvalue())
    damage = draw(st.sampled_from(["none", "cut", "flip", "header", "append"]))
    if damage == "cut":
        data = data[: draw(st.integers(0, len(data)))]
    elif damage in ("flip", "header"):
        end = 64 if damage == "header" else len(data)
        for _ in range(draw(st.integers(1, 4))):
            place = draw(st.integers(0, min(end, len(data)) - 1))
            data[place] = draw(st.integers(0, 255))
    elif damage == "append":
        data += draw(st.binary(max_size=40))
    suffixes = list(FORMATS.values())
    suffix = draw(st.just(FORMATS[format]) | st.sampled_from(suffixes))
    return bytes(data), suffix


@pytest.fixture(scope="module")
def nearest():
    """Repeats pixels, so that results are known."""
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, keras.layers.UpSampling2D(4)(inputs))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("photos")


@settings(
    max_examples=10_000 if LONG else 200,
    deadline=None,
    derandomize=not LONG,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(file=files(), out=st.sampled_from(list(formats.FORMATS)))
# Pillow warns of damage as well; only errors matter here.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.once
def test_any_file_ends_in_a_result_or_one_clear_error(
    nearest, folder, file, out
):
    data, suffix = file
    small, large = folder / f"small{suffix}", folder / f"large{out}"
    for old in folder.iterdir():
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    small.write_bytes(data)
    expected = {small.name}
    try:
        image = open_photo(small, max_megapixels=0.01)
    except OSError as error:
        assert str(small) in str(error)
        event("error")
    else:
        event(f"result from {image.mode}")
        assert image.mode in ("L", "LA", "RGB", "RGBA", "I;16", "F")
        again = upright(image)
        assert (again.mode, again.info) == (image.mode, image.info)
        assert again.tobytes() == image.tobytes()
        assert load_image(small).shape == (image.height, image.width, 3)
        # A damaged header may describe another, larger photo.
        if max(image.size) <= max(SIDES):
            result = upscale(nearest, image)
            save_photo(result, large)
            expected.add(large.name)
            saved = open_photo(large)
            assert saved.size == (4 * image.width, 4 * image.height)
            if out in formats.LOSSLESS and image.mode != "F":
                assert saved.mode == image.mode
                assert saved.tobytes() == result.tobytes()
            if out in formats.LOSSLESS and image.mode == "RGB":
                pixels = np.asarray(image)
                assert np.array_equal(np.asarray(saved)[::4, ::4], pixels)
    assert {path.name for path in folder.iterdir()} == expected


def resident_bytes():
    pages = pathlib.Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(
    not os.path.exists("/proc/self/statm"), reason="needs Linux's /proc"
)
def test_a_folder_of_many_mixed_photos(nearest, tmp_path, capsys):
    count = 2000 if LONG else 60
    random = np.random.default_rng(0)
    suffixes = [".png", ".jpg", ".webp", ".tif", ".gif", ".bmp"]
    nearest.save(tmp_path / "nearest.keras")
    memory, failed = [], 0
    for part in range(4):
        photos = tmp_path / f"part{part}"
        photos.mkdir()
        for i in range(count // 4):
            size = random.integers(1, 60, 2)
            levels = random.integers(0, 256, (*size, 3), "uint8")
            image = Image.fromarray(levels)
            path = photos / f"{i}{suffixes[i % len(suffixes)]}"
            image.convert("RGB" if i % 5 else "L").save(path)
            if i % 10 == 9:
                path.write_bytes(path.read_bytes()[:20])
                failed += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            status = main(
                ["upscale", str(photos)]
                + ["--model", str(tmp_path / "nearest.keras")]
            )
        assert status == 1
        bad = len(range(9, count // 4, 10))
        out, err = capsys.readouterr()
        assert len(err.splitlines()) == bad
        assert f"{count // 4 - bad} enlarged, {bad} failed" in out
        memory.append(resident_bytes())
        shutil.rmtree(f"{photos}-x4")
    with capsys.disabled():
        if LONG:
            print("MiB resident:", [value // 2**20 for value in memory])
    # The first quarter loads libraries.
    assert memory[-1] - memory[0] < (500 if LONG else 200) * 2**20
