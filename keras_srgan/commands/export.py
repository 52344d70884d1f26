"""Write a model for another runtime, chosen by the suffix of the file.

.onnx is ONNX, .tflite LiteRT, .xml OpenVINO, .pt2 torch.export, and no suffix
a TensorFlow SavedModel, a folder. The exported model takes photos of any size
as uint8 RGB and returns them enlarged. KERAS_BACKEND=tensorflow writes all
formats but .pt2, which needs KERAS_BACKEND=torch.
"""

import argparse
from pathlib import Path

from keras_srgan.commands import option_types


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
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
        help="file to write; an older export there is replaced",
    )
    parser.add_argument(
        "--tile",
        type=option_types.integer(1),
        metavar="N",
        help="fix the size of the photos to N x N pixels and the batch to 1, "
        "for programs that cut photos into tiles; default: any size",
    )
    parser.add_argument(
        "--dtype",
        choices=["float32", "float16"],
        default="float32",
        help="dtype of weights and arithmetic; float16 halves the file and "
        "may change a level by one or two (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Runs the command; returns its exit status."""
    import keras

    from keras_srgan.export import export
    from keras_srgan.loading import load_generator

    generator = load_generator(options.model)
    signature, size = None, ""
    if options.tile:
        shape = (1, options.tile, options.tile, 3)
        signature = [keras.InputSpec("uint8", shape)]
        size = f", {options.tile}x{options.tile} pixels"
    export(
        generator,
        options.output,
        input_signature=signature,
        dtype=options.dtype,
    )
    print(
        f"{options.model} -> {options.output} "
        f"(x{generator.scale}, {options.dtype}{size})"
    )
    return 0
