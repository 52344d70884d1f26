import ast
import pathlib
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from keras_srgan import SRGAN
from keras_srgan import Generator
from keras_srgan import UNetDiscriminator
from keras_srgan import VGGContentLoss

PACKAGE = pathlib.Path(__file__).parents[1] / "keras_srgan"


def registered_classes():
    """Yields what Keras registers, read from the source."""
    for path in PACKAGE.rglob("*.py"):
        if "hub" in path.relative_to(PACKAGE).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for decorator in getattr(node, "decorator_list", ()):
                if "register_keras_serializable" in ast.unparse(decorator):
                    yield f"keras_srgan>{node.name}"


def state(srgan):
    return [
        np.array(v.numpy())
        for v in [*srgan.trainable_variables, *srgan.optimizer.variables]
    ]


def test_save_and_load(make_srgan, photos, tmp_path):
    srgan = make_srgan(
        "rmsprop",
        keras.optimizers.SGD(1e-3),
        content_loss=VGGContentLoss("block1_conv1", weights=None),
        adversarial_weight=0.25,
        pixel_weight=0.5,
    )
    srgan.fit(photos, batch_size=4, verbose=0)
    srgan.save(tmp_path / "srgan.keras")
    loaded = keras.saving.load_model(tmp_path / "srgan.keras")
    assert type(loaded) is SRGAN
    assert loaded.get_config() == srgan.get_config()
    assert loaded.get_compile_config() == srgan.get_compile_config()
    for a, b in zip(state(srgan), state(loaded), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(
        srgan.predict(photos, verbose=0), loaded.predict(photos, verbose=0)
    )


def test_save_and_load_with_every_loss(photos, tmp_path):
    srgan = SRGAN(
        Generator(num_blocks=1, filters=4),
        UNetDiscriminator(filters=2),
        augmentation=keras.layers.Identity(),
    )
    srgan.compile(
        content_loss=VGGContentLoss(
            {"block1_conv1": 0.5, "block1_conv2": 1},
            weights=None,
            before_activation=True,
            distance="absolute",
            feature_scale=1 / 57.6,
        ),
        adversarial_loss="relativistic",
        pixel_loss="mae",
        pixel_weight=2.0,
        grid_weight=3.0,
        spectrum_weight=4.0,
    )
    srgan.fit(photos, batch_size=4, verbose=0)
    srgan.save(tmp_path / "srgan.keras")
    loaded = keras.saving.load_model(tmp_path / "srgan.keras")
    assert loaded.get_config() == srgan.get_config()
    assert loaded.get_compile_config() == srgan.get_compile_config()
    assert loaded.content_loss.get_config() == srgan.content_loss.get_config()
    for name in (
        "adversarial_loss",
        "pixel_weight",
        "grid_weight",
        "spectrum_weight",
    ):
        assert getattr(loaded, name) == getattr(srgan, name)
    assert loaded.pixel_loss.distance == "absolute"
    norms = [
        [np.array(v.numpy()) for v in m.discriminator.non_trainable_variables]
        for m in (srgan, loaded)
    ]
    assert len(norms[0]) == 8
    for a, b in zip(*norms, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("adversarial_weight", [0, 1e-3])
def test_going_on_after_loading_equals_never_having_stopped(
    make_srgan, photos, tmp_path, policy, adversarial_weight
):
    """Augmentation on: also the random state must be that of the run."""
    arguments = {"batch_size": 4, "verbose": 0, "shuffle": False}
    srgan = make_srgan(dtype=policy, adversarial_weight=adversarial_weight)
    srgan.fit(photos, epochs=2, **arguments)
    srgan.save(tmp_path / "srgan.keras")
    loaded = keras.saving.load_model(tmp_path / "srgan.keras")
    for model in (srgan, loaded):
        model.fit(photos, initial_epoch=2, epochs=3, **arguments)
    for a, b in zip(state(srgan), state(loaded), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_weights_file_resumes_too(make_srgan, photos, tmp_path):
    arguments = {"batch_size": 4, "verbose": 0, "shuffle": False}
    srgan, other = make_srgan(), make_srgan()
    srgan.fit(photos, **arguments)
    srgan.save_weights(tmp_path / "srgan.weights.h5")
    other.load_weights(tmp_path / "srgan.weights.h5")
    for model in (srgan, other):
        model.fit(photos, **arguments)
    for a, b in zip(state(srgan), state(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_jit_compile_is_left_to_the_backend_that_loads(make_srgan, tmp_path):
    make_srgan().save(tmp_path / "srgan.keras")
    loaded = keras.saving.load_model(tmp_path / "srgan.keras")
    assert loaded.get_compile_config()["jit_compile"] == "auto"


def test_custom_parts_are_saved(photos, tmp_path):
    srgan = SRGAN(
        Generator(scale=2, num_blocks=1, filters=2),
        augmentation=keras.layers.RandomFlip("vertical", seed=1),
        name="mine",
    )
    srgan.compile(content_loss="mse", adversarial_weight=0)
    srgan.fit(photos, verbose=0)
    srgan.save(tmp_path / "srgan.keras")
    loaded = keras.saving.load_model(tmp_path / "srgan.keras")
    assert (loaded.name, loaded.scale) == ("mine", 2)
    assert isinstance(loaded.augmentation, keras.layers.RandomFlip)


def test_a_saved_model_neither_holds_nor_needs_vgg(photos, tmp_path):
    file = tmp_path / "vgg19.weights.h5"
    keras.applications.VGG19(include_top=False, weights=None).save_weights(file)
    srgan = SRGAN()
    srgan.compile(content_loss=VGGContentLoss(weights=file))
    srgan.content_loss.build()
    srgan.save(tmp_path / "srgan.keras")
    file.unlink()
    assert (tmp_path / "srgan.keras").stat().st_size < 90e6
    with zipfile.ZipFile(tmp_path / "srgan.keras") as archive:
        archive.extract("model.weights.h5", tmp_path)
    import h5py

    with h5py.File(tmp_path / "model.weights.h5") as weights:
        sizes = []
        weights.visititems(
            lambda name, item: sizes.append(getattr(item, "size", 0))
        )
    # Two networks, twice that for the moments of Adam, and a few counters.
    assert 0 <= sum(sizes) - 3 * (1_544_387 + 5_211_713) < 20

    loaded = keras.saving.load_model(tmp_path / "srgan.keras")
    assert loaded.predict(photos[:1], verbose=0).shape == (1, 128, 128, 3)
    assert loaded.content_loss.variables == []


def test_a_model_that_is_loaded_to_upscale_has_no_optimizer(
    make_srgan, photos, tmp_path
):
    srgan = make_srgan()
    srgan.save(tmp_path / "srgan.keras")
    loaded = keras.saving.load_model(tmp_path / "srgan.keras", compile=False)
    assert getattr(loaded, "optimizer", None) is None
    assert not loaded.compiled
    np.testing.assert_array_equal(
        srgan.predict(photos[:1], verbose=0),
        loaded.predict(photos[:1], verbose=0),
    )


def test_importing_the_package_registers_all_classes():
    """A fresh process can load whatever a run or a user has saved."""
    names = sorted(registered_classes())
    assert {"keras_srgan>SRGAN", "keras_srgan>WarmupStableDecay"} <= {*names}
    code = (
        "import keras, keras_srgan; "
        f"print([name for name in {names} "
        "if keras.saving.get_registered_object(name) is None])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
