"""Blends of a faithful and a vivid generator: --detail."""

import os

import keras
import numpy as np
import pytest
from PIL import Image

from keras_srgan import SRGAN
from keras_srgan import Discriminator
from keras_srgan import Generator
from keras_srgan import blend_generators
from keras_srgan import presets
from keras_srgan import upscale
from keras_srgan.blending import load_blend
from keras_srgan.cli import main
from keras_srgan.model_choice import CLEAN
from keras_srgan.preset import save_preset

DETAILS = (0, 0.25, 1)


def make_generator(seed, **arguments):
    keras.utils.set_random_seed(seed)
    return Generator(num_blocks=1, filters=4, **arguments)


def photo():
    return np.random.default_rng(0).integers(0, 256, (12, 13, 3), "uint8")


@pytest.fixture
def pair():
    return make_generator(1, use_batch_norm=True), make_generator(
        2, use_batch_norm=True
    )


def test_weights_lie_between_those_of_both(pair):
    blend = blend_generators(*pair, 0.25)
    assert [w.name for w in blend.weights] == [w.name for w in pair[1].weights]
    for start, end, between in zip(
        *(model.get_weights() for model in (*pair, blend)), strict=True
    ):
        np.testing.assert_allclose(
            between, 0.75 * start + 0.25 * end, rtol=1e-6, atol=1e-7
        )


@pytest.mark.parametrize("detail", [0, 1, 0.0, 1.0])
def test_the_ends_are_bit_equal(pair, detail):
    kernel = pair[1].get_layer("end_conv").kernel
    # Not even the sign of a zero changes.
    kernel.assign(np.full(kernel.shape, -0.0, "float32"))
    blend = blend_generators(*pair, detail)
    for a, b in zip(
        pair[int(detail)].get_weights(), blend.get_weights(), strict=True
    ):
        assert a.tobytes() == b.tobytes()


def test_the_blend_shares_nothing_with_both(pair):
    blend = blend_generators(*pair, 1)
    before = pair[1].get_weights()
    blend.set_weights([0 * weight for weight in blend.get_weights()])
    for a, b in zip(before, pair[1].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_whole_models_and_other_dtypes_are_blended():
    faithful = SRGAN(make_generator(1), Discriminator(filters=2))
    vivid = make_generator(2, dtype="mixed_bfloat16")
    blend = blend_generators(faithful, vivid, 0.5)
    assert blend.dtype_policy.name == "mixed_bfloat16"
    assert blend(photo()[None]).shape == (1, 48, 52, 3)


@pytest.mark.parametrize("detail", [-0.1, 1.1, float("nan"), "1", None])
def test_detail_is_a_fraction(pair, detail):
    with pytest.raises(ValueError, match=r"`detail` must be .* \[0, 1\]"):
        blend_generators(*pair, detail)
    with pytest.raises(ValueError, match=r"`detail` must be .* \[0, 1\]"):
        load_blend("srgan_x4_small", detail)


@pytest.mark.parametrize(
    "arguments", [{"scale": 2}, {"filters": 8}, {"input_mean": 100.0}]
)
def test_other_architectures_are_refused(arguments):
    vivid = Generator(**{"num_blocks": 1, "filters": 4, **arguments})
    with pytest.raises(ValueError, match="same architecture") as error:
        blend_generators(make_generator(1), vivid, 0.5)
    assert list(arguments)[0] in str(error.value)


# === Presets ===


def test_presets_that_ship_are_pairs():
    for name, about in presets().items():
        ((kind, partner),) = about["partners"].items()
        assert (kind == "faithful") == name.startswith("srgan")
        assert presets()[partner]["parameters"] == about["parameters"]


@pytest.mark.parametrize("name", ["srresnet_x4_small", "srgan_x4_small"])
def test_either_preset_of_a_pair_gives_the_blend(name):
    ends = "srresnet_x4_small", "srgan_x4_small"
    start, end = (Generator.from_preset(name).get_weights() for name in ends)
    for detail in DETAILS:
        blend = load_blend(name, detail).get_weights()
        for a, b, c in zip(start, end, blend, strict=True):
            np.testing.assert_allclose(
                c, (1 - detail) * a + detail * b, rtol=1e-6, atol=1e-9
            )


def test_a_preset_of_the_users_names_its_partner(tmp_path, pair):
    for name, generator in zip(("smooth", "sharp"), pair, strict=True):
        save_preset(
            generator,
            tmp_path / name,
            description="tiny",
            version="1",
            partners={"faithful": str(tmp_path / "smooth")}
            if name == "sharp"
            else None,
        )
    blend = load_blend(tmp_path / "sharp", 0.5)
    expected = [
        Generator.from_preset(tmp_path / name).get_weights()[0]
        for name in ("smooth", "sharp")
    ]
    np.testing.assert_allclose(
        blend.get_weights()[0], sum(expected) / 2, rtol=1e-6, atol=1e-7
    )
    with pytest.raises(ValueError, match="must have a faithful") as error:
        load_blend(tmp_path / "smooth", 0.5)
    assert "smooth" in str(error.value)


# === Command ===


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo()).save("photo.png")
    return tmp_path


def enlarge(*arguments):
    return main(["upscale", "photo.png", *map(str, arguments)])


@pytest.mark.once
def test_the_command_blends(folder, capsys):
    for detail in DETAILS:
        assert enlarge("--detail", detail, "-o", f"{detail}.png") == 0
        expected = upscale(load_blend(CLEAN, detail), photo())
        with Image.open(f"{detail}.png") as result:
            np.testing.assert_array_equal(np.asarray(result), expected)
    assert enlarge("-o", "default.png") == 0
    with Image.open("default.png") as result, Image.open("1.png") as vivid:
        assert result.tobytes() == vivid.tobytes()


def test_a_model_without_a_partner_is_refused(folder, capsys):
    make_generator(1).save("mine.keras")
    before = sorted(os.listdir())
    assert enlarge("--detail", 0.5, "--model", "mine.keras") == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1
    assert "must have a faithful" in err and "mine.keras" in err
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("detail", ["2", "-0.5", "nan", "half"])
def test_the_command_refuses_other_details(folder, capsys, detail):
    with pytest.raises(SystemExit) as stop:
        enlarge("--detail", detail)
    assert stop.value.code == 2
    assert "--detail" in capsys.readouterr().err
