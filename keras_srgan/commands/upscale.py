"""Enlarge photos, and folders of photos, 4x per side.

photo.jpg becomes photo-x4.jpg beside it, and the folder photos becomes
photos-x4, with the same names and subfolders. Finished photos are not made
again, so a command that was stopped resumes when it is repeated. Exit status:
0 if all photos were enlarged, 1 if a photo failed, 2 if the command is wrong,
130 if it was interrupted.
"""

import argparse
import contextlib
import signal
import sys
import time
import warnings
from pathlib import Path

from keras_srgan import xmp
from keras_srgan.commands import option_types
from keras_srgan.commands import pipe
from keras_srgan.commands.common import PRECISIONS
from keras_srgan.commands.common import CommandError
from keras_srgan.commands.common import print_line
from keras_srgan.commands.common import printable
from keras_srgan.commands.common import progress_bar
from keras_srgan.commands.common import use_device
from keras_srgan.commands.consistent import check_multiple
from keras_srgan.commands.consistent import describe
from keras_srgan.commands.consistent import save_consistent
from keras_srgan.commands.deep_color import read_to_keep
from keras_srgan.commands.models import Models
from keras_srgan.commands.outputs import plan
from keras_srgan.commands.report import get_report_path
from keras_srgan.commands.report import write_report
from keras_srgan.deep_color import save_deep_color
from keras_srgan.formats import FORMATS
from keras_srgan.formats import check_size
from keras_srgan.photo import MAX_MEGAPIXELS
from keras_srgan.photo import open_photo
from keras_srgan.photo import save_photo
from keras_srgan.photo_files import count_suffixes
from keras_srgan.tiling import scale_progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.add_argument(
        "photos",
        nargs="+",
        type=Path,
        metavar="PHOTO",
        help="a photo; a folder: all photos in it and its subfolders; or -: "
        "a photo from standard input, written to standard output, as png",
    )
    parser.add_argument(
        "--raw",
        type=option_types.size,
        metavar="WIDTHxHEIGHT",
        help="with -: read and write frames of a video, in rgb24 without "
        "headers, as ffmpeg does; those read have this size",
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
        metavar="MODEL",
        help="a preset (keras-srgan presets lists them), or a .keras file of "
        "an SRGAN or its generator; default: srgan_x4_base for clean photos, "
        "srgan_x4_photos for compressed, noisy or blurred ones",
    )
    parser.add_argument(
        "--detail",
        type=option_types.fraction,
        metavar="FRACTION",
        help="0 to 1, for presets: blend of the faithful (0) and the vivid "
        "one (1) of the model and its partner; default: the model as it is",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="recompute existing results"
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--scale",
        type=option_types.positive,
        metavar="TIMES",
        help="how many times larger per side, such as 3; default: the model's, "
        "usually 4",
    )
    size.add_argument(
        "--size",
        type=option_types.size,
        metavar="WIDTHxHEIGHT",
        help="size of the results, such as 1920x1080; photos of "
        "another shape are stretched",
    )
    parser.add_argument(
        "--format",
        choices=[suffix[1:] for suffix in FORMATS],
        help="default: that of the photo, or png if it cannot be written",
    )
    parser.add_argument(
        "--quality",
        type=option_types.integer(1, 100),
        default=95,
        help="1 to 100, of jpg, webp and avif; default: 95",
    )
    parser.add_argument(
        "--ensemble",
        action="store_true",
        help="average over flips and rotations: a little better, 8 times "
        "slower",
    )
    parser.add_argument(
        "--consistent",
        action="store_true",
        help="change the results until they shrink to the photos, by bicubic, "
        "within half a level of 255; written losslessly, usually as png",
    )
    parser.add_argument(
        "--allow-deviation",
        action="store_true",
        help="with --consistent: also write results that deviate more, from "
        "photos that cannot be matched",
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="for presets: also write a page, photo-x4.jpg.html, that shows "
        "where the photo does not determine the detail",
    )
    parser.add_argument(
        "--tile-size",
        type=option_types.integer(1),
        metavar="N",
        help="side of a tile in pixels of the photo; smaller tiles take less "
        "memory and more time; default: as memory allows",
    )
    parser.add_argument(
        "--max-megapixels",
        type=option_types.positive,
        default=MAX_MEGAPIXELS,
        metavar="N",
        help="refuse photos with more, which may be decompression bombs; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--device", help="cpu, gpu or gpu:1; default: a GPU if there is one"
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="precision of the network; half precision is faster on GPUs that "
        "support it; default: that of the saved model",
    )


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns its exit status."""
    if options.allow_deviation and not options.consistent:
        raise CommandError("--allow-deviation needs --consistent.")
    piped = pipe.is_piped(options)
    try:
        with use_device(options.device), _interruptible() as check:
            models = Models(options)
            if piped:
                return pipe.run(models, options, _upscale_one)
            label = f"-x{options.scale or models.scale:g}"
            if options.size:
                label = "-{}x{}".format(*options.size)
            work = plan(
                options.photos,
                options.output,
                label,
                options.format,
                options.overwrite,
                options.consistent,
            )
            return _upscale_all(models, work, options, check)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "Interrupted; no file is half-written. To resume, repeat the "
            f"command{' without --overwrite' if options.overwrite else ''}."
        ) from None


@contextlib.contextmanager
def _interruptible():
    """Yields a function that raises if the exception of Ctrl-C was lost.

    Python drops an exception that is raised while a destructor or a callback
    of the garbage collector or of a weak reference runs.
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


def _upscale_all(models, work, options, check):
    failed = sum(map(len, work.refused.values()))
    for reason, photos in work.refused.items():
        _print_failure(reason, photos)
    with progress_bar(redirect_stdout=sys.stdout.isatty()) as progress:
        every = progress.add_task("all photos", total=len(work.photos))
        this = progress.add_task("", total=1)
        for i, (output, photo) in enumerate(work.photos.items()):
            name = printable(photo.name, sys.stderr)
            progress.update(this, description=name)
            start = time.perf_counter()

            def show(fraction, i=i):
                check()
                progress.update(this, completed=fraction)
                progress.update(every, completed=i + fraction)

            try:
                lines = _upscale_one(models, photo, output, options, show)
            # One bad photo must not stop the others.
            except Exception as error:
                failed += 1
                _print_failure(_explain(error), [photo])
            else:
                seconds = time.perf_counter() - start
                about = f"{lines[0]}, {seconds:.1f} s"
                print_line(f"{photo} -> {output} ({about})")
                for line in lines[1:]:
                    print_line(line)
            show(1)
    _print_summary(work, failed)
    return 1 if failed else 0


def _upscale_one(models, photo, output, options, progress):
    """Writes a result, and returns lines of text that describe it."""
    steps = 1 + options.consistent + options.report
    sizes = {name: getattr(options, name) for name in ("scale", "size")}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        image = open_photo(photo, options.max_megapixels)
        upscaler, reporter, about = models.get(photo)
        # Check for foreseeable errors first.
        size = _check_size(image, upscaler.scale, output, options)
        deep = read_to_keep(photo, output, size, options)
        if reporter:
            report = get_report_path(output, options.overwrite)
        output.parent.mkdir(parents=True, exist_ok=True)
        large = upscaler(
            image if deep is None else deep,
            **sizes,
            ensemble=options.ensemble,
            progress=scale_progress(progress, 0, steps),
        )
        lines = [", ".join(filter(None, [f"{size[0]}x{size[1]}", about]))]
        if options.consistent:
            large, deviation = save_consistent(
                large,
                image,
                output,
                options.allow_deviation,
                scale_progress(progress, 1, steps),
            )
            lines[0] += f", {describe(deviation)}"
        elif deep is not None:
            info = xmp.resize(image.info, image.size, size)
            save_deep_color(large, output, info)
        else:
            save_photo(large, output, options.quality)
        if reporter:
            other = reporter.upscaler(
                image,
                **sizes,
                ensemble=options.ensemble,
                progress=scale_progress(progress, steps - 1, steps),
            )
            text = write_report(
                report, image, large, other, reporter, photo.name
            )
            lines.append(f"{report}: {text}")
    for text in dict.fromkeys(str(warning.message) for warning in caught):
        print_line(f"warning: {_name(text, [photo])}", sys.stderr)
    return lines


def _check_size(image, scale, output, options):
    scale = options.scale or scale
    size = options.size or [max(1, round(side * scale)) for side in image.size]
    if options.consistent or options.report:
        check_multiple(image.size, size)
    check_size(size, output)
    return size


# === Messages ===


def _print_failure(reason, photos):
    print_line(f"failed: {_name(reason, photos)}", sys.stderr)


def _print_summary(work, failed):
    if work.left_out:
        print_line(
            "left out, as their suffixes are not those of photos: "
            f"{count_suffixes(work.left_out)}",
            sys.stderr,
        )
    for photo in work.results:
        print_line(f"left out, as an earlier result: {photo}", sys.stderr)
    planned = len(work.photos) + sum(map(len, work.refused.values()))
    finished = len(work.finished)
    if planned + finished > 1 or not planned:
        print_line(
            f"{planned - failed} enlarged, {failed} failed, {finished} "
            "finished before"
            + " (--overwrite makes them again)"
            * (finished > 0)
        )


def _explain(error):
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}"
    if isinstance(error, OSError | ValueError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _name(text, photos):
    """Returns a message that names the photo, or says how many there are."""
    if all(str(photo) in text for photo in photos):
        return text
    if len(photos) == 1:
        return f"{photos[0]}: {text}"
    return f"{text} ({len(photos)} photos)"
