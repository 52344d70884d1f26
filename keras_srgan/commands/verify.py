"""Check that a runtime computes an exported model correctly.

ONNX and LiteRT files carry a photo of 32 x 32 pixels and its expected result.
Exit status: 0 if each result is right, 1 if one is wrong, 2 if the file or the
command is wrong.
"""

import argparse
from pathlib import Path

from keras_srgan.commands.common import CommandError
from keras_srgan.commands.common import print_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="written by keras-srgan export; ends in .onnx or .tflite",
    )
    parser.add_argument(
        "--provider",
        help="part of the runtime that computes, such as cpu or cuda; default: "
        "all that this machine has",
    )


def run(options: argparse.Namespace) -> int:
    """Runs the command; returns its exit status."""
    from keras_srgan.verification import verify

    try:
        results = verify(options.file, options.provider)
    except RuntimeError as error:
        raise CommandError(str(error)) from error
    for result in results:
        levels = "level" if result.difference == 1 else "levels"
        verdict = "right" if result.passed else "WRONG"
        print_line(
            f"{options.file} on {result.provider}: {verdict}, "
            f"{result.difference} {levels} off (at most {result.tolerance} "
            "allowed)"
        )
    return 0 if all(result.passed for result in results) else 1
