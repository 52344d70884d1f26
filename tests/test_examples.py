"""The tutorial runs from top to bottom."""

import os
import pathlib
import re
import subprocess
import sys

import keras
import pytest

TUTORIAL = pathlib.Path(__file__).parents[1] / "examples" / "tutorial.py"
# No download, and a few steps.
SMALLER = {
    "VGG_WEIGHTS": None,
    "CROP": 32,
    "BATCH": 2,
    "EPOCHS_PSNR": 1,
    "EPOCHS_GAN": 1,
    "STEPS": 2,
}


def test_the_tutorial_runs(tmp_path):
    pytest.importorskip("skimage")
    pytest.importorskip("matplotlib")
    code = TUTORIAL.read_text("utf-8")
    for name, value in SMALLER.items():
        code, found = re.subn(
            f"^{name} = .*$", f"{name} = {value!r}", code, flags=re.MULTILINE
        )
        assert found == 1, name
    (tmp_path / "tutorial.py").write_text(code, "utf-8")
    result = subprocess.run(
        [sys.executable, "tutorial.py"],
        cwd=tmp_path,
        env={
            **os.environ,
            "KERAS_BACKEND": keras.backend.backend(),
            "MPLBACKEND": "agg",
        },
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    systems = re.findall(r"^(.*): PSNR ([\d.]+)", result.stdout, re.MULTILINE)
    assert [name for name, _ in systems] == ["bicubic", "stage one", "SRGAN"]
    # A few steps teach nothing, but the networks start at the photo enlarged.
    assert all(float(decibels) > 10 for _, decibels in systems)
    assert (tmp_path / "srgan.png").stat().st_size > 10_000
