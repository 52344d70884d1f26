"""Photos degraded by known amounts are measured as such."""

import itertools
import re

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image
from scipy import ndimage
from skimage import data

from keras_srgan.degradations import Degradation
from keras_srgan.degradations import PhotoDegradation
from keras_srgan.degradations import degrade_photo
from keras_srgan.degradations import measure_photo
from keras_srgan.degradations import parse_degradation


@pytest.fixture(scope="module")
def clean():
    """Parts of four photos, halved: their own noise and blur is little."""
    parts = []
    for photo in (data.astronaut(), data.coffee(), data.chelsea()):
        image = Image.fromarray(photo)
        image = image.resize((image.width // 2, image.height // 2))
        parts.append(np.asarray(image)[:144, :216].astype("float64"))
    image = Image.fromarray(data.rocket())
    image = image.resize((image.width // 2, image.height // 2))
    parts.append(np.asarray(image)[-144:, -216:].astype("float64"))
    return parts


@pytest.fixture
def write(tmp_path):
    count = itertools.count()

    def write(image, suffix=".png", **options):
        path = tmp_path / f"{next(count)}{suffix}"
        levels = np.clip(np.round(image), 0, 255).astype("uint8")
        Image.fromarray(levels).save(path, **options)
        return path

    return write


@pytest.mark.once
@pytest.mark.parametrize("quality", [1, 20, 49, 50, 75, 90, 95, 100])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_quality_is_exact(clean, write, quality, subsampling):
    found = measure_photo(
        write(clean[0], ".jpg", quality=quality, subsampling=subsampling)
    )
    assert (found.quality, found.exact) == (quality, True)
    assert found.subsampling == subsampling


@pytest.mark.once
def test_other_tables_have_the_nearest_quality(clean, write):
    found = measure_photo(write(clean[0], ".jpg", qtables="web_high"))
    assert not found.exact
    assert 60 < found.quality < 95


@pytest.mark.once
def test_gray_jpeg(clean, write):
    path = write(clean[0][..., 0], ".jpg", quality=60)
    found = measure_photo(path)
    assert (found.quality, found.exact) == (60, True)
    assert found.subsampling is None


@pytest.mark.once
def test_clean_photos_measure_as_clean(clean, write, capsys):
    for image in clean:
        folder = write(image).parent
    layer = PhotoDegradation.from_photos(folder)
    assert [type(step) for step in layer.degradations] == [Degradation]
    text = capsys.readouterr().out
    assert "4 photos" in text and "no photo is a JPEG file" in text
    assert len(re.findall("none found", text)) == 3


@pytest.mark.once
@pytest.mark.parametrize("sigma", [4, 8, 15])
def test_noise(clean, write, sigma):
    rng = np.random.default_rng(0)
    found = [
        measure_photo(write(image + rng.normal(0, sigma, image.shape))).noise
        for image in clean
    ]
    found = [noise for noise in found if noise is not None]
    assert len(found) >= 3
    assert np.median(found) == pytest.approx(sigma, rel=0.2)


@pytest.mark.once
@pytest.mark.parametrize("sigma", [0.8, 1.5, 2.5])
def test_blur(clean, write, sigma):
    found = [
        measure_photo(
            write(ndimage.gaussian_filter(image, (sigma, sigma, 0)))
        ).blur
        for image in clean
    ]
    assert np.median(found) == pytest.approx(sigma, rel=0.2)


@pytest.mark.once
def test_blur_noise_and_compression_together(clean, write):
    rng = np.random.default_rng(0)
    found = []
    for image in clean:
        image = ndimage.gaussian_filter(image, (1.2, 1.2, 0))
        image = image + rng.normal(0, 6, image.shape)
        found.append(measure_photo(write(image, ".jpg", quality=90)))
    assert {m.quality for m in found} == {90}
    noise = [m.noise for m in found if m.noise is not None]
    blur = [m.blur for m in found if m.blur is not None]
    assert np.median(noise) == pytest.approx(6, rel=0.25)
    assert np.median(blur) == pytest.approx(1.2, rel=0.25)


@pytest.mark.once
@pytest.mark.parametrize("factor", [1.5, 2, 3])
def test_enlarged_photos(clean, write, factor):
    for image in clean:
        levels = Image.fromarray(image.astype("uint8"))
        size = [int(side * factor) for side in levels.size]
        levels = levels.resize(size, Image.Resampling.BICUBIC)
        found = measure_photo(write(np.asarray(levels)))
        assert found.enlarged == pytest.approx(factor, rel=0.05)


def test_the_layer_degrades_as_the_photos_are(clean, write):
    """What is made of clean photos measures as the folder does."""
    rng = np.random.default_rng(0)
    for image in clean:
        image = ndimage.gaussian_filter(image, (1.5, 1.5, 0))
        image = image + rng.normal(0, 5, image.shape)
        folder = write(image, ".jpg", quality=85).parent
    (folder / "broken.jpg").write_bytes(b"no photo")
    layer = PhotoDegradation.from_photos(folder, verbose=0, seed=0)
    assert "1 file skipped" in str(layer.report)
    config = layer.get_config()
    assert config["quality"] == (85, 85) and config["jpeg"] == 1
    assert config["noise"][0] < 6 and config["noise"][1] > 4
    assert config["blur"][0] < 1.8 and config["blur"][1] > 1.2
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    photo = clean[0][None, :128, :128]
    lr = ops.convert_to_numpy(layer(photo))
    assert lr.shape == (1, 32, 32, 3)
    np.testing.assert_array_equal(ops.convert_to_numpy(copy(photo)), lr)
    # Arguments replace what was found.
    layer = PhotoDegradation.from_photos(folder, verbose=0, noise=(0, 1))
    assert layer.get_config()["noise"] == (0, 1)


def test_folders_without_photos(tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path}/no"):
        PhotoDegradation.from_photos(tmp_path / "no")
    with pytest.raises(ValueError, match="must hold at least one photo"):
        PhotoDegradation.from_photos(tmp_path)
    Image.new("RGB", (20, 20)).save(tmp_path / "small.png")
    with pytest.raises(ValueError, match="64 pixels.*small.png"):
        PhotoDegradation.from_photos(tmp_path)


def test_parsed_degradations_apply_in_order(clean):
    lr = clean[0][:64, :56]
    results = {}
    for text in ("blur:1", "noise:5", "jpeg:75", "blur:1+noise:5+jpeg:75"):
        result = degrade_photo(lr, text)
        assert result.shape == lr.shape and result.dtype == "uint8"
        np.testing.assert_array_equal(degrade_photo(lr, text), result)
        layer = ops.convert_to_numpy(parse_degradation(text)(lr[None]))[0]
        np.testing.assert_array_equal(layer, layer.round())
        assert np.abs(layer - result).mean() < 0.01
        results[text] = result.astype(int)
    expected = ndimage.gaussian_filter(lr, (1, 1, 0), mode="reflect")
    assert np.abs(results["blur:1"] - expected).max() < 0.6
    assert (results["noise:5"] - lr).std() == pytest.approx(5, rel=0.1)
    names = [
        type(step).__name__
        for step in parse_degradation("sinc:2 + jpeg:50").degradations
    ]
    assert names == ["SincFilter", "JPEGCompression"]


@pytest.mark.parametrize(
    "text", ["", "jpeg", "jpeg:", "jpeg:high", "jpeg:0", "rain:3", "blur:1+"]
)
def test_texts_that_name_no_degradation(text):
    with pytest.raises(ValueError, match="blur:SIGMA") as error:
        parse_degradation(text)
    assert str(error.value).endswith(f"Received: {text!r}")
