import argparse
import importlib
import logging
import os
import sys

from keras_srgan.backend import import_keras
from keras_srgan.backend import limit_shape_caches
from keras_srgan.commands.common import CommandError
from keras_srgan.commands.common import print_line

COMMANDS = {
    "upscale": "enlarge photos",
    "train": "train a model on a folder of photos",
    "adapt": "adapt a model to your photos",
    "evaluate": "measure models against HR photos",
    "export": "write a model for another runtime (ONNX, LiteRT, …)",
    "verify": "check that a runtime computes an ONNX or LiteRT file correctly",
    "import-torch": "convert a PyTorch checkpoint to a Keras model",
    "presets": "list the models in the package",
}
# Commands that do not need Keras.
LIGHT = {"presets", "verify"}
INTERRUPTED = 130
# The exit status that rich and Python's documentation use.
BROKEN_PIPE = 1


def main(arguments: list[str] | None = None) -> int:
    """Runs `keras-srgan` with its command line; returns its exit status.

    The modules of `keras_srgan.commands` import Keras only when a command
    runs.

    Args:
        arguments: List of strings. Defaults to those of the process.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    command = arguments[0] if arguments else None
    try:
        options = _make_parser(command).parse_args(arguments)
        if command == "upscale":
            # Other commands have few shapes, but many layers.
            limit_shape_caches()
        if command not in LIGHT:
            import_keras()
        # TensorFlow warns about each new model and size of photo.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        status = options.run(options)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt as error:
        print_line(str(error) or "Interrupted.", sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Python would fail again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (
        CommandError,
        FloatingPointError,
        ImportError,
        MemoryError,
        OSError,
        ValueError,
    ) as error:
        print_line(f"keras-srgan {command}: error: {error}", sys.stderr)
        return 2


def _make_parser(command):
    """Returns the parser; only the given command gets its arguments."""
    parser = argparse.ArgumentParser(
        prog="keras-srgan", description="Photo super-resolution with SRGAN."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, help in COMMANDS.items():
        if name != command:
            commands.add_parser(name, help=help)
            continue
        module = importlib.import_module(
            f"keras_srgan.commands.{name.replace('-', '_')}"
        )
        subparser = commands.add_parser(
            name, help=help, description=module.__doc__
        )
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
