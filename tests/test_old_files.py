"""Files and calls of earlier versions still work.

The files in data/ were written at 0c3f622, with the pictures that each network
made of one photo.
"""

import importlib
import pathlib

import keras
import numpy as np
import pytest

from keras_srgan import SRGAN
from keras_srgan import Augmentation
from keras_srgan import Discriminator
from keras_srgan import Generator
from keras_srgan import VGGContentLoss
from keras_srgan import load_generator

DATA = pathlib.Path(__file__).parent / "data"


def check(model, name):
    with np.load(DATA / "pictures.npz") as pictures:
        picture = model.predict(pictures["photo"], verbose=0)
        assert pictures[name].std() > 50
        np.testing.assert_allclose(picture, pictures[name], atol=0.05)


@pytest.mark.parametrize("load", [keras.saving.load_model, load_generator])
@pytest.mark.parametrize("name", ["generator", "compact_generator"])
def test_a_generator(name, load):
    model = load(DATA / f"{name}.keras")
    assert type(model) is Generator
    check(model, name)


@pytest.mark.parametrize(
    "load, kind",
    [(keras.saving.load_model, SRGAN), (load_generator, Generator)],
)
def test_an_srgan(load, kind):
    model = load(DATA / "srgan.keras")
    assert type(model) is kind
    check(model, "srgan")


@pytest.mark.parametrize("load", [keras.saving.load_model, load_generator])
def test_a_backbone_of_keras_hub(load):
    pytest.importorskip("keras_hub", reason="`pip install keras-srgan[hub]`")
    import keras_srgan.hub  # noqa: F401

    # It was a whole generator.
    with pytest.warns(DeprecationWarning, match="loads as a `Generator`"):
        model = load(DATA / "backbone.keras")
    assert type(model) is Generator
    check(model, "backbone")


@pytest.mark.parametrize("load", [Generator.from_preset, load_generator])
def test_a_preset(load):
    with pytest.warns(DeprecationWarning, match="format of keras-srgan 0.1"):
        generator = load(DATA / "preset_0.1")
    check(generator, "preset")


# === Calls ===


def test_positional_arguments_of_version_0_1():
    # The last one was the dtype or the name.
    layer = Augmentation(True, 0.1, 0.1, 0.1, 0.1, 7, "float64")
    assert layer.dtype == "float64" and not layer.turn
    network = Discriminator(2, False, "mixed_bfloat16")
    assert network.dtype_policy.name == "mixed_bfloat16"
    assert not network.spectral_normalization
    generator = Generator(
        2, 0, 4, False, False, False, 127.5, "tanh", "mixed_bfloat16"
    )
    assert generator.dtype_policy.name == "mixed_bfloat16"
    loss = VGGContentLoss("block1_conv1", None, None, "content")
    assert loss.name == "content"
    assert not loss.get_config()["before_activation"]
    srgan = SRGAN(generator, Discriminator(2))
    srgan.compile(None, None, "mse", 0.0, 0.0, [])
    assert srgan.get_compile_config()["metrics"] == []


def test_the_former_name_of_the_optimizer():
    from keras_srgan import optimizers

    with pytest.warns(DeprecationWarning, match="GANOptimizer"):
        assert optimizers.PlayersOptimizer is optimizers.GANOptimizer


@pytest.mark.parametrize(
    "module, name",
    [
        ("data", "find_photos"),
        ("data", "load_image"),
        ("degradation", "Degradation"),
        ("evaluation", "difference_sheet"),
    ],
)
def test_names_that_have_moved(module, name):
    module = importlib.import_module(f"keras_srgan.{module}")
    assert getattr(module, name).__module__ != module.__name__
