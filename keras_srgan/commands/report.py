"""Reports, for the command that enlarges photos."""

import argparse
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from keras_srgan.commands.common import CommandError
from keras_srgan.commands.common import load_upscaler
from keras_srgan.detail_map import describe_detail
from keras_srgan.detail_map import map_detail


class Reporter(NamedTuple):
    """The network that results are compared with.

    Attributes:
        upscaler: Its `Upscaler`.
        model: String, the name of the network that makes the results.
        other: String, the name of this network.
    """

    upscaler: object
    model: str
    other: str


def load_reporter(name: str, options: argparse.Namespace) -> Reporter:
    """Loads the partner of a preset.

    Args:
        name: String, the preset.
        options: Parsed options of the command.

    Raises:
        CommandError: if the model has no partner or cannot be loaded.
    """
    from keras_srgan.blending import find_pair

    try:
        pair = find_pair(name)
    except (OSError, ValueError) as error:
        raise CommandError(f"--report: {error}") from error
    model = str(name)
    # A blend is compared with its faithful preset, and a preset with the other.
    other = pair["faithful"]
    if options.detail is not None:
        model = f"{pair['vivid']} with detail {options.detail:g}"
    if options.detail == 0 or (options.detail is None and str(other) == model):
        other = pair["vivid"]
    upscaler = load_upscaler(other, options.precision, options.tile_size)
    return Reporter(upscaler, model, str(other))


def get_report_path(output: Path, overwrite: bool) -> Path:
    """Returns the path of the report beside a result.

    Args:
        output: The file of the result.
        overwrite: Boolean. Whether an existing report is replaced.

    Raises:
        ValueError: if a report exists and is not to be replaced.
    """
    # The whole name, since photo.jpg and photo.png may be neighbors.
    path = output.with_name(f"{output.name}.html")
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists already; --overwrite replaces it")
    return path


def write_report(
    path: Path,
    photo: Image.Image,
    result: Image.Image,
    other: Image.Image,
    reporter: Reporter,
    name: str,
) -> str:
    """Writes a report, and returns its description.

    Args:
        path: The file to write.
        photo: The photo, as `open_photo` returns it.
        result: The result, a Pillow image.
        other: The result of the reporter's network.
        reporter: A `Reporter`.
        name: String, the name of the photo.

    Raises:
        OSError: if the file cannot be written.
    """
    from keras_srgan.detail_page import write_page

    detail = map_detail(result, other, photo)
    write_page(
        path,
        photo,
        result,
        detail,
        name=name,
        model=reporter.model,
        other=reporter.other,
    )
    return describe_detail(detail)
