"""Train a model on a folder of photos, resume a run, or finish it.

A run trains at a constant learning rate for as long as it is given time.
--finish decays the rate to zero and writes the model; the run can then be
resumed from where it was. Settings come from --settings, then from the
options below. See docs/training.md.
"""

import argparse
import dataclasses
import typing

from keras_srgan.commands.common import CommandError
from keras_srgan.settings import Settings
from keras_srgan.settings import read_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    add = parser.add_argument
    add(
        "photos",
        nargs="?",
        metavar="PHOTOS",
        help="folder of HR photos; with --resume or --finish, the run",
    )
    add("-o", "--out", metavar="RUN", help="folder of the run")
    add("--settings", metavar="FILE.toml", help="file of settings")
    add("--epochs", type=int, help="train up to this epoch")
    add("--minutes", type=float, help="minutes to train")
    add("--resume", action="store_true", help="continue the run")
    add("--finish", action="store_true", help="decay, measure, write the model")
    add(
        "--decay",
        type=float,
        default=0.15,
        help="length of --finish, as a share of the steps done "
        "(default: %(default)s)",
    )
    group = parser.add_argument_group("settings")
    hints = typing.get_type_hints(Settings)
    for field in dataclasses.fields(Settings):
        kind = (typing.get_args(hints[field.name]) or [hints[field.name]])[0]
        if field.name == "photos" or kind is dict:
            continue
        options = {"type": kind}
        if kind is bool:
            options = {"action": argparse.BooleanOptionalAction}
        elif kind is list:
            options = {"nargs": 2, "metavar": ("LR", "HR")}
        help = field.metadata["help"]
        if field.default not in (None, False):
            help += f" (default: {field.default})"
        group.add_argument(
            f"--{field.name.replace('_', '-')}",
            default=argparse.SUPPRESS,
            help=help,
            **options,
        )


def run(options: argparse.Namespace) -> int:
    """Runs the command; returns its exit status."""
    from keras_srgan.distribution import distribute
    from keras_srgan.run_folder import is_run
    from keras_srgan.training import TrainingRun

    given = _read_given(options)
    directory = options.out
    exists = options.finish or (options.resume and directory is None)
    if directory is None and exists:
        directory = given.pop("photos", None)
    if directory is None:
        raise CommandError("-o RUN must name the folder of the run.")
    distribute()
    if exists or is_run(directory):
        if not options.resume and not options.finish:
            raise CommandError(
                f"{directory} holds a training run. Continue it with "
                "--resume, finish it with --finish, or choose another -o."
            )
        training = TrainingRun.open(directory, given)
    else:
        # --resume too starts a run that was killed before it was one.
        training = TrainingRun.create(directory, Settings(**given))
    if options.finish:
        training.finish(options.decay)
    else:
        training.train(options.epochs, options.minutes)
    return 0


def _read_given(options):
    """Returns the settings that the command line gives."""
    given = read_settings(options.settings) if options.settings else {}
    for field in dataclasses.fields(Settings):
        if field.name != "photos" and hasattr(options, field.name):
            given[field.name] = getattr(options, field.name)
    if options.photos:
        given["photos"] = options.photos
    return given
