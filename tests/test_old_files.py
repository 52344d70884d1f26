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

DATA = pathlib.Path(__file__).parent / "data"


def check(model, name):
    with np.load(DATA / "pictures.npz") as pictures:
        picture = model.predict(pictures["photo"], verbose=0)
        assert pictures[name].std() > 50
        np.testing.assert_allclose(picture, pictures[name], atol=0.05)


@pytest.mark.parametrize("name", ["generator", "compact_generator"])
def test_a_generator(name):
    model = keras.saving.load_model(DATA / f"{name}.keras")
    assert type(model) is Generator
    check(model, name)


def test_an_srgan():
    model = keras.saving.load_model(DATA / "srgan.keras")
    assert type(model) is SRGAN
    check(model, "srgan")


def test_a_backbone_of_keras_hub():
    pytest.importorskip("keras_hub", reason="`pip install keras-srgan[hub]`")
    import keras_srgan.hub  # noqa: F401

    # It was a whole generator.
    with pytest.warns(DeprecationWarning, match="loads as a `Generator`"):
        model = keras.saving.load_model(DATA / "backbone.keras")
    check(model, "backbone")


def test_a_preset():
    with pytest.warns(DeprecationWarning, match="format of keras-srgan 0.1"):
        generator = Generator.from_preset(DATA / "preset_0.1")
    check(generator, "preset")
