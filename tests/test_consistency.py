"""Results that shrink to the photo: --consistent."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_srgan import Degradation
from keras_srgan import Generator
from keras_srgan import consistency
from keras_srgan.cli import main
from keras_srgan.consistency import make_consistent
from keras_srgan.consistency import measure_deviation
from keras_srgan.formats import LOSSLESS
from keras_srgan.photo import open_photo

DTYPES = {"uint8": 1, "uint16": 257, "float32": 1}


def smooth(width=35, height=26, channels=3):
    """A photo with edges, which is the reduction of a larger one."""
    rng = np.random.default_rng(width)
    small = rng.integers(0, 256, (height // 4, width // 4, channels), "uint8")
    planes = [
        Image.fromarray(small[..., i]).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        for i in range(channels)
    ]
    return np.stack([np.asarray(plane) for plane in planes], -1)


def enlarge(photo, scale=4):
    """Repeats pixels, with noise: what a bad network might do."""
    large = photo.repeat(scale, 0).repeat(scale, 1).astype(float)
    noise = np.random.default_rng(0).normal(0, 8, large.shape)
    white = 65535 if photo.dtype == "uint16" else 255
    large = (large + noise * white / 255).clip(0, white)
    return large.round().astype(photo.dtype)


def checkerboard():
    return (np.indices((12, 14)).sum(0) % 2 * 255).astype("uint8")[..., None]


# === Deviation ===


def test_deviation_is_that_of_the_bicubic_of_training():
    large = np.random.default_rng(0).integers(0, 256, (48, 64, 3), "uint8")
    photo = np.asarray(Degradation(4)(large[None]))[0].astype("uint8")
    deviation = measure_deviation(large, photo)
    assert 0.4 < deviation.largest < 0.501
    assert 0.2 < deviation.mean < 0.3


@pytest.mark.parametrize("dtype", DTYPES)
def test_deviation_names_its_place_in_levels_of_255(dtype):
    factor = DTYPES[dtype]
    large = np.full((40, 60, 3), 100 * factor, dtype)
    photo = np.full((10, 15, 3), 100 * factor, dtype)
    photo[7, 3, 1] = 90 * factor
    deviation = measure_deviation(large, photo)
    assert deviation.largest == pytest.approx(10, abs=1e-4)
    assert deviation.mean == pytest.approx(10 / 450, abs=1e-4)
    assert (deviation.x, deviation.y) == (3, 7)


def test_colors_of_invisible_pixels_do_not_count():
    photo = np.full((10, 15, 4), 255, "uint8")
    photo[4, 5] = 0
    large = np.full((40, 60, 4), 255, "uint8")
    assert measure_deviation(large, photo).largest == 255  # of alpha
    large[16:20, 20:24, 3] = 0
    assert measure_deviation(large, photo).largest < 80
    photo[4, 5, 3] = 1
    assert measure_deviation(large, photo).largest == 255


# === Back-projection ===


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_the_bound_holds(scale, dtype):
    photo = smooth().astype(dtype) * np.array(DTYPES[dtype], dtype)
    large = enlarge(photo, scale)
    before = large.copy()
    assert measure_deviation(large, photo).largest > 2
    result = make_consistent(large, photo)
    np.testing.assert_array_equal(large, before)
    assert (result.shape, result.dtype) == (large.shape, large.dtype)
    assert measure_deviation(result, photo).largest <= 0.5


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 9), (5, 3), (131, 130)])
def test_sizes(size):
    photo = smooth(*(max(4, side) for side in size))[: size[1], : size[0]]
    result = make_consistent(enlarge(photo), photo)
    assert measure_deviation(result, photo).largest <= 0.5
    # Within the tolerance of the backends, training's bicubic gives the photo.
    levels = np.asarray(Degradation(4)(result[None]))[0]
    assert np.abs(levels - photo).max() <= 1
    assert (levels != photo).mean() < 0.01


def test_the_result_does_not_depend_on_the_tiles(monkeypatch):
    photo = smooth(90, 70)
    results = []
    for tile_size in 4, 32, 1000:
        monkeypatch.setattr(consistency, "TILE_SIZE", tile_size)
        results.append(make_consistent(enlarge(photo), photo))
    np.testing.assert_array_equal(results[0], results[2])
    np.testing.assert_array_equal(results[1], results[2])


def test_a_consistent_picture_stays_as_it_is():
    photo = smooth()
    result = make_consistent(enlarge(photo), photo)
    np.testing.assert_array_equal(make_consistent(result, photo), result)


def test_it_comes_closer_to_the_truth():
    truth = smooth(96, 64)
    photo = np.asarray(Degradation(4)(truth[None]))[0].astype("uint8")
    large = enlarge(photo)
    result = make_consistent(large, photo)
    error, before = (
        np.square(picture.astype(float) - truth).mean()
        for picture in (result, large)
    )
    assert error < 0.9 * before


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16", "F"])
def test_pillow_images(mode):
    photo = Image.fromarray(smooth())
    if mode == "I;16":
        photo = Image.fromarray(smooth()[..., 0].astype("uint16") * 250)
    elif mode.endswith("A"):
        photo.putalpha(Image.fromarray(smooth(channels=1)[..., 0]))
    photo = photo if mode == "I;16" else photo.convert(mode)
    large = Image.fromarray(enlarge(np.asarray(photo)))
    large.info["dpi"] = (72, 72)
    result = make_consistent(large, photo)
    assert (result.mode, result.size) == (mode, large.size)
    assert result.info == {"dpi": (72, 72)}
    assert measure_deviation(result, photo).largest <= 0.5


def test_hard_patterns_are_refused_unless_asked():
    photo = checkerboard()
    with pytest.raises(ValueError, match="shrunk result must equal") as error:
        make_consistent(enlarge(photo), photo)
    found = make_consistent(enlarge(photo), photo, allow_deviation=True)
    deviation = measure_deviation(found, photo)
    assert 50 < deviation.largest < 127
    assert str(error.value).endswith(
        f"Received: a photo with a deviation of {deviation.largest:.2f} levels "
        f"at (x, y) = ({deviation.x}, {deviation.y})"
    )


@pytest.mark.parametrize("shape", [(40, 60, 3), (40, 56, 1), (41, 56, 3)])
def test_other_sizes_are_refused(shape):
    photo = np.zeros((10, 14, 3), "uint8")
    with pytest.raises(ValueError, match="`large` must have the channels"):
        make_consistent(np.zeros(shape, "uint8"), photo)


def test_progress_reaches_the_whole_photo():
    seen = []
    photo = smooth()
    make_consistent(enlarge(photo), photo, progress=seen.append)
    assert len(seen) > 2 and 0 <= seen[0] < seen[-1] == 1


# === Command ===


@pytest.fixture
def upscale(tmp_path, monkeypatch, capsys):
    """Runs the command in an empty folder: (status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    Generator(num_blocks=1, filters=4).save("model.keras")

    def run(*arguments):
        arguments = ["upscale", *map(str, arguments), "--consistent"]
        status = main([*arguments, "--model", "model.keras"])
        return status, *capsys.readouterr()

    return run


def files():
    return sorted(set(os.listdir()) - {"model.keras"})


@pytest.mark.parametrize(
    "name, mode",
    [
        ("photo.png", "RGB"),
        ("gray.png", "L"),
        ("alpha.png", "RGBA"),
        ("deep.png", "I;16"),
        ("photo.jpg", "RGB"),
        ("cmyk.jpg", "CMYK"),
        ("float.tif", "F"),
    ],
)
def test_files(upscale, name, mode):
    photo = Image.fromarray(smooth())
    if mode == "I;16":
        photo = Image.fromarray(smooth()[..., 0].astype("uint16") * 251)
    elif mode == "RGBA":
        photo.putalpha(Image.fromarray(smooth(channels=1)[..., 0]))
    else:
        photo = photo.convert(mode)
    photo.save(name)
    status, out, err = upscale(name, "-o", "out")
    assert (status, err) == (0, "")
    lossless = name.endswith(LOSSLESS)
    result = f"out/{name if lossless else Path(name).stem + '.png'}"
    assert os.listdir("out") == [os.path.basename(result)]
    deviation = measure_deviation(open_photo(result), open_photo(name))
    assert deviation.largest <= 0.5
    assert (
        f"(140x104, largest deviation {deviation.largest:.2f} levels, mean "
        f"{deviation.mean:.2f}, " in out
    )


@pytest.mark.parametrize("options", [["--tile-size", 8], ["--scale", 2]])
def test_with_other_options(upscale, options):
    Image.fromarray(smooth()).save("photo.png")
    assert upscale("photo.png", "-o", "out.png", *options)[0] == 0
    deviation = measure_deviation(
        Image.open("out.png"), open_photo("photo.png")
    )
    assert deviation.largest <= 0.5


@pytest.mark.parametrize(
    "options",
    [["-o", "out.jpg"], ["-o", "out.webp"], ["--format", "jpg"]],
    ids=" ".join,
)
def test_lossy_formats_are_refused_before_the_work(upscale, options):
    Image.fromarray(smooth()).save("photo.jpg")
    status, out, err = upscale("photo.jpg", *options)
    assert (status, out) == (2, "")
    assert "lossless" in err and len(err.splitlines()) == 1
    assert files() == ["photo.jpg"]


@pytest.mark.parametrize("option", [["--scale", 2.5], ["--size", "70x78"]])
def test_other_multiples_are_refused_before_the_work(upscale, option):
    Image.fromarray(smooth()).save("photo.png")
    status, _, err = upscale("photo.png", *option)
    assert status == 1
    assert "whole multiple" in err and "35x26" in err
    assert files() == ["photo.png"]


def test_impossible_photos_are_named_and_not_written(upscale):
    Image.fromarray(checkerboard()[..., 0]).save("board.png")
    status, out, err = upscale("board.png")
    assert (status, out) == (1, "")
    assert err.startswith("failed: board.png: ") and len(err.splitlines()) == 1
    assert "levels at (x, y) = (" in err
    assert files() == ["board.png"]
    status, out, err = upscale("board.png", "--allow-deviation")
    assert (status, err) == (0, "")
    assert "levels at " in out
    assert files() == ["board-x4.png", "board.png"]


def test_allow_deviation_alone_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["upscale", "photo.png", "--allow-deviation"]) == 2
    assert "needs --consistent" in capsys.readouterr().err
