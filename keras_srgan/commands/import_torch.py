"""Convert a PyTorch checkpoint of an SRGAN or SRResNet to a Keras model.

Layers are recognized by their shapes and order. A checkpoint does not contain
how the network normalizes its input, nor the range of its output: options give
these. The defaults are the most common: input in [0, 1], tanh at the end.
"""

import argparse
import pathlib
import sys

import numpy as np

from keras_srgan.commands.common import CommandError
from keras_srgan.files import replacing

# Mean difference in levels above which the colors must be wrong. Trained
# networks imported with the right options stay below 5.
WRONG_COLORS = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command to its parser."""
    parser.add_argument(
        "checkpoint",
        type=pathlib.Path,
        metavar="FILE",
        help="a state dict, or a checkpoint with one inside (.pth, .pt, .tar, "
        ".safetensors)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=pathlib.Path,
        required=True,
        metavar="FILE",
        help="the .keras file to write",
    )
    parser.add_argument(
        "--mean",
        type=float,
        nargs="+",
        default=[0.0],
        metavar="X",
        help="mean subtracted from the input in [0, 1], one number or one per "
        "channel (default: 0)",
    )
    parser.add_argument(
        "--std",
        type=float,
        nargs="+",
        default=[1.0],
        metavar="X",
        help="standard deviation that divides it (default: 1)",
    )
    parser.add_argument(
        "--output-range",
        choices=["tanh", "unit", "signed"],
        default="tanh",
        help="output: tanh, or linear in [0, 1] (unit) or [-1, 1] (signed) "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--pixel-shuffle",
        choices=["crd", "dcr"],
        default="crd",
        help="channel order of the pixel shuffle: PyTorch's (crd) or "
        "TensorFlow's (dcr) (default: %(default)s)",
    )
    parser.add_argument(
        "--batch-norm-epsilon",
        type=float,
        default=1e-5,
        metavar="X",
        help="epsilon of the batch normalizations, the second argument of "
        "BatchNorm2d, which no file contains (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Runs the command; returns its exit status."""
    from keras_srgan.torch_checkpoint import import_torch_checkpoint

    output = options.output
    if output.suffix != ".keras":
        raise CommandError(f"-o must end in .keras, not {output}.")
    generator = import_torch_checkpoint(
        options.checkpoint,
        mean=_one_or_three(options.mean),
        std=_one_or_three(options.std),
        output_range=options.output_range,
        pixel_shuffle=options.pixel_shuffle,
        batch_norm_epsilon=options.batch_norm_epsilon,
    )
    _save(generator, output)
    print(
        f"{options.checkpoint} -> {output} (x{generator.scale}, "
        f"{generator.num_blocks} blocks of {generator.filters} filters)"
    )
    difference = _color_difference(generator)
    if not difference < WRONG_COLORS:
        print(
            f"warning: the colors of the output are off by {difference:.0f} of "
            "255 levels. Check --mean, --std, --output-range and "
            "--pixel-shuffle.",
            file=sys.stderr,
        )
    return 0


def _one_or_three(numbers):
    return numbers[0] if len(numbers) == 1 else numbers


def _save(generator, output):
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as partial:
        generator.save(partial)


def _color_difference(generator):
    """Returns the mean difference of a picture and its shrunk enlargement."""
    import keras

    size, scale = 24, generator.scale
    y, x = np.mgrid[0:size, 0:size] * 255 / (size - 1)
    photo = np.stack([x, y, 255 - (x + y) / 2], axis=-1)
    large = keras.ops.convert_to_numpy(
        keras.ops.stop_gradient(generator(photo[None].astype("float32")))
    )
    small = large.reshape(size, scale, size, scale, 3).mean((1, 3))
    return np.abs(small - photo).mean()
