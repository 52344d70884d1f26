"""Consistent results, for the command that enlarges photos."""

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from keras_srgan.consistency import BOUND
from keras_srgan.consistency import Deviation
from keras_srgan.consistency import check_deviation
from keras_srgan.consistency import make_consistent
from keras_srgan.consistency import measure_deviation
from keras_srgan.files import replacing
from keras_srgan.photo import open_stored
from keras_srgan.photo import save_photo
from keras_srgan.photo_modes import to_8_bit


def check_multiple(size: tuple[int, int], target: tuple[int, int]) -> None:
    """Raises unless the result is a whole multiple of the photo.

    Args:
        size: `(width, height)` of the photo.
        target: `(width, height)` of the result.

    Raises:
        ValueError: if it is not.
    """
    factor = target[0] // size[0]
    if factor < 1 or tuple(factor * side for side in size) != tuple(target):
        raise ValueError(
            "--consistent and --report need a result whose sides are one "
            f"whole multiple of the photo's, {size[0]}x{size[1]}, not "
            "{}x{}; choose another --scale".format(*target)
        )


def save_consistent(
    large: Image.Image,
    photo: Image.Image,
    path: Path,
    allow_deviation: bool,
    progress: Callable[[float], None],
) -> tuple[Image.Image, Deviation]:
    """Makes an enlarged photo consistent, writes it and measures the file.

    Args:
        large: The enlarged photo, a Pillow image.
        photo: The photo, as `open_photo` returns it.
        path: The file to write, of a lossless format.
        allow_deviation: Boolean. Whether a deviation above half a level is
            written.
        progress: See `make_consistent`.

    Returns:
        The consistent picture, and the `Deviation` of the file's pixels.

    Raises:
        ValueError: if the deviation remains larger, unless allowed. Nothing
            is written.
        OSError: if the file cannot be written.
    """
    # Files hold whole levels.
    if large.mode == "F":
        large = to_8_bit(large)
    large = make_consistent(
        large, photo, allow_deviation=allow_deviation, progress=progress
    )
    with replacing(path) as partial:
        save_photo(large, partial)
        deviation = measure_deviation(open_stored(partial), photo)
        if not allow_deviation:
            check_deviation(deviation)
    return large, deviation


def describe(deviation: Deviation) -> str:
    """Returns a text such as `"largest deviation 0.5 levels, mean 0.1"`."""
    place = ""
    if deviation.largest > BOUND:
        place = f" at {deviation.x},{deviation.y}"
    return (
        f"largest deviation {deviation.largest:.2f} levels{place}, mean "
        f"{deviation.mean:.2f}"
    )
