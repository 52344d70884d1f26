import importlib.util
import json
import os
from pathlib import Path

# In the order of preference when several are installed.
BACKENDS = ("tensorflow", "jax", "torch")


def choose_backend() -> None:
    """Makes Keras use an installed backend.

    `KERAS_BACKEND`, then Keras' configuration file, then the first installed
    one of `BACKENDS` decides. This must be called before Keras is imported.

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
