"""The backbone of keras-hub; without keras-hub, all of this is skipped."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image

from keras_srgan import SRGAN
from keras_srgan import Discriminator
from keras_srgan import Generator
from keras_srgan import upscale

keras_hub = pytest.importorskip(
    "keras_hub", reason="keras-hub: `pip install keras-srgan[hub]`"
)

from keras_srgan.hub import SRGANBackbone  # noqa: E402
from keras_srgan.hub import SRGANImageConverter  # noqa: E402

TINY = {"num_blocks": 1, "filters": 4}
ALL = {
    "scale": 2,
    "use_batch_norm": True,
    "use_bias": True,
    "use_end_prelu": True,
    "input_mean": [1.0, 2.0, 3.0],
    "output_activation": "hard_tanh",
    **TINY,
}


def levels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, "uint8")


def run(model, photo):
    return ops.convert_to_numpy(ops.stop_gradient(model(photo)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("config", [TINY, ALL], ids=["default", "all"])
def test_it_passes_the_tests_of_keras_hub(config):
    reason = "keras-hub's tests need grain: `pip install grain`"
    pytest.importorskip("grain", reason=reason)
    from keras_hub.src.tests.test_case import TestCase

    # Layers of keras-hub take tensors where `compute_output_spec` is called.
    photos = ops.convert_to_tensor(levels(2, 9, 7, 3).astype("float32"))
    scale = config.get("scale", 4)
    test = TestCase("session")
    test.setUp()
    test.run_vision_backbone_test(
        SRGANBackbone,
        config,
        photos,
        expected_output_shape=(2, 9 * scale, 7 * scale, 3),
        # Images are channels last wherever they are.
        run_data_format_check=False,
    )
    test.run_model_saving_test(SRGANBackbone, config, photos)
    # keras-hub leaves this out on PyTorch without a GPU.
    for policy in ["mixed_bfloat16", "bfloat16"]:
        output = SRGANBackbone(**config, dtype=policy)(photos)
        assert keras.backend.standardize_dtype(output.dtype) == "bfloat16"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_converter_passes_the_tests_of_keras_hub():
    reason = "keras-hub's tests need grain: `pip install grain`"
    pytest.importorskip("grain", reason=reason)
    from keras_hub.src.tests.test_case import TestCase

    test = TestCase("session")
    test.setUp()
    test.run_preprocessing_layer_test(
        SRGANImageConverter, {"image_size": (8, 6)}, np.ones((2, 9, 7, 3))
    )


@pytest.mark.parametrize("config", [TINY, ALL], ids=["default", "all"])
def test_presets_give_what_the_generator_gives(config, tmp_path):
    generator = Generator(**config)
    photo = levels(1, 9, 7, 3)
    generator(photo, training=True)  # batch statistics other than at the start
    expected = run(generator, photo)
    backbone = SRGANBackbone.from_generator(generator)
    np.testing.assert_array_equal(run(backbone, photo), expected)
    assert backbone.name.startswith("srgan_backbone")

    folder = str(tmp_path / "preset")
    backbone.save_to_preset(folder)
    for cls in (SRGANBackbone, keras_hub.models.Backbone):
        loaded = cls.from_preset(folder)
        assert type(loaded) is SRGANBackbone
        assert loaded.get_config() == backbone.get_config()
        np.testing.assert_array_equal(run(loaded, photo), expected)
    # Keras reads it alone, but must know the class.
    loaded = keras.saving.load_model(folder)
    np.testing.assert_array_equal(run(loaded, photo), expected)
    # And back: nothing of keras-hub is left.
    plain = loaded.to_generator()
    assert type(plain) is Generator
    plain.save(tmp_path / "plain.keras")
    plain = keras.saving.load_model(tmp_path / "plain.keras")
    np.testing.assert_array_equal(run(plain, photo), expected)


def test_presets_without_weights_and_in_another_dtype(tmp_path):
    folder, photo = str(tmp_path), levels(1, 8, 8, 3)
    backbone = SRGANBackbone(**TINY)
    backbone.save_to_preset(folder)
    half = SRGANBackbone.from_preset(folder, dtype="bfloat16")
    assert {weight.dtype for weight in half.weights} == {"bfloat16"}
    assert keras.backend.standardize_dtype(half(photo).dtype) == "bfloat16"
    np.testing.assert_allclose(
        run(half, photo).astype("float32"), run(backbone, photo), atol=4
    )
    mixed = SRGANBackbone.from_preset(folder, dtype="mixed_bfloat16")
    np.testing.assert_array_equal(
        mixed.get_weights()[0], backbone.get_weights()[0]
    )
    fresh = SRGANBackbone.from_preset(folder, load_weights=False)
    assert np.abs(run(fresh, photo) - run(backbone, photo)).max() > 1


def test_weights_in_shards(tmp_path):
    folder, photo = tmp_path / "preset", levels(1, 8, 8, 3)
    backbone = SRGANBackbone(num_blocks=2, filters=16)
    backbone.save_to_preset(str(folder), max_shard_size=60e3 / 1024**3)
    assert len(list(folder.glob("model_*.weights.h5"))) > 1
    index = json.loads((folder / "model.weights.json").read_text())
    assert index["weight_map"]
    loaded = SRGANBackbone.from_preset(str(folder))
    np.testing.assert_array_equal(run(loaded, photo), run(backbone, photo))


def test_converter(tmp_path):
    folder, photos = str(tmp_path), levels(2, 9, 7, 3)
    SRGANBackbone(**TINY).save_to_preset(folder)
    SRGANImageConverter().save_to_preset(folder)
    for cls in (SRGANImageConverter, keras_hub.layers.ImageConverter):
        converter = cls.from_preset(folder)
        assert type(converter) is SRGANImageConverter
        np.testing.assert_array_equal(run(converter, photos), photos)
    converter = SRGANImageConverter.from_preset(folder, image_size=(4, 4))
    assert converter(photos).shape == (2, 4, 4, 3)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_upscale_takes_a_backbone(dtype):
    photo = levels(30, 20, 3)
    backbone = SRGANBackbone(**TINY, dtype=dtype)
    large = upscale(backbone, photo, tile_size=12)
    assert large.shape == (120, 80, 3)
    exact = np.rint(run(backbone, photo[None])[0].astype("float32"))
    np.testing.assert_allclose(
        large.astype("int"), exact, atol=1 if dtype == "float32" else 3
    )


def test_a_backbone_is_trained(photos, tmp_path):
    srgan = SRGAN(SRGANBackbone(**TINY), Discriminator(filters=2))
    srgan.compile(content_loss="mse")
    before = srgan.generator.get_weights()[0]
    srgan.fit(photos, verbose=0)
    assert (srgan.generator.get_weights()[0] != before).any()
    srgan.save(tmp_path / "srgan.keras")
    loaded = keras.saving.load_model(tmp_path / "srgan.keras")
    assert type(loaded.generator) is SRGANBackbone


def test_a_backbone_is_exported(tmp_path):
    path = tmp_path / "model"
    if keras.backend.backend() == "torch":
        path = tmp_path / "model.pt2"
    SRGANBackbone(**TINY).export(path)
    assert path.exists()
    path.rename(tmp_path / "alone")
    SRGAN(SRGANBackbone(**TINY)).export(path)
    assert path.exists()


def test_commands_take_a_backbone(tmp_path):
    """In a process that has not imported it."""
    SRGANBackbone(**TINY).save(tmp_path / "backbone.keras")
    Image.fromarray(levels(6, 5, 3)).save(tmp_path / "photo.png")
    command = "upscale photo.png --model backbone.keras"
    subprocess.run(
        [sys.executable, "-m", "keras_srgan.cli", *command.split()],
        cwd=tmp_path,
        check=True,
    )
    with Image.open(tmp_path / "photo-x4.png") as large:
        assert large.size == (20, 24)


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="`scale`.*scale=3"):
        SRGANBackbone(scale=3)
    with pytest.raises(ValueError, match="clowntown"):
        SRGANBackbone.from_preset("clowntown")


def test_it_is_not_imported_until_asked_for():
    code = (
        "import sys, keras_srgan; assert 'keras_hub' not in sys.modules;"
        "sys.modules['keras_hub'] = None; import keras_srgan.hub"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert "ImportError: `keras_srgan.hub` needs keras-hub" in result.stderr
    assert "keras-srgan[hub]" in result.stderr
