"""Presets: writing, reading, downloading, verifying and using them.

A tiny preset, made here, stands for those that ship.
"""

import io
import json
import os
import pathlib
import runpy
import shutil
import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest
from installed import BACKENDS
from PIL import Image

from keras_srgan import SRGAN
from keras_srgan import Discriminator
from keras_srgan import Generator
from keras_srgan import grid_strength
from keras_srgan import presets
from keras_srgan import psnr
from keras_srgan import upscale
from keras_srgan.cli import main
from keras_srgan.preset import FILES
from keras_srgan.preset import FOLDER
from keras_srgan.preset import save_preset

ROOT = pathlib.Path(__file__).parents[1]
NAMES = (
    "srgan_x4",
    "srgan_x4_base",
    "srgan_x4_faces",
    "srgan_x4_photos",
    "srgan_x4_small",
    "srresnet_x4",
    "srresnet_x4_base",
    "srresnet_x4_photos",
    "srresnet_x4_small",
)
OTHERS = [name for name in BACKENDS if name != keras.backend.backend()]


def pack(model, out, name="srgan_x4"):
    """Runs recipes/pack.py in this process."""
    argv = sys.argv
    sys.argv = ["pack.py", str(model), name, "--version=1", f"--out={out}"]
    try:
        runpy.run_path(str(ROOT / "recipes/pack.py"))
    finally:
        sys.argv = argv


def make_generator(dtype="float32", **arguments):
    """Returns the same tiny generator each time."""
    keras.utils.set_random_seed(0)
    return Generator(num_blocks=1, filters=4, dtype=dtype, **arguments)


def weights(model):
    return [np.array(weight.numpy()) for weight in model.weights]


def photo(size=12):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (size, size + 1, 3), "uint8")


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Returns the folder of a preset."""
    folder = tmp_path_factory.mktemp("packed")
    make_generator().save(folder / "model.keras")
    pack(folder / "model.keras", folder / "preset")
    return folder / "preset"


@pytest.fixture
def copied(packed, tmp_path):
    """Returns the folder of a copy of a preset."""
    return pathlib.Path(shutil.copytree(packed, tmp_path / "copy"))


def edit(file, change):
    """Changes a JSON file in place."""
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


# === Packing and loading ===


def test_a_preset_holds_the_weights_in_half_precision(packed):
    before = make_generator()
    after = Generator.from_preset(packed)
    assert after.get_config().keys() == before.get_config().keys()
    for key, value in before.get_config().items():
        if key != "name":
            assert after.get_config()[key] == value
    for a, b in zip(weights(before), weights(after), strict=True):
        assert b.dtype == "float32"
        np.testing.assert_array_equal(a.astype("float16"), b)
    pictures = [upscale(model, photo()) for model in (before, after)]
    np.testing.assert_allclose(*np.array(pictures, int), atol=1)


def test_a_preset_holds_the_files_of_keras_hub_and_no_others(packed):
    assert sorted(os.listdir(packed)) == sorted(FILES)
    about = json.loads((packed / "metadata.json").read_text())
    assert about["parameter_count"] == make_generator().count_params()
    assert about["version"] == "1"
    assert set(about["sha256"]) == {"model.weights.h5", "task.weights.h5"}
    # Nothing is left beside it.
    assert sorted(os.listdir(packed.parent)) == ["model.keras", "preset"]


@pytest.mark.parametrize("use_batch_norm", [False, True])
def test_a_whole_model_in_mixed_precision_is_packed(tmp_path, use_batch_norm):
    srgan = SRGAN(
        make_generator("mixed_bfloat16", use_batch_norm=use_batch_norm),
        Discriminator(filters=2),
    )
    srgan.save(tmp_path / "model.keras")
    pack(tmp_path / "model.keras", tmp_path / "preset")
    generator = Generator.from_preset(tmp_path / "preset")
    assert generator.dtype_policy.name == "float32"
    expected = weights(srgan.generator)
    for a, b in zip(expected, weights(generator), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-7)


def test_a_generator_that_half_precision_spoils_is_not_packed(tmp_path):
    generator = make_generator()
    # The same picture as before, but by way of too small numbers.
    for name, factor in (
        ("upscale_0_conv", 1e-8),
        ("upscale_1_conv", 1e4),
        ("rgb_conv", 1e4),
    ):
        kernel = generator.get_layer(name).kernel
        kernel.assign(kernel.numpy() * factor)
    generator.save(tmp_path / "model.keras")
    with pytest.raises(SystemExit, match="levels; nothing was written"):
        pack(tmp_path / "model.keras", tmp_path / "preset")
    assert os.listdir(tmp_path) == ["model.keras"]


@pytest.mark.parametrize(
    "dtype", ["float32", "mixed_bfloat16", "mixed_float16", None]
)
def test_weights_are_float32_in_every_mixed_policy(packed, dtype):
    generator = Generator.from_preset(packed, dtype=dtype)
    assert generator.dtype_policy.name == (dtype or "float32")
    conv = generator.get_layer("end_conv")
    assert conv.compute_dtype in (dtype or "float32")
    for weight in generator.weights:
        assert keras.backend.standardize_dtype(weight.dtype) == "float32"
    assert generator(photo()[None]).shape == (1, 48, 52, 3)


# === Training ===


def test_training_continues_from_a_preset(packed, photos):
    srgan = SRGAN.from_preset(
        packed, discriminator=Discriminator(filters=2), name="mine"
    )
    assert (srgan.name, srgan.scale) == ("mine", 4)
    before = weights(Generator.from_preset(packed))
    for a, b in zip(before, weights(srgan.generator), strict=True):
        np.testing.assert_array_equal(a, b)
    networks = srgan.generator, srgan.discriminator
    start = [weights(network) for network in networks]
    srgan.compile(content_loss="mse")
    history = srgan.fit(photos, batch_size=4, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    for network, was in zip(networks, start, strict=True):
        assert not np.array_equal(weights(network)[0], was[0])


def test_the_discriminator_has_the_policy_of_the_generator(packed):
    srgan = SRGAN.from_preset(packed, dtype="mixed_bfloat16")
    assert srgan.generator.dtype_policy.name == "mixed_bfloat16"
    assert srgan.discriminator.dtype_policy.name == "mixed_bfloat16"
    assert srgan.discriminator.count_params() == 5_211_713


# === Errors ===


@pytest.mark.parametrize("preset", ["srgan_x5", "", "tests"])
@pytest.mark.parametrize("model", [Generator, SRGAN])
def test_an_unknown_name_lists_the_presets(model, preset):
    with pytest.raises(ValueError, match="`preset` must be ") as error:
        model.from_preset(preset)
    assert all(repr(name) in str(error.value) for name in presets())
    assert str(error.value).endswith(f"Received: preset={preset!r}")


@pytest.mark.parametrize("file", ["model.weights.h5", "task.weights.h5"])
@pytest.mark.parametrize("damage", ["a bit", "the end", "everything"])
def test_damaged_weights_are_refused(copied, damage, file):
    file = copied / file
    content = bytearray(file.read_bytes())
    if damage == "a bit":
        content[len(content) // 2] ^= 1
    else:
        del content[-100 if damage == "the end" else 0 :]
    file.write_bytes(content)
    with pytest.raises(OSError, match="SHA-256") as error:
        Generator.from_preset(copied)
    assert str(file) in str(error.value)


@pytest.mark.parametrize("content", [b"", b"PK", None], ids=repr)
def test_damage_is_noticed_without_a_checksum_too(copied, content):
    """keras-hub writes none."""
    edit(copied / "metadata.json", lambda about: about.pop("sha256"))
    Generator.from_preset(copied)
    file = copied / "task.weights.h5"
    if content is None:
        content = (copied / "model.weights.h5").read_bytes()
    file.write_bytes(content)
    with pytest.raises(OSError, match="task.weights.h5|belong"):
        Generator.from_preset(copied)


def test_weights_must_fit_the_architecture(copied):
    def widen(task):
        task["config"]["backbone"]["config"]["num_filters"] = 5

    edit(copied / "task.json", widen)
    with pytest.raises(OSError, match="'start_conv' must have shapes"):
        Generator.from_preset(copied)


def test_weights_are_not_read_from_other_files(copied):
    """An HDF5 file can refer to another one."""
    edit(copied / "metadata.json", lambda about: about.pop("sha256"))
    file = copied / "task.weights.h5"
    (copied / "secret").write_bytes(bytes(100_000))
    with h5py.File(file, "a") as weights:
        name = "layers/conv2d/vars/0"
        shape = weights[name].shape
        del weights[name]
        weights.create_dataset(
            name, shape, "float16", external=[(copied / "secret", 0, 100_000)]
        )
    with pytest.raises(OSError, match="task.weights.h5"):
        Generator.from_preset(copied)


@pytest.mark.parametrize(
    "name", ["task.json", "metadata.json", "model.weights.h5"]
)
def test_a_missing_file_is_named(copied, name):
    (copied / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        Generator.from_preset(copied)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", '{"sha256":'),
        ("config.json", "[]"),
        ("task.json", "["),
        ("task.json", "{}"),
        ("metadata.json", "3"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(copied, name, content):
    (copied / name).write_text(content)
    with pytest.raises(OSError, match=name):
        Generator.from_preset(copied)


# === Writing ===


@pytest.mark.parametrize(
    "arguments",
    [
        {"upsampling": "pixel_shuffle_direct", "input_mean": [1.1, 2.2, 3.3]},
        {
            "scale": 2,
            "use_batch_norm": True,
            "use_bias": True,
            "use_end_prelu": True,
            "input_mean": [114.444, 111.4605, 103.02],
            "output_activation": "hard_tanh",
        },
        {"scale": 8},
    ],
    ids=["compact", "all", "x8"],
)
def test_every_architecture_survives(tmp_path, arguments):
    before = make_generator(**arguments)
    rng = np.random.default_rng(0)
    before.set_weights(
        [rng.random(w.shape).astype("float16") for w in before.get_weights()]
    )
    save_preset(before, tmp_path / "p", description="tiny", version="7")
    after = Generator.from_preset(tmp_path / "p")
    without_name = [
        {**model.get_config(), "name": None} for model in (before, after)
    ]
    assert without_name[0] == without_name[1]
    np.testing.assert_array_equal(
        before.predict(photo()[None], verbose=0),
        after.predict(photo()[None], verbose=0),
    )


def test_the_same_weights_give_the_same_files(tmp_path):
    names = "first", "second"
    for name in names:
        save_preset(
            make_generator(), tmp_path / name, description="d", version="1"
        )
    for file in FILES:
        contents = [(tmp_path / name / file).read_bytes() for name in names]
        assert contents[0].replace(b"first", b"second") == contents[1]


def test_a_preset_is_replaced_and_keeps_its_card(tmp_path, copied):
    (copied / "README.md").write_text("# Measured with care\n")
    model = make_generator(scale=2)
    save_preset(model, copied, description="new", version="2")
    assert Generator.from_preset(copied).scale == 2
    assert (copied / "README.md").read_text() == "# Measured with care\n"
    card = tmp_path / "card.md"
    card.write_text("# Another\n")
    save_preset(model, copied, description="new", version="3", card=card)
    assert (copied / "README.md").read_text() == "# Another\n"
    assert sorted(os.listdir(copied.parent)) == ["card.md", "copy"]


@pytest.mark.parametrize("name", ["holiday.png", "README.md", "config.json"])
def test_a_folder_of_anything_else_is_left_alone(tmp_path, name):
    (tmp_path / name).write_text("{}")
    if name == "config.json":
        (tmp_path / "pytorch_model.bin").touch()
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(ValueError, match="`folder` must be missing, empty"):
        save_preset(make_generator(), tmp_path, description="d", version="1")
    assert sorted(os.listdir(tmp_path)) == before


def test_weights_beyond_half_precision_are_refused(tmp_path):
    generator = make_generator()
    generator.get_layer("end_conv").bias.assign([1, 2, 7e4, 3])
    with pytest.raises(ValueError, match="70000 in layer 'end_conv'"):
        save_preset(generator, tmp_path / "p", description="d", version="1")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["description", "version"])
def test_a_preset_has_a_description_and_a_version(tmp_path, name):
    arguments = {"description": "d", "version": "1", name: ""}
    with pytest.raises(ValueError, match=f"`{name}` must be.*{name}=''"):
        save_preset(make_generator(), tmp_path / "p", **arguments)


# === Hubs ===


class Hub:
    """Stands in for both clients: copies files of a folder, and lists them."""

    def __init__(self, folder):
        self.folder = folder
        self.asked = []

    def hf_hub_download(self, repo_id, filename):
        return self.get(repo_id, filename)

    def model_download(self, handle, path):
        return self.get(handle, path)

    def get(self, handle, name):
        self.asked.append((handle, name))
        if not (self.folder / name).is_file():
            raise RuntimeError(f"404 for {name}")
        return str(self.folder / name)


@pytest.mark.parametrize(
    ("handle", "package"),
    [
        ("hf://user/model", "huggingface_hub"),
        ("kaggle://user/model/keras/x4", "kagglehub"),
        ("kaggle://user/model/keras/x4/3", "kagglehub"),
    ],
)
def test_a_preset_is_downloaded(copied, monkeypatch, handle, package):
    hub = Hub(copied)
    monkeypatch.setitem(sys.modules, package, hub)
    after = Generator.from_preset(handle)
    for a, b in zip(
        weights(Generator.from_preset(copied)), weights(after), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    # Only the necessary files.
    assert {handle for handle, _ in hub.asked} == {handle.split("://")[1]}
    assert sorted(name for _, name in hub.asked) == [
        "config.json",
        "metadata.json",
        "model.weights.h5",
        "task.json",
        "task.weights.h5",
    ]
    (copied / "task.weights.h5").unlink()
    with pytest.raises(OSError, match=f"task.weights.h5 of {handle}: 404"):
        Generator.from_preset(handle)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        Generator.from_preset(handle)


@pytest.mark.parametrize(
    "handle", ["hf://model", "hf://a//", "kaggle://user/model", "s3://a/b"]
)
def test_a_malformed_handle_is_refused(handle):
    with pytest.raises(ValueError, match="(?i)a handle") as error:
        Generator.from_preset(handle)
    assert str(error.value).endswith(f"Received: preset={handle!r}")


def test_listing_presets_needs_no_keras():
    code = f"""
import sys, types
sys.modules["keras"] = None
package = types.ModuleType("keras_srgan")
package.__path__ = [{str(ROOT / "keras_srgan")!r}]
sys.modules["keras_srgan"] = package
from keras_srgan.preset import presets
print(list(presets()))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert result.stdout.strip() == str(list(NAMES))


@pytest.mark.once
def test_keras_hub_is_not_imported(packed):
    code = (
        "import sys; sys.modules['keras_hub'] = None;"
        "from keras_srgan import Generator;"
        f"Generator.from_preset({str(packed)!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# === Commands ===


def test_presets_that_ship():
    assert tuple(presets()) == NAMES
    for name, about in presets().items():
        sizes = {"small": 326_384, "photos": 1_260_976, "base": 1_260_976}
        parameters = sizes.get(name.split("_")[-1], 1_544_387)
        assert set(about["partners"].values()) <= set(NAMES)
        assert about["parameters"] == parameters
        assert about["scale"] == 4
        assert about["description"] and about["version"]


@pytest.mark.parametrize("name", NAMES)
def test_a_card_has_a_header_that_hubs_read(name):
    card = (FOLDER / name / "README.md").read_text(encoding="utf-8")
    _, header, text = card.split("---\n", 2)
    lines = header.splitlines()
    assert "license: apache-2.0" in lines
    assert "library_name: keras-hub" in lines
    assert "pipeline_tag: image-to-image" in lines
    assert text.strip().startswith(f"# {name}")


def test_the_command_lists_the_presets(capsys):
    assert main(["presets"]) == 0
    out = capsys.readouterr().out
    assert "parameters" in out
    assert [name for name in NAMES if name in out] == [
        name for name in NAMES if name in presets()
    ]


def test_the_commands_refuse_an_unknown_preset(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo()).save("photo.png")
    for command in (
        ["upscale", "photo.png", "--model", "srgan_x5"],
        ["evaluate", "--hr", ".", "--model", "srgan_x5"],
    ):
        assert main(command) == 2
        err = capsys.readouterr().err
        assert "`preset` must be one of" in err and "'srgan_x5'" in err
        assert all(name in err for name in presets())
    assert os.listdir() == ["photo.png"]


def test_upscale_takes_srgan_x4_base_by_default(tmp_path, monkeypatch, capsys):
    name = "srgan_x4_base"
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo()).save("photo.png")
    assert main(["upscale", "photo.png"]) == 0
    expected = upscale(Generator.from_preset(name), "photo.png")
    with Image.open("photo-x4.png") as large:
        np.testing.assert_array_equal(np.asarray(large), np.asarray(expected))


def test_evaluate_takes_presets(tmp_path, capsys):
    name = "srgan_x4"
    Image.fromarray(photo(48)).save(tmp_path / "photo.png")
    assert main(["evaluate", "--hr", str(tmp_path), "--model", name]) == 0
    assert name in capsys.readouterr().out


# === All backends ===


ENLARGE = """
import sys
import h5py
import keras
import numpy as np
from keras_srgan import Generator

folder, *presets = sys.argv[1:]
photo = np.load(f"{folder}/photo.npy")
np.savez(
    f"{folder}/{keras.backend.backend()}.npz",
    *[Generator.from_preset(p).predict(photo, verbose=0) for p in presets],
)
"""


@pytest.mark.once
def test_a_preset_gives_the_same_picture_on_all_backends(packed, tmp_path):
    names = [packed, *presets()]
    pixels = np.asarray(face())[64:112, 96:160]
    np.save(tmp_path / "photo.npy", pixels[None])
    expected = [
        Generator.from_preset(name).predict(pixels[None], verbose=0)
        for name in names
    ]
    for backend in OTHERS:
        subprocess.run(
            [sys.executable, "-c", ENLARGE, tmp_path, *names],
            env={**os.environ, "KERAS_BACKEND": backend},
            check=True,
        )
        with np.load(tmp_path / f"{backend}.npz") as pictures:
            for name, ours in zip(names, expected, strict=True):
                theirs = pictures[f"arr_{names.index(name)}"]
                difference = np.abs(np.rint(theirs) - np.rint(ours)).max()
                assert difference <= 1, (backend, name)


# === Quality ===


def face():
    skimage = pytest.importorskip("skimage")
    with Image.open(pathlib.Path(skimage.data_dir, "astronaut.png")) as image:
        return image.convert("RGB")


COMPACT = [name for name in NAMES if name.endswith(("_base", "_small"))]


@pytest.mark.once
@pytest.mark.parametrize("name", COMPACT)
def test_flat_areas_have_no_grid(name):
    from skimage import data

    hr = data.astronaut()
    lr = Image.fromarray(hr).resize((128, 128), Image.Resampling.BICUBIC)
    large = upscale(Generator.from_preset(name, "float32"), np.asarray(lr))
    assert grid_strength(large) < 0.15


@pytest.mark.once
@pytest.mark.parametrize("name", ["srgan_x4_photos", "srresnet_x4_photos"])
def test_presets_for_degraded_photos_restore_them(name):
    """Each is better than bicubic, and than the preset for clean photos."""
    data = pytest.importorskip("skimage.data")
    hr = Image.fromarray(data.coffee())
    lr = hr.resize((hr.width // 4, hr.height // 4), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(0).normal(0, 12, np.shape(lr))
    noisy = np.clip(np.asarray(lr) + noise, 0, 255).astype("uint8")
    buffer = io.BytesIO()
    lr.save(buffer, "JPEG", quality=50)
    for degraded in Image.open(buffer), Image.fromarray(noisy):
        bicubic = degraded.resize(hr.size, Image.Resampling.BICUBIC)
        ours, clean = (
            upscale(Generator.from_preset(preset), np.asarray(degraded))
            for preset in (name, "srgan_x4_base")
        )
        ours, *others = (
            psnr(np.asarray(hr)[None], np.asarray(image)[None], 4)[0]
            for image in (ours, bicubic, clean)
        )
        assert ours > max(others) + 0.1


@pytest.mark.once
@pytest.mark.parametrize("name", NAMES)
def test_a_preset_beats_bicubic_and_keeps_the_colors(name):
    """On a clean photo that is not in the training data."""
    generator = Generator.from_preset(name)
    hr = face().crop((160, 0, 288, 192))
    lr = hr.resize((hr.width // 4, hr.height // 4), Image.Resampling.BICUBIC)
    bicubic = lr.resize(hr.size, Image.Resampling.BICUBIC)
    hr, sr, bicubic = (
        np.asarray(image)[None]
        for image in (hr, upscale(generator, lr), bicubic)
    )
    # The one for degraded photos takes some texture for noise.
    if name != "srgan_x4_photos":
        assert psnr(hr, sr, 4)[0] > psnr(hr, bicubic, 4)[0]
    drift = (sr.astype(int) - hr).mean(axis=(0, 1, 2))
    assert np.abs(drift).max() < 2, drift
