import keras
import numpy as np
import pytest
from keras import ops

from keras_srgan import PixelLoss
from keras_srgan import VGGContentLoss
from keras_srgan.losses import adversarial_loss
from keras_srgan.losses import discriminator_loss


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(0, 255, (2, 2, 32, 32, 3))


def test_pixel_loss_is_in_the_units_of_the_networks():
    black = np.zeros((2, 4, 4, 3))
    assert float(PixelLoss()(black, black + 127.5)) == pytest.approx(1)


def test_vgg_loss_compares_preprocessed_features(images):
    """Against the definition, written out with `keras.applications`."""
    loss = VGGContentLoss("block2_conv1", weights=None)
    loss.build()
    features = keras.Model(*_network_of(loss))

    def expected_features(x):
        blue_first = x[..., ::-1] - np.array([103.939, 116.779, 123.68])
        return ops.convert_to_numpy(features(blue_first)) / 12.75

    hr, sr = images
    expected = np.mean((expected_features(hr) - expected_features(sr)) ** 2)
    assert float(loss(hr, sr)) == pytest.approx(expected, rel=1e-4)
    assert float(loss(hr, hr)) == 0


def _network_of(loss):
    vgg = keras.applications.VGG19(include_top=False, weights=None)
    output = vgg.get_layer(loss.layer).output
    network = keras.Model(vgg.input, output)
    network.set_weights([np.array(v.numpy()) for v in loss.variables])
    return network.input, network.output


def test_vgg_weights_come_from_a_file(images, tmp_path):
    file = tmp_path / "vgg19.weights.h5"
    vgg = keras.applications.VGG19(include_top=False, weights=None)
    vgg.save_weights(file)
    loss = VGGContentLoss("block1_conv2", weights=file)
    loss.build()
    for ours, theirs in zip(loss.variables, vgg.weights, strict=False):
        np.testing.assert_array_equal(np.array(ours), np.array(theirs))
    config = keras.saving.serialize_keras_object(loss)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == loss.get_config()
    hr, sr = images
    assert float(again(hr, sr)) == pytest.approx(float(loss(hr, sr)))


def test_vgg_computes_in_the_asked_dtype(images):
    hr, sr = images
    full = VGGContentLoss("block2_conv2", weights=None)
    full.build()
    half = VGGContentLoss(
        "block2_conv2", weights=None, vgg_dtype="mixed_bfloat16"
    )
    half.build()
    for ours, theirs in zip(half.variables, full.variables, strict=True):
        ours.assign(theirs)
        assert ours.dtype == "float32"
    exact, rounded = float(full(hr, sr)), float(half(hr, sr))
    assert rounded == pytest.approx(exact, rel=0.02)
    assert rounded != exact


def test_vgg_says_where_the_imagenet_weights_belong(monkeypatch, tmp_path):
    def no_network(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    # The download itself is Keras'; only the network is taken away.
    monkeypatch.setattr("urllib.request.urlopen", no_network)
    monkeypatch.setattr(
        "keras.src.utils.file_utils.config.keras_home",
        lambda: str(tmp_path),
        raising=False,
    )
    with pytest.raises(FileNotFoundError) as error:
        VGGContentLoss().build()
    message = str(error.value)
    assert "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5" in message
    assert str(tmp_path / "models") in message
    assert 'content_loss="mse"' in message


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"layer": "block6_conv1"}, ValueError, "block5_conv4.*'block6_conv1'"),
        ({"layer": "block1_conv3"}, ValueError, "`layer`.*'block1_conv3'"),
        ({"weights": "imagnet"}, ValueError, "`weights`.*'imagnet'"),
        (
            {"weights": "missing.weights.h5"},
            FileNotFoundError,
            "`weights`.*'missing.weights.h5'",
        ),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        VGGContentLoss(**arguments).build()


def test_adversarial_losses_are_cross_entropies():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(0, 3, (2, 4, 2, 2, 1)).astype("float32")
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    ones, zeros = np.ones_like(real), np.zeros_like(real)
    assert float(adversarial_loss(fake)) == pytest.approx(
        float(entropy(ones, fake)), rel=1e-5
    )
    assert float(discriminator_loss(real, fake)) == pytest.approx(
        float(entropy(ones, real) + entropy(zeros, fake)), rel=1e-5
    )


def test_losses_stay_finite_for_a_certain_discriminator():
    certain = np.full((1, 2, 2, 1), 1e4, "float32")
    assert float(adversarial_loss(-certain)) == pytest.approx(1e4)
    assert float(discriminator_loss(certain, -certain)) == 0
