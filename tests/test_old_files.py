"""Files that earlier versions wrote still load.

The files in data/ were written at 0c3f622, with the pictures that each network
made of one photo.
"""

import pathlib

import keras
import numpy as np
import pytest

from keras_srgan import SRGAN
from keras_srgan import Generator
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
