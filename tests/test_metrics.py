import keras
import numpy as np
import pytest
import skimage
from keras import layers
from keras import ops
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio
from skimage.metrics import structural_similarity

from keras_srgan.metrics import PSNR
from keras_srgan.metrics import SSIM
from keras_srgan.metrics import luma
from keras_srgan.metrics import psnr
from keras_srgan.metrics import ssim


def random_photos(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (*shape, 3), dtype="uint8")


def bicubic(photo, scale=4):
    image = Image.fromarray(photo)
    small = image.resize(
        (image.width // scale, image.height // scale), Image.BICUBIC
    )
    return np.asarray(small.resize(image.size, Image.BICUBIC))


def pairs():
    """Photos and poorer copies of them, of several kinds and one size."""
    size = (120, 160)
    noise = random_photos(*size)
    yield "noise", noise, random_photos(*size, seed=1)
    faint = np.random.default_rng(2).normal(0, 3, noise.shape)
    faint = np.round(np.clip(noise + faint, 0, 255)).astype("uint8")
    yield "almost equal", noise, faint
    bright = random_photos(*size, seed=3) % 4 + 252
    yield "bright and flat", bright, bright - 2
    yield "black and white", 0 * noise, 0 * noise + 255
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        photo = getattr(skimage.data, name)()[:240:2, :320:2]
        photo = np.ascontiguousarray(photo)
        yield name, photo, bicubic(photo)


PAIRS = [pytest.param(true, pred, id=name) for name, true, pred in pairs()]


def exact_luma(images):
    weighted = images.astype("int64") @ np.array([65481, 128553, 24966])
    return 16 + (weighted + 127500) // 255000


def reference(figure, true, pred, channel):
    if channel == "y":
        true, pred = exact_luma(true), exact_luma(pred)
    if figure is psnr:
        return peak_signal_noise_ratio(true, pred, data_range=255)
    return structural_similarity(
        true.astype("float64"),
        pred.astype("float64"),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        channel_axis=-1 if channel == "rgb" else None,
    )


@pytest.mark.parametrize("channel", ["y", "rgb"])
@pytest.mark.parametrize("figure", [psnr, ssim])
@pytest.mark.parametrize("true, pred", PAIRS)
def test_equals_scikit_image(figure, true, pred, channel):
    value = figure(true[None], pred[None], channel=channel)
    assert value.shape == (1,)
    expected = reference(figure, true, pred, channel)
    np.testing.assert_allclose(
        ops.convert_to_numpy(value), [expected], rtol=0, atol=1e-4
    )


def test_luma_is_that_of_matlab():
    corners = np.array([0, 255], "uint8")
    colors = np.stack(np.meshgrid(corners, corners, corners), -1)
    # Y of black, blue, red, magenta, green, cyan, yellow and white.
    np.testing.assert_array_equal(
        ops.convert_to_numpy(luma(colors)).ravel(),
        [16, 41, 81, 106, 145, 170, 210, 235],
    )
    # Neighbours of a half, where float32 rounds wrongly if not careful.
    photos = random_photos(400, 500)
    weighted = photos.astype("int64") @ np.array([65481, 128553, 24966])
    photos = photos[(weighted + 127500) % 255000 < 100]
    assert len(photos) > 20
    np.testing.assert_array_equal(
        ops.convert_to_numpy(luma(photos))[:, 0], exact_luma(photos)
    )


@pytest.mark.parametrize("figure, most", [(psnr, 100), (ssim, 1)])
def test_equal_images_have_the_best_finite_figure(figure, most):
    photos = random_photos(2, 16, 16)
    for channel in ("y", "rgb"):
        values = ops.convert_to_numpy(figure(photos, photos, channel=channel))
        np.testing.assert_allclose(values, [most, most], rtol=1e-6)


@pytest.mark.parametrize("metric", [PSNR, SSIM])
def test_shaved_pixels_do_not_count(metric):
    true, pred = random_photos(2, 16, 16), random_photos(2, 16, 16, seed=1)
    value = float(metric(shave=2)(true, pred))
    assert value == pytest.approx(
        float(metric()(true[:, 2:-2, 2:-2], pred[:, 2:-2, 2:-2]))
    )
    framed = pred.copy()
    framed[:, :2] = framed[:, -2:] = 0
    framed[:, :, :2] = framed[:, :, -2:] = 0
    assert float(metric(shave=2)(true, framed)) == value
    assert float(metric()(true, framed)) != pytest.approx(
        float(metric()(true, pred))
    )


@pytest.mark.parametrize("figure", [psnr, ssim])
def test_images_are_clipped_and_rounded_as_in_a_file(figure):
    true = random_photos(2, 16, 16)
    rng = np.random.default_rng(1)
    pred = rng.uniform(-40, 295, true.shape)
    saved = np.round(np.clip(pred, 0, 255)).astype("uint8")
    for channel in ("y", "rgb"):
        expected = ops.convert_to_numpy(figure(true, saved, channel=channel))
        for images in (pred, pred.astype("float32"), saved.astype("float16")):
            values = figure(true.astype("float64"), images, channel=channel)
            assert keras.backend.standardize_dtype(values.dtype) == "float32"
            np.testing.assert_array_equal(
                ops.convert_to_numpy(values), expected
            )


@pytest.mark.parametrize("metric, figure", [(PSNR, psnr), (SSIM, ssim)])
def test_the_mean_is_over_images(metric, figure):
    true = random_photos(4, 16, 16)
    pred = random_photos(4, 16, 16, seed=1)
    # From a good image to a bad one, where a pooled figure would differ.
    pred[0] = true[0] // 8 * 8
    pred[1] = true[1] // 64 * 64
    each = [
        reference(figure, *pair, "y") for pair in zip(true, pred, strict=True)
    ]
    metric = metric()
    metric.update_state(true[:2], pred[:2])
    metric.update_state(true[2:], pred[2:])
    assert float(metric.result()) == pytest.approx(np.mean(each), abs=1e-4)

    metric.reset_state()
    weights = np.array([0.5, 2, 0, 1], "float32")
    metric.update_state(true[:2], pred[:2], sample_weight=weights[:2])
    metric.update_state(true[2:], pred[2:], sample_weight=weights[2:])
    assert float(metric.result()) == pytest.approx(
        np.average(each, weights=weights), abs=1e-4
    )


@pytest.mark.parametrize("metric", [PSNR, SSIM])
def test_a_broken_image_is_not_hidden(metric):
    pred = random_photos(2, 16, 16).astype("float32")
    pred[0, 8, 8] = np.nan
    assert np.isnan(float(metric()(random_photos(2, 16, 16), pred)))


def compiled_model(*metrics, dtype=None):
    """A model that halves its input: exact in every dtype."""
    net = keras.Sequential(
        [keras.Input((None, None, 3)), layers.Rescaling(0.5, dtype=dtype)]
    )
    net.compile("sgd", loss="mse", metrics=metrics)
    return net


def expected_logs(photos):
    """What evaluating that model, with the photos as targets, must give."""
    return {
        figure.__name__: np.mean(
            [
                reference(figure, photo, np.round(photo / 2), "rgb")
                for photo in photos
            ]
        )
        for figure in (psnr, ssim)
    }


class Photos(keras.utils.PyDataset):
    """Batches of photos, each its own target."""

    def __init__(self, *batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index], self.batches[index]


@pytest.mark.parametrize("dtype", [None, "mixed_bfloat16", "mixed_float16"])
def test_in_evaluate(dtype):
    net = compiled_model(PSNR(channel="rgb"), SSIM(channel="rgb"), dtype=dtype)
    photos = random_photos(3, 16, 16)
    # From a dark photo to a bright one, in batches of 2 and 1.
    photos //= np.array([16, 4, 1], "uint8")[:, None, None, None]
    logs = net.evaluate(
        photos, photos, batch_size=2, verbose=0, return_dict=True
    )
    del logs["loss"]
    assert logs == pytest.approx(expected_logs(photos), abs=1e-4)


def test_in_evaluate_of_photos_of_unlike_sizes():
    net = compiled_model(PSNR(channel="rgb"), SSIM(channel="rgb"))
    batches = [random_photos(2, 16, 20), random_photos(1, 24, 16) // 2]
    logs = net.evaluate(Photos(*batches), verbose=0, return_dict=True)
    del logs["loss"]
    photos = [*batches[0], *batches[1]]
    assert logs == pytest.approx(expected_logs(photos), abs=1e-4)


def test_in_fit_callbacks_know_that_more_is_better():
    net = keras.Sequential([keras.Input((16, 16, 3)), layers.Conv2D(3, 1)])
    net.compile("sgd", loss="mse", metrics=[PSNR(), SSIM()])
    photos = random_photos(2, 16, 16)
    callbacks = [
        keras.callbacks.EarlyStopping(monitor="val_psnr"),
        keras.callbacks.EarlyStopping(monitor="ssim"),
    ]
    net.fit(
        photos,
        photos,
        validation_data=(photos, photos),
        callbacks=callbacks,
        verbose=0,
    )
    for callback in callbacks:
        assert callback.monitor_op(2.0, 1.0)


@pytest.mark.parametrize("metric", [PSNR, SSIM])
def test_config(metric):
    original = metric(shave=2, channel="rgb", name="quality")
    config = keras.metrics.serialize(original)
    copy = keras.metrics.deserialize(config)
    assert type(copy) is metric
    assert copy.get_config() == original.get_config()
    true, pred = random_photos(2, 16, 16), random_photos(2, 16, 16, seed=1)
    assert float(copy(true, pred)) == float(original(true, pred))
    assert float(copy(true, pred)) != float(metric()(true, pred))


@pytest.mark.parametrize("metric", [PSNR, SSIM])
def test_figures_are_summed_in_float32(metric):
    floatx = keras.config.floatx()
    true, pred = random_photos(2, 16, 16), random_photos(2, 16, 16, seed=1)
    value = float(metric()(true, pred))
    try:
        keras.config.set_floatx("float16")
        assert float(metric()(true, pred)) == value
    finally:
        keras.config.set_floatx(floatx)


def test_saved_with_its_model(tmp_path):
    net = compiled_model(PSNR(shave=2), SSIM())
    photos = random_photos(2, 16, 16)
    before = net.evaluate(photos, photos, verbose=0, return_dict=True)
    net.save(tmp_path / "net.keras")
    copy = keras.saving.load_model(tmp_path / "net.keras")
    after = copy.evaluate(photos, photos, verbose=0, return_dict=True)
    assert after == pytest.approx(before)


@pytest.mark.parametrize("metric", [PSNR, SSIM])
@pytest.mark.parametrize("shave", [-1, 1.5, "4", None])
def test_bad_shave(metric, shave):
    with pytest.raises(ValueError, match="`shave` must .* shave="):
        metric(shave=shave)


@pytest.mark.parametrize("metric", [PSNR, SSIM])
@pytest.mark.parametrize("channel", ["Y", "luma", 0, None])
def test_bad_channel(metric, channel):
    with pytest.raises(ValueError, match="`channel` must .* channel="):
        metric(channel=channel)


@pytest.mark.parametrize("figure", [psnr, ssim])
@pytest.mark.parametrize(
    "true_shape, pred_shape",
    [
        ((2, 16, 16, 3), (2, 16, 20, 3)),
        # Would broadcast.
        ((2, 16, 16, 3), (1, 16, 16, 3)),
        ((2, 16, 16, 3), (2, 16, 16, 1)),
        ((2, 16, 16, 1), (2, 16, 16, 1)),
        ((2, 16, 16, 4), (2, 16, 16, 4)),
        ((16, 16, 3), (16, 16, 3)),
        ((2, 16, 16, 3), (16, 16, 3)),
    ],
)
def test_bad_shapes(figure, true_shape, pred_shape):
    with pytest.raises(ValueError, match="`y_true` and `y_pred` must .* Rec"):
        figure(np.zeros(true_shape), np.zeros(pred_shape))


@pytest.mark.parametrize(
    "metric, smallest", [(PSNR(shave=4), 9), (SSIM(shave=4), 19)]
)
def test_too_small_images(metric, smallest):
    assert np.isfinite(
        float(
            metric(
                random_photos(1, smallest, smallest),
                random_photos(1, smallest, smallest),
            )
        )
    )
    photos = random_photos(1, smallest + 5, smallest - 1)
    with pytest.raises(ValueError, match=f"at least {smallest} .* shave=4"):
        metric(photos, photos)
