"""Degradation layers against independent implementations.

Most comparisons run on one backend: the layers are equal on the others, as
`test_given_parameters_have_equal_results_on_all_backends` shows.
"""

import io
import itertools
import math

import keras
import numpy as np
import pytest
from installed import BACKENDS
from keras import ops
from PIL import Image
from scipy import ndimage
from scipy import special
from skimage import data
from test_backends import run

from keras_srgan import SRGAN
from keras_srgan import Discriminator
from keras_srgan import Generator
from keras_srgan.degradations import Degradation
from keras_srgan.degradations import DegradationChain
from keras_srgan.degradations import GaussianBlur
from keras_srgan.degradations import JPEGCompression
from keras_srgan.degradations import PhotoDegradation
from keras_srgan.degradations import RandomResize
from keras_srgan.degradations import SensorNoise
from keras_srgan.degradations import SincFilter


@pytest.fixture(scope="module")
def photo():
    # Odd sizes, not multiples of 8.
    return data.astronaut()[60:177, 150:293]


def as_numpy(tensor):
    return ops.convert_to_numpy(tensor)


def degrade(layer, photo, **parameters):
    """Returns one photo degraded by the given parameters."""
    parameters = {name: [value] for name, value in parameters.items()}
    return as_numpy(layer(photo[None], parameters=parameters or None))[0]


def convolve(photo, kernel):
    channels = [
        ndimage.convolve(channel, kernel, mode="reflect")
        for channel in photo.transpose(2, 0, 1).astype("float64")
    ]
    return np.stack(channels, axis=-1)


@pytest.mark.once
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
@pytest.mark.parametrize("quality", [1, 10, 30, 49, 50, 75, 90, 95, 100])
def test_jpeg_is_pillows(photo, quality, subsampling):
    file = io.BytesIO()
    Image.fromarray(photo).save(
        file, "JPEG", quality=quality, subsampling=subsampling
    )
    expected = np.asarray(Image.open(file)).astype("float32")
    layer = JPEGCompression((1, 100))
    result = degrade(
        layer, photo, quality=quality, subsampled=subsampling == "4:2:0"
    )
    assert np.abs(result - expected).mean() < 0.25
    # The range of the constructor leads to the same parameters.
    drawn = degrade(JPEGCompression(quality, subsampling), photo)
    np.testing.assert_array_equal(drawn, result)


@pytest.mark.once
@pytest.mark.parametrize("height, width", [(1, 1), (8, 17), (31, 16), (33, 5)])
def test_jpeg_pads_any_size(photo, height, width):
    crop = photo[:height, :width]
    file = io.BytesIO()
    Image.fromarray(crop).save(file, "JPEG", quality=60)
    expected = np.asarray(Image.open(file)).astype("float32")
    result = degrade(JPEGCompression(60), crop)
    assert np.abs(result - expected).mean() < 0.25


@pytest.mark.once
def test_jpeg_draws_all_qualities_in_its_range():
    images = np.zeros((3000, 1, 1, 3))
    layer = JPEGCompression((60, 64), ("4:4:4", "4:2:0"), seed=0)
    parameters = layer.draw(images)
    values, counts = np.unique(
        as_numpy(parameters["quality"]), return_counts=True
    )
    assert values.tolist() == [60, 61, 62, 63, 64]
    assert counts.min() > 500
    assert 0.45 < as_numpy(parameters["subsampled"]).mean() < 0.55


@pytest.mark.once
@pytest.mark.parametrize("sigma", [0.3, 1.0, 3.0])
def test_isotropic_blur_is_scipys(photo, sigma):
    expected = ndimage.gaussian_filter(
        photo.astype("float64"), (sigma, sigma, 0), mode="reflect", truncate=8
    )
    result = degrade(GaussianBlur((0, 3)), photo, **isotropic(sigma))
    assert np.abs(result - expected).max() < 0.1
    np.testing.assert_allclose(
        degrade(GaussianBlur(sigma), photo), expected, atol=0.1
    )


def isotropic(sigma):
    return {"sigma_x": sigma, "sigma_y": sigma, "angle": 0.0}


@pytest.mark.once
def test_anisotropic_blur_is_an_ellipse_in_the_given_direction(photo):
    sigma_x, sigma_y, angle = 3.0, 0.8, 0.5
    y, x = np.mgrid[-12:13, -12:13]
    rotation = np.array(
        [
            [np.cos(angle), -np.sin(angle)],
            [np.sin(angle), np.cos(angle)],
        ]
    )
    covariance = rotation @ np.diag([sigma_x**2, sigma_y**2]) @ rotation.T
    points = np.stack([x, y], axis=-1)
    kernel = np.exp(
        -0.5
        * np.einsum("...i,ij,...j", points, np.linalg.inv(covariance), points)
    )
    expected = convolve(photo, kernel / kernel.sum())
    result = degrade(
        GaussianBlur((0, 3)),
        photo,
        sigma_x=sigma_x,
        sigma_y=sigma_y,
        angle=angle,
    )
    assert np.abs(result - expected).max() < 0.01


@pytest.mark.once
def test_no_blur_is_the_image(photo):
    np.testing.assert_allclose(
        degrade(GaussianBlur(0), photo), photo, atol=1e-3
    )


@pytest.mark.once
def test_sinc_filter_is_a_circular_low_pass(photo):
    cutoff = 1.3
    y, x = np.mgrid[-10:11, -10:11]
    distance = np.hypot(x, y)
    with np.errstate(invalid="ignore"):
        kernel = special.j1(cutoff * distance) / distance
    kernel[10, 10] = cutoff / 2
    expected = convolve(photo, kernel / kernel.sum()).clip(0, 255)
    result = degrade(SincFilter(), photo, cutoff=cutoff)
    assert np.abs(result - expected).max() < 0.01
    # It rings: a step overshoots.
    step = np.full((32, 32, 3), 64, "uint8")
    step[:, 16:] = 192
    assert degrade(SincFilter(), step, cutoff=cutoff).max() > 200


@pytest.mark.once
@pytest.mark.parametrize("sigma, gain", [(5, 0), (0, 0.4), (4, 0.3)])
def test_noise_has_the_given_variance_at_each_level(sigma, gain):
    levels = np.array([60, 120, 180], "float32")
    flat = np.broadcast_to(levels[:, None, None, None], (3, 100, 100, 3))
    noisy = as_numpy(SensorNoise(sigma, gain)(flat))
    residual = noisy - flat
    for level, image in zip(levels, residual, strict=True):
        expected = math.sqrt(sigma**2 + gain * level)
        assert abs(image.mean()) < 4 * expected / math.sqrt(30000)
        assert image.std() == pytest.approx(expected, rel=0.03)
        correlation = np.corrcoef(image.reshape(-1, 3).T)
        assert abs(correlation[0, 1]) < 0.05


@pytest.mark.once
def test_gray_noise_is_equal_in_all_channels():
    flat = np.full((200, 8, 8, 3), 128, "float32")
    residual = as_numpy(SensorNoise(5, gray=0.5)(flat)) - flat
    gray = np.ptp(residual, axis=-1).max(axis=(1, 2)) < 1e-4
    assert 0.35 < gray.mean() < 0.65


@pytest.mark.once
@pytest.mark.parametrize("name", ["box", "bilinear", "bicubic"])
@pytest.mark.parametrize("factor", [0.5, 1, 1.5, 4])
def test_resizing_is_pillows(photo, name, factor):
    photo = photo[:96, :112]
    filter = Image.Resampling[name.upper()]
    size = 28, 24
    middle = tuple(round(factor * side) for side in size)
    planes = []
    for i in range(3):
        plane = Image.fromarray(photo[..., i].astype("float32"))
        if factor != 1:
            plane = plane.resize(middle, filter)
        planes.append(np.asarray(plane.resize(size, filter)))
    expected = np.stack(planes, axis=-1).clip(0, 255)
    layer = RandomResize(4, (1, factor), ("bilinear", name))
    result = degrade(layer, photo, choice=3)
    assert np.abs(result - expected).max() < 1e-2


@pytest.mark.once
def test_resizing_draws_all_choices():
    layer = RandomResize(4, (0.5, 1), ("box", "bicubic"))
    choice = as_numpy(layer.draw(np.zeros((400, 8, 8, 3)))["choice"])
    values, counts = np.unique(choice, return_counts=True)
    assert values.tolist() == [0, 1, 2, 3] and counts.min() > 60


LAYERS = {
    "blur": lambda **options: GaussianBlur(anisotropy=0.5, **options),
    "sinc": SincFilter,
    "noise": lambda **options: SensorNoise((1, 15), (0, 0.3), 0.4, **options),
    "jpeg": JPEGCompression,
    "resize": lambda **options: RandomResize(1, (0.5, 1.5, 2), **options),
}


@pytest.mark.parametrize("name", LAYERS)
def test_draws_differ_by_image_and_call_and_repeat_under_a_seed(photo, name):
    same = np.stack([photo[:64, :64]] * 4)
    layer, again = (LAYERS[name](seed=3) for _ in range(2))
    first, second = as_numpy(layer(same)), as_numpy(layer(same))
    differences = [
        np.abs(a - b).max() for a, b in itertools.combinations(first, 2)
    ]
    # Two images may share one of a few choices.
    assert np.mean(np.array(differences) > 0.5) > 0.4
    assert np.abs(first - second).max() > 0.5
    np.testing.assert_array_equal(as_numpy(again(same)), first)


@pytest.mark.once
@pytest.mark.parametrize("name", LAYERS)
def test_probability_is_the_share_of_degraded_images(photo, name):
    same = np.stack([photo[40:56, :16]] * 200)
    layer = LAYERS[name](probability=0.3, seed=0)
    changed = np.abs(as_numpy(layer(same)) - same).max(axis=(1, 2, 3)) > 1e-3
    assert 0.15 < changed.mean() < 0.45
    parameters = layer.draw(same[:2])
    if name == "resize":
        parameters["choice"] = np.array([1, 1])
    parameters["applied"] = np.array([False, True])
    one = as_numpy(layer(same[:2], parameters=parameters))
    np.testing.assert_allclose(one[0], same[0], atol=1e-4)
    assert np.abs(one[1] - same[1]).max() > 0.1


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_serialized(photo, name):
    layer = LAYERS[name](probability=0.7, seed=5)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert copy.get_config() == layer.get_config()
    batch = np.stack([photo[:32, :32]] * 3)
    np.testing.assert_array_equal(as_numpy(copy(batch)), as_numpy(layer(batch)))


@pytest.mark.once
@pytest.mark.parametrize(
    "degradation, shape",
    [
        (lambda: PhotoDegradation(seed=1), (3, 16, 12, 3)),
        (lambda: PhotoDegradation(order=2, seed=1), (3, 16, 12, 3)),
        (lambda: PhotoDegradation(2, 0.5, order=2, seed=1), (3, 32, 24, 3)),
        (
            lambda: DegradationChain(
                [
                    GaussianBlur((0, 4), seed=1),
                    Degradation(4),
                    JPEGCompression(75),
                ]
            ),
            (3, 16, 12, 3),
        ),
    ],
)
def test_chains(photo, degradation, shape):
    layer = degradation()
    batch = np.stack([photo[:64, :48]] * 3)
    lr = as_numpy(layer(batch))
    assert lr.shape == shape == layer.compute_output_shape(batch.shape)
    assert lr.dtype == "float32" and 0 <= lr.min() and lr.max() <= 255
    np.testing.assert_array_equal(lr, lr.round())
    assert np.abs(lr[0] - lr[1]).max() > 2
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(degradation())
    )
    np.testing.assert_array_equal(as_numpy(copy(batch)), lr)


@pytest.mark.once
def test_no_strength_is_clean(photo):
    batch = photo[None, :64, :64]
    for order in (1, 2):
        layer = PhotoDegradation(strength=0, order=order)
        difference = np.abs(as_numpy(layer(batch) - Degradation(4)(batch)))
        # Two times 2 in second order.
        assert difference.mean() < order - 1 + 1e-6
    assert [type(d) for d in PhotoDegradation(strength=0).degradations] == [
        Degradation
    ]


@pytest.mark.once
def test_strength_is_how_far_images_are_from_clean(photo):
    batch = np.stack([photo[:96, :96]] * 16)
    clean = as_numpy(Degradation(4)(batch))
    errors = [
        np.abs(as_numpy(PhotoDegradation(4, s, seed=0)(batch)) - clean).mean()
        for s in (0.2, 0.6, 1)
    ]
    assert errors == sorted(errors) and errors[0] > 0.5


@pytest.mark.once
def test_shares_of_images_are_blurred_and_noisy(photo):
    batch = np.stack([photo[:32, :32]] * 64)
    clean = as_numpy(Degradation(4)(batch))
    for step in ("blur", "noise"):
        arguments = {"blur": 0, "noise": 0, step: 2}
        layer = PhotoDegradation(
            strength=0, blurred=0.25, noisy=0.25, seed=0, **arguments
        )
        changed = np.any(as_numpy(layer(batch)) != clean, axis=(1, 2, 3))
        assert 6 <= changed.sum() <= 26
        assert layer.get_config()["blurred"] == 0.25


@pytest.mark.parametrize("order", [1, 2])
def test_training_resumes_with_the_draws_that_come_next(
    photos, tmp_path, order
):
    srgan = SRGAN(
        Generator(num_blocks=1, filters=4),
        Discriminator(filters=2),
        degradation=PhotoDegradation(order=order),
    )
    srgan.compile(content_loss="mse")
    srgan.fit(photos, batch_size=4, verbose=0)
    srgan.save(tmp_path / "srgan.keras")
    loaded = keras.saving.load_model(tmp_path / "srgan.keras")
    assert loaded.degradation.get_config() == srgan.degradation.get_config()
    expected = as_numpy(srgan.degradation(photos))
    np.testing.assert_array_equal(
        as_numpy(loaded.degradation(photos)), expected
    )
    assert np.abs(as_numpy(srgan.degradation(photos)) - expected).max() > 1


def make_degraded(seed, **arguments):
    """An `SRGAN` whose random numbers are those of the degradation."""
    keras.utils.set_random_seed(0)
    srgan = SRGAN(
        Generator(num_blocks=1, filters=4),
        Discriminator(filters=2),
        keras.layers.Identity(),
        DegradationChain([Degradation(4), SensorNoise((5, 20), seed=seed)]),
    )
    srgan.compile(
        *(keras.optimizers.SGD(0.0) for _ in range(2)),
        content_loss="mse",
        adversarial_weight=0.0,
    )
    return srgan


def test_evaluations_draw_the_same_and_training_draws_anew(photos):
    srgan = make_degraded(seed=1)
    history = srgan.fit(
        photos,
        batch_size=3,
        epochs=3,
        shuffle=False,
        validation_data=(photos,),
        verbose=0,
    ).history
    # The weights stay the same: what differs is the degradation.
    assert len(set(history["loss"])) == 3
    assert len(set(history["val_loss"])) == len(set(history["val_psnr"])) == 1
    result = srgan.evaluate(photos, verbose=0, return_dict=True)
    assert srgan.evaluate(photos, verbose=0, return_dict=True) == result
    # The seeds of the layers do not matter.
    other = make_degraded(seed=2)
    assert other.evaluate(photos, verbose=0, return_dict=True) == result
    # Images of a batch are not degraded alike.
    same = np.stack([photos[0]] * 2)
    with srgan.fixed_draws():
        lr, _ = srgan.make_pair(same)
    assert np.abs(as_numpy(lr)[0] - as_numpy(lr)[1]).max() > 2


def test_evaluation_does_not_change_the_draws_of_training(photos):
    losses = []
    for validation in (None, photos[:2]):
        srgan = make_degraded(seed=1)
        # PyTorch's order of the photos depends on the global seed.
        history = srgan.fit(
            photos,
            epochs=2,
            shuffle=False,
            validation_data=validation,
            verbose=0,
        )
        losses.append(history.history["loss"])
    assert losses[0] == losses[1]


@keras.saving.register_keras_serializable()
class Scale(keras.layers.Layer):
    def build(self, input_shape):
        self.factor = self.add_weight(shape=(), initializer="ones")

    def call(self, inputs):
        return self.factor * inputs


@pytest.mark.parametrize("name", ["blur", "sinc", "noise", "resize"])
def test_gradients_pass_through(photo, name):
    """One step of SGD moves a factor before the layer as it should."""
    batch = 60 + photo[None, :32, :32] / 4
    layer = {
        "blur": GaussianBlur(1.5),
        "sinc": SincFilter(1.5),
        # Independent of the image, so the derivative is known.
        "noise": SensorNoise(1),
        "resize": RandomResize(2, (2,), ("bicubic",)),
    }[name]
    model = keras.Sequential([keras.Input((32, 32, 3)), Scale(), layer])
    model.compile(keras.optimizers.SGD(1e-5), "mean_squared_error")
    without_factor = as_numpy(
        SensorNoise(0)(batch) if name == "noise" else layer(batch)
    )
    target = 0.9 * without_factor
    model.train_on_batch(batch, target)
    # d/df mean((f x - 0.9 x) ** 2) at f = 1
    expected = 1 - 1e-5 * 0.2 * np.mean(without_factor**2)
    factor = as_numpy(model.layers[0].factor)
    assert factor == pytest.approx(expected, rel=2e-3)
    assert expected < 0.99


GIVEN = """
import sys
import keras
import numpy as np
from keras_srgan.degradations import *

folder = sys.argv[1]
start = np.load(f"{folder}/start.npz")
batch, noise = start["batch"], start["noise"]
parameters = [
    {"sigma_x": [0.3, 2.5, 1], "sigma_y": [2, 0.1, 1], "angle": [0.4, 2, 0]},
    {"choice": [1, 3, 5]},
    {
        "sigma": [0, 5, 10],
        "gain": [0.3, 0, 0.1],
        "gray": [False, True, False],
        "noise": noise,
    },
    {"cutoff": [1.1, 2, 3], "applied": [True, False, True]},
    {"quality": [30, 75, 95], "subsampled": [True, False, True]},
]
parameters = [
    {name: np.array(value) for name, value in given.items()}
    for given in parameters
]
layers = [
    GaussianBlur((0, 3)),
    RandomResize(2),
    SensorNoise(),
    SincFilter(),
    JPEGCompression(),
]
results = {}
for layer, given in zip(layers, parameters, strict=True):
    # Each on the same input, so that rounding does not build up.
    given = dict(given)
    if isinstance(layer, SensorNoise):
        given["noise"] = np.concatenate([noise, noise], 1)
        given["noise"] = np.concatenate([given["noise"]] * 2, 2)
    name = type(layer).__name__
    results[name] = keras.ops.convert_to_numpy(layer(batch, parameters=given))
chain = DegradationChain(layers)
lr = chain(batch, parameters=parameters)
results["chain"] = keras.ops.convert_to_numpy(lr)
np.savez(f"{folder}/{keras.backend.backend()}.npz", **results)
"""


@pytest.mark.once
def test_given_parameters_have_equal_results_on_all_backends(photo, tmp_path):
    rng = np.random.default_rng(0)
    batch = np.stack([photo[i : i + 48, i : i + 64] for i in (0, 20, 40)])
    noise = rng.normal(size=(3, 24, 32, 3)).astype("float32")
    np.savez(tmp_path / "start.npz", batch=batch, noise=noise)
    results = []
    for backend in BACKENDS:
        run(backend, "-c", GIVEN, tmp_path)
        results.append(np.load(tmp_path / f"{backend}.npz"))
    first, *others = results
    for other in others:
        for name in first:
            difference = np.abs(first[name] - other[name])
            if name == "JPEGCompression":
                np.testing.assert_array_equal(first[name], other[name])
            elif name == "chain":
                # A level on the border between two, before the JPEG, may
                # fall either way, and changes its block a little.
                assert difference.mean() < 0.05
            else:
                assert difference.max() < 5e-3, name


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: GaussianBlur((3, 1)), r"`sigma`.*sigma=\(3, 1\)"),
        (lambda: GaussianBlur(1, anisotropy=2), "`anisotropy`.*anisotropy=2"),
        (lambda: SensorNoise(-1), "`sigma`.*sigma=-1"),
        (lambda: SensorNoise(1, gray=-1), "`gray`.*gray=-1"),
        (lambda: SincFilter(4), "`cutoff`.*cutoff=4"),
        (lambda: JPEGCompression((0, 90)), r"`quality`.*quality=\(0, 90\)"),
        (lambda: JPEGCompression(90, "4:2:2"), "`subsampling`.*4:2:2"),
        (lambda: RandomResize(0), "`scale`.*scale=0"),
        (lambda: RandomResize(2, (0,)), r"`factors`.*factors=\(0,\)"),
        (lambda: RandomResize(2, filters=("no",)), "`filters`.*no"),
        (lambda: RandomResize(2, probability=0.5), "`probability`.*0.5"),
        (lambda: PhotoDegradation(1), "`scale`.*scale=1"),
        (lambda: PhotoDegradation(strength=2), "`strength`.*strength=2"),
        (lambda: PhotoDegradation(order=3), "`order`.*order=3"),
        (lambda: PhotoDegradation(blur="a"), "`blur`.*blur='a'"),
        (lambda: PhotoDegradation(blurred=2), "`blurred`.*blurred=2"),
        (lambda: PhotoDegradation(noisy=-1), "`noisy`.*noisy=-1"),
        (lambda: DegradationChain([1]), r"`degradations`.*\[1\]"),
        (
            lambda: RandomResize(4)(np.zeros((1, 30, 32, 3))),
            r"multiples.*4.*\(1, 30, 32, 3\)",
        ),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", ["blur", "noise"])
def test_devices_that_share_a_batch_draw_its_parts(photo, monkeypatch, name):
    batch = np.stack([photo[:16, :16]] * 8)
    whole = as_numpy(LAYERS[name](seed=1)(batch))
    parts = []
    for index in range(2):
        monkeypatch.setattr("keras_srgan.draws.share", lambda i=index: (i, 2))
        parts.append(as_numpy(LAYERS[name](seed=1)(batch[:4])))
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-3)
