"""The command line starts without Keras, and finds the installed backend."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from installed import BACKENDS as INSTALLED
from PIL import Image

from keras_srgan import Generator
from keras_srgan import backend
from keras_srgan.cli import main

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]

# Put into a folder on the path: to Python, these packages are not installed.
HIDE = """
import importlib.machinery
import os
import sys

hidden = os.environ.get("HIDDEN", "").split()


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            return None
        return importlib.machinery.PathFinder.find_spec(name, path, target)


sys.meta_path = [
    Finder if finder is importlib.machinery.PathFinder else finder
    for finder in sys.meta_path
    if "Editable" not in getattr(finder, "__name__", "")
]
"""
BACKENDS = {"tensorflow", "jax", "torch"}
MAIN = "import sys; from keras_srgan.cli import main; status = main({})"


@pytest.fixture
def start(tmp_path):
    """Runs Python in an environment in which some packages are missing."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(HIDE)

    def run(code, hidden=(), config=None, **variables):
        home = tmp_path / "keras"
        home.mkdir(exist_ok=True)
        if config is not None:
            (home / "keras.json").write_text(config)
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL")
        }
        return subprocess.run(
            [sys.executable, "-c", code],
            env={
                **environment,
                "PYTHONPATH": f"{tmp_path / 'site'}:{ROOT}",
                "HIDDEN": " ".join(hidden),
                "KERAS_HOME": str(home),
                **variables,
            },
            capture_output=True,
            text=True,
        )

    return run


# === Without Keras ===


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["upscale", "--help"],
        ["evaluate", "--help"],
        ["export", "--help"],
        ["import-torch", "--help"],
        ["train", "--help"],
        ["adapt", "--help"],
        ["verify", "--help"],
        ["presets"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(start, arguments):
    hidden = {"keras", *BACKENDS, "h5py"}
    result = start(f"{MAIN.format(arguments)}; sys.exit(status)", hidden)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) > 2


def test_usage_errors_are_quick(start):
    for arguments in [], ["enlarge"], ["upscale"]:
        result = start(MAIN.format(arguments), {"keras", *BACKENDS})
        assert result.returncode == 2
        assert "usage: keras-srgan" in result.stderr


def test_presets_need_no_second(start):
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        assert start(MAIN.format(["presets"]), {"keras"}).returncode == 0
        seconds.append(time.perf_counter() - started)
    # 0.3 s on an idle machine; a busy one may take several times as long.
    assert min(seconds) < 3


# === The backend ===

CHOOSE = """
import os
from keras_srgan.backend import choose_backend
choose_backend()
print(os.environ.get("KERAS_BACKEND"))
"""


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_the_installed_backend_is_used(start, backend):
    if backend not in INSTALLED:
        pytest.skip(f"{backend} is not installed")
    code = MAIN.format(["upscale", "no.png", "--model", "none.keras"])
    code += "; print(sys.modules['keras'].backend.backend(), status)"
    result = start(code, BACKENDS - {backend})
    assert result.stdout == f"{backend} 2\n", result.stderr
    assert result.stderr.count("\n") == 1
    assert "no model file none.keras" in result.stderr


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_python_uses_the_installed_backend_too(start, backend):
    if backend not in INSTALLED:
        pytest.skip(f"{backend} is not installed")
    code = (
        "from keras_srgan import PSNR; import keras; "
        "print(keras.backend.backend())"
    )
    result = start(code, BACKENDS - {backend})
    assert result.stdout == f"{backend}\n", result.stderr


@pytest.mark.parametrize(
    "hidden, config, variable, chosen",
    [
        ([], None, None, "tensorflow"),
        (["tensorflow"], None, None, "jax"),
        # Keras reads its configuration itself.
        ([], '{"backend": "torch"}', None, "None"),
        (["torch"], '{"backend": "torch"}', None, "tensorflow"),
        ([], '{"backend": 3}', None, "tensorflow"),
        ([], "[]", None, "tensorflow"),
        ([], "{", None, "tensorflow"),
        ([], '{"backend": "torch"}', "jax", "jax"),
    ],
)
def test_the_choice(start, hidden, config, variable, chosen):
    if set(INSTALLED) != BACKENDS:
        pytest.skip("not all backends are installed")
    variables = {"KERAS_BACKEND": variable} if variable else {}
    result = start(CHOOSE, hidden, config, **variables)
    assert result.stdout == f"{chosen}\n", result.stderr


def test_no_backend_is_one_line(start):
    code = f"{MAIN.format(['upscale', 'photo.png'])}; sys.exit(status)"
    result = start(code, BACKENDS)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "pip install 'keras-srgan[jax]'" in result.stderr
    result = start(code, {"jax"}, KERAS_BACKEND="jax")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "KERAS_BACKEND=jax, but jax is not installed" in result.stderr


def test_importing_the_package_does_not_change_the_environment(start):
    code = (
        "import os; before = dict(os.environ); import keras_srgan, json;"
        "assert dict(os.environ) == before; import sys;"
        "assert 'keras' not in sys.modules; print(keras_srgan.__version__)"
    )
    assert start(code).returncode == 0


# === JAX's cache ===

# Prints how many programs were compiled and how many were found.
COUNT = """
import collections, sys
from keras_srgan.backend import import_keras
import_keras()
import jax.monitoring
events = collections.Counter()
jax.monitoring.register_event_listener(lambda name, **_: events.update([name]))
from keras_srgan.cli import main
status = main(["upscale", "photo.png", "--model", "model.keras", "--overwrite"])
for name in "misses", "hits":
    print(events[f"/jax/compilation_cache/cache_{name}"])
sys.exit(status)
"""


@pytest.fixture
def with_jax(start, tmp_path):
    """Runs Python on JAX, with the user's own folder of caches."""
    if "jax" not in INSTALLED:
        pytest.skip("jax is not installed")

    def run(code, **variables):
        for name in (
            "JAX_COMPILATION_CACHE_DIR",
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS",
        ):
            if name not in variables:
                code = f"import os; os.environ.pop({name!r}, None)\n{code}"
        code = f"import os; os.chdir({str(tmp_path)!r})\n{code}"
        caches = {"XDG_CACHE_HOME": str(tmp_path / "caches")}
        return start(code, KERAS_BACKEND="jax", **{**caches, **variables})

    return run


def test_a_second_run_compiles_nothing(with_jax, tmp_path):
    Generator(num_blocks=0, filters=2).save(tmp_path / "model.keras")
    Image.new("RGB", (9, 7), "red").save(tmp_path / "photo.png")
    first = with_jax(COUNT)
    assert first.returncode == 0, first.stderr
    misses, _ = map(int, first.stdout.splitlines()[-2:])
    assert misses > 0
    assert any((tmp_path / "caches" / "keras-srgan" / "jax").iterdir())
    misses, hits = map(int, with_jax(COUNT).stdout.splitlines()[-2:])
    assert misses == 0 and hits > 0


PRINT_CACHE = """
import os
from keras_srgan.backend import import_keras
import_keras()
import jax
print(jax.config.jax_compilation_cache_dir)
"""


def test_a_cache_of_the_user_is_left_alone(with_jax, tmp_path):
    own = str(tmp_path / "own")
    result = with_jax(PRINT_CACHE, JAX_COMPILATION_CACHE_DIR=own)
    assert result.stdout == f"{own}\n"
    assert not (tmp_path / "caches" / "keras-srgan").exists()


def test_without_a_folder_that_can_be_written_there_is_no_cache(
    with_jax, tmp_path
):
    # A file in its place fails for root as well.
    (tmp_path / "caches").touch()
    result = with_jax(PRINT_CACHE)
    assert (result.stdout, result.stderr) == ("None\n", "")


def test_only_jax_has_the_cache(start, tmp_path):
    if "torch" not in INSTALLED:
        pytest.skip("torch is not installed")
    caches = tmp_path / "caches"
    start(
        "from keras_srgan.backend import import_keras; import_keras()",
        KERAS_BACKEND="torch",
        XDG_CACHE_HOME=str(caches),
    )
    assert not (caches / "keras-srgan").exists()


@pytest.mark.parametrize(
    "platform, variables, folder",
    [
        ("linux", {}, "/home/one/.cache"),
        ("linux", {"XDG_CACHE_HOME": "/caches"}, "/caches"),
        ("linux", {"XDG_CACHE_HOME": "caches"}, "/home/one/.cache"),
        ("darwin", {}, "/home/one/Library/Caches"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local"),
        ("win32", {}, "/home/one/.cache"),
    ],
)
def test_the_folder_of_caches(platform, variables, folder, monkeypatch):
    for name in "XDG_CACHE_HOME", "LOCALAPPDATA":
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/one", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(backend.sys, "platform", platform)
    assert backend._cache_folder() == Path(folder, "keras-srgan")


# === The package ===


@pytest.mark.parametrize(
    "order",
    [
        "import keras, keras_srgan",
        "from keras_srgan import psnr; import keras",
    ],
)
def test_saved_models_load_after_an_import(order, make_srgan, tmp_path):
    make_srgan().save(tmp_path / "srgan.keras")
    code = f"{order}; print(type(keras.saving.load_model('srgan.keras')))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.stdout == "<class 'keras_srgan.srgan.SRGAN'>\n", result.stderr


def test_public_names():
    import keras_srgan

    names = keras_srgan.__all__
    assert set(names) <= set(dir(keras_srgan))
    assert all(getattr(keras_srgan, name) is not None for name in names)
    with pytest.raises(AttributeError, match="no attribute 'ESRGAN'"):
        keras_srgan.ESRGAN  # noqa: B018


# === Ends ===


def test_ctrl_c_while_keras_is_imported(tmp_path):
    # A stand-in for the seconds that an import takes.
    # Processes in the background start with SIGINT ignored; a user's do not.
    (tmp_path / "keras.py").write_text(
        "import signal, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "print('importing', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "keras_srgan.cli", "export", "x", "-o", "y"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "Interrupted.\n")


def test_a_closed_pipe_is_no_traceback():
    with subprocess.Popen(
        [sys.executable, "-m", "keras_srgan.cli", "presets"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 1


def test_upscale_limits_what_is_kept_for_each_shape(monkeypatch, tmp_path):
    monkeypatch.setenv("LRU_CACHE_CAPACITY", "7")
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "")
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY")
    assert main(["upscale", str(tmp_path / "missing.png")]) == 1
    assert os.environ["LRU_CACHE_CAPACITY"] == "7"
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "32"
