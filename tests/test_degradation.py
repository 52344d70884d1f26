import numpy as np
import pytest
from keras import ops
from PIL import Image

from keras_srgan import Augmentation
from keras_srgan import Degradation

COLOURS = ("saturation", "hue", "brightness", "contrast")


def as_numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), "uint8")


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_degradation_is_pillows_bicubic(noise, scale):
    lr = as_numpy(Degradation(scale)(noise))
    size = (64 // scale, 48 // scale)
    # As float planes: in uint8 Pillow also rounds between its two passes.
    pillow = np.empty_like(lr)
    for photo, channel in np.ndindex(3, 3):
        plane = Image.fromarray(noise[photo, ..., channel].astype("float32"))
        pillow[photo, ..., channel] = plane.resize(
            size, Image.Resampling.BICUBIC
        )
    difference = np.abs(lr - pillow.clip(0, 255).round())
    # What lies on the border between two levels may fall either way.
    assert difference.max() <= 1
    assert (difference > 0).mean() < 2e-3
    np.testing.assert_array_equal(lr, lr.round())


def test_degradation_names_a_size_that_does_not_divide():
    with pytest.raises(ValueError, match=r"multiples.*4.*\(1, 30, 32, 3\)"):
        Degradation(4)(np.zeros((1, 30, 32, 3), "uint8"))


def test_augmentation_leaves_photos_alone_outside_training(noise):
    np.testing.assert_array_equal(as_numpy(Augmentation()(noise)), noise)


def test_augmentation_differs_by_photo_and_by_call(noise):
    augment = Augmentation(seed=1)
    same = np.stack([noise[0]] * 4)
    first, second = (as_numpy(augment(same, training=True)) for _ in range(2))
    for images in (first, second):
        assert 0 <= images.min() and images.max() <= 255
        assert all(np.abs(images[0] - other).max() > 1 for other in images[1:])
    assert np.abs(first - second).max() > 1


def test_augmentation_repeats_under_its_seed(noise):
    first, second = (
        as_numpy(Augmentation(seed=3)(noise, training=True)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_augmentation_flips_half_the_photos():
    ramp = np.broadcast_to(
        np.arange(16, dtype="float32")[:, None], (400, 4, 16, 3)
    )
    only_flip = Augmentation(
        saturation=0, hue=0, brightness=0, contrast=0, seed=0
    )
    flipped = as_numpy(only_flip(ramp, training=True))[:, 0, 0, 0] == 15
    assert 0.4 < flipped.mean() < 0.6


def hsv(images):
    images = ops.convert_to_tensor(images) / 255
    return as_numpy(ops.image.rgb_to_hsv(images, data_format="channels_last"))


def saturation(images):
    return hsv(images)[..., 1]


@pytest.mark.parametrize(
    "name, low, high, measure",
    [
        (
            "saturation",
            0.95,
            1.05,
            lambda a, b: hsv(b)[..., 1] / hsv(a)[..., 1],
        ),
        (
            "hue",
            -0.05,
            0.05,
            lambda a, b: (hsv(b) - hsv(a) + 0.5)[..., 0] % 1 - 0.5,
        ),
        ("brightness", -12.75, 12.75, lambda a, b: b - a),
        (
            "contrast",
            0.95,
            1.05,
            lambda a, b: b.std(axis=(1, 2)) / a.std(axis=(1, 2)),
        ),
    ],
)
def test_each_change_is_as_strong_as_asked(name, low, high, measure):
    rng = np.random.default_rng(0)
    photos = rng.uniform(60, 180, (100, 6, 6, 3)).astype("float32")
    off = dict.fromkeys(COLOURS, 0)
    augment = Augmentation(flip=False, **{**off, name: 0.05})
    values = measure(photos, as_numpy(augment(photos, training=True)))
    values = values.reshape(100, -1)
    # One draw a photo, uniform over the range.
    assert np.ptp(values, axis=1).max() < 2e-3 * (high - low) + 2e-4
    middle = np.median(values, axis=1)
    slack = 1e-3 * (high - low)
    assert low - slack <= middle.min() < low + 0.2 * (high - low)
    assert high + slack >= middle.max() > high - 0.2 * (high - low)


@pytest.mark.parametrize(
    "name", ["saturation", "hue", "brightness", "contrast"]
)
def test_augmentation_names_a_bad_argument(name):
    with pytest.raises(ValueError, match=f"`{name}`.*{name}=-1"):
        Augmentation(**{name: -1})


OFF = dict.fromkeys(COLOURS, 0)


def test_augmentation_turns_photos_by_all_symmetries_of_a_square():
    photo = np.random.default_rng(0).integers(0, 256, (6, 6, 3), "uint8")
    symmetries = [
        np.rot90(image, turns)
        for image in (photo, photo[:, ::-1])
        for turns in range(4)
    ]
    augment = Augmentation(turn=True, seed=0, **OFF)
    results = as_numpy(augment(np.stack([photo] * 400), training=True))
    found = [
        [np.array_equal(result, symmetry) for symmetry in symmetries]
        for result in results
    ]
    np.testing.assert_array_equal(np.sum(found, axis=1), 1)
    # Each for an eighth of the photos: 50, give or take 7.
    counts = np.sum(found, axis=0)
    assert counts.min() > 20 and counts.max() < 80


def test_augmentation_only_turns_square_photos(noise):
    with pytest.raises(ValueError, match=r"square.*\(3, 48, 64, 3\)"):
        Augmentation(turn=True)(noise, training=True)


def test_augmentation_leaves_the_callers_tensor_alone():
    images = ops.convert_to_tensor(np.full((2, 8, 8, 3), 100.0, "float32"))
    augment = Augmentation(flip=False, **{**OFF, "brightness": 0.5})
    augmented = augment(images, training=True)
    assert np.abs(as_numpy(augmented) - 100).min() > 0
    assert (as_numpy(images) == 100).all()
