import h5py
import keras
import numpy as np
import pytest
from keras import ops

from keras_srgan import PixelLoss
from keras_srgan import SpectrumLoss
from keras_srgan import VGGContentLoss
from keras_srgan.adversarial import ADVERSARIAL_LOSSES
from keras_srgan.losses import GridLoss


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(0, 255, (2, 2, 32, 32, 3))


def test_pixel_loss_is_in_the_units_of_the_networks():
    black = np.zeros((2, 4, 4, 3))
    assert float(PixelLoss()(black, black + 255)) == pytest.approx(4)
    assert float(PixelLoss("absolute")(black, black + 255)) == pytest.approx(2)
    # The root of 2**2 + 0.002**2, and its least value.
    charbonnier = PixelLoss("charbonnier")
    assert float(charbonnier(black, black + 255)) == pytest.approx(2.000001)
    assert float(charbonnier(black, black)) == pytest.approx(0.002)
    with pytest.raises(ValueError, match="`distance`.*distance='l1'"):
        PixelLoss("l1")


def test_grid_loss_is_its_definition():
    """Written out with loops over windows and positions."""
    rng = np.random.default_rng(0)
    hr, sr = rng.uniform(0, 255, (2, 2, 24, 36, 3))
    error = (sr - hr) / 255
    deviations = []
    for row in range(0, 24 // 3 - 4 + 1, 2):
        for column in range(0, 36 // 3 - 4 + 1, 2):
            window = error[
                :, 3 * row : 3 * (row + 4), 3 * column : 3 * (column + 4)
            ]
            means = np.stack(
                [
                    window[:, dy::3, dx::3].mean((1, 2))
                    for dy in range(3)
                    for dx in range(3)
                ]
            )
            means -= means.mean(0)
            deviations.append(np.sqrt((means**2).mean(0) + 1e-8) - 1e-4)
    assert len(deviations) == 3 * 5
    loss = GridLoss(scale=3, window=4)
    assert float(loss(hr, sr)) == pytest.approx(np.mean(deviations), rel=1e-4)
    again = GridLoss.from_config(loss.get_config())
    assert float(again(hr, sr)) == pytest.approx(float(loss(hr, sr)))


def test_grid_loss_is_of_what_repeats_with_the_lr_pixels():
    rng = np.random.default_rng(0)
    hr = rng.uniform(50, 200, (1, 64, 64, 3))
    grid = np.zeros_like(hr)
    grid[:, ::4, ::4] = 2.55
    # Brightness, and a pattern with another period, cost next to nothing.
    other = np.zeros_like(hr)
    other[:, :, ::5] = 2.55
    loss = GridLoss()
    expected = 0.01 * np.sqrt(1 / 16 - 1 / 16**2)
    assert float(loss(hr, hr)) == pytest.approx(0, abs=1e-7)
    assert float(loss(hr, hr + 10)) == pytest.approx(0, abs=1e-5)
    assert float(loss(hr, hr + grid)) == pytest.approx(expected, rel=0.05)
    assert float(loss(hr, hr + other)) < expected / 3


@pytest.mark.parametrize("arguments", [{"scale": 1}, {"window": 3}])
def test_grid_loss_names_bad_arguments(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        GridLoss(**arguments)


def test_grid_loss_refuses_images_smaller_than_a_window():
    images = np.zeros((1, 32, 28, 3))
    with pytest.raises(ValueError, match=r"32 pixels.*\(1, 32, 28, 3\)"):
        GridLoss()(images, images)


def test_spectrum_loss_is_its_definition():
    """Written out with loops over windows and a whole FFT."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (2, 2, 24, 20, 3))
    line = 0.5 - 0.5 * np.cos(np.pi * np.arange(8) / 4)
    taper = np.outer(line, line)
    v, u = np.meshgrid(np.arange(-3, 5), np.arange(5), indexing="ij")
    once = (v >= 0) | ((u > 0) & (u < 4))
    v, u = (a[once & (np.hypot(u, v) / 8 >= 1 / 6)] for a in (v, u))
    logs = []
    for luma in images @ [0.299, 0.587, 0.114]:
        power = np.stack(
            [
                [
                    np.abs(np.fft.fft2(taper * luma[:, y : y + 8, x : x + 8]))[
                        :, v, u
                    ]
                    ** 2
                    for x in range(0, 20 - 8 + 1, 4)
                ]
                for y in range(0, 24 - 8 + 1, 4)
            ]
        )
        # 5x4 windows; 3x3 of their 3x3 neighborhoods are whole.
        means = [
            power[y : y + 3, x : x + 3].mean((0, 1))
            for y in range(3)
            for x in range(2)
        ]
        logs.append(np.log(np.add(means, (taper**2).sum())) / 2)
    expected = np.abs(logs[1] - logs[0]).mean()
    loss = SpectrumLoss(scale=3, window=8)
    assert float(loss(*images)) == pytest.approx(expected, rel=1e-4)
    again = SpectrumLoss.from_config(loss.get_config())
    assert float(again(*images)) == pytest.approx(expected, rel=1e-4)


def test_spectrum_loss_is_of_the_texture_that_the_lr_image_lacks():
    rng = np.random.default_rng(0)
    texture = rng.normal(128, 20, (1, 64, 64, 1)) * np.ones(3)
    smooth = np.full_like(texture, 128)
    y, x = np.mgrid[:64, :64]
    wave = np.sin(2 * np.pi * x / 64)[None, :, :, None]
    loss = SpectrumLoss()
    # Neither brightness, what the LR image shows, nor the place counts.
    assert float(loss(texture, texture + 10)) == pytest.approx(0, abs=1e-3)
    assert float(loss(smooth, smooth + 20 * wave)) < 0.06
    assert float(loss(texture, np.roll(texture, 3, axis=2))) < 0.2
    # An amplitude that doubles counts as much as one that halves.
    assert float(loss(texture, 2 * texture)) == pytest.approx(np.log(2), 0.01)
    assert float(loss(2 * texture, texture)) == pytest.approx(np.log(2), 0.01)
    # Texture along rows and columns does not replace other directions.
    weave = 128 + 20 * (
        rng.normal(size=(64, 1, 1)) + rng.normal(size=(1, 64, 1))
    ) * np.ones((1, 64, 64, 3))
    assert float(loss(texture, weave)) > 1.5
    assert float(loss(texture, smooth)) > float(loss(texture, weave))


@pytest.mark.parametrize("arguments", [{"scale": 1}, {"window": 5}])
def test_spectrum_loss_names_bad_arguments(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        SpectrumLoss(**arguments)


def test_spectrum_loss_refuses_images_smaller_than_two_windows():
    images = np.zeros((1, 32, 28, 3))
    with pytest.raises(ValueError, match=r"32 pixels.*\(1, 32, 28, 3\)"):
        SpectrumLoss()(images, images)


def keras_features(loss, images, layer, before_activation=False):
    """Features by `keras.applications.VGG19` with the weights of `loss`."""
    vgg = keras.applications.VGG19(include_top=False, weights=None)
    network = keras.Model(vgg.input, vgg.get_layer(layer).output)
    weights = [np.array(v.numpy()) for v in loss.variables]
    network.set_weights(weights[: len(network.weights)])
    if before_activation:
        network.get_layer(layer).activation = keras.activations.linear
    blue_first = images[..., ::-1] - np.array([103.939, 116.779, 123.68])
    return ops.convert_to_numpy(network(blue_first))


def test_vgg_loss_compares_preprocessed_features(images):
    loss = VGGContentLoss("block2_conv1", weights=None)
    loss.build()
    hr, sr = (keras_features(loss, x, "block2_conv1") for x in images)
    expected = np.mean((hr / 12.75 - sr / 12.75) ** 2)
    hr, sr = images
    assert float(loss(hr, sr)) == pytest.approx(expected, rel=1e-4)
    assert float(loss(hr, hr)) == 0


@pytest.mark.parametrize("distance", ["squared", "absolute", "normalized"])
@pytest.mark.parametrize("before_activation", [False, True])
def test_vgg_layers_are_added_up(images, before_activation, distance):
    layers = {"block1_conv2": 0.1, "block3_conv2": 1, "block2_conv1": 0.5}
    loss = VGGContentLoss(
        layers,
        weights=None,
        before_activation=before_activation,
        distance=distance,
        feature_scale=0.25,
    )
    loss.build()
    assert len(loss.variables) == 2 * 6
    distances = {"squared": np.square, "absolute": np.abs}
    expected = 0
    for layer, weight in layers.items():
        hr, sr = (
            keras_features(loss, x, layer, before_activation) for x in images
        )
        if distance == "normalized":
            hr, sr = (
                x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (hr, sr)
            )
            expected += weight * np.mean(np.sum((hr - sr) ** 2, axis=-1))
        else:
            expected += weight * np.mean(distances[distance]((hr - sr) / 4))
    assert float(loss(*images)) == pytest.approx(expected, rel=1e-4)


def test_normalized_features_without_active_units_are_equal():
    flat = ops.zeros((1, 32, 32, 3))
    loss = VGGContentLoss("block2_conv2", weights=None, distance="normalized")
    loss.build()
    for variable in loss.variables:
        if len(variable.shape) == 1:
            variable.assign(-100 * ops.ones(variable.shape))  # no active unit
    assert float(loss(flat, flat + 1)) == 0


def test_vgg_ignores_a_global_channels_first(images):
    loss = VGGContentLoss("block3_conv1", weights=None)
    expected = float(loss(*images))
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        other = VGGContentLoss("block3_conv1", weights=None)
        other.build()
        for ours, theirs in zip(other.variables, loss.variables, strict=True):
            ours.assign(theirs)
        assert float(other(*images)) == pytest.approx(expected)
    finally:
        keras.config.set_image_data_format(before)


@pytest.mark.parametrize("name", ["vgg19.weights.h5", "notop.h5"])
def test_vgg_weights_come_from_a_file(images, tmp_path, name):
    """Of Keras 3, and of the older format of Keras' own ImageNet file."""
    file = tmp_path / name
    vgg = keras.applications.VGG19(include_top=False, weights=None)
    if name == "notop.h5":
        write_legacy_weights(file, vgg)
    else:
        vgg.save_weights(file)
    loss = VGGContentLoss({"block1_conv2": 1, "block3_conv1": 2}, weights=file)
    loss.build()
    for ours, theirs in zip(loss.variables, vgg.weights, strict=False):
        np.testing.assert_array_equal(np.array(ours), np.array(theirs))
    assert len(loss.variables) == 2 * 5
    config = keras.saving.serialize_keras_object(loss)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == loss.get_config()
    hr, sr = images
    assert float(again(hr, sr)) == pytest.approx(float(loss(hr, sr)))


def write_legacy_weights(file, model):
    with h5py.File(file, "w") as group:
        layers = [layer for layer in model.layers if layer.weights]
        group.attrs["layer_names"] = [layer.name.encode() for layer in layers]
        for layer in layers:
            weights = {
                f"{layer.name}/{kind}": np.array(weight.numpy())
                for kind, weight in zip(
                    ("kernel:0", "bias:0"), layer.weights, strict=True
                )
            }
            subgroup = group.create_group(layer.name)
            subgroup.attrs["weight_names"] = [name.encode() for name in weights]
            for name, weight in weights.items():
                subgroup[name] = weight


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
        ({"layer": {}}, ValueError, "`layer`.*layer={}"),
        (
            {"layer": {"block1_conv2": -1}},
            ValueError,
            "`layer`.*'block1_conv2': -1",
        ),
        ({"distance": "l1"}, ValueError, "`distance`.*distance='l1'"),
        ({"feature_scale": 0}, ValueError, "`feature_scale`.*=0"),
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


def test_vanilla_losses_are_cross_entropies():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(0, 3, (2, 4, 2, 2, 1)).astype("float32")
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    ones, zeros = np.ones_like(real), np.zeros_like(real)
    loss = ADVERSARIAL_LOSSES["vanilla"]
    assert float(loss.generator(real, fake)) == pytest.approx(
        float(entropy(ones, fake)), rel=1e-5
    )
    assert float(loss.discriminator(real, fake)) == pytest.approx(
        float(entropy(ones, real) + entropy(zeros, fake)), rel=1e-5
    )


def log_sigmoid(x):
    return -np.logaddexp(0, -x)


@pytest.mark.parametrize(
    "name, generator, discriminator",
    [
        (
            "relativistic",
            lambda r, f: (
                -np.mean(log_sigmoid(f - r.mean()))
                - np.mean(log_sigmoid(f.mean() - r))
            ),
            lambda r, f: (
                -np.mean(log_sigmoid(r - f.mean()))
                - np.mean(log_sigmoid(r.mean() - f))
            ),
        ),
        (
            "hinge",
            lambda r, f: -np.mean(f),
            lambda r, f: (
                -np.mean(np.minimum(0, r - 1)) - np.mean(np.minimum(0, -1 - f))
            ),
        ),
        (
            "least_squares",
            lambda r, f: np.mean((f - 1) ** 2) / 2,
            lambda r, f: np.mean((r - 1) ** 2) / 2 + np.mean(f**2) / 2,
        ),
    ],
)
def test_adversarial_losses_are_those_of_their_papers(
    name, generator, discriminator
):
    rng = np.random.default_rng(0)
    real, fake = rng.normal(0.5, 3, (2, 4, 2, 2, 1)).astype("float32")
    loss = ADVERSARIAL_LOSSES[name]
    logits = ops.convert_to_tensor(real), ops.convert_to_tensor(fake)
    assert float(loss.generator(*logits)) == pytest.approx(
        generator(real, fake), rel=1e-5
    )
    assert float(loss.discriminator(*logits)) == pytest.approx(
        discriminator(real, fake), rel=1e-5
    )


@pytest.mark.parametrize("name", ["vanilla", "relativistic"])
def test_losses_stay_finite_for_a_confident_discriminator(name):
    real = ops.full((1, 2, 2, 1), 1e4)
    loss = ADVERSARIAL_LOSSES[name]
    assert 1e4 <= float(loss.generator(real, -real)) < np.inf
    assert float(loss.discriminator(real, -real)) == 0


def test_the_former_adversarial_losses_warn():
    from keras_srgan import losses

    logits = np.zeros((1, 2, 2, 1), "float32")
    with pytest.warns(DeprecationWarning, match="ADVERSARIAL_LOSSES"):
        loss = losses.adversarial_loss(logits)
    assert float(loss) == pytest.approx(np.log(2))
    with pytest.warns(DeprecationWarning, match="ADVERSARIAL_LOSSES"):
        loss = losses.discriminator_loss(logits, logits)
    assert float(loss) == pytest.approx(2 * np.log(2))
