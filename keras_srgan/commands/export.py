"""Write a model for another runtime, by the suffix of the file.

.onnx is ONNX, .tflite LiteRT, .xml OpenVINO, .pt2 torch.export, no suffix a
folder with a TensorFlow SavedModel. What is written takes photos of any size
as uint8 RGB, and gives them enlarged. KERAS_BACKEND=tensorflow can write all
but .pt2, which is for KERAS_BACKEND=torch.
"""

import argparse
import sys
from pathlib import Path

from keras_srgan.commands.common import CommandError
from keras_srgan.commands.common import load_model
from keras_srgan.export import DTYPES
from keras_srgan.export import export


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="a preset (keras-srgan presets lists them), or a .keras file of "
        "an SRGAN or its generator",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="where to; an older export there is replaced",
    )
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        default="float32",
        help="of the weights and the arithmetic; float16 halves the file and "
        "may change a level by one or two (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Carry the command out; return its exit status."""
    try:
        model, scale = load_model(options.model)
        export(model, options.output, dtype=options.dtype)
    except (CommandError, ImportError, OSError, ValueError) as error:
        print(f"keras-srgan export: error: {error}", file=sys.stderr)
        return 2
    print(f"{options.model} -> {options.output} (x{scale}, {options.dtype})")
    return 0
