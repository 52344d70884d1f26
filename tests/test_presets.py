"""Presets: how they are packed, found, checked and used.

What those that ship have in common is tested on a tiny one, packed here.
"""

import json
import os
import pathlib
import runpy
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from keras_srgan import SRGAN
from keras_srgan import Discriminator
from keras_srgan import Generator
from keras_srgan import presets
from keras_srgan import psnr
from keras_srgan import upscale
from keras_srgan.cli import main

ROOT = pathlib.Path(__file__).parents[1]
NAMES = ("srgan_x4", "srgan_x4_faces", "srresnet_x4")
OTHERS = [
    backend
    for backend in ("tensorflow", "jax", "torch")
    if backend != keras.backend.backend()
]


def pack(model, out, name="srgan_x4"):
    """Run recipes/pack.py in this process."""
    argv = sys.argv
    sys.argv = ["pack.py", str(model), name, "--out", str(out)]
    try:
        runpy.run_path(str(ROOT / "recipes/pack.py"))
    finally:
        sys.argv = argv


def make_generator(dtype="float32", **arguments):
    """The same tiny generator each time."""
    keras.utils.set_random_seed(0)
    return Generator(num_blocks=1, filters=4, dtype=dtype, **arguments)


def weights(model):
    return [np.array(weight.numpy()) for weight in model.weights]


def photo(size=12):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (size, size + 1, 3), "uint8")


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """The folder of a preset."""
    folder = tmp_path_factory.mktemp("packed")
    make_generator().save(folder / "model.keras")
    pack(folder / "model.keras", folder / "preset")
    return folder / "preset"


@pytest.fixture
def damaged(packed, tmp_path):
    """A folder that the files of a preset are copied to."""
    for file in packed.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


# === Packing and loading ===


def test_what_is_packed_is_loaded_in_half_precision(packed):
    before = make_generator()
    after = Generator.from_preset(packed)
    assert after.get_config().keys() == before.get_config().keys()
    for key, value in before.get_config().items():
        if key != "name":
            assert after.get_config()[key] == value
    for a, b in zip(weights(before), weights(after), strict=True):
        assert b.dtype == "float32"
        np.testing.assert_array_equal(a.astype("float16"), b)
    pictures = [upscale(model, photo()) for model in (before, after)]
    np.testing.assert_allclose(*np.array(pictures, int), atol=1)


def test_nothing_but_the_preset_is_left(packed):
    assert sorted(os.listdir(packed)) == ["config.json", "weights.npz"]
    about = json.loads((packed / "config.json").read_text())
    assert about["parameters"] == make_generator().count_params()
    # Half the size of float32, and headings.
    size = (packed / "weights.npz").stat().st_size
    assert size < 2 * about["parameters"] + 1e4


@pytest.mark.parametrize("use_batch_norm", [False, True])
def test_a_whole_model_in_mixed_precision_is_packed(tmp_path, use_batch_norm):
    srgan = SRGAN(
        make_generator("mixed_bfloat16", use_batch_norm=use_batch_norm),
        Discriminator(filters=2),
    )
    srgan.save(tmp_path / "model.keras")
    pack(tmp_path / "model.keras", tmp_path / "preset")
    generator = Generator.from_preset(tmp_path / "preset")
    assert generator.dtype_policy.name == "float32"
    expected = weights(srgan.generator)
    for a, b in zip(expected, weights(generator), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-7)


def test_what_half_precision_would_spoil_is_not_packed(tmp_path):
    generator = make_generator()
    # The same picture as before, but by way of too small numbers.
    for name, factor in (
        ("upscale_0_conv", 1e-8),
        ("upscale_1_conv", 1e4),
        ("rgb_conv", 1e4),
    ):
        kernel = generator.get_layer(name).kernel
        kernel.assign(kernel.numpy() * factor)
    generator.save(tmp_path / "model.keras")
    with pytest.raises(SystemExit, match="levels; nothing was written"):
        pack(tmp_path / "model.keras", tmp_path / "preset")
    assert os.listdir(tmp_path / "preset") == []


@pytest.mark.parametrize(
    "dtype", ["float32", "mixed_bfloat16", "mixed_float16", None]
)
def test_weights_are_float32_in_the_policy_that_is_asked_for(packed, dtype):
    generator = Generator.from_preset(packed, dtype=dtype)
    assert generator.dtype_policy.name == (dtype or "float32")
    conv = generator.get_layer("end_conv")
    assert conv.compute_dtype in (dtype or "float32")
    for weight in generator.weights:
        assert keras.backend.standardize_dtype(weight.dtype) == "float32"
    assert generator(photo()[None]).shape == (1, 48, 52, 3)


# === Going on with the training ===


def test_training_goes_on_from_a_preset(packed, photos):
    srgan = SRGAN.from_preset(
        packed, discriminator=Discriminator(filters=2), name="mine"
    )
    assert (srgan.name, srgan.scale) == ("mine", 4)
    before = weights(Generator.from_preset(packed))
    for a, b in zip(before, weights(srgan.generator), strict=True):
        np.testing.assert_array_equal(a, b)
    players = srgan.generator, srgan.discriminator
    start = [weights(player) for player in players]
    srgan.compile(content_loss="mse")
    history = srgan.fit(photos, batch_size=4, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    for player, was in zip(players, start, strict=True):
        assert not np.array_equal(weights(player)[0], was[0])


def test_a_preset_brings_a_discriminator_of_its_own_policy(packed):
    srgan = SRGAN.from_preset(packed, dtype="mixed_bfloat16")
    assert srgan.generator.dtype_policy.name == "mixed_bfloat16"
    assert srgan.discriminator.dtype_policy.name == "mixed_bfloat16"
    assert srgan.discriminator.count_params() == 5_211_713


# === What is wrong is said ===


@pytest.mark.parametrize("preset", ["srgan_x5", "", "tests"])
@pytest.mark.parametrize("model", [Generator, SRGAN])
def test_a_wrong_name_lists_the_right_ones(model, preset):
    with pytest.raises(ValueError, match="`preset` must be ") as error:
        model.from_preset(preset)
    assert all(repr(name) in str(error.value) for name in presets())
    assert str(error.value).endswith(f"Received: preset={preset!r}")


@pytest.mark.parametrize("damage", ["a bit", "the end", "everything"])
def test_damaged_weights_are_refused(damaged, damage):
    file = damaged / "weights.npz"
    content = bytearray(file.read_bytes())
    if damage == "a bit":
        content[len(content) // 2] ^= 1
    else:
        del content[-100 if damage == "the end" else 0 :]
    file.write_bytes(content)
    with pytest.raises(OSError, match="SHA-256") as error:
        Generator.from_preset(damaged)
    assert str(file) in str(error.value)


def test_files_that_are_missing_or_no_config_are_named(damaged):
    (damaged / "weights.npz").unlink()
    with pytest.raises(FileNotFoundError, match="weights.npz"):
        Generator.from_preset(damaged)
    (damaged / "config.json").write_text('{"sha256":')
    with pytest.raises(OSError, match=f"{damaged}/config.json: "):
        Generator.from_preset(damaged)


# === Commands ===


def test_what_ships():
    assert tuple(presets()) == NAMES


def test_the_command_lists_the_presets(capsys):
    assert main(["presets"]) == 0
    out = capsys.readouterr().out
    assert "parameters" in out
    assert [name for name in NAMES if name in out] == [
        name for name in NAMES if name in presets()
    ]


def test_the_commands_say_that_there_is_no_such_preset(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo()).save("photo.png")
    for command in (
        ["upscale", "photo.png", "--model", "srgan_x5"],
        ["evaluate", "--hr", ".", "--model", "srgan_x5"],
    ):
        assert main(command) == 2
        err = capsys.readouterr().err
        assert "no model file srgan_x5, nor a preset" in err
        assert all(name in err for name in presets())
    assert os.listdir() == ["photo.png"]


def test_upscale_takes_srgan_x4_unless_told_otherwise(
    tmp_path, monkeypatch, capsys
):
    name = "srgan_x4"
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo()).save("photo.png")
    assert main(["upscale", "photo.png"]) == 0
    expected = upscale(Generator.from_preset(name), "photo.png")
    with Image.open("photo-x4.png") as large:
        np.testing.assert_array_equal(np.asarray(large), np.asarray(expected))


def test_evaluate_takes_presets(tmp_path, capsys):
    name = "srgan_x4"
    Image.fromarray(photo(48)).save(tmp_path / "photo.png")
    assert main(["evaluate", "--hr", str(tmp_path), "--model", name]) == 0
    assert name in capsys.readouterr().out


# === All backends ===


ENLARGE = """
import sys
import keras
import numpy as np
from keras_srgan import Generator

folder, *presets = sys.argv[1:]
photo = np.load(f"{folder}/photo.npy")
np.savez(
    f"{folder}/{keras.backend.backend()}.npz",
    *[Generator.from_preset(p).predict(photo, verbose=0) for p in presets],
)
"""


@pytest.mark.skipif(
    keras.backend.backend() != "jax",
    reason="compares all backends; runs once, under KERAS_BACKEND=jax",
)
def test_a_preset_gives_the_same_picture_on_all_backends(packed, tmp_path):
    names = [packed, *presets()]
    pixels = np.asarray(face())[64:112, 96:160]
    np.save(tmp_path / "photo.npy", pixels[None])
    expected = [
        Generator.from_preset(name).predict(pixels[None], verbose=0)
        for name in names
    ]
    for backend in OTHERS:
        subprocess.run(
            [sys.executable, "-c", ENLARGE, tmp_path, *names],
            env={**os.environ, "KERAS_BACKEND": backend},
            check=True,
        )
        with np.load(tmp_path / f"{backend}.npz") as pictures:
            for name, ours in zip(names, expected, strict=True):
                theirs = pictures[f"arr_{names.index(name)}"]
                difference = np.abs(np.rint(theirs) - np.rint(ours)).max()
                assert difference <= 1, (backend, name)


# === Quality ===


def face():
    skimage = pytest.importorskip("skimage")
    with Image.open(pathlib.Path(skimage.data_dir, "astronaut.png")) as image:
        return image.convert("RGB")


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_beats_bicubic_and_keeps_the_colours(name):
    """On a photo that no recipe trains on: a face."""
    generator = Generator.from_preset(name)
    hr = face().crop((160, 0, 288, 192))
    lr = hr.resize((hr.width // 4, hr.height // 4), Image.Resampling.BICUBIC)
    bicubic = lr.resize(hr.size, Image.Resampling.BICUBIC)
    hr, sr, bicubic = (
        np.asarray(image)[None]
        for image in (hr, upscale(generator, lr), bicubic)
    )
    assert psnr(hr, sr, 4)[0] > psnr(hr, bicubic, 4)[0]
    drift = (sr.astype(int) - hr).mean(axis=(0, 1, 2))
    assert np.abs(drift).max() < 2, drift
