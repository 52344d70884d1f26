"""Adapt a model to your photos, and keep it only if it is better.

Photos that would harm a model are left out, and some are held out: an eighth,
at least 4. The others train the model on LR images that are degraded as the
photos are. After each epoch the held-out photos are measured; training returns
to the best state where they become worse. In the end, sheet.png shows held-out
photos before and after, and the model is written only if most are better. See
docs/adaptation.md.
"""

import argparse
import os

from keras_srgan.commands.common import CommandError
from keras_srgan.settings import read_settings

MODEL = "srresnet_x4_small"
MINUTES = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    add = parser.add_argument
    add(
        "photos",
        metavar="PHOTOS",
        help="folder of photos; with --resume, the run",
    )
    add("-o", "--out", metavar="RUN", help="folder of the run")
    add(
        "--minutes",
        type=float,
        help=f"minutes to train (default: {MINUTES})",
    )
    add("--resume", action="store_true", help="continue the run")
    add(
        "--model",
        help="preset (keras-srgan presets lists them) or saved model (.keras) "
        f"to start from (default: {MODEL})",
    )
    add(
        "--vgg-weights",
        metavar="FILE",
        help="file of VGG19's weights, to measure the layered distance too; "
        "sharper-looking models need them (default for these: downloaded)",
    )
    add(
        "--settings",
        metavar="FILE.toml",
        help="further settings, as for keras-srgan train",
    )


def run(options: argparse.Namespace) -> int:
    """Runs the command; returns its exit status."""
    from keras_srgan.adaptation import Adaptation
    from keras_srgan.adaptation import adaptation_settings
    from keras_srgan.distribution import distribute
    from keras_srgan.run_folder import check_unused
    from keras_srgan.run_folder import is_run

    given = read_settings(options.settings) if options.settings else {}
    if options.vgg_weights:
        given["vgg_weights"] = options.vgg_weights
    directory = options.out
    if directory is None:
        if not options.resume:
            raise CommandError("-o RUN must name the folder of the run.")
        directory = options.photos
    distribute()
    if is_run(directory) or (options.resume and options.out is None):
        if not options.resume:
            raise CommandError(
                f"{directory} holds a training run. Continue it with --resume, "
                "or choose another -o."
            )
        if options.model:
            given["start"] = options.model
        adaptation = Adaptation.open(directory, given)
        if options.out:
            folder = os.path.join(os.path.abspath(options.photos), "")
            if not adaptation.settings.photos[0].startswith(folder):
                raise CommandError(
                    f"{directory} holds a run on other photos than those of "
                    f"{options.photos}."
                )
        adaptation.train(minutes=options.minutes)
    else:
        # Before the photos are measured.
        check_unused(directory, "start.keras", "degradation.json")
        settings, lines = adaptation_settings(
            options.photos, options.model or MODEL, **given
        )
        adaptation = Adaptation.create(directory, settings)
        for line in lines:
            adaptation.log(line)
        adaptation.train(minutes=options.minutes or MINUTES)
    verdict = adaptation.conclude()
    if verdict.kept:
        print(f"The adapted model: {os.path.join(directory, 'model.keras')}")
    return 0
