"""Measure models against HR photos, side by side with bicubic.

Prints PSNR, SSIM, color shift and grid for each photo, then the means. With -o,
also writes them to results.csv and results.md, and for each photo a picture of
the crop where the systems differ most. With --degradation, also does this for
LR images that are compressed, noisy or blurred.
"""

import argparse
import pathlib
import sys

from rich.console import Console
from rich.table import Table

from keras_srgan.commands.common import CommandError
from keras_srgan.commands.common import load_upscaler
from keras_srgan.commands.common import progress_bar
from keras_srgan.commands.common import use_device


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    many = {"action": "extend", "nargs": "+", "default": []}
    add = parser.add_argument
    add("--hr", required=True, metavar="DIR", help="folder of HR photos")
    add(
        "--lr",
        metavar="DIR",
        help="folder of LR images (default: made by bicubic)",
    )
    add(
        "--model",
        metavar="MODEL",
        help="presets (keras-srgan presets lists them) or saved models "
        "(.keras)",
        **many,
    )
    add(
        "--outputs",
        type=pathlib.Path,
        metavar="DIR",
        help="folders of images that other systems made from the LR images",
        **many,
    )
    add(
        "--degradation",
        metavar="STEPS",
        help="also degrade the LR images, in a row of its own: blur:SIGMA, "
        "noise:SIGMA, sinc:CUTOFF or jpeg:QUALITY, or several in this order, "
        "such as blur:1+noise:5+jpeg:75",
        **many,
    )
    add("--scale", type=int, default=4, help="default: %(default)s")
    add("--shave", type=int, help="border pixels left out (default: scale)")
    add(
        "--channel",
        choices=["y", "rgb"],
        default="y",
        help="channels of PSNR and SSIM (default: %(default)s)",
    )
    add(
        "--vgg-weights",
        metavar="FILE",
        help="add two distances in VGG19 features, VGG54 and layered; FILE "
        "holds the weights of VGG19, or is 'imagenet' to download them",
    )
    add(
        "--vgg-crop",
        type=int,
        metavar="N",
        help="compare only the center in VGG19 features, N pixels high and "
        "wide (default: whole photos)",
    )
    add(
        "--pyiqa",
        metavar="NAME",
        help="further metrics of the package pyiqa: lpips, niqe, …",
        **many,
    )
    add("--device", help="cpu, gpu or gpu:1 (default: a GPU if there is one)")
    add("-o", "--out", metavar="DIR", help="folder for tables and pictures")
    add(
        "--crop",
        type=int,
        default=96,
        metavar="N",
        help="side of the crops in the pictures; crops under 192 pixels are "
        "magnified (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Runs the command; returns its exit status."""
    with use_device(options.device):
        _evaluate(options)
    return 0


def _evaluate(options):
    from keras_srgan.evaluation import evaluate_images
    from keras_srgan.evaluation import pixel_metrics
    from keras_srgan.evaluation import save_tables
    from keras_srgan.perceptual import VGGDistances
    from keras_srgan.perceptual import pyiqa_metric
    from keras_srgan.photo import save_photo
    from keras_srgan.pictures import difference_sheet

    metrics = pixel_metrics(options.channel, options.scale)
    if options.vgg_crop and not options.vgg_weights:
        raise CommandError("--vgg-crop needs --vgg-weights.")
    if options.vgg_weights:
        metrics["vgg"] = VGGDistances(options.vgg_weights, options.vgg_crop)
    for name in options.pyiqa:
        metrics[name] = pyiqa_metric(name)
    systems = {"bicubic": "bicubic"}
    for path in options.model:
        upscaler = load_upscaler(path)
        if upscaler.scale != options.scale:
            raise CommandError(
                f"The scale of the model {path} is {upscaler.scale}, "
                f"not --scale {options.scale}."
            )
        systems[_get_title(path, systems)] = upscaler
    for path in options.outputs:
        systems[_get_title(path, systems)] = path

    with progress_bar() as bar:
        task = bar.add_task("", total=1)

        def on_image(name, hr, images):
            bar.update(task, description=name)
            if options.out:
                sheet = difference_sheet(hr, images, options.crop)
                folder = pathlib.Path(options.out, "pictures")
                folder.mkdir(parents=True, exist_ok=True)
                # Not all file systems allow the colon of "baby, jpeg:50".
                file = f"{name.replace(', ', '-').replace(':', '')}.png"
                save_photo(sheet, folder / file)

        rows = evaluate_images(
            systems,
            options.hr,
            options.lr,
            scale=options.scale,
            shave=options.shave,
            metrics=metrics,
            degradations=options.degradation,
            on_image=on_image,
            progress=lambda done: bar.update(task, completed=done),
        )

    shave = options.scale if options.shave is None else options.shave
    channel = {"y": "Y (BT.601)", "rgb": "RGB"}[options.channel]
    caption = (
        f"{options.hr}: x{options.scale}, PSNR and SSIM on {channel}, {shave} "
        "border pixels left out, LR "
        + (f"from {options.lr}" if options.lr else "by antialiased bicubic")
        + (f", VGG19 on {options.vgg_crop} pixels" if options.vgg_crop else "")
    )
    _print(rows, caption)
    if options.out:
        save_tables(rows, options.out, caption)


def _get_title(path, taken):
    """Returns the shortest title that no other system has."""
    # Runs leave models of the same name in different folders.
    path = pathlib.Path(path)
    name = path.name.removesuffix(".keras")
    titles = name, f"{path.resolve().parent.name}/{name}", str(path)
    return next(t for t in titles if t not in {*taken, "HR"} or t == titles[-1])


def _print(rows, caption):
    from keras_srgan.evaluation import mean_rows
    from keras_srgan.evaluation import table

    headings, cells = table(rows)
    _, means = table(mean_rows(rows))
    grid = Table(title=caption)
    for heading, value in zip(headings, rows[0].values(), strict=True):
        justify = "left" if isinstance(value, str) else "right"
        grid.add_column(heading, justify=justify)
    previous = None
    for image, *line in cells + means:
        if image != previous and (len(means) > 1 or image == "mean"):
            grid.add_section()
        grid.add_row("" if image == previous else image, *line)
        previous = image
    # Files and pipes have no width.
    width = None if sys.stdout.isatty() else 200
    Console(width=width, markup=False, emoji=False, highlight=False).print(grid)
