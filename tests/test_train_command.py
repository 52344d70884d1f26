"""`keras-srgan train`."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

from keras_srgan.cli import main

SETTINGS = """
batch_size = 2
crop_size = 24
test_size = 24
held_out = 2
steps_per_epoch = 2

[generator]
num_blocks = 0
filters = 2
upsampling = "pixel_shuffle_direct"
"""


@pytest.fixture
def train(tmp_path, monkeypatch, capsys):
    """Runs the command in a folder with photos; returns its status and text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    for i in range(4):
        levels = rng.integers(0, 256, (32, 32, 3), "uint8")
        Image.fromarray(levels).save(tmp_path / f"photos/{i}.png")
    (tmp_path / "tiny.toml").write_text(SETTINGS)

    def train(*arguments):
        status = main(["train", *arguments])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return train


def test_train_resume_and_finish(train, tmp_path):
    new = ("photos", "-o", "run", "--settings", "tiny.toml")
    status, _ = train(*new, "--epochs", "1", "--no-tensorboard")
    assert status == 0
    assert (tmp_path / "run/backup/epoch-0001.weights.h5").exists()

    status, text = train(*new)
    assert status == 2
    assert "Continue it with --resume" in text
    status, text = train(*new, "--resume", "--batch-size", "4")
    assert status == 2
    assert "`batch_size` must be 2" in text
    status, text = train("run", "--resume")
    assert status == 0
    assert "nothing to train" in text

    status, _ = train("run", "--resume", "--epochs", "2")
    assert status == 0
    status, text = train("run", "--finish", "--decay", "0.5")
    assert status == 0
    assert "bicubic: PSNR" in text
    assert (tmp_path / "run/model.keras").exists()
    assert (tmp_path / "run/preset").is_dir()
    assert (tmp_path / "run/finish-0002-0003/results.md").exists()


@pytest.mark.once
def test_degradation_of_a_folder(train, tmp_path):
    (tmp_path / "seen").mkdir()
    levels = np.random.default_rng(0).integers(0, 256, (80, 80, 3), "uint8")
    Image.fromarray(levels).save(tmp_path / "seen/a.jpg", quality=35)
    new = ("photos", "-o", "run", "--settings", "tiny.toml")
    new += ("--degradation", "seen", "--epochs", "1")
    status, text = train(*new)
    assert status == 0
    assert "1 JPEG file of quality 35 to 35" in text
    measured = json.loads((tmp_path / "run/degradation.json").read_text())
    assert measured["quality"] == [35, 35]
    model = keras.saving.load_model(tmp_path / "run/checkpoints/best.keras")
    assert model.degradation.get_config()["quality"] == (35, 35)
    # The pictures show LR images that are degraded, too.
    with Image.open(tmp_path / "run/pictures/test/lr/00.png") as lr:
        with Image.open(tmp_path / "run/pictures/test/hr/00.png") as hr:
            clean = hr.resize(lr.size, Image.BICUBIC)
        difference = np.float64(lr) - np.float64(clean)
    assert np.abs(difference).mean() > 3
    # The same command with --resume.
    status, text = train(*new, "--resume")
    assert (status, "nothing to train" in text) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["photos"], "-o RUN must name"),
        (["-o", "run"], "`photos` or `pairs`"),
        (["missing", "-o", "run"], "missing"),
        (["missing", "--resume"], "must hold a training run"),
        (["photos", "-o", "run", "--held-out", "4"], "`held_out` must leave"),
        (["photos", "-o", "run", "--crop-size", "30"], "`crop_size` must be"),
        (["photos", "-o", "run", "--start", "none"], "none"),
        (
            ["photos", "-o", "run", "--degradation", "jpeg"],
            "`degradation` must be 'clean', 'photos' or a folder",
        ),
        (
            ["-o", "run", "--degradation", "jpeg:5", "--pairs", "a", "photos"],
            "`degradation` must be 'clean' with `pairs`",
        ),
    ],
)
def test_errors_come_before_training(train, tmp_path, arguments, message):
    status, text = train(*arguments)
    assert status == 2
    assert message in text
    assert not (tmp_path / "run").exists()
