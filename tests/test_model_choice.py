"""The command chooses the preset by how a photo was degraded."""

import numpy as np
import pytest
from PIL import Image
from PIL import ImageFilter
from skimage import data

from keras_srgan import presets
from keras_srgan.cli import main
from keras_srgan.model_choice import CLEAN
from keras_srgan.model_choice import PHOTOS
from keras_srgan.model_choice import SCALE
from keras_srgan.model_choice import choose_preset


@pytest.fixture
def photo():
    # Halved, it has little noise and blur of its own.
    return Image.fromarray(data.astronaut()).reduce(2).crop((0, 0, 216, 144))


def add_noise(photo, sigma):
    noise = np.random.default_rng(0).normal(0, sigma, np.shape(photo))
    levels = np.clip(np.asarray(photo) + noise, 0, 255)
    return Image.fromarray(levels.astype("uint8"))


DEGRADED = {
    "JPEG quality 75": lambda photo, path: photo.save(path, quality=75),
    "noise of": lambda photo, path: add_noise(photo, 12).save(path, "png"),
    "blur of": lambda photo, path: photo.filter(
        ImageFilter.GaussianBlur(2)
    ).save(path, "png"),
}


@pytest.mark.parametrize("reason", DEGRADED)
def test_a_degraded_photo(photo, tmp_path, reason):
    # Photos are read for what they are, whatever the suffix.
    DEGRADED[reason](photo, tmp_path / "photo.jpg")
    name, text = choose_preset(tmp_path / "photo.jpg")
    assert name == PHOTOS
    assert reason in text


def test_a_clean_photo(photo, tmp_path):
    photo.save(tmp_path / "a.png")
    photo.save(tmp_path / "b.jpg", quality=98)
    photo.crop((0, 0, 40, 40)).save(tmp_path / "c.png")
    assert choose_preset(tmp_path / "a.png") == (CLEAN, "clean")
    assert choose_preset(tmp_path / "b.jpg") == (CLEAN, "clean")
    assert choose_preset(tmp_path / "c.png")[0] == CLEAN


def test_not_a_photo(tmp_path):
    (tmp_path / "a.jpg").write_text("not a photo")
    with pytest.raises(OSError, match="a.jpg"):
        choose_preset(tmp_path / "a.jpg")


def test_both_presets_have_the_scale():
    assert {presets()[name]["scale"] for name in (CLEAN, PHOTOS)} == {SCALE}


def test_the_command_says_what_was_chosen(photo, tmp_path, capsys):
    photo.crop((0, 0, 80, 72)).save(tmp_path / "a.png")
    photo.crop((0, 0, 80, 72)).save(tmp_path / "b.jpg", quality=60)
    assert main(["upscale", str(tmp_path), "-o", str(tmp_path / "x")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"(320x288, {CLEAN}: clean, " in lines[0]
    assert f"(320x288, {PHOTOS}: JPEG quality 60, " in lines[1]
    # These need a preset with a partner.
    options = ["--overwrite", "--detail", "0.5"]
    assert main(["upscale", str(tmp_path / "b.jpg"), *options]) == 0
    capsys.readouterr()
    # A model that is named is used for all photos.
    options = ["--overwrite", "--model", "srresnet_x4_small"]
    main(["upscale", str(tmp_path / "b.jpg"), *options])
    assert "(320x288, " in (out := capsys.readouterr().out) and ":" not in out
