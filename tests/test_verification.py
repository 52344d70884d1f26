"""Exports that test themselves: the test in the file, and `verify`."""

import importlib.util
import io
import json
import zipfile

import keras
import numpy as np
import pytest

from keras_srgan import Generator
from keras_srgan import upscale
from keras_srgan.cli import main
from keras_srgan.export import BACKENDS
from keras_srgan.receptive_field import receptive_field
from keras_srgan.self_test import SELF_TESTED
from keras_srgan.self_test import TEST_SIZE
from keras_srgan.self_test import attach_self_test
from keras_srgan.self_test import make_test_photos
from keras_srgan.self_test import read_self_test
from keras_srgan.verification import verify

PACKAGES = {
    ".onnx": ["onnx", "onnxruntime"],
    ".tflite": ["ai_edge_litert"],
}
if keras.backend.backend() == "tensorflow":
    PACKAGES[".onnx"].append("tf2onnx")
SUFFIXES = [
    suffix
    for format, suffix in SELF_TESTED.items()
    if keras.backend.backend() in BACKENDS[format]
]
pytestmark = pytest.mark.skipif(
    not SUFFIXES, reason="JAX writes no file that carries a test"
)

each_suffix = pytest.mark.parametrize("suffix", SUFFIXES)


def make_generator(**arguments):
    keras.utils.set_random_seed(0)
    return Generator(
        num_blocks=1, filters=4, upsampling="pixel_shuffle_direct", **arguments
    )


def with_contrasts(generator):
    rng = np.random.default_rng(0)
    for weight in generator.weights:
        weight.assign(weight + rng.normal(0, 0.05, weight.shape))
    return generator


@pytest.fixture(scope="module")
def generator():
    return with_contrasts(make_generator())


def export(generator, path, shape=None, **options):
    for package in PACKAGES[path.suffix]:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    signature = shape and [keras.InputSpec("uint8", shape)]
    generator.export(path, input_signature=signature, **options)
    return path


@pytest.fixture(scope="module")
def exported(generator, tmp_path_factory):
    """Function from a suffix to the content of an export."""
    contents = {}

    def get(suffix):
        if suffix not in contents:
            path = tmp_path_factory.mktemp("exported") / f"model{suffix}"
            contents[suffix] = export(generator, path).read_bytes()
        return contents[suffix]

    return get


@pytest.fixture
def model(exported, tmp_path):
    """Function from a suffix to a file of its own."""

    def get(suffix):
        path = tmp_path / f"model{suffix}"
        path.write_bytes(exported(suffix))
        return path

    return get


# === The test in the file ===


@each_suffix
def test_a_file_carries_a_photo_and_the_result_of_keras(
    generator, model, suffix
):
    test = read_self_test(model(suffix))
    assert test.photo.shape == (TEST_SIZE, TEST_SIZE, 3)
    assert np.ptp(test.photo, axis=(0, 1)).min() > 200
    expected = upscale(generator, test.photo).astype(int)
    assert np.abs(test.result - expected).max() <= 1
    assert np.abs(test.result - test.photo.repeat(4, 0).repeat(4, 1)).max() > 50
    field = receptive_field(generator)
    assert (test.tolerance, test.scale, test.halo) == (2, 4, field.halo)


@each_suffix
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_verify_runs_it(generator, tmp_path, suffix, dtype):
    path = export(generator, tmp_path / f"model{suffix}", dtype=dtype)
    results = verify(path)
    assert results and all(result.passed for result in results)
    assert {result.provider.lower()[:3] for result in results} >= {"cpu"}
    least = 2 if dtype == "float32" else 3
    assert all(least <= result.tolerance < 32 for result in results)
    (result,) = verify(path, "CPU")
    assert result.difference <= result.tolerance


@each_suffix
@pytest.mark.parametrize("size", [(48, 40), (20, 24)])
def test_files_of_a_fixed_size(tmp_path, suffix, size):
    generator = with_contrasts(make_generator(scale=2))
    path = export(generator, tmp_path / f"model{suffix}", (1, *size, 3))
    test = read_self_test(path)
    height, width = (min(side, TEST_SIZE) for side in size)
    assert test.photo.shape == (height, width, 3)
    assert test.result.shape == (2 * height, 2 * width, 3)
    photos = make_test_photos((None, *size, 3), test.photo)
    assert photos.shape == (1, *size, 3)
    expected = upscale(generator, photos[0])[: 2 * height, : 2 * width]
    assert np.abs(test.result - expected.astype(int)).max() <= 1
    assert all(result.passed for result in verify(path))


@each_suffix
def test_equal_models_are_equal_tests(generator, exported, tmp_path, suffix):
    path = export(generator, tmp_path / f"model{suffix}")
    again = read_self_test(path)
    path.write_bytes(exported(suffix))
    for a, b in zip(again, read_self_test(path), strict=True):
        np.testing.assert_array_equal(a, b)


# === Changed files ===


def change_weight(path, generator):
    """Changes one weight in the file, and returns the new content."""
    content = path.read_bytes()
    # The bias of the last convolution: three floats per pixel of a square.
    bias = np.asarray(keras.ops.convert_to_numpy(generator.weights[-1]))
    where = content.index(bias.astype("float32").tobytes())
    changed = bias.astype("float32").copy()
    changed[5] += 0.25
    size = changed.nbytes
    return content[:where] + changed.tobytes() + content[where + size :]


@each_suffix
def test_one_changed_weight_is_refused(generator, model, suffix):
    path = model(suffix)
    path.write_bytes(change_weight(path, generator))
    with pytest.raises(OSError, match="changed after its export") as error:
        verify(path)
    assert str(path) in str(error.value)


@each_suffix
def test_a_wrong_result_is_noticed(generator, model, suffix, capsys):
    """Where the checksum fits: the runtime is what is wrong."""
    path = model(suffix)
    test = read_self_test(path)
    wrong = with_contrasts(make_generator())
    wrong.weights[-1].assign(wrong.weights[-1] + 0.25)
    export(wrong, path)
    content = path.read_bytes()
    if suffix == ".onnx":
        end = content.index(b"\x0a\x05scale\x12\x01") - 2
    else:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            end = min(info.header_offset for info in archive.infolist())
    path.write_bytes(content[:end])
    attach_self_test(path, test)
    (result,) = verify(path, "cpu")
    assert not result.passed and 10 < result.difference < 100
    assert main(["verify", str(path)]) == 1
    assert f"WRONG, {result.difference} levels off" in capsys.readouterr().out


@each_suffix
@pytest.mark.parametrize("damage", ["cut", "empty", "first"])
def test_damaged_files_are_refused(model, suffix, damage):
    path = model(suffix)
    content = path.read_bytes()
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "empty":
        content = b""
    else:
        content = bytes([content[20] ^ 255]) + content[1:]
    path.write_bytes(content)
    with pytest.raises((OSError, ValueError), match="must be") as error:
        verify(path)
    assert str(path) in str(error.value)


def test_other_files_are_refused(tmp_path):
    for name in "model.pt2", "model.xml", "photo.png":
        with pytest.raises(ValueError, match="must end in .onnx or .tflite"):
            verify(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        verify(tmp_path / "none.onnx")


# === Command ===


@each_suffix
def test_the_command(model, suffix, capsys):
    path = model(suffix)
    assert main(["verify", str(path), "--provider", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{path} on ")
    assert "right, " in out and "(at most 2 allowed)" in out
    assert main(["verify", str(path), "--provider", "abacus"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "provider='abacus'" in err
    assert main(["verify", f"{path}x"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@each_suffix
def test_the_export_command_fixes_the_size(
    generator, tmp_path, suffix, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    export(generator, tmp_path / f"any{suffix}")
    generator.save("model.keras")
    path = f"fixed{suffix}"
    command = ["export", "model.keras", "-o", path, "--tile", "40"]
    assert main(command) == 0
    assert "40x40 pixels" in capsys.readouterr().out
    assert main(["verify", path]) == 0
    if suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path)
        assert session.get_inputs()[0].shape == [1, 40, 40, 3]
        assert session.get_outputs()[0].shape == [1, 160, 160, 3]
    else:
        with zipfile.ZipFile(path) as archive:
            about = json.loads(archive.read("model.json"))
        assert about["halo"] == receptive_field(generator).halo
