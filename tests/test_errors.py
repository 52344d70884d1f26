"""Bad input gets one clear error."""

import keras
import numpy as np
import pytest

from keras_srgan import PSNR
from keras_srgan import SRGAN
from keras_srgan import Degradation
from keras_srgan import Discriminator
from keras_srgan import Generator
from keras_srgan import GridLoss
from keras_srgan import ImageFolder
from keras_srgan import SpectrumLoss
from keras_srgan import UNetDiscriminator
from keras_srgan import Upscaler
from keras_srgan import WarmupStableDecay
from keras_srgan import grid_strength
from keras_srgan.callbacks import PeriodicCheckpoint
from keras_srgan.callbacks import ProgressPictures
from keras_srgan.dataset import ShortEpochs
from keras_srgan.degradations import RandomResize
from keras_srgan.layers import PixelShuffle
from keras_srgan.pairs import PairFolder
from keras_srgan.pictures import difference_sheet


@pytest.fixture
def srgan(make_srgan):
    return make_srgan()


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda x: x.astype("int32"), "`x` must be uint8 or float.*int32"),
        (
            lambda x: x.astype("complex64"),
            "`x` must be uint8 or float.*complex",
        ),
        (lambda x: x[0], r"`x` must be RGB.*\(32, 32, 3\)"),
        (lambda x: x[..., :1], r"`x` must be RGB.*\(8, 32, 32, 1\)"),
        (lambda x: x / 255, r"`x` must hold RGB levels.*normalize.* to 1"),
        (lambda x: x / 127.5 - 1, r"`x` must hold RGB levels.*from -1 to 1"),
        (lambda x: x * np.float32("nan"), r"`x` must hold RGB levels.*nan"),
        (lambda x: x * 257.0, r"`x` must hold RGB levels.*65535"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_images(srgan, photos, method, change, message):
    photos[0, 0, 0], photos[0, 0, 1] = 0, 255
    with pytest.raises(ValueError, match=message):
        getattr(srgan, method)(change(photos), verbose=0)


def test_validation_images(srgan, photos):
    with pytest.raises(ValueError, match="`validation_data` must hold RGB"):
        srgan.fit(photos, verbose=0, validation_data=photos / 255)


def test_images_of_a_stream(srgan, photos):
    """Where values cannot be seen before training, shapes are."""

    def batches():
        while True:
            yield (photos[..., :2],)

    with pytest.raises(ValueError, match=r"`HR images` must be RGB.*32, 2\)"):
        srgan.fit(batches(), steps_per_epoch=1, verbose=0)


def test_hr_size_that_the_scale_does_not_divide(srgan, photos):
    with pytest.raises(ValueError, match=r"multiples of.*4.*30, 32, 3\)"):
        srgan.fit(photos[:, :30], verbose=0)


def test_pairs_whose_sizes_disagree(srgan, photos):
    with pytest.raises(ValueError, match=r"4 times.*8, 7, 3\).*32, 32, 3\)"):
        srgan.fit(photos[:, :8, :7], photos, verbose=0)


@pytest.mark.parametrize("use_ema", [False, True])
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_model_after_an_error(make_srgan, photos, method, use_ema):
    optimizers = [keras.optimizers.Adam(use_ema=use_ema) for _ in range(2)]
    srgan = make_srgan(*optimizers)
    before = srgan.predict(photos, verbose=0)

    def batches():
        while True:
            yield (photos[..., :2],)

    with pytest.raises(ValueError, match="shape"):
        getattr(srgan, method)(batches(), verbose=0)
    np.testing.assert_array_equal(srgan.predict(photos, verbose=0), before)
    srgan.fit(photos, verbose=0)


def test_sample_weights(srgan, photos):
    lr = photos[:, ::4, ::4]
    with pytest.raises(ValueError, match="sample or class weights"):
        srgan.fit(lr, photos, sample_weight=np.ones(8), verbose=0)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"content_loss": "vgg16"}, "`content_loss`.*'vgg', 'mse'.*'vgg16'"),
        ({"content_loss": None}, "`content_loss`.*None"),
        ({"adversarial_weight": -1}, "`adversarial_weight`.*=-1"),
        ({"pixel_weight": float("nan")}, "`pixel_weight`.*=nan"),
        ({"grid_weight": -1}, "`grid_weight`.*=-1"),
        ({"spectrum_weight": -1}, "`spectrum_weight`.*=-1"),
        (
            {"pixel_loss": "vgg"},
            "`pixel_loss`.*'mse', 'mae', 'charbonnier'.*='vgg'",
        ),
        ({"adversarial_loss": "gan"}, "`adversarial_loss`.*'hinge'.*='gan'"),
        ({"generator_optimizer": "adamant"}, "adamant"),
    ],
)
def test_compile_arguments(srgan, arguments, message):
    with pytest.raises(ValueError, match=message):
        srgan.compile(**arguments)


def test_one_optimizer_for_two_networks(srgan):
    adam = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="two objects"):
        srgan.compile(adam, adam, content_loss="mse")


def test_a_generator_without_a_scale():
    inputs = keras.Input((None, None, 3))
    generator = keras.Model(inputs, keras.layers.UpSampling2D(4)(inputs))
    with pytest.raises(ValueError, match="`generator`.*integer `scale`"):
        SRGAN(generator)


PHOTOS = np.zeros((1, 16, 16, 3), "uint8")


@pytest.mark.parametrize(
    "make, name, least",
    [
        (lambda n: Degradation(n), "scale", 2),
        (lambda n: Discriminator(n), "filters", 1),
        (lambda n: Generator(num_blocks=n), "num_blocks", 0),
        (lambda n: Generator(filters=n), "filters", 1),
        (lambda n: GridLoss(n), "scale", 2),
        (lambda n: GridLoss(window=n), "window", 2),
        (lambda n: ImageFolder(["a.png"], crop_size=n), "crop_size", 1),
        (lambda n: ImageFolder(["a.png"], workers=n), "workers", 0),
        (lambda n: ImageFolder(["a.png"]).set_epoch(n), "epoch", 0),
        (lambda n: PSNR(shave=n), "shave", 0),
        (lambda n: PairFolder(["a"], ["b"], batch_size=n), "batch_size", 1),
        (lambda n: PairFolder(["a"], ["b"], crop_size=n), "crop_size", 1),
        (lambda n: PeriodicCheckpoint("runs", n), "every", 1),
        (lambda n: PixelShuffle(n), "block_size", 1),
        (lambda n: ProgressPictures(PHOTOS, "runs", every=n), "every", 1),
        (lambda n: RandomResize(n), "scale", 1),
        (lambda n: ShortEpochs(None, n), "steps", 1),
        (lambda n: SpectrumLoss(n), "scale", 2),
        (lambda n: SpectrumLoss(window=n), "window", 4),
        (lambda n: UNetDiscriminator(n), "filters", 1),
        (lambda n: Upscaler(None, tile_size=n), "tile_size", 1),
        (lambda n: WarmupStableDecay(1, decay_start=n), "decay_start", 0),
        (lambda n: WarmupStableDecay(1, decay_steps=n), "decay_steps", 1),
        (lambda n: difference_sheet(PHOTOS[0], {}, n), "size", 1),
        (lambda n: grid_strength(np.zeros((17, 17, 3)), n), "scale", 2),
    ],
)
def test_integers(make, name, least):
    for value in (least - 1, least + 0.5, str(least), True):
        message = (
            f"`{name}` must be an integer, at least {least}.* "
            rf"Received: {name}={value!r}$"
        )
        with pytest.raises(ValueError, match=message):
            make(value)


def test_multiples():
    with pytest.raises(ValueError, match="2, and a multiple of 2.*window=5"):
        GridLoss(window=5)


@pytest.mark.parametrize("steps", [1, 7])
def test_nan_loss_stops_training_before_anything_is_saved(
    make_srgan, photos, tmp_path, steps
):
    """A rate that explodes at once; the checkpoint before it stays."""
    srgan = make_srgan()
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "last.keras")
    srgan.fit(photos, batch_size=4, verbose=0, callbacks=[checkpoint])
    good = (tmp_path / "last.keras").read_bytes()

    first = srgan.generator.get_layer("start_conv").kernel
    first.assign(np.full(first.shape, np.nan, "float32"))
    with pytest.raises(FloatingPointError, match="epoch 1: .*loss.*NaN"):
        srgan.fit(
            photos,
            batch_size=8 // steps or 1,
            epochs=9,
            verbose=0,
            callbacks=[checkpoint],
        )
    assert (tmp_path / "last.keras").read_bytes() == good
    healthy = keras.saving.load_model(tmp_path / "last.keras")
    assert np.isfinite(healthy.evaluate(photos, verbose=0)).all()


def test_weights_that_an_epochs_last_step_breaks(make_srgan, photos):
    """The loss was finite: it is that of the weights before."""
    srgan = make_srgan(keras.optimizers.SGD(float("inf")), "sgd")
    with pytest.raises(FloatingPointError, match="epoch 1: the weights"):
        srgan.fit(photos, batch_size=8, verbose=0)


def test_unknown_weights_of_the_content_loss(make_srgan, photos):
    from keras_srgan import VGGContentLoss

    srgan = make_srgan(content_loss=VGGContentLoss(weights="missing.h5"))
    with pytest.raises(FileNotFoundError, match="missing.h5"):
        srgan.fit(photos, verbose=0)


def test_generator_output_is_never_silently_wrong_sized():
    with pytest.raises(ValueError, match="incompatible|shape"):
        Generator(num_blocks=0, filters=2)(np.zeros((1, 8, 8, 4)))
