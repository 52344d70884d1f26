"""keras-srgan upscale - : standard input to standard output."""

import io
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from keras_srgan import Generator
from keras_srgan.cli import main
from keras_srgan.upscaling import Upscaler


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    inputs = keras.Input((None, None, 3))
    nearest = keras.Model(inputs, keras.layers.UpSampling2D(4)(inputs))
    nearest.save(folder / "nearest.keras")
    Generator(num_blocks=1, filters=4).save(folder / "generator.keras")
    return folder


@pytest.fixture
def upscale(models, tmp_path, monkeypatch, capsysbinary):
    """Runs the command: (status, bytes of stdout, text of stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(content, *arguments, model="nearest"):
        stdin = io.TextIOWrapper(io.BytesIO(content))
        monkeypatch.setattr(sys, "stdin", stdin)
        path = str(models / f"{model}.keras")
        status = main(["upscale", *arguments, "--model", path])
        out, err = capsysbinary.readouterr()
        assert os.listdir() == []
        return status, out, err.decode()

    return run


def noise(*shape):
    random = np.random.default_rng(sum(shape))
    return random.integers(0, 256, shape, "uint8")


def encoded(image, format="PNG", **options):
    content = io.BytesIO()
    image.save(content, format, **options)
    return content.getvalue()


def decoded(content):
    return Image.open(io.BytesIO(content))


# === Photos ===


@pytest.mark.parametrize("format", ["PNG", "TIFF", "GIF"])
def test_a_photo_of_any_format_becomes_png(upscale, format):
    image = Image.fromarray(noise(5, 7))
    status, out, err = upscale(encoded(image, format), "-")
    assert status == 0
    large = decoded(out)
    assert large.format == "PNG"
    expected = np.asarray(image.convert(large.mode))
    expected = expected.repeat(4, 0).repeat(4, 1).astype(int)
    assert np.abs(np.asarray(large) - expected).max() <= 1
    assert err.startswith("28x20") and err.count("\n") == 1


def test_options(upscale):
    photo = encoded(Image.fromarray(noise(5, 7, 3)), dpi=(300, 300))
    status, out, err = upscale(photo, "-", "--scale", "2", "--format", "jpg")
    assert status == 0
    assert decoded(out).format == "JPEG" and decoded(out).size == (14, 10)
    assert decoded(out).info["dpi"] == (300, 300)
    status, out, err = upscale(photo, "-", "--consistent", "--allow-deviation")
    assert status == 0 and "largest deviation" in err
    assert decoded(out).size == (28, 20)


def test_warnings_go_to_standard_error(upscale):
    first, second = (Image.fromarray(noise(5, 7)) for _ in range(2))
    second = second.rotate(180)
    content = encoded(first, "GIF", save_all=True, append_images=[second])
    status, out, err = upscale(content, "-")
    assert status == 0 and decoded(out).size == (28, 20)
    assert "warning: " in err and "only the first is read" in err


@pytest.mark.parametrize("content", [b"", b"not a photo"])
def test_bad_photos(upscale, content):
    status, out, err = upscale(content, "-")
    assert (status, out) == (1, b"")
    assert err == (
        "failed: Cannot read photo standard input: cannot identify its format\n"
    )


# === Frames ===


@pytest.mark.parametrize("count", [1, 16, 37])
def test_frames_keep_their_order(upscale, count):
    frames = noise(count, 5, 7, 3)
    status, out, err = upscale(frames.tobytes(), "-", "--raw", "7x5")
    assert (status, err) == (0, "")
    large = np.frombuffer(out, "uint8").reshape(count, 20, 28, 3).astype(int)
    assert np.abs(large - frames.repeat(4, 1).repeat(4, 2)).max() <= 1


def test_frames_are_as_single_photos(upscale, models):
    frames = noise(5, 12, 16, 3)
    arguments = "-", "--raw", "16x12"
    _, out, _ = upscale(frames.tobytes(), *arguments, model="generator")
    large = np.frombuffer(out, "uint8").reshape(5, 48, 64, 3).astype(int)
    generator = keras.models.load_model(models / "generator.keras")
    single = np.stack([Upscaler(generator)(frame) for frame in frames])
    assert np.abs(large - single).max() <= 1


def test_large_frames_are_tiled(models):
    generator = keras.models.load_model(models / "generator.keras")
    upscaler = Upscaler(generator, tile_size=16)
    frames = noise(2, 70, 60, 3)
    large = upscaler.enlarge_frames(frames)
    single = Upscaler(generator)(frames[1])
    assert np.abs(large[1].astype(int) - single).max() <= 1


def test_size_of_frames(upscale):
    frames = noise(3, 5, 7, 3)
    arguments = "-", "--raw", "7x5", "--size", "10x6"
    status, out, _ = upscale(frames.tobytes(), *arguments)
    assert status == 0 and len(out) == 3 * 10 * 6 * 3


def test_a_truncated_frame_comes_after_the_whole_ones(upscale):
    content = noise(3, 5, 7, 3).tobytes()[:-5]
    status, out, err = upscale(content, "-", "--raw", "7x5")
    assert status == 1
    assert len(out) == 2 * 16 * 105
    assert err.startswith("failed: standard input ends within frame 3, after")
    assert "100 of its 105 bytes" in err and err.count("\n") == 1


def test_no_frames(upscale):
    status, out, err = upscale(b"", "-", "--raw", "7x5")
    assert (status, out) == (1, b"")
    assert err == "failed: standard input holds no frame\n"


# === The command ===


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["-", "-o", "large.png"], "--output cannot be combined with -."),
        (["-", "--overwrite"], "--overwrite cannot be combined with -."),
        (["-", "--report"], "--report cannot be combined with -."),
        (["-", "a.png"], "- cannot be combined with other photos."),
        (["a.png", "--raw", "7x5"], "--raw needs -"),
        (
            ["-", "--raw", "7x5", "--consistent"],
            "cannot be combined with --raw.",
        ),
        (
            ["-", "--raw", "7x5", "--format", "png"],
            "cannot be combined with --raw.",
        ),
    ],
)
def test_wrong_commands(upscale, arguments, reason):
    status, out, err = upscale(b"", *arguments)
    assert (status, out) == (2, b"")
    assert reason in err and err.count("\n") == 1


@pytest.mark.parametrize("stream", ["stdin", "stdout"])
def test_terminals_are_refused(upscale, monkeypatch, stream):
    class Terminal(io.TextIOWrapper):
        def isatty(self):
            return True

    if stream == "stdin":
        monkeypatch.setattr(io, "TextIOWrapper", Terminal)
    else:
        monkeypatch.setattr(sys, "stdout", Terminal(io.BytesIO()))
    status, out, err = upscale(b"", "-")
    assert (status, out) == (2, b"")
    assert "terminal" in err


@pytest.mark.once
@pytest.mark.skipif(os.name == "nt", reason="needs POSIX pipes")
def test_a_closed_pipe_ends_quietly(models, tmp_path):
    path = tmp_path / "frames"
    path.write_bytes(noise(40, 64, 64, 3).tobytes())
    command = [sys.executable, "-m", "keras_srgan.cli", "upscale", "-"]
    command += ["--raw", "64x64", "--model", str(models / "nearest.keras")]
    with path.open("rb") as frames:
        process = subprocess.Popen(
            command,
            stdin=frames,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    process.stdout.close()
    with process, process.stderr:
        errors = process.stderr.read().decode()
        assert process.wait(120) == 1
    assert "Error" not in errors and "failed" not in errors
