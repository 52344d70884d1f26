"""Adapting a model to photos: what is kept, and what is refused."""

import shutil

import keras
import numpy as np
import pytest
from PIL import Image
from PIL import ImageFilter
from test_training_runs import KILLS
from test_training_runs import Killer
from test_training_runs import differing
from test_training_runs import read

from keras_srgan import SRGAN
from keras_srgan import Discriminator
from keras_srgan import Generator
from keras_srgan.adaptation import Adaptation
from keras_srgan.adaptation import Verdict
from keras_srgan.adaptation import adaptation_settings
from keras_srgan.callbacks import HeldOutCheckpoint
from keras_srgan.cli import main
from keras_srgan.held_out import HeldOut
from keras_srgan.held_out import find_faults
from keras_srgan.held_out import find_gains
from keras_srgan.run_folder import is_run

TINY = {"batch_size": 2, "crop_size": 24, "steps_per_epoch": 4}


def draw_photo(seed, side=112):
    """A photo of leaves: discs of random sizes and colors, in front of others.

    Their spectrum is that of natural photos.
    """
    rng = np.random.default_rng(seed)
    photo = np.full((side, side, 3), 128.0)
    y, x = np.mgrid[:side, :side]
    for _ in range(400):
        radius = 2 / np.sqrt(rng.uniform(0.002, 1))
        inside = (
            np.hypot(y - rng.uniform(0, side), x - rng.uniform(0, side))
            < radius
        )
        photo[inside] = rng.uniform(20, 235, 3)
    return Image.fromarray(photo.astype("uint8"))


@pytest.fixture(scope="module")
def drawn():
    return [draw_photo(seed) for seed in range(13)]


@pytest.fixture
def folder(tmp_path, drawn):
    """A folder with thirteen photos and a model whose results are too light."""
    (tmp_path / "photos").mkdir()
    for i, photo in enumerate(drawn):
        photo.save(tmp_path / f"photos/{i}.png")
    generator = Generator(
        num_blocks=0, filters=4, upsampling="pixel_shuffle_direct"
    )
    bias = generator.get_layer("rgb_conv").bias
    bias.assign(np.full(bias.shape, 0.2))
    generator.save(tmp_path / "start.keras")
    return tmp_path


def make_settings(folder, **given):
    return adaptation_settings(
        folder / "photos", str(folder / "start.keras"), **{**TINY, **given}
    )


def test_settings_hold_out_photos_and_keep_the_kind_of_model(folder):
    settings, lines = make_settings(folder)
    assert len(settings.photos) == 13 and settings.held_out == 4
    assert len(set(settings.photos)) == 13
    held_out = [path.rpartition("/")[2] for path in settings.photos[-4:]]
    assert held_out == ["0.png", "3.png", "6.png", "9.png"]
    assert settings.stage == "psnr" and settings.test_size == 112
    assert "13 photos measured." in lines
    assert "layered distance of the held-out photos is not" in lines[-1]
    # A preset with a faithful partner was trained with a discriminator.
    settings, lines = adaptation_settings(folder / "photos", "srgan_x4_small")
    assert settings.stage == "gan" and settings.adversarial_weight > 0
    assert "layered" not in lines[-1]
    settings, _ = adaptation_settings(folder / "photos", "srresnet_x4_small")
    assert settings.stage == "psnr"


@pytest.mark.once
def test_lr_images_are_degraded_as_the_photos_are(folder, drawn):
    for i, photo in enumerate(drawn):
        (folder / f"photos/{i}.png").unlink()
        photo.save(folder / f"photos/{i}.jpg", quality=70)
    settings, lines = make_settings(folder)
    assert settings.degradation["quality"] == [70, 70] or (
        settings.degradation["quality"] == (70, 70)
    )
    assert settings.degradation["jpeg"] == 1
    assert any("13 JPEG files of quality 70" in line for line in lines)


def test_photos_above_the_limit_of_pillow(folder, drawn, monkeypatch):
    # It allows the part that is measured.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1024**2)
    large = np.tile(np.asarray(drawn[0]), (10, 10, 1))
    Image.fromarray(large).save(folder / "photos/large.png")
    _, lines = make_settings(folder)
    assert "14 photos measured." in lines


def enlarge(photo):
    return photo.resize((168, 168), Image.Resampling.BICUBIC)


@pytest.mark.once
@pytest.mark.parametrize(
    ("spoil", "suffix", "reason"),
    [
        (lambda photo: photo.resize((80, 80)), ".png", "smaller than 96"),
        (lambda photo: photo.resize((40, 40)), ".png", "smaller than 64"),
        (lambda photo: photo, ".jpg", "JPEG quality below 60"),
        (enlarge, ".png", "enlarged before"),
        (
            lambda photo: photo.filter(ImageFilter.GaussianBlur(2.2)),
            ".png",
            "blurred",
        ),
    ],
)
def test_photos_that_would_spoil_the_model_are_refused(
    folder, drawn, spoil, suffix, reason
):
    for i in range(2):
        (folder / f"photos/{i}.png").unlink()
        spoil(drawn[i]).save(folder / f"photos/{i}{suffix}", quality=40)
    with pytest.raises(ValueError, match=f"11 can be used; .*2 .*{reason}"):
        make_settings(folder)
    drawn[0].save(folder / "photos/0.png")
    if suffix != ".png":
        # With enough others, they are only left out.
        settings, lines = make_settings(folder)
        assert len(settings.photos) == 12
        assert any(reason in line for line in lines)


def test_a_better_model_is_kept(folder):
    settings, _ = make_settings(folder, learning_rate=3e-3, warmup_steps=0)
    adaptation = Adaptation.create(folder / "run", settings)
    adaptation.train(epochs=2)
    verdict = adaptation.conclude()
    assert verdict.kept and str(verdict).endswith("held-out photos: kept")
    assert f"better on {verdict.better} of 4" in str(verdict)
    model = keras.saving.load_model(folder / "run/model.keras")
    best = keras.saving.load_model(folder / "run/checkpoints/best.keras")
    for one, other in zip(model.get_weights(), best.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (folder / "run/preset/config.json").exists()
    text = (folder / "run/results.md").read_text()
    assert "| 9.png | after |" in text
    with Image.open(folder / "run/sheet.png") as sheet:
        assert sheet.width > 4 * 112


@pytest.mark.once
def test_a_model_that_is_no_better_is_not_written(folder):
    settings, _ = make_settings(folder, learning_rate=1e-12)
    adaptation = Adaptation.create(folder / "run", settings)
    with pytest.raises(ValueError, match="must have trained an epoch"):
        adaptation.conclude()
    adaptation.train(epochs=1)
    verdict = adaptation.conclude()
    assert str(verdict) == "no better: your model is unchanged"
    assert not (folder / "run/model.keras").exists()
    assert not (folder / "run/preset").exists()
    assert (folder / "run/sheet.png").exists()


def test_verdicts():
    assert Verdict(11, 12).kept and Verdict(3, 4).kept and Verdict(4, 6).kept
    assert str(Verdict(11, 12)) == "better on 11 of 12 held-out photos: kept"
    assert not Verdict(2, 4).kept
    assert str(Verdict(2, 4)) == (
        "no better (better on 2 of 4 held-out photos): your model is unchanged"
    )


def test_an_adaptation_killed_anywhere_ends_as_if_it_had_not_been(
    folder, monkeypatch
):
    settings, _ = make_settings(folder, learning_rate=3e-3, held_out=2)

    def adapt(directory):
        if is_run(directory):
            adaptation = Adaptation.open(directory)
        else:
            adaptation = Adaptation.create(directory, settings)
        adaptation.train(epochs=3)
        adaptation.conclude()

    killer = Killer(monkeypatch)
    assert not killer.run(lambda: adapt(folder / "whole"))
    events, expected = killer.count, read(folder / "whole")
    assert {
        "checkpoints/best.keras",
        "checkpoints/best.weights.h5",
        "model.keras",
        "results.csv",
        "sheet.png",
    } <= expected.keys()
    killed = folder / "killed"
    for _ in range(KILLS):
        fatal, events = killer.kill(lambda: adapt(killed), killed, events)
        assert not killer.run(lambda: adapt(killed))
        assert not differing(read(killed), expected), fatal
        shutil.rmtree(killed)


# === Held-out photos ===


def test_figures_of_held_out_photos():
    hr = np.full((1, 64, 64, 3), 100, "uint8")
    held_out = HeldOut(hr[:, ::4, ::4], hr, 4)
    shifted = np.float32(hr) + [0, 7, -2]
    (row,) = held_out.measure(lambda lr: shifted)
    assert row["color_shift"] == 7
    assert row["low_frequency"] == pytest.approx(3)
    # A fine pattern is no error of low frequency.
    pattern = np.float32(hr) + 20 * (-1) ** np.arange(64)[:, None]
    (row,) = held_out.measure(lambda lr: pattern)
    assert row["low_frequency"] == row["color_shift"] == 0
    assert row["psnr"] < 30 and "layered" not in row


def test_faults_and_gains():
    before = {"psnr": 30, "color_shift": 1, "low_frequency": 2, "layered": 1}

    def find(score="psnr", **changes):
        return find_faults([{**before, **changes}], [before], score)

    assert not find(color_shift=1.4, low_frequency=2.2, layered=1.01)
    assert find(color_shift=1.6) == ["color shift 1 before, 1.6 now"]
    assert find(low_frequency=2.4) == ["low frequency 2 before, 2.4 now"]
    assert len(find(layered=1.03, color_shift=float("nan"))) == 2
    # PSNR is the price of sharper details, up to a limit.
    assert not find("layered", psnr=29.6)
    assert find("layered", psnr=29.4) == ["0.60 dB of PSNR lost"]
    rows = [{"psnr": 31, "layered": 2}]
    np.testing.assert_array_equal(find_gains(rows, [before], "psnr"), [1])
    np.testing.assert_array_equal(find_gains(rows, [before], "layered"), [-1])


class Scripted(HeldOut):
    """Figures of the start and the epochs that follow."""

    score = "psnr"

    def __init__(self, *figures):
        self.figures = list(figures)

    def measure(self, predict):
        psnr, shift = self.figures.pop(0)
        return [{"psnr": psnr, "color_shift": shift, "low_frequency": 0.0}]


def test_training_goes_back_to_the_best_state(photos, tmp_path):
    srgan = SRGAN(Generator(num_blocks=1, filters=4), Discriminator(filters=2))
    srgan.compile(content_loss="mse", adversarial_weight=0.0)
    weights, lines = [srgan.generator.get_weights()], []
    checkpoint = HeldOutCheckpoint(
        tmp_path,
        Scripted(
            *((20, 0), (19, 2), (21, 0), (23, 3)),
            *((20, 0), (21.001, 0), (22, 0)),
        ),
        patience=2,
        log=lines.append,
    )
    spy = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: weights.append(
            srgan.generator.get_weights()
        )
    )
    srgan.fit(
        photos, batch_size=4, epochs=6, verbose=0, callbacks=[checkpoint, spy]
    )
    assert lines == [
        "epoch 1: color shift 0 before, 2 now: back to the start",
        "epoch 2: the best so far on the held-out photos",
        "epoch 3: color shift 0 before, 3 now: back to epoch 2",
        "epoch 4: no better on the held-out photos",
        "epoch 5: no better for 2 epochs: back to epoch 2",
        "epoch 6: the best so far on the held-out photos",
    ]

    def equal(i, j):
        return all(
            np.array_equal(a, b)
            for a, b in zip(weights[i], weights[j], strict=True)
        )

    assert equal(1, 0) and equal(3, 2) and equal(5, 2)
    assert not equal(2, 1) and not equal(4, 2) and not equal(6, 2)
    assert checkpoint.epoch == 6 and checkpoint.best[0]["psnr"] == 22


# === Command ===


@pytest.mark.once
def test_command(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    text = "".join(f"{name} = {value}\n" for name, value in TINY.items())
    (folder / "tiny.toml").write_text(text + "learning_rate = 3e-3\n")
    new = ["adapt", "photos", "-o", "run", "--model", "start.keras"]
    new += ["--settings", "tiny.toml"]

    def run(*arguments):
        status = main([*arguments])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    status, text = run(*new, "--minutes", "1e-4")
    assert status == 0
    assert "13 photos measured." in text
    assert "held-out photos: kept" in text and "run/model.keras" in text

    status, text = run(*new)
    assert status == 2 and "Continue it with --resume" in text
    status, text = run(*new, "--resume")
    assert status == 0 and "nothing to train" in text and "kept" in text
    status, text = run("adapt", "run", "--resume", "--minutes", "1e-4")
    assert status == 0 and "resumes after epoch 1" in text
    other = [*new, "--resume", "--model", "srresnet_x4_small"]
    status, text = run(*other)
    assert status == 2 and "`start` must be" in text
    status, text = run("adapt", ".", *new[2:], "--resume")
    assert status == 0
    status, text = run("adapt", "run/pictures", *new[2:], "--resume")
    assert status == 2 and "other photos" in text
    status, text = run("adapt", "photos")
    assert status == 2 and "-o RUN must name" in text
    status, text = run("adapt", "run/pictures", "-o", "new")
    assert status == 2 and "at least 12 photos" in text
    assert not (folder / "new").exists()
