"""Every export, run by its own runtime, gives what Keras gives."""

import functools
import os
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image

from keras_srgan import SRGAN
from keras_srgan import Generator
from keras_srgan import upscale
from keras_srgan.cli import main
from keras_srgan.export import BACKENDS
from keras_srgan.export import DTYPES
from keras_srgan.export import SUFFIXES
from keras_srgan.export import export
from keras_srgan.receptive_field import receptive_field

BACKEND = keras.backend.backend()
SHAPES = [(1, 16, 24, 3), (2, 7, 5, 3), (1, 1, 1, 3), (1, 33, 10, 3)]

FORMATS = [name for name in SUFFIXES if BACKEND in BACKENDS[name]]

# What the extra `export` has for each.
PACKAGES = {
    "onnx": ["onnx", *{"tensorflow": ["tf2onnx"]}.get(BACKEND, [])],
    "litert": ["ai_edge_litert"],
    "openvino": ["openvino"],
}

each_format = pytest.mark.parametrize("format", FORMATS)


# === Runtimes ===


def run_onnx(path):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(path)
    return lambda photos: session.run(["large"], {"photo": photos})[0]


def run_litert(path):
    runtime = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = runtime.Interpreter(path)
    (photo,) = interpreter.get_input_details()
    (large,) = interpreter.get_output_details()

    def run(photos):
        interpreter.resize_tensor_input(photo["index"], photos.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(photo["index"], photos)
        interpreter.invoke()
        return interpreter.get_tensor(large["index"])

    return run


def run_openvino(path):
    openvino = pytest.importorskip("openvino")
    # Its own choice is bfloat16, on processors that have it.
    model = openvino.Core().compile_model(
        path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    return lambda photos: model(photos)[0]


def run_saved_model(path):
    tensorflow = pytest.importorskip("tensorflow")
    model = tensorflow.saved_model.load(path)
    return lambda photos: model.serve(photos).numpy()


def run_torch(path):
    torch = pytest.importorskip("torch")
    model = torch.export.load(path).module()
    return lambda photos: model(torch.from_numpy(photos)).numpy()


RUNTIMES = {
    "tf_saved_model": run_saved_model,
    "onnx": run_onnx,
    "litert": run_litert,
    "openvino": run_openvino,
    "torch": run_torch,
}


# === Models ===


def make_generator(filters=4, **kwargs):
    """A generator with contrasts, and statistics as of training."""
    generator = Generator(num_blocks=1, filters=filters, **kwargs)
    random = np.random.default_rng(0)
    for weight in generator.weights:
        width = max(1, np.prod(weight.shape[:-1])) ** 0.5
        bump = np.abs(random.normal(size=weight.shape)) / width
        if not weight.path.endswith("moving_variance"):
            bump *= random.choice([-1, 1], weight.shape)
        weight.assign(ops.convert_to_numpy(weight) + bump)
    return generator


@pytest.fixture(scope="module")
def generator():
    return make_generator(filters=16)


@pytest.fixture(scope="module")
def exported(generator, tmp_path_factory):
    """Function from a format and a dtype to what was written, once for all."""

    @functools.cache
    def get(format, dtype="float32"):
        folder = tmp_path_factory.mktemp("exported")
        return write(generator, format, folder, dtype=dtype)

    return get


def write(generator, format, folder, **kwargs):
    """Export; where a package is missing that it takes, skip and say so."""
    for package in PACKAGES.get(format, []):
        pytest.importorskip(package)
    path = folder / f"model{SUFFIXES[format]}"
    generator.export(path, **kwargs)
    return str(path)


def run(format, path, photos):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return RUNTIMES[format](path)(photos)


def noise(shape):
    random = np.random.default_rng(sum(shape))
    return random.integers(0, 256, shape, "uint8")


def by_keras(generator, photos):
    large = ops.convert_to_numpy(ops.stop_gradient(generator(photos)))
    return np.rint(np.clip(large, 0, 255)).astype("uint8")


def difference(a, b):
    assert a.shape == b.shape and a.dtype == b.dtype
    return np.abs(a.astype(int) - b).max()


# === What comes out ===


@each_format
@pytest.mark.parametrize("dtype", DTYPES)
def test_export_gives_what_keras_gives(generator, exported, format, dtype):
    path = exported(format, dtype)
    for shape in SHAPES:
        photos = noise(shape)
        large = run(format, path, photos)
        expected = by_keras(generator, photos)
        assert np.ptp(expected) > 100
        # Half precision rounds to 11 bits: where this network is steep, that
        # is some levels.
        assert difference(large, expected) <= (1 if dtype == "float32" else 16)
        assert np.abs(large - expected.astype(int)).mean() < 0.15


KINDS = {
    "variant": {
        "scale": 2,
        "use_batch_norm": True,
        "input_mean": [114.4, 111.5, 103.0],
        "output_activation": "hard_tanh",
    },
    "compact": {"upsampling": "pixel_shuffle_direct"},
    "compact x2": {"scale": 2, "upsampling": "pixel_shuffle_direct"},
}


@each_format
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_export_of_another_kind_of_generator(kind, format, tmp_path):
    # The dtype of the generator does not affect the export.
    generator = make_generator(**kind, dtype="mixed_float16")
    same = make_generator(**kind)
    same.set_weights(generator.get_weights())
    photos = noise((1, 6, 9, 3))
    expected = by_keras(same, photos)
    assert expected.std() > 10
    # The generator of an SRGAN is exported.
    path = write(SRGAN(generator), format, tmp_path)
    assert difference(run(format, path, photos), expected) <= 1


@each_format
@pytest.mark.parametrize("dtype", DTYPES)
def test_real_photos(format, dtype, tmp_path):
    folder = os.environ.get("KERAS_SRGAN_DATA")
    files = sorted(Path(folder, "Set5").glob("LR*/*.png")) if folder else []
    if not files:
        pytest.skip("NO REAL PHOTO TESTED: no Set5/LR… in KERAS_SRGAN_DATA")
    generator = Generator.from_preset("srgan_x4")
    path = write(generator, format, tmp_path, dtype=dtype)
    photos = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    # Odd sizes of them, too.
    photos += [photos[0][:37, :51], photos[0][:1, :3], photos[0][:63, :2]]
    for photo in photos:
        large = run(format, path, photo[None])[0]
        expected = upscale(generator, photo)
        # Half precision comes near: some levels round the other way.
        assert difference(large, expected) <= 1
        mean = np.abs(large - expected.astype(int)).mean()
        assert mean < (0.0005 if dtype == "float32" else 0.1)


@each_format
def test_half_precision_takes_half_the_space(generator, exported, format):
    def size(dtype):
        path = Path(exported(format, dtype))
        files = path.rglob("*") if path.is_dir() else path.parent.iterdir()
        return sum(file.stat().st_size for file in files)

    weights = 4 * generator.count_params()
    assert size("float32") - size("float16") > 0.4 * weights


@pytest.mark.skipif("onnx" not in FORMATS, reason="JAX writes no ONNX")
def test_onnx_says_what_goes_in_and_how_far_it_sees(generator, exported):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(exported("onnx"))
    (photo,), (large,) = session.get_inputs(), session.get_outputs()
    assert (photo.name, photo.type) == ("photo", "tensor(uint8)")
    assert photo.shape == ["batch", "height", "width", 3]
    assert (large.name, large.type) == ("large", "tensor(uint8)")
    assert large.shape == ["batch", "large_height", "large_width", 3]
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["scale"] == "4"
    assert metadata["halo"] == str(receptive_field(generator).halo)


# === Files ===


@each_format
def test_export_replaces_an_old_one_and_leaves_nothing_else(format, tmp_path):
    path = tmp_path / f"model{SUFFIXES[format]}"
    old = path if SUFFIXES[format] else path / "saved_model.pb"
    old.parent.mkdir(exist_ok=True)
    old.write_text("old")
    weights = path.with_suffix(".bin")
    if format == "openvino":
        weights.write_text("old")
    write(Generator(num_blocks=0, filters=1), format, tmp_path)
    photos = noise((1, 4, 4, 3))
    assert run(format, str(path), photos).shape == (1, 16, 16, 3)
    expected = {path, weights} if format == "openvino" else {path}
    assert set(tmp_path.iterdir()) == expected


def test_export_that_fails_leaves_the_old_one(generator, tmp_path, monkeypatch):
    path = tmp_path / f"model{SUFFIXES[FORMATS[-1]]}"
    old = path if path.suffix else path / "saved_model.pb"
    old.parent.mkdir(exist_ok=True)
    old.write_text("old")
    before = sorted(tmp_path.rglob("*"))

    def stop(self, path, *args, **kwargs):
        Path(path).write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(keras.Model, "export", stop)
    with pytest.raises(KeyboardInterrupt):
        generator.export(path)
    assert sorted(tmp_path.rglob("*")) == before
    assert old.read_text() == "old"


def test_folder_that_is_no_export_is_left_alone(generator, tmp_path):
    path = tmp_path / f"photos{SUFFIXES[FORMATS[-1]]}"
    path.mkdir()
    (path / "photo.jpg").touch()
    with pytest.raises(FileExistsError, match="exists and is not a previous"):
        generator.export(path)
    assert (path / "photo.jpg").exists()


def test_what_is_more_than_an_export_is_left_alone(generator, tmp_path):
    path = tmp_path / "repository"
    path.mkdir()
    for name in "saved_model.pb", "README.md":
        (path / name).write_text("old")
    weights = tmp_path / "model.bin"
    weights.write_text("of something else")
    if "tf_saved_model" in FORMATS:
        with pytest.raises(FileExistsError, match="not a previous export"):
            generator.export(path)
    if "openvino" in FORMATS:
        with pytest.raises(FileExistsError, match="model.bin exists"):
            generator.export(tmp_path / "model.xml")
    assert set(tmp_path.iterdir()) == {path, weights}
    assert (path / "README.md").read_text() == "old"
    assert weights.read_text() == "of something else"


# === Mistakes ===


@pytest.mark.parametrize(
    "format", [name for name in SUFFIXES if BACKEND not in BACKENDS[name]]
)
def test_backend_that_cannot_says_which_can(generator, format, tmp_path):
    able = BACKENDS[format]
    with pytest.raises(ValueError, match=f"KERAS_BACKEND={able[0]}"):
        generator.export(tmp_path / f"model{SUFFIXES[format]}")
    assert not list(tmp_path.iterdir())


def test_wrong_arguments(generator, tmp_path):
    with pytest.raises(ValueError, match="must end in .onnx"):
        generator.export(tmp_path / "model.pb")
    with pytest.raises(ValueError, match="must match the suffix"):
        generator.export(tmp_path / "model.onnx", "litert")
    with pytest.raises(ValueError, match="must match the suffix"):
        generator.export(tmp_path / "model.onnx", "onxx")
    with pytest.raises(ValueError, match="must match the suffix"):
        generator.export(tmp_path / "model.onnx", "tf_saved_model")
    with pytest.raises(ValueError, match="dtype='int8'"):
        path = tmp_path / f"model{SUFFIXES[FORMATS[0]]}"
        generator.export(path, dtype="int8")
    with pytest.raises(ValueError, match="`generator` must be.* `scale`"):
        inputs = keras.Input((None, None, 3))
        export(keras.Model(inputs, inputs), path)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif("onnx" not in FORMATS, reason="JAX writes no ONNX")
def test_without_onnx(generator, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"keras-srgan\[export\]"):
        generator.export(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_command(generator, tmp_path, capsys):
    generator.save(tmp_path / "model.keras")
    model = str(tmp_path / "model.keras")
    format = FORMATS[0]
    path = tmp_path / f"model{SUFFIXES[format]}"
    status = main(["export", model, "-o", str(path), "--dtype", "float16"])
    out, err = capsys.readouterr()
    assert status == 0, err
    assert f"{model} -> {path} (x4, float16)" in out
    photos = noise((1, 5, 4, 3))
    large = run(format, str(path), photos)
    assert difference(large, by_keras(generator, photos)) <= 16


def test_command_with_a_wrong_suffix(generator, tmp_path, capsys):
    generator.save(tmp_path / "model.keras")
    model = str(tmp_path / "model.keras")
    assert main(["export", model, "-o", str(tmp_path / "model.pb")]) == 2
    assert "keras-srgan export: error: `filepath`" in capsys.readouterr().err


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="the quickest to export"
)
def test_export_takes_what_keras_takes(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    spec = keras.InputSpec("uint8", (1, 6, None, 3))
    path = tmp_path / "generator.pt2"
    Generator(num_blocks=1, filters=4).export(
        path, format="torch", verbose=False, input_signature=[spec]
    )
    module = torch.export.load(path).module()
    photo = torch.zeros((1, 6, 9, 3), dtype=torch.uint8)
    assert module(photo).shape == (1, 24, 36, 3)
    with pytest.raises(Exception, match="6"):
        module(torch.zeros((1, 7, 9, 3), dtype=torch.uint8))
    with pytest.raises(ValueError, match="`input_signature` must be"):
        Generator(num_blocks=1, filters=4).export(
            path, input_signature=[keras.InputSpec(shape=(1, 6, 6))]
        )
