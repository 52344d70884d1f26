import importlib.util
import json
import os
import sys
from pathlib import Path

# In the order of preference when several are installed.
BACKENDS = ("tensorflow", "jax", "torch")


def import_keras() -> None:
    """Imports Keras on an installed backend, for the command line.

    Log output of TensorFlow's libraries is suppressed while they are imported,
    unless `TF_CPP_MIN_LOG_LEVEL` is set. JAX keeps compiled programs in the
    user's cache folder, unless `JAX_COMPILATION_CACHE_DIR` is set.

    Raises:
        ImportError: if there is no backend: see `choose_backend`.
    """
    if "keras" in sys.modules:
        return
    choose_backend()
    if (os.environ.get("KERAS_BACKEND") or _read_config()) == "jax":
        _set_jax_cache()
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        importlib.import_module("keras")
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"  # errors only, from now on
    # The libraries write to the descriptor before they read that variable.
    sys.stderr.flush()
    stderr = os.dup(2)
    with open(os.devnull, "w") as devnull:
        os.dup2(devnull.fileno(), 2)
    try:
        importlib.import_module("keras")
    finally:
        sys.stderr.flush()
        os.dup2(stderr, 2)
        os.close(stderr)


def limit_shape_caches() -> None:
    """Bounds what PyTorch's oneDNN keeps for each shape of photo.

    Without it, memory grows with each new size, to several gigabytes for
    hundreds of photos. It has an effect before PyTorch is imported. Limits that
    the user has set stay.
    """
    for name in ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"):
        os.environ.setdefault(name, "32")


def choose_backend() -> None:
    """Sets `KERAS_BACKEND` to an installed backend, unless one is chosen.

    Importing the package without TensorFlow calls it, so that one installed
    backend is enough. `KERAS_BACKEND` decides, then Keras' configuration file,
    then the first of `BACKENDS` that is installed. Keras must not have been
    imported.

    Raises:
        ImportError: if no backend is installed, or not the one that
            `KERAS_BACKEND` names.
    """
    chosen = os.environ.get("KERAS_BACKEND")
    if chosen:
        if chosen in BACKENDS and not _is_installed(chosen):
            raise ImportError(
                f"KERAS_BACKEND={chosen}, but {chosen} is not installed: "
                f"pip install 'keras-srgan[{chosen}]'"
            )
        return
    configured = _read_config()
    if configured and _is_installed(configured):
        return
    installed = [name for name in BACKENDS if _is_installed(name)]
    if not installed:
        raise ImportError(
            "Keras needs a backend, and none is installed: pip install "
            "'keras-srgan[jax]' (or tensorflow, or torch)"
        )
    os.environ["KERAS_BACKEND"] = installed[0]


def _is_installed(package):
    return importlib.util.find_spec(package) is not None


def _read_config():
    """Returns the backend of keras.json, if it can be read."""
    home = os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser()
    try:
        config = json.loads(Path(home, "keras.json").read_text())
        backend = config.get("backend")
    except (OSError, ValueError, AttributeError, RuntimeError):
        return None
    return backend if isinstance(backend, str) else None


def _set_jax_cache():
    """Enables JAX's persistent compilation cache."""
    # JAX reads these variables when it is imported.
    name = "JAX_COMPILATION_CACHE_DIR"
    if name in os.environ:
        return
    try:
        folder = _cache_folder() / "jax"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # a read-only home, or none
        return
    if os.access(folder, os.W_OK | os.X_OK):
        os.environ[name] = str(folder)
        # By default, JAX does not cache compilations under one second.
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


def _cache_folder():
    """Returns the folder of this package among the user's caches."""
    # The specification says to ignore relative paths.
    if os.path.isabs(os.environ.get("XDG_CACHE_HOME", "")):
        caches = os.environ["XDG_CACHE_HOME"]
    elif sys.platform == "win32" and "LOCALAPPDATA" in os.environ:
        caches = os.environ["LOCALAPPDATA"]
    elif sys.platform == "darwin":
        caches = "~/Library/Caches"
    else:
        caches = "~/.cache"
    return Path(caches).expanduser() / "keras-srgan"
