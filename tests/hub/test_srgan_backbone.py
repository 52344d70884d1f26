import keras
import numpy as np
import pytest
from keras import ops

pytest.importorskip("keras_hub", reason="`pip install keras-srgan[hub]`")

import keras_hub  # noqa: E402

from keras_srgan import Generator  # noqa: E402
from keras_srgan.hub import SRGANBackbone  # noqa: E402
from keras_srgan.hub import SRGANImageUpscaler  # noqa: E402

TINY = {"num_blocks": 1, "num_filters": 4}
ALL = {
    **TINY,
    "num_filters": 5,
    "use_batch_norm": True,
    "use_bias": True,
    "use_end_prelu": True,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("config", [TINY, ALL], ids=["default", "all"])
def test_backbone_basics(case, config):
    images = ops.convert_to_tensor(
        np.random.default_rng(0).uniform(-1, 1, (2, 9, 7, 3)).astype("float32")
    )
    case.run_vision_backbone_test(
        SRGANBackbone,
        config,
        images,
        expected_output_shape=(2, 9, 7, config["num_filters"]),
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_saved_model(case):
    images = ops.convert_to_tensor(np.ones((2, 9, 7, 3), "float32"))
    case.run_model_saving_test(SRGANBackbone, ALL, images)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16"])
def test_reduced_precision(policy):
    """keras-hub leaves this out on PyTorch without a GPU."""
    output = SRGANBackbone(**ALL, dtype=policy)(np.ones((1, 8, 8, 3)))
    assert keras.backend.standardize_dtype(output.dtype) == "bfloat16"


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow",
    reason="TensorFlow has no channels-first convolution on the CPU",
)
def test_the_weights_do_not_depend_on_the_data_format(levels):
    last = SRGANBackbone(**ALL, data_format="channels_last")
    first = SRGANBackbone(**ALL, data_format="channels_first")
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(0.1, 1, w.shape) for w in last.weights]
    last.set_weights(arrays)
    first.set_weights(arrays)
    images = levels(1, 9, 7, 3) / 127.5 - 1
    expected = last.predict(images, verbose=0)
    output = first.predict(images.transpose(0, 3, 1, 2), verbose=0)
    np.testing.assert_allclose(
        output.transpose(0, 2, 3, 1), expected, rtol=1e-4, atol=1e-4
    )


def test_a_preset_gives_the_features_of_the_generator(levels):
    photo = levels(1, 9, 7, 3)
    generator = Generator.from_preset("srgan_x4")
    features = keras.Model(
        generator.input, generator.get_layer("long_skip").output
    )
    expected = features.predict(photo, verbose=0)
    for cls in (SRGANBackbone, keras_hub.models.Backbone):
        backbone = cls.from_preset("srgan_x4")
        assert type(backbone) is SRGANBackbone
        output = backbone.predict(photo / 127.5 - 1, verbose=0)
        np.testing.assert_allclose(output, expected, atol=1e-3)


def test_weights_in_shards(tmp_path, levels):
    backbone = SRGANBackbone(num_blocks=2, num_filters=16)
    backbone.save_to_preset(str(tmp_path), max_shard_size=30e3 / 1024**3)
    assert len(list(tmp_path.glob("model_*.weights.h5"))) > 1
    loaded = SRGANBackbone.from_preset(str(tmp_path))
    for a, b in zip(backbone.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["num_blocks", "num_filters"])
def test_bad_arguments(name):
    with pytest.raises(ValueError, match=f"`{name}` must be.*{name}=-1"):
        SRGANBackbone(**{name: -1})


def test_the_former_constructor_returns_a_task(levels):
    generator = Generator(num_blocks=1, filters=4)
    with pytest.warns(
        DeprecationWarning, match="from_generator` is deprecated"
    ):
        task = SRGANBackbone.from_generator(generator)
    assert type(task) is SRGANImageUpscaler
    photo = levels(1, 9, 7, 3)
    np.testing.assert_allclose(
        task.to_generator().predict(photo, verbose=0),
        generator.predict(photo, verbose=0),
        atol=1e-3,
    )
