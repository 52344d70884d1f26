"""The models of the command that enlarges photos."""

import argparse
from pathlib import Path
from typing import NamedTuple

from keras_srgan.commands.common import load_upscaler
from keras_srgan.commands.report import Reporter
from keras_srgan.commands.report import load_reporter
from keras_srgan.model_choice import CLEAN
from keras_srgan.model_choice import SCALE
from keras_srgan.model_choice import choose_preset


class Model(NamedTuple):
    """A model and how it was chosen.

    Attributes:
        upscaler: Its `Upscaler`.
        reporter: `Reporter`, or `None` without `--report`.
        about: String, which preset was chosen and why; empty if the user
            named one.
    """

    upscaler: object
    reporter: Reporter | None
    about: str


class Models:
    """The model that the options name, or one chosen for each photo.

    `--detail` and `--report` need a pair of presets, which the one for clean
    photos has.

    Args:
        options: Parsed options of the command. The model that they name is
            loaded at once, others when a photo needs them.

    Raises:
        CommandError: if the model cannot be loaded, or has no partner for
            `--detail` or `--report`.
    """

    def __init__(self, options: argparse.Namespace):
        self._options = options
        self._loaded = {}
        self._name = options.model
        if not self._name and (options.report or options.detail is not None):
            self._name = CLEAN
        if self._name:
            self._load(self._name)

    @property
    def scale(self) -> int:
        """The factor per side of all models."""
        return self._load(self._name)[0].scale if self._name else SCALE

    def get(self, photo: Path) -> Model:
        """Returns the model for a photo.

        Args:
            photo: Path of the photo.

        Raises:
            OSError: if the file is not a photo.
            CommandError: if the model cannot be loaded.
        """
        if self._name:
            return Model(*self._load(self._name), "")
        name, reason = choose_preset(photo)
        return Model(*self._load(name), f"{name}: {reason}")

    def _load(self, name):
        if name not in self._loaded:
            options = self._options
            self._loaded[name] = (
                load_upscaler(
                    name, options.precision, options.tile_size, options.detail
                ),
                load_reporter(name, options) if options.report else None,
            )
        return self._loaded[name]
