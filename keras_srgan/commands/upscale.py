"""Enlarge photos, and folders of photos, four times.

photo.jpg becomes photo-x4.jpg beside it, and the folder photos becomes
photos-x4, with the same names and subfolders. A photo that is finished is not
made again, so a command that was stopped goes on when it is repeated. Exit
status: 0 if all went well, 1 if a photo failed, 2 if the command is wrong,
130 if it was interrupted.
"""

import argparse
import contextlib
import math
import re
import signal
import sys
import time
import warnings
from pathlib import Path

from PIL import Image

from keras_srgan.commands.common import PRECISIONS
from keras_srgan.commands.common import CommandError
from keras_srgan.commands.common import load_upscaler
from keras_srgan.commands.common import progress_bar
from keras_srgan.commands.common import use_device
from keras_srgan.photo import FORMATS
from keras_srgan.photo import open_photo
from keras_srgan.photo import save_photo
from keras_srgan.photo_files import find_photos


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "photos",
        nargs="+",
        type=Path,
        metavar="PHOTO",
        help="a photo, or a folder: all photos in it and its subfolders",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="folder for the results, which keep their names; for a single "
        "photo also a file",
    )
    parser.add_argument(
        "--model",
        default="srgan_x4",
        metavar="MODEL",
        help="a preset (keras-srgan presets lists them), or a .keras file of "
        "an SRGAN or its generator; default: %(default)s",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="make finished photos again"
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--scale",
        type=_scale,
        metavar="TIMES",
        help="how many times larger, such as 3; default: the model's, mostly 4",
    )
    size.add_argument(
        "--size",
        type=_size,
        metavar="WIDTHxHEIGHT",
        help="size of the results, such as 1920x1080; it stretches a photo of "
        "another shape",
    )
    parser.add_argument(
        "--format",
        choices=[suffix[1:] for suffix in FORMATS],
        help="default: that of the photo, or png if it cannot be written",
    )
    parser.add_argument(
        "--quality",
        type=_integer(1, 100),
        default=95,
        help="1 to 100, of jpg and webp; default: 95",
    )
    parser.add_argument(
        "--ensemble",
        action="store_true",
        help="average over flips and turns: a little better, 8 times slower",
    )
    parser.add_argument(
        "--tile-size",
        type=_integer(1),
        metavar="N",
        help="pixels along a side worked on at a time; fewer take less memory "
        "and more time; default: as memory allows",
    )
    parser.add_argument(
        "--device", help="cpu, gpu or gpu:1; default: a GPU if there is one"
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="what the network computes in; half precision is faster on GPUs "
        "made for it; default: as the model was saved",
    )


def run(options: argparse.Namespace) -> int:
    """Carry the command out; return its exit status."""
    try:
        with use_device(options.device), _interruptible() as check:
            upscaler = load_upscaler(
                options.model, options.precision, options.tile_size
            )
            photos = _get_outputs(options, upscaler.scale)
            return _upscale_all(upscaler, photos, options, check)
    except CommandError as error:
        print(f"keras-srgan upscale: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "Interrupted; no file is half-written. To go on, repeat the "
            f"command{' without --overwrite' if options.overwrite else ''}.",
            file=sys.stderr,
        )
        return 130


@contextlib.contextmanager
def _interruptible():
    """Yield a function that raises if Ctrl-C has been pressed and was lost.

    An exception that is raised while a destructor, or a callback of the
    garbage collector or of a weak reference happens to run, is dropped.
    """
    pressed = False

    def press(number, frame):
        nonlocal pressed
        pressed = True
        raise KeyboardInterrupt

    def check():
        if pressed:
            raise KeyboardInterrupt

    previous = signal.signal(signal.SIGINT, press)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, previous)


# === Photos ===


def _upscale_all(upscaler, photos, options, check):
    left = {
        output: photo
        for output, photo in photos.items()
        if options.overwrite or not output.is_file()
    }
    failed = 0
    with progress_bar(redirect_stdout=sys.stdout.isatty()) as progress:
        every = progress.add_task("all photos", total=len(left))
        this = progress.add_task("", total=1)
        for i, (output, photo) in enumerate(left.items()):
            progress.update(this, description=photo.name)
            start = time.perf_counter()

            def show(fraction, i=i):
                check()
                progress.update(this, completed=fraction)
                progress.update(every, completed=i + fraction)

            try:
                size = _upscale_one(upscaler, photo, output, options, show)
            # Whatever is wrong with one photo, the others may be well.
            except Exception as error:
                failed += 1
                print(f"failed: {_explain(error, photo)}", file=sys.stderr)
            else:
                seconds = time.perf_counter() - start
                print(
                    f"{photo} -> {output} "
                    f"({size[0]}x{size[1]}, {seconds:.1f} s)",
                    flush=True,
                )
            show(1)
    if len(photos) > 1 or not left:
        before = len(photos) - len(left)
        print(
            f"{len(left) - failed} enlarged, {failed} failed, {before} "
            "finished before" + " (--overwrite makes them again)" * (before > 0)
        )
    return 1 if failed else 0


def _upscale_one(upscaler, photo, output, options, progress):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        image = open_photo(photo)
        # What can be known to fail should fail before hours of work.
        longest = max(
            options.size
            or [
                round(side * (options.scale or upscaler.scale))
                for side in image.size
            ]
        )
        format, limit = FORMATS[output.suffix.lower()]
        if longest > limit:
            raise ValueError(
                f"{format} holds at most {limit} pixels a side, and this would "
                f"have {longest}; use --format png"
            )
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.is_dir():
            raise IsADirectoryError(f"Cannot write {output}: it is a folder")
        large = upscaler(
            image,
            scale=options.scale,
            size=options.size,
            ensemble=options.ensemble,
            progress=progress,
        )
    for warning in caught:
        text = _name(photo, str(warning.message))
        print(f"warning: {text}", file=sys.stderr)
    save_photo(large, output, options.quality)
    return large.size


def _explain(error, photo):
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}: {error.filename}"
    elif not isinstance(error, OSError | ValueError):
        text = f"{type(error).__name__}: {error}"
    return _name(photo, text)


def _name(photo, text):
    return text if str(photo) in text else f"{photo}: {text}"


# === Names ===


def _get_outputs(options, scale):
    """The photo of each output file, in the order of work."""
    label = f"-x{options.scale or scale:g}"
    if options.size:
        label = "-{}x{}".format(*options.size)
    output = options.output
    if output and _is_file_name(output):
        pairs = [(_get_single_photo(options), output)]
    else:
        pairs = [
            pair
            for path in options.photos
            for pair in _get_pairs(path, output, label, options.format)
        ]

    outputs = {}
    for photo, output in pairs:
        if outputs.setdefault(output, photo) != photo:
            raise CommandError(
                f"{outputs[output]} and {photo} would both become {output}; "
                "enlarge them one after the other, with another -o."
            )
    photos = {photo.resolve() for photo in outputs.values()}
    for output in outputs:
        if output.resolve() in photos:
            raise CommandError(
                f"{output} would be overwritten, but is one of the photos; "
                "choose another -o."
            )
    return outputs


def _is_file_name(path):
    return path.is_file() or (
        not path.is_dir()
        and path.suffix.lower() in Image.registered_extensions()
    )


def _get_single_photo(options):
    output = options.output
    if len(options.photos) > 1 or options.photos[0].is_dir():
        raise CommandError(
            f"-o must be a folder, unless for a single photo; {output} is the "
            "name of a file."
        )
    if output.suffix.lower() not in FORMATS:
        raise CommandError(
            f"-o must end in one of {', '.join(FORMATS)}, or be a folder; "
            f"not {output}."
        )
    if options.format:
        raise CommandError(f"--format cannot be with -o {output}, a file.")
    return options.photos[0]


def _get_pairs(path, output, label, format):
    """Pairs of a photo and its output, of one PHOTO argument."""
    if not path.is_dir():
        if output:
            return [(path, output / _get_name(path, "", format))]
        return [(path, path.with_name(_get_name(path, label, format)))]

    try:
        photos = find_photos(path)
    except ValueError as error:
        raise CommandError(str(error)) from error
    if output is None:
        folder = path.resolve() if path.name in ("", "..") else path
        output = folder.with_name(folder.name + label)
    elif output.resolve() != path.resolve():
        # What an earlier run has put there are no new photos.
        photos = [
            photo
            for photo in photos
            if output.resolve() not in photo.resolve().parents
        ]
    if not photos:
        raise CommandError(f"There are no photos in {path}.")
    return [
        (
            photo,
            output
            / photo.relative_to(path).with_name(_get_name(photo, "", format)),
        )
        for photo in photos
    ]


def _get_name(photo, label, format):
    suffix = photo.suffix if photo.suffix.lower() in FORMATS else ".png"
    if format:
        suffix = f".{format}"
    return f"{photo.stem}{label}{suffix}"


# === Types of options ===


def _integer(low, high=math.inf):
    def integer(text):
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(
                f"must be an integer from {low} to {high}, not {text!r}"
                if high < math.inf
                else f"must be an integer, at least {low}, not {text!r}"
            )
        return int(text)

    return integer


def _scale(text):
    try:
        scale = float(text)
    except ValueError:
        scale = 0
    if not 0 < scale < math.inf:
        raise argparse.ArgumentTypeError(
            f"must be a positive number, not {text!r}"
        )
    return scale


def _size(text):
    match = re.fullmatch(r"([1-9]\d*)[x×]([1-9]\d*)", text)
    if not match:
        raise argparse.ArgumentTypeError(
            f"must be like 1920x1080, not {text!r}"
        )
    return int(match[1]), int(match[2])
