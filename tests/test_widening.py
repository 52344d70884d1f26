"""recipes/widen.py, which starts a wide generator from a narrow one."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_srgan import Generator
from keras_srgan import load_generator

WIDEN = pathlib.Path(__file__).parents[1] / "recipes" / "widen.py"


def run(folder, generator, *arguments):
    generator.save(folder / "narrow.keras")
    return subprocess.run(
        [
            sys.executable,
            str(WIDEN),
            str(folder / "narrow.keras"),
            f"--out={folder / 'wide.keras'}",
            *arguments,
        ],
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
    )


def test_the_wide_network_gives_the_same_pictures_and_can_learn(tmp_path):
    narrow = Generator(
        num_blocks=2, filters=4, upsampling="pixel_shuffle_direct"
    )
    rng = np.random.default_rng(0)
    narrow.set_weights(
        [rng.normal(0, 0.1, w.shape) for w in narrow.get_weights()]
    )
    result = run(tmp_path, narrow, "--filters=6")
    assert result.returncode == 0, result.stderr
    wide = load_generator(tmp_path / "wide.keras")
    assert wide.filters == 6 and wide.num_blocks == 2
    photos = rng.integers(0, 256, (2, 9, 8, 3)).astype("uint8")
    before, after = (
        keras.ops.convert_to_numpy(network(photos))
        for network in (narrow, wide)
    )
    assert np.abs(after - 127.5).max() > 1
    np.testing.assert_allclose(after, before, atol=1e-3)
    # The zeros of the last convolution leave zero if its inputs are not zero.
    wide.compile(keras.optimizers.SGD(1e-3), loss="mae")
    wide.fit(photos, 255 - before, verbose=0)
    kernel = wide.get_layer("rgb_conv").get_weights()[0]
    assert (kernel[:, :, 4:] != 0).all()


@pytest.mark.once
def test_what_cannot_be_widened(tmp_path):
    result = run(tmp_path, Generator(num_blocks=1, filters=4), "--filters=8")
    assert result.returncode and "pixel_shuffle_direct" in result.stderr
    narrow = Generator(
        num_blocks=1, filters=4, upsampling="pixel_shuffle_direct"
    )
    result = run(tmp_path, narrow, "--filters=4")
    assert result.returncode and "--filters must be more" in result.stderr
    assert not (tmp_path / "wide.keras").exists()
