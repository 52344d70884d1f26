import argparse
import importlib
import logging
import sys

COMMANDS = {
    "upscale": "enlarge photos",
    "train": "train a model on a folder of photos",
    "evaluate": "measure models against HR photos",
    "export": "write a model for another runtime (ONNX, LiteRT, …)",
    "import-torch": "make a model of a PyTorch checkpoint",
    "presets": "list the models that ship",
}


def main(arguments: list[str] | None = None) -> int:
    """Run `keras-srgan` with its command line; return its exit status.

    Args:
        arguments: List of strings. Defaults to those of the process.
    """
    parser = argparse.ArgumentParser(
        prog="keras-srgan", description="Photo super-resolution with SRGAN."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, help in COMMANDS.items():
        module = importlib.import_module(
            f"keras_srgan.commands.{name.replace('-', '_')}"
        )
        command = commands.add_parser(
            name, help=help, description=module.__doc__
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    # TensorFlow warns of each model and size of photo as of one too many.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
