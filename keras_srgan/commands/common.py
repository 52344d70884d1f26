import contextlib
import os
import sys
import warnings
import zipfile
from pathlib import Path
from typing import TextIO

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn
from rich.progress import Progress
from rich.progress import TaskProgressColumn
from rich.progress import TextColumn
from rich.progress import TimeRemainingColumn

from keras_srgan.generator import Generator
from keras_srgan.preset import presets
from keras_srgan.upscaling import upscale

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


class CommandError(Exception):
    """What is wrong with a command line, said to its user."""


def printable(text: str, stream: TextIO) -> str:
    """Returns a text that a stream can print, on one line.

    File names may hold bytes that are not UTF-8, letters that the terminal
    does not have, and control characters. They are escaped.

    Args:
        text: String.
        stream: Where it will be printed.
    """

    def escape(c):
        if "\udc80" <= c <= "\udcff":  # a byte that is not UTF-8
            return f"\\x{ord(c) - 0xDC00:02x}"
        return c if c.isprintable() else ascii(c)[1:-1]

    text = "".join(map(escape, text))
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def print_line(text: str, stream: TextIO | None = None) -> None:
    """Prints one line, with characters that cannot be printed escaped.

    Args:
        text: String.
        stream: Where to. Defaults to standard output.
    """
    stream = stream or sys.stdout
    print(printable(text, stream), file=stream, flush=True)


def progress_bar(**options) -> Progress:
    """Return a progress bar on standard error, hidden but on a terminal.

    Args:
        **options: Those of `rich.progress.Progress`.
    """
    console = Console(stderr=True)
    return Progress(
        # File names are no markup.
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        **options,
    )


def use_device(name: str | None) -> contextlib.AbstractContextManager:
    """Make Keras work on a device.

    Args:
        name: String: `"cpu"`, `"gpu"`, `"gpu:1"` or what else the backend
            calls its devices. `None` leaves the choice to the backend.

    Returns:
        A context manager, for loading a model and for calling it.

    Raises:
        CommandError: if this machine has no such device, or the backend
            cannot use it.
    """
    if name is None:
        return contextlib.nullcontext()
    reason = ""
    try:
        with keras.device(name):
            found = keras.ops.zeros(()).device
        # On JAX a device is not called by its kind.
        found = str(getattr(found, "platform", found))
    except Exception as error:  # each backend raises its own
        found, reason = "", f" ({error})"
    # TensorFlow works on the CPU, in silence, if there is no such device.
    kind = name.lower().partition(":")[0]
    if kind not in found.lower().replace("cuda", "gpu"):
        raise CommandError(
            f"--device {name}: {keras.backend.backend()} finds no such device "
            f"on this machine{reason}."
        )
    return keras.device(name)


def load_model(
    model: str | os.PathLike, precision: str | None = None
) -> tuple[keras.Model, int]:
    """Load an SRGAN or a generator, and see that it enlarges photos here.

    Args:
        model: Path of the file of a Keras model, or name of a preset.
        precision: String, one of `PRECISIONS`: what the network computes in.
            Defaults to what was saved.

    Returns:
        The model, and how many times larger it makes a photo.

    Raises:
        CommandError: if the file is missing, damaged or holds no such model,
            or if this machine cannot compute in that precision.
    """
    path = Path(model)
    name = None if path.is_file() else str(path)
    if name and name not in presets():
        raise CommandError(
            f"There is no model file {path}, nor a preset of that name: they "
            f"are {', '.join(presets()) or 'missing'}."
        )
    if not name and not zipfile.is_zipfile(path):
        raise CommandError(f"{path} is not a .keras file of a model.")
    try:
        if not name and b"keras_srgan.hub" in _read_config(path):
            # Keras must know the class of the backbone in it.
            import keras_srgan.hub  # noqa: F401

        with warnings.catch_warnings():
            # A new SRGAN has optimizers, perhaps not those of the file; to
            # enlarge photos it needs neither.
            warnings.filterwarnings("ignore", "Skipping variable loading for")
            model = (
                Generator.from_preset(name)
                if name
                else keras.saving.load_model(path, compile=False)
            )
    except Exception as error:  # Keras raises nearly anything
        raise CommandError(
            f"Cannot load a model from {path}: {error}"
        ) from error
    if precision:
        _set_precision(getattr(model, "generator", model), precision)
    try:
        large = upscale(model, np.zeros((1, 1, 3), "uint8"))
    except ValueError as error:
        raise CommandError(
            f"The model in {path} does not enlarge photos: {error}"
        ) from error
    except Exception as error:  # each backend raises its own
        raise CommandError(
            f"{keras.backend.backend()} cannot run the model in {path} on this "
            f"device{f' in {precision}' if precision else ''}: {error}"
        ) from error
    return model, large.shape[0]


def _read_config(path):
    with zipfile.ZipFile(path) as archive:
        return archive.read("config.json")


def _set_precision(network, precision):
    """Compute in a precision between the first and the last weights.

    What comes before and after them scales the levels of photos, for which
    half precision is too coarse.
    """
    steps = network.layers
    weighted = [i for i, step in enumerate(steps) if step.weights]
    if not weighted:
        return
    for step in steps[weighted[0] : weighted[-1] + 1]:
        for layer in step._flatten_layers():
            layer.dtype_policy = precision
