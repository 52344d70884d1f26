import contextlib
import os
import sys
from typing import TextIO

import numpy as np
from rich.console import Console
from rich.progress import BarColumn
from rich.progress import Progress
from rich.progress import TaskProgressColumn
from rich.progress import TextColumn
from rich.progress import TimeRemainingColumn

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


class CommandError(Exception):
    """An error in the command line, reported without a traceback."""


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
    """Returns a progress bar on standard error, shown on terminals only.

    Args:
        **options: Arguments of `rich.progress.Progress`.
    """
    console = Console(stderr=True)
    # Where nothing is shown, rich ends the bar with an empty line.
    console.quiet = not console.is_terminal
    return Progress(
        # File names may look like markup.
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=console.quiet,
        **options,
    )


def use_device(name: str | None) -> contextlib.AbstractContextManager:
    """Makes Keras compute on a device.

    Args:
        name: String: `"cpu"`, `"gpu"`, `"gpu:1"` or another device name of
            the backend. `None` leaves the choice to the backend.

    Returns:
        A context manager, for loading a model and for calling it.

    Raises:
        CommandError: if this machine has no such device, or the backend
            cannot use it.
    """
    if name is None:
        return contextlib.nullcontext()
    import keras

    reason = ""
    try:
        with keras.device(name):
            found = keras.ops.zeros(()).device
        # JAX's device names do not contain the kind; its platform does.
        found = str(getattr(found, "platform", found))
    except Exception as error:  # each backend raises its own
        found, reason = "", f" ({error})"
    # TensorFlow silently uses the CPU if there is no such device.
    kind = name.lower().partition(":")[0]
    if kind not in found.lower().replace("cuda", "gpu"):
        raise CommandError(
            f"--device {name}: {keras.backend.backend()} finds no such device "
            f"on this machine{reason}."
        )
    return keras.device(name)


def load_upscaler(
    name_or_path: str | os.PathLike,
    precision: str | None = None,
    tile_size: int | None = None,
    detail: float | None = None,
):
    """Loads a generator, and checks that its precision runs on this device.

    Args:
        name_or_path: As for `load_generator`.
        precision: String, one of `PRECISIONS`, the dtype policy of the
            network. Defaults to the one that was saved.
        tile_size: As for `Upscaler`.
        detail: Float in [0, 1], to blend a preset with its partner: see
            `load_blend`. Defaults to `None`: the model as it is.

    Returns:
        An `Upscaler`.

    Raises:
        CommandError: if the model cannot be loaded, or cannot run in that
            precision on this device.
    """
    import keras

    from keras_srgan.blending import load_blend
    from keras_srgan.loading import load_generator
    from keras_srgan.upscaling import Upscaler

    try:
        if detail is None:
            generator = load_generator(name_or_path)
        else:
            generator = load_blend(name_or_path, detail)
        if precision:
            _set_precision(generator, precision)
        upscaler = Upscaler(generator, tile_size)
    except (ImportError, OSError, ValueError) as error:
        text = str(error)
        if str(name_or_path) not in text:
            text = f"The model {name_or_path} cannot enlarge photos: {text}"
        raise CommandError(text) from error
    if all(
        layer.compute_dtype == "float32"
        for layer in generator._flatten_layers()
    ):
        return upscaler
    # Not every device supports half precision.
    try:
        upscaler(np.zeros((1, 1, 3), "uint8"))
    except FloatingPointError:
        pass  # The error of each photo names the photo.
    except Exception as error:  # each backend raises its own
        raise CommandError(
            f"{keras.backend.backend()} cannot run the model {name_or_path} on "
            f"this device{f' in {precision}' if precision else ''}: {error}"
        ) from error
    return upscaler


def _set_precision(network, precision):
    """Sets the dtype policy from the first to the last layer with weights.

    The layers before and after scale the levels of photos, for which half
    precision is too coarse.
    """
    steps = network.layers
    weighted = [i for i, step in enumerate(steps) if step.weights]
    if not weighted:
        return
    for step in steps[weighted[0] : weighted[-1] + 1]:
        for layer in step._flatten_layers():
            layer.dtype_policy = precision
