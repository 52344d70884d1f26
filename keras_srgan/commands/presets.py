"""List the trained models in the package, by the names that --model takes."""

import argparse

from rich.console import Console
from rich.table import Table

from keras_srgan.preset import presets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds no arguments: the command has none."""


def run(options: argparse.Namespace) -> int:
    """Runs the command; returns its exit status."""
    grid = Table(box=None)
    for heading in "preset", "scale", "parameters":
        grid.add_column(heading, no_wrap=True)
    grid.add_column("for")
    for name, about in presets().items():
        grid.add_row(
            name,
            f"x{about['scale']}",
            f"{about['parameters']:,}",
            about["description"],
        )
    Console(markup=False, emoji=False, highlight=False).print(grid)
    return 0
