import numpy as np
import pytest

from keras_srgan.grid import grid_strength


@pytest.fixture
def photo():
    """A smooth photo with noise, float in [0, 255]."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(100, 140, 120)[:, None, None] * np.ones((1, 96, 3))
    return ramp + rng.normal(0, 2, ramp.shape)


def written_out(image, scale):
    """The definition, pixel by pixel."""
    y = image @ np.array([65.481, 128.553, 24.966]) / 255
    values = {}
    for row in range(8, y.shape[0] - 8):
        for column in range(8, y.shape[1] - 8):
            around = y[row - 8 : row + 9, column - 8 : column + 9]
            if around.var() < 30:
                near = y[row - 4 : row + 5, column - 4 : column + 5]
                values.setdefault((row % scale, column % scale), []).append(
                    y[row, column] - near.mean()
                )
    return np.std([np.mean(v) for v in values.values()])


@pytest.mark.parametrize("scale", [3, 4])
def test_grid_strength_is_its_definition(photo, scale):
    photo[:60, ::7] += 60  # an area that is not flat
    expected = written_out(photo, scale)
    assert grid_strength(photo, scale) == pytest.approx(expected, rel=1e-6)


def test_only_a_grid_of_the_right_period_on_flat_areas_counts(photo):
    clean = grid_strength(photo)
    grid = photo.copy()
    grid[1::4, 2::4] += 6
    other = photo.copy()
    other[:, ::7] += 4
    assert clean < 0.15
    assert grid_strength(grid) > 1
    assert grid_strength(other) < 0.3
    assert grid_strength(grid.astype("uint8")) > 1


def test_a_photo_without_flat_areas_has_no_figure():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (64, 64, 3), "uint8")
    assert np.isnan(grid_strength(noise))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((np.zeros((16, 64, 3)),), r"`image`.*image.shape=\(16, 64, 3\)"),
        ((np.zeros((64, 64)),), r"`image`.*image.shape=\(64, 64\)"),
        ((np.zeros((64, 64, 3)), 1), "`scale`.*scale=1"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        grid_strength(*arguments)
