"""load_generator finds presets and reads every kind of model file."""

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_srgan import SRGAN
from keras_srgan import Discriminator
from keras_srgan import Generator
from keras_srgan import load_generator
from keras_srgan import preset
from keras_srgan import presets
from keras_srgan.checks import get_generator

TINY = {"num_blocks": 1, "filters": 4}


def equal_weights(one, other):
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all((a == b).all() for a, b in pairs)


@pytest.fixture(scope="module")
def preset_generator():
    return Generator.from_preset("srresnet_x4")


def test_a_preset_by_name(preset_generator):
    loaded = load_generator("srresnet_x4")
    assert type(loaded) is Generator
    assert equal_weights(loaded, preset_generator)


def test_a_preset_by_folder(preset_generator):
    folder = preset.FOLDER / "srresnet_x4"
    for path in folder, str(folder):
        assert equal_weights(load_generator(path), preset_generator)


@pytest.mark.parametrize(
    "kind",
    [
        {"use_batch_norm": True, "scale": 2},
        {"upsampling": "pixel_shuffle_direct"},
        {"dtype": "mixed_bfloat16"},
    ],
)
def test_a_generator(kind, tmp_path):
    generator = Generator(**TINY, **kind)
    generator.save(tmp_path / "generator.keras")
    loaded = load_generator(tmp_path / "generator.keras")
    assert type(loaded) is Generator
    assert loaded.get_config() == generator.get_config()
    assert equal_weights(loaded, generator)


def test_another_functional_generator(tmp_path):
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, keras.layers.UpSampling2D(3)(inputs))
    model.save(tmp_path / "model.keras")
    assert load_generator(tmp_path / "model.keras").output_shape[-1] == 3


@pytest.fixture
def trained(make_srgan, photos, tmp_path):
    """A trained SRGAN and its file."""
    srgan = make_srgan()
    srgan.fit(photos, batch_size=4, verbose=0)
    path = tmp_path / "srgan.keras"
    srgan.save(path)
    return srgan, path


def test_the_generator_of_an_srgan_and_nothing_else(trained, monkeypatch):
    srgan, path = trained

    def build(self, *args, **kwargs):
        raise AssertionError(f"{type(self).__name__} was built")

    monkeypatch.setattr(Discriminator, "__init__", build)
    monkeypatch.setattr(SRGAN, "__init__", build)
    monkeypatch.setattr(keras.optimizers.Optimizer, "__init__", build)
    monkeypatch.setattr(keras.Model, "compile", build)
    loaded = load_generator(path)
    assert type(loaded) is Generator
    assert equal_weights(loaded, srgan.generator)
    photo = np.full((1, 4, 4, 3), 100, "uint8")
    np.testing.assert_array_equal(
        loaded.predict_on_batch(photo), srgan.generator.predict_on_batch(photo)
    )


def test_an_srgan_still_loads_whole(trained):
    _, path = trained
    load_generator(path)
    loaded = keras.saving.load_model(path)
    assert type(loaded) is SRGAN
    assert loaded.optimizer.iterations == 2


@pytest.mark.filterwarnings("ignore:.*compile.* was not called")
def test_a_task_of_keras_hub(tmp_path):
    hub = pytest.importorskip("keras_srgan.hub")
    generator = Generator(**TINY)
    task = hub.SRGANImageUpscaler.from_generator(generator)
    task.save(tmp_path / "model.keras")
    loaded = load_generator(tmp_path / "model.keras")
    assert type(loaded) is Generator
    assert equal_weights(loaded, generator)


# === Mistakes ===


def test_no_such_preset_lists_the_presets():
    with pytest.raises(ValueError, match="'srgan_x3'") as error:
        load_generator("srgan_x3")
    assert all(name in str(error.value) for name in presets())


def test_a_folder_that_is_no_preset(tmp_path):
    with pytest.raises(ValueError, match="srresnet_x4.*Received"):
        load_generator(tmp_path)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.keras.*srresnet_x4"):
        load_generator(tmp_path / "none.keras")


@pytest.mark.parametrize("damage", ["text", "empty", "half", "no config"])
def test_a_damaged_file(damage, tmp_path):
    path = tmp_path / "model.keras"
    Generator(**TINY).save(path)
    whole = path.read_bytes()
    if damage == "no config":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "empty")
    else:
        path.write_bytes(
            {"text": b"model", "empty": b"", "half": whole[:9000]}[damage]
        )
    with pytest.raises(OSError, match=r"model\.keras"):
        load_generator(path)


def test_weights_that_are_missing(tmp_path):
    path = tmp_path / "model.keras"
    Generator(**TINY).save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    del parts["model.weights.h5"]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(OSError, match=r"Cannot load .*model\.keras"):
        load_generator(path)


def test_another_kind_of_model(tmp_path):
    Discriminator(filters=2).save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="must be an SRGAN.*Received"):
        load_generator(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="must be an SRGAN.*Received"):
        get_generator("srgan.keras")


def test_a_backbone_alone(tmp_path):
    hub = pytest.importorskip("keras_srgan.hub")
    hub.SRGANBackbone(num_blocks=1, num_filters=4).save(tmp_path / "b.keras")
    with pytest.raises(ValueError, match="SRGANImageUpscaler.*Received"):
        load_generator(tmp_path / "b.keras")


def test_nothing_else_in_the_package_looks_for_a_generator():
    folder = Path(preset.__file__).parents[1]
    for path in folder.rglob("*.py"):
        if path.parent.name in ("keras_srgan", "commands", "recipes"):
            if path.stem != "checks":
                text = path.read_text()
                assert 'getattr(model, "generator"' not in text, path
                assert '"to_generator"' not in text, path
