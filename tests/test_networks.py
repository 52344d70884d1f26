import keras
import numpy as np
import pytest
from keras import ops

from keras_srgan import Discriminator
from keras_srgan import Generator
from keras_srgan import UNetDiscriminator
from keras_srgan.generator import OUTPUT_ACTIVATIONS
from keras_srgan.initializers import ICNR
from keras_srgan.layers import Conv2D
from keras_srgan.layers import PixelShuffle
from keras_srgan.layers import ResidualBlock
from keras_srgan.layers import SquaresConv2D
from keras_srgan.spectral import SpectralConv2D


def levels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, "uint8")


def as_numpy(tensor):
    return ops.convert_to_numpy(ops.stop_gradient(tensor))


def forward(network, images):
    """Returns the outputs as an array.

    JAX computes them in one program, because it takes long to compile each
    operation.
    """
    if keras.backend.backend() == "jax":
        return network.predict_on_batch(images)
    return as_numpy(network(images))


def test_default_networks_are_those_of_the_reference():
    assert Generator().count_params() == 1_544_387
    discriminator = Discriminator()
    assert discriminator.count_params() == 5_211_713
    logits = forward(discriminator, levels(2, 128, 128, 3))
    assert logits.shape == (2, 8, 8, 1)


def test_unet_discriminator_is_that_of_real_esrgan():
    discriminator = UNetDiscriminator()
    vectors = sum(w.shape[0] for w in discriminator.non_trainable_variables)
    assert discriminator.count_params() - vectors == 4_376_897


@pytest.mark.parametrize("size", [(64, 64), (37, 50), (1, 9)])
def test_unet_discriminator_judges_each_pixel(size):
    logits = forward(UNetDiscriminator(filters=2), levels(2, *size, 3))
    assert logits.shape == (2, *size, 1)


@pytest.mark.parametrize("upsampling", OUTPUT_ACTIVATIONS)
@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (5, 8), (13, 7)])
def test_any_image_size_goes_in(scale, size, upsampling):
    generator = Generator(scale, num_blocks=1, filters=4, upsampling=upsampling)
    photo = forward(generator, levels(1, *size, 3))
    assert photo.shape == (1, size[0] * scale, size[1] * scale, 3)
    logits = forward(Discriminator(filters=2), photo)
    expected = [-(-side * scale // 16) for side in size]
    assert logits.shape == (1, *expected, 1)


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_new_compact_generator_enlarges_by_nearest_neighbor(scale, policy):
    generator = Generator(
        scale,
        num_blocks=1,
        filters=4,
        upsampling="pixel_shuffle_direct",
        dtype=policy,
    )
    photo = levels(2, 5, 7, 3)
    nearest = photo.repeat(scale, axis=1).repeat(scale, axis=2)
    np.testing.assert_allclose(
        as_numpy(generator(photo)), nearest.astype("float32"), atol=1e-4
    )


@pytest.mark.parametrize("upsampling", OUTPUT_ACTIVATIONS)
@pytest.mark.parametrize(
    "policy", ["float32", "mixed_bfloat16", "mixed_float16", "bfloat16"]
)
def test_levels_go_in_and_float32_levels_come_out(policy, upsampling):
    generator = Generator(
        num_blocks=1, filters=4, upsampling=upsampling, dtype=policy
    )
    photo = levels(1, 8, 8, 3)
    upscaled = forward(generator, photo)
    assert generator.get_layer("end_conv").compute_dtype in policy
    assert upscaled.dtype == "float32"
    assert 0 <= upscaled.min() < upscaled.max() <= 255
    np.testing.assert_array_equal(
        upscaled, forward(generator, photo.astype("float32"))
    )
    for discriminator in (
        Discriminator(filters=2, dtype=policy),
        Discriminator(filters=2, spectral_normalization=True, dtype=policy),
        UNetDiscriminator(filters=2, dtype=policy),
    ):
        assert forward(discriminator, upscaled).dtype == "float32"


@pytest.mark.parametrize(
    "network, kind",
    [
        (Generator, {}),
        (Generator, {"use_batch_norm": True}),
        (Generator, {"scale": 2, "upsampling": "pixel_shuffle_direct"}),
        (Discriminator, {}),
        (Discriminator, {"use_batch_norm": True}),
        (Discriminator, {"spectral_normalization": True}),
        (UNetDiscriminator, {}),
    ],
)
def test_save_and_load(network, kind, tmp_path):
    model = network(filters=4, **kind, dtype="mixed_bfloat16")
    for weight in model.trainable_weights:  # some start at zero
        weight.assign(np.random.normal(size=weight.shape) * 0.1)
    photo = levels(1, 16, 16, 3)
    model(photo, training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    np.testing.assert_array_equal(
        as_numpy(loaded(photo)), as_numpy(model(photo))
    )


def test_batch_norm_is_where_the_paper_has_it():
    def norms(model):
        return sum(
            isinstance(layer, keras.layers.BatchNormalization)
            for layer in model._flatten_layers()
        )

    assert norms(Generator(use_batch_norm=True)) == 2 * 16 + 1
    assert norms(Discriminator(use_batch_norm=True)) == 7


def test_pixel_shuffle_places_channels_row_by_row():
    shuffled = PixelShuffle(2)(
        np.arange(8, dtype="float32").reshape(1, 1, 1, 8)
    )
    # Two output channels; each group of two fills one place of the square.
    np.testing.assert_array_equal(
        as_numpy(shuffled)[0], [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    )


def test_pixel_shuffle_is_the_inverse_of_space_to_depth():
    images = levels(2, 6, 9, 5).astype("float32")
    deep = ops.space_to_depth(images, 3, data_format="channels_last")
    np.testing.assert_array_equal(as_numpy(PixelShuffle(3)(deep)), images)


def test_icnr_starts_without_a_checkerboard():
    generator = Generator(num_blocks=1, filters=4)
    deep = keras.Model(
        generator.input, generator.get_layer("upscale_0_prelu").output
    )
    features = as_numpy(deep(levels(1, 6, 6, 3)))
    square = features.reshape(6, 2, 6, 2, -1)
    np.testing.assert_allclose(
        square, np.broadcast_to(square[:, :1, :, :1], square.shape), atol=1e-6
    )
    assert features.std() > 0


def test_a_residual_block_adds_to_its_input():
    block = ResidualBlock(4)
    features = levels(1, 8, 8, 4).astype("float32")
    assert np.abs(as_numpy(block(features)) - features).max() > 0
    for weight in block.weights:
        weight.assign(np.zeros(weight.shape))
    np.testing.assert_array_equal(as_numpy(block(features)), features)


def test_networks_ignore_a_global_channels_first():
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        shape = Generator(num_blocks=1, filters=4)(levels(1, 6, 9, 3)).shape
    finally:
        keras.config.set_image_data_format(before)
    assert shape == (1, 24, 36, 3)


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: Generator(scale=3), "`scale`.*scale=3"),
        (lambda: Generator(num_blocks=-1), "`num_blocks`.*num_blocks=-1"),
        (lambda: Generator(filters=0), "`filters`.*filters=0"),
        (lambda: Discriminator(filters=1.5), "`filters`.*filters=1.5"),
        (lambda: UNetDiscriminator(filters=0), "`filters`.*filters=0"),
        (lambda: PixelShuffle(0), "`block_size`.*block_size=0"),
        (lambda: PixelShuffle(2)(levels(1, 2, 2, 3)), r"multiple.*\(1, 2, 2,"),
        (lambda: ResidualBlock(4)(levels(1, 2, 2, 3)), r"filters=4.*\(1, 2, "),
        (lambda: ICNR(2)((3, 3, 4, 6)), "multiple.*filters=6"),
    ],
)
def test_bad_arguments_are_named(build, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        build()


@pytest.mark.parametrize("size", [5, 9])
def test_a_convolution_in_squares_is_a_convolution(size):
    photo = np.random.default_rng(0).normal(size=(2, 12, 8, 3))
    photo = photo.astype("float32")
    squares, plain = SquaresConv2D(2, size), Conv2D(2, size)
    squares.build(photo.shape)
    plain.build(photo.shape)
    weights = [np.random.normal(size=w.shape) for w in plain.weights]
    plain.set_weights(weights)
    squares.set_weights(weights)
    np.testing.assert_allclose(
        as_numpy(squares(photo)), as_numpy(plain(photo)), atol=1e-4
    )


@pytest.mark.parametrize("arguments", [{"kernel_size": 3}, {"strides": 2}])
def test_what_squares_cannot_compute_is_refused(arguments):
    with pytest.raises(ValueError, match="Received: kernel_size"):
        SquaresConv2D(3, **{"kernel_size": 9, **arguments})


def test_a_spectral_convolution_has_a_spectral_norm_of_one():
    photo = np.random.default_rng(0).normal(size=(1, 8, 8, 3))
    spectral, plain = SpectralConv2D(4, 3), Conv2D(4, 3)
    spectral.build(photo.shape)
    plain.build(photo.shape)
    kernel = np.random.default_rng(1).normal(size=(3, 3, 3, 4))
    spectral.kernel.assign(kernel)
    spectral.bias.assign([1, 2, 3, 4])
    for _ in range(50):
        trained = as_numpy(spectral(photo, training=True))
    # The kernel stays as it is, and is divided in the computation.
    np.testing.assert_allclose(as_numpy(spectral.kernel), kernel, rtol=1e-6)
    norm = np.linalg.norm(kernel.reshape(-1, 4), ord=2)
    plain.set_weights([kernel / norm, np.arange(1, 5)])
    np.testing.assert_allclose(trained, as_numpy(plain(photo)), atol=1e-4)
    np.testing.assert_allclose(as_numpy(spectral(photo)), trained, atol=1e-4)


def test_only_training_updates_a_spectral_norm():
    photo = np.ones((1, 8, 8, 3), "float32")
    layer = SpectralConv2D(4, 3)
    layer(photo)
    before = as_numpy(layer.left_vector).copy()
    layer(photo)
    np.testing.assert_array_equal(as_numpy(layer.left_vector), before)
    layer(photo, training=True)
    assert np.abs(as_numpy(layer.left_vector) - before).max() > 1e-3
