"""Standard input and output, for the command that enlarges photos."""

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from keras_srgan.commands.common import CommandError
from keras_srgan.commands.common import print_line
from keras_srgan.commands.models import Models

STANDARD = Path("-")
# More frames in one batch delay the first result and gain no speed.
MAX_BATCH = 16


def is_piped(options: argparse.Namespace) -> bool:
    """Returns whether the command reads standard input.

    Args:
        options: Parsed options of the command.

    Raises:
        CommandError: if an option does not fit, or standard input or output
            is a terminal.
    """
    if STANDARD not in options.photos:
        if options.raw:
            raise CommandError("--raw needs -, for standard input.")
        return False
    if len(options.photos) > 1:
        raise CommandError("- cannot be combined with other photos.")
    unfit = ["output", "overwrite", "report"]
    if options.raw:
        unfit += ["consistent", "format"]
    for name in unfit:
        if getattr(options, name):
            other = "--raw" if name in ("consistent", "format") else "-"
            raise CommandError(f"--{name} cannot be combined with {other}.")
    for stream, verb in (sys.stdin, "read from"), (sys.stdout, "written to"):
        if stream.isatty():
            raise CommandError(f"Photos cannot be {verb} a terminal.")
    return True


def run(
    models: Models, options: argparse.Namespace, upscale_one: Callable
) -> int:
    """Enlarges standard input, and returns the exit status.

    Args:
        models: The models of the command.
        options: Parsed options of the command.
        upscale_one: Function of the models, the path of a photo, that of its
            result, the options and a progress callback that writes the result
            and returns lines about it.

    Raises:
        BrokenPipeError: if the reader of standard output is gone.
    """
    output = sys.stdout.buffer
    # Other output must not mix with the result.
    with (
        contextlib.redirect_stdout(sys.stderr),
        tempfile.TemporaryDirectory(prefix="keras-srgan-") as folder,
    ):
        try:
            if options.raw:
                results = _upscale_frames(models, options, Path(folder))
            else:
                results = _upscale_photo(
                    models, options, upscale_one, Path(folder)
                )
            for content in results:
                output.write(content)
                output.flush()
        except BrokenPipeError:
            raise
        except (FloatingPointError, OSError, ValueError) as error:
            text = str(error).replace(
                str(Path(folder, "stdin")), "standard input"
            )
            print_line(f"failed: {text}")
            return 1
    return 0


def _upscale_photo(models, options, upscale_one, folder):
    photo = folder / "stdin"
    result = folder / f"stdout.{options.format or 'png'}"
    with photo.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    for line in upscale_one(models, photo, result, options, lambda _: None):
        print_line(line)
    yield result.read_bytes()


# === Frames ===


def _upscale_frames(models, options, folder):
    upscaler = None
    for frames in _read_batches(sys.stdin.buffer, options.raw):
        if upscaler is None:
            # The first frame determines the model for all.
            first = folder / "stdin"
            Image.fromarray(frames[0]).save(first, "PNG")
            upscaler, _, about = models.get(first)
            if about:
                print_line(about)
        if options.scale or options.size or options.ensemble:
            results = (
                upscaler(
                    frame,
                    scale=options.scale,
                    size=options.size,
                    ensemble=options.ensemble,
                )
                for frame in frames
            )
        else:
            results = upscaler.enlarge_frames(frames)
        for result in results:
            yield result.tobytes()


def _read_batches(
    stream: BinaryIO, size: tuple[int, int]
) -> Iterator[np.ndarray]:
    """Yields uint8 arrays `(count, height, width, 3)` of rgb24 frames."""
    width, height = size
    length = 3 * width * height
    # Each large frame fills a tile of the network.
    batch = max(1, min(MAX_BATCH, 2**20 // (width * height)))
    count, content = 0, b""
    while True:
        frames = []
        while len(frames) < batch:
            content = stream.read(length)
            if len(content) < length:
                break
            frames.append(np.frombuffer(content, "uint8"))
        if frames:
            count += len(frames)
            yield np.stack(frames).reshape(-1, height, width, 3)
        if len(frames) < batch:
            break
    if content:
        raise ValueError(
            f"standard input ends within frame {count + 1}, after "
            f"{len(content)} of its {length} bytes; --raw must be the size of "
            f"the frames, in rgb24. Received: --raw {width}x{height}"
        )
    if not count:
        raise ValueError("standard input holds no frame")
