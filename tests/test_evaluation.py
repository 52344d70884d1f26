import csv
import io
import os
import pathlib

import keras
import numpy as np
import pytest
from PIL import Image

from keras_srgan import Degradation
from keras_srgan import Generator
from keras_srgan import perceptual
from keras_srgan import psnr
from keras_srgan import ssim
from keras_srgan import upscale
from keras_srgan.cli import main
from keras_srgan.evaluation import difference_sheet
from keras_srgan.evaluation import evaluate_images
from keras_srgan.evaluation import mean_rows
from keras_srgan.evaluation import pixel_metrics
from keras_srgan.evaluation import save_tables
from keras_srgan.evaluation import table
from keras_srgan.grid import grid_strength
from keras_srgan.photo import load_image

BICUBIC = {"bicubic": "bicubic"}
# One size for nearly all photos, since JAX compiles once per size.
SIZE = 28, 24


@pytest.fixture
def save(tmp_path):
    """Writes photos to files in a folder; returns the folder."""

    def save(folder, **images):
        folder = tmp_path / folder
        folder.mkdir(exist_ok=True)
        for name, image in images.items():
            Image.fromarray(image).save(folder / f"{name}.png")
        return folder

    return save


@pytest.fixture
def pair(photos):
    """Two photos of `SIZE`."""
    return photos[:2, : SIZE[0], : SIZE[1]]


def degrade(hr):
    lr = keras.ops.convert_to_numpy(Degradation(4)(hr[None]))[0]
    return lr.astype("uint8")


def enlarge(lr):
    image = Image.fromarray(lr)
    size = 4 * image.width, 4 * image.height
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def test_figures_are_those_of_the_metrics(save, pair):
    first, second = pair
    hr = save("hr", first=first, second=second)
    rows = evaluate_images(BICUBIC, hr)
    assert [(row["image"], row["system"]) for row in rows] == [
        ("first", "bicubic"),
        ("second", "bicubic"),
    ]
    for row, true in zip(rows, pair, strict=True):
        pred = enlarge(degrade(true))
        batches = true[None], pred[None]
        assert row["psnr"] == pytest.approx(float(psnr(*batches, 4)[0]))
        assert row["ssim"] == pytest.approx(float(ssim(*batches, 4)[0]))
        shift = pred[4:-4, 4:-4].mean((0, 1)) - true[4:-4, 4:-4].mean((0, 1))
        colors = [row[f"shift_{c}"] for c in ("red", "green", "blue")]
        np.testing.assert_allclose(colors, shift, atol=1e-9)


@pytest.mark.once
def test_grid_is_that_of_the_result(save):
    flat = np.full((48, 40, 3), 100, "uint8")
    grid = flat.copy()
    grid[::4, ::4] += 4
    hr = save("hr", flat=flat, small=flat[:24, :24])
    outputs = save("out", flat=grid, small=flat[:24, :24])
    rows = evaluate_images({"x": outputs}, hr)
    assert [row["image"] for row in rows] == ["flat", "small"]
    assert rows[0]["grid"] == pytest.approx(grid_strength(grid), rel=0.1)
    assert rows[0]["grid"] > 0.5
    # Too small to have any flat area; the mean leaves it out.
    assert np.isnan(rows[1]["grid"])
    assert mean_rows(rows)[0]["grid"] == rows[0]["grid"]
    _, cells = table(rows)
    assert cells[1][-1] == "–"


@pytest.mark.once
def test_spectrum_is_the_loss_in_decibels(save):
    texture = np.random.default_rng(0).integers(100, 156, (64, 56, 3), "uint8")
    # Half the amplitude.
    weak = (texture // 2 + 64).astype("uint8")
    small = texture[:36, :36]
    hr = save("hr", large=texture, small=small)
    outputs = save("out", large=weak, small=small)
    large, small = evaluate_images({"x": outputs}, hr)
    assert large["spectrum"] == pytest.approx(20 * np.log10(2), rel=0.05)
    assert np.isnan(small["spectrum"])


@pytest.mark.once
def test_hr_is_cut_at_right_and_bottom_to_multiples_of_the_scale(
    save, photos, pair
):
    larger = photos[0, : SIZE[0] + 3, : SIZE[1] + 1]
    assert evaluate_images(BICUBIC, save("odd", a=larger)) == evaluate_images(
        BICUBIC, save("even", a=pair[0])
    )


def test_lr_files_are_used_if_there_are_any(save, pair):
    first = save("hr", a=pair[0])
    from_hr = evaluate_images(BICUBIC, first)
    same = save("lr", a=degrade(pair[0]))
    assert evaluate_images(BICUBIC, first, same) == from_hr
    other = save("lr", a=degrade(pair[1]))
    assert evaluate_images(BICUBIC, first, other) != from_hr


@pytest.mark.parametrize(
    "hr, lr",
    [
        ("baby", "baby"),
        ("baby", "babyx4"),
        ("baby", "baby_LR"),
        ("0801", "0801x4"),
        ("img_001_SRF_4_HR", "img_001_SRF_4_LR"),
        ("img_001_HR", "img_001"),
        ("baby_GT", "baby-EDSR-x4"),
    ],
)
def test_images_belong_to_photos_of_their_name(save, pair, hr, lr):
    truth = save("hr", **{hr: pair[0]})
    # Other photos' images, with names as similar as possible.
    other = {hr[0]: pair[1], f"{lr[:4]}9": pair[1], "x": pair[1]}
    folder = save("out", **{**other, lr: pair[0]})
    (row,) = evaluate_images({"copy": folder}, truth)
    assert row["psnr"] == pytest.approx(100)


def test_the_longest_matching_name_wins(save, pair):
    hr = save("hr", a=pair[0], a_1=pair[1], a_10=pair[0])
    copies = save("out", a_SR=pair[0], a_1_SR=pair[1], a_10_SR=pair[0])
    rows = evaluate_images({"copy": copies}, hr)
    assert [row["psnr"] for row in rows] == pytest.approx([100] * 3)


def test_an_exact_name_wins_over_a_longer_one(save, pair):
    hr = save("hr", a=pair[0])
    outputs = save("out", a=pair[0], a_bicubic=pair[1])
    (row,) = evaluate_images({"copy": outputs}, hr)
    assert row["psnr"] == pytest.approx(100)


def test_several_systems_side_by_side(save, pair):
    hr = save("hr", a=pair[0], b=pair[1])
    model = Generator(num_blocks=1, filters=4)
    copies = save("out", a=pair[0], b=pair[1])
    systems = {"copies": copies, "bicubic": "bicubic", "model": model}
    seen, done = {}, []
    rows = evaluate_images(
        systems,
        hr,
        metrics={"psnr": pixel_metrics()["psnr"]},
        on_image=lambda name, *images: seen.update({name: images}),
        progress=done.append,
    )
    assert [row["system"] for row in rows] == 2 * list(systems)
    assert list(rows[0]) == ["image", "system", "psnr"]
    assert done == sorted(done) and done[-1] == 1
    truth, images = seen["b"]
    assert list(images) == list(systems)
    np.testing.assert_array_equal(truth, pair[1])
    np.testing.assert_array_equal(images["copies"], pair[1])
    lr = degrade(pair[1])
    np.testing.assert_array_equal(images["bicubic"], enlarge(lr))
    np.testing.assert_array_equal(images["model"], upscale(model, lr))


def test_degradations_have_rows_of_their_own(save, pair):
    hr = save("hr", first=pair[0], second=pair[1])
    seen = []
    rows = evaluate_images(
        {"bicubic": "bicubic", "again": "bicubic"},
        hr,
        degradations=["noise:30", "jpeg:10"],
        on_image=lambda name, hr, images: seen.append(name),
    )
    keys = [(r["image"], r["degradation"], r["system"]) for r in rows]
    assert keys[:4] == [
        ("first", "clean", "bicubic"),
        ("first", "clean", "again"),
        ("first", "noise:30", "bicubic"),
        ("first", "noise:30", "again"),
    ]
    assert len(rows) == 12
    assert seen[:3] == ["first", "first, noise:30", "first, jpeg:10"]
    # The clean rows are those of an evaluation without degradations.
    clean = evaluate_images(BICUBIC, hr)
    assert rows[0]["psnr"] == clean[0]["psnr"]
    assert all(r["psnr"] < rows[0]["psnr"] for r in rows[2:6])
    # Pillow compresses the LR image as the layer does, within rounding.
    lr = io.BytesIO()
    Image.fromarray(degrade(pair[0])).save(lr, "JPEG", quality=10)
    pred = enlarge(np.asarray(Image.open(lr)))
    expected = float(psnr(pair[0][None], pred[None], 4)[0])
    assert rows[4]["psnr"] == pytest.approx(expected, abs=0.1)

    means = mean_rows(rows)
    assert [(r["degradation"], r["system"]) for r in means] == [
        (degradation, system)
        for degradation in ("clean", "noise:30", "jpeg:10")
        for system in ("bicubic", "again")
    ]
    psnrs = [r["psnr"] for r in rows if r["degradation"] == "noise:30"]
    assert means[2]["psnr"] == pytest.approx(np.mean(psnrs))


def test_degradations_repeat_whatever_the_other_photos_are(save, pair):
    both = save("both", first=pair[0], second=pair[1])
    one = save("one", second=pair[1])

    def measure(folder):
        rows = evaluate_images(BICUBIC, folder, degradations=["noise:30"])
        return rows[-1]["psnr"]

    assert measure(both) == measure(one) == measure(both)


def test_output_that_is_not_finite_names_system_and_photo(save, pair):
    broken = Generator(num_blocks=1, filters=4)
    broken.set_weights([w * np.nan for w in broken.get_weights()])
    hr = save("hr", a=pair[0])
    with pytest.raises(FloatingPointError, match=r"broken, .*a\.png.*float32"):
        evaluate_images({"broken": broken}, hr)


@pytest.mark.parametrize(
    "name, size, says",
    [
        ("a", (8, 6), r"lr/a\.png must be 6x7 .*hr/a\.png.*: 6x8 pixels"),
        ("b", (7, 6), r"one LR image of .*hr/a\.png.*none in .*lr"),
    ],
)
def test_lr_that_does_not_fit_is_named(save, pair, name, size, says):
    hr = save("hr", a=pair[0])
    lr = save("lr", **{name: np.zeros((*size, 3), "uint8")})
    with pytest.raises(ValueError, match=says):
        evaluate_images(BICUBIC, hr, lr)


def test_all_files_are_checked_before_any_work(save, pair):
    hr = save("hr", a=pair[0], b=pair[1])
    outputs = save("out", a=pair[0], b=pair[1, :-1])
    work = []
    with pytest.raises(ValueError, match=r"out/b\.png must be 24x28"):
        evaluate_images({"x": outputs}, hr, progress=work.append)
    (hr / "b.png").write_bytes(b"no photo")
    with pytest.raises(OSError, match=r"hr/b\.png"):
        evaluate_images(BICUBIC, hr, progress=work.append)
    assert not work


def test_bad_arguments_are_named(save, pair):
    hr = save("hr", a=pair[0])
    for systems in ({}, {"x": 3}):
        with pytest.raises(ValueError, match="`systems` must.*Received"):
            evaluate_images(systems, hr)
    with pytest.raises(ValueError, match="`shave` must.*Received: shave=-1"):
        evaluate_images(BICUBIC, hr, shave=-1)
    with pytest.raises(ValueError, match="`scale` must.*Received: scale=0"):
        evaluate_images(BICUBIC, hr, scale=0)
    with pytest.raises(ValueError, match="'twice' is 2.*scale=4"):
        twice = Generator(scale=2, num_blocks=1, filters=4)
        evaluate_images({"twice": twice}, hr)
    with pytest.raises(ValueError, match=r"ssim of .*hr/a\.png.*at least 11"):
        evaluate_images(BICUBIC, hr, shave=8)
    with pytest.raises(ValueError, match="Two HR photos are named 'a'"):
        evaluate_images(BICUBIC, save("hr", a_HR=pair[0]))
    (hr / "a_HR.png").unlink()
    outputs = save("out", a_1=pair[0], a_2=pair[0])
    with pytest.raises(ValueError, match=r"one x image.*a_1\.png, .*a_2\.png"):
        evaluate_images({"x": outputs}, hr)


ROWS = [
    {"image": "a", "system": "one", "psnr": 20.0, "shift_red": -0.5},
    {"image": "a", "system": "two", "psnr": 30.0, "shift_red": 1.0},
    {"image": "b", "system": "one", "psnr": 25.0, "shift_red": 0.0},
    {"image": "b", "system": "two", "psnr": 31.0, "shift_red": 3.0},
]


def test_tables_hold_every_row_and_the_means(tmp_path):
    means = mean_rows(ROWS)
    assert means == [
        {"image": "mean", "system": "one", "psnr": 22.5, "shift_red": -0.25},
        {"image": "mean", "system": "two", "psnr": 30.5, "shift_red": 2.0},
    ]
    save_tables(ROWS, tmp_path / "new", "As measured")
    with open(tmp_path / "new" / "results.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert lines == [
        {name: str(value) for name, value in row.items()}
        for row in ROWS + means
    ]
    text = (tmp_path / "new" / "results.md").read_text()
    assert text.startswith("As measured\n\n| Image | System | PSNR (dB) |")
    assert "| a | one | 20.00 | -0.50 |\n" in text
    assert "| mean | two | 30.50 | +2.00 |\n" in text
    assert len(os.listdir(tmp_path / "new")) == 2


def test_the_sheet_shows_where_systems_differ_most():
    hr = np.full((60, 80, 3), 128, "uint8")
    one, two = hr.copy(), hr.copy()
    # The larger error is common to both systems.
    one[:20, :20] = two[:20, :20] = (255, 255, 0)
    two[45:50, 70:74] = (255, 0, 255)

    def shows(sheet, color):
        return (np.asarray(sheet) == color).all(-1).any()

    sheet = difference_sheet(hr, {"one": one, "two": two}, size=16)
    assert shows(sheet, (255, 0, 255)) and not shows(sheet, (255, 255, 0))
    # A single system is compared with HR.
    sheet = difference_sheet(hr, {"two": two}, size=16)
    assert shows(sheet, (255, 255, 0)) and not shows(sheet, (255, 0, 255))


# === Command ===


def run(*arguments):
    return main(["evaluate", *map(str, arguments)])


def test_command_leaves_tables_and_pictures(
    save, pair, make_srgan, tmp_path, monkeypatch, capsys
):
    def differing(weights, crop):
        assert (weights, crop) == ("vgg.h5", 24)
        return lambda hr, sr: {"vgg54": (hr != sr).mean(), "layered": 1.0}

    # Building the network takes seconds.
    monkeypatch.setattr(perceptual, "VGGDistances", differing)
    hr = save("hr", a=pair[0], b=pair[1])
    lr = save("lr", ax4=degrade(pair[0]), bx4=degrade(pair[1]))
    copies = save("copies", a=pair[0], b=pair[1])
    models = [tmp_path / name / "srgan.keras" for name in ("new", "old")]
    for model in models:
        model.parent.mkdir()
        make_srgan().save(model)
    out = tmp_path / "out"
    status = run(
        *("--hr", hr, "--lr", lr, "--model", *models, "--outputs", copies),
        *("--vgg-weights", "vgg.h5", "--vgg-crop", 24),
        *("--channel", "rgb", "-o", out),
    )
    assert status == 0
    with open(out / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    # Folders distinguish models of the same name.
    systems = ["bicubic", "srgan", "old/srgan", "copies"]
    assert [(row["image"], row["system"]) for row in rows] == [
        (image, system) for image in ("a", "b", "mean") for system in systems
    ]
    copies = [float(row["psnr"]) for row in rows[3::4]]
    assert copies == pytest.approx([100] * len(copies))
    vgg54 = [float(row["vgg54"]) for row in rows[:4]]
    assert [value > 0 for value in vgg54] == [True] * 3 + [False]
    text = capsys.readouterr().out
    assert "VGG54" in text and "Layered" in text
    mean = float(rows[8]["psnr"])
    assert f"{mean:.2f}" in text and "copies" in text and "RGB" in text
    assert f"{mean:.2f}" in (out / "results.md").read_text()
    for name in ("a", "b"):
        assert load_image(out / "pictures" / f"{name}.png").std() > 0
    assert len(list(out.rglob("*"))) == 5


def test_command_degrades(save, pair, tmp_path, capsys):
    hr, out = save("hr", a=pair[0]), tmp_path / "out"
    degradations = ("--degradation", "jpeg:50", "blur:1+noise:5")
    assert run("--hr", hr, *degradations, "-o", out) == 0
    text = capsys.readouterr().out
    assert "jpeg:50" in text and "clean" in text
    assert "| mean | blur:1+noise:5 |" in (out / "results.md").read_text()
    assert sorted(os.listdir(out / "pictures")) == [
        "a-blur1+noise5.png",
        "a-jpeg50.png",
        "a.png",
    ]


def test_command_says_what_is_wrong_in_one_line(
    save, pair, make_srgan, tmp_path, capsys
):
    hr = save("hr", a=pair[0])
    make_srgan().save(tmp_path / "srgan.keras")
    for arguments, says in [
        (("--lr", save("lr", a=pair[0])), "lr/a.png must be 6x7"),
        (("--model", tmp_path / "none.keras"), "none.keras"),
        (
            ("--model", tmp_path / "srgan.keras", "--scale", 2),
            "is 4, not --scale 2",
        ),
        (("--vgg-weights", tmp_path / "none.h5"), "none.h5"),
        (("--vgg-crop", 192), "--vgg-crop needs --vgg-weights"),
        (("--crop", 0), "size=0"),
        (("--degradation", "jpeg:50", "jpg:50"), "Received: 'jpg:50'"),
        (
            ("--degradation", "jpeg:50", "--outputs", hr),
            "`systems` must be models with `degradations`",
        ),
    ]:
        assert run("--hr", hr, *arguments, "-o", tmp_path / "out") == 2
        streams = capsys.readouterr()
        assert says in streams.err and streams.err.count("\n") == 1
        assert not streams.out
    assert not (tmp_path / "out").exists()


# === Real photos ===


DATA = os.environ.get("KERAS_SRGAN_DATA")


@pytest.mark.skipif(
    not DATA,
    reason="NO BENCHMARK REPRODUCED: set KERAS_SRGAN_DATA to a folder that "
    "holds Set5/HR and Set5/LR_bicubic_x4",
)
def test_bicubic_has_its_published_figures_on_set5():
    folder = pathlib.Path(DATA, "Set5")
    if not folder.is_dir():
        pytest.skip(f"NO BENCHMARK REPRODUCED: there is no {folder}")
    hr, lr = folder / "HR", folder / "LR_bicubic_x4"
    (mean,) = mean_rows(evaluate_images(BICUBIC, hr, lr))
    assert mean["psnr"] == pytest.approx(28.42, abs=0.02)
    assert mean["ssim"] == pytest.approx(0.8104, abs=0.002)
    (mean,) = mean_rows(evaluate_images(BICUBIC, hr))
    assert mean["psnr"] == pytest.approx(28.42, abs=0.05)
