"""A run, killed anywhere, ends bit for bit as if it had not been killed.

`KERAS_SRGAN_KILLS=100 pytest tests/test_training_runs.py` kills that often.
"""

import io
import json
import os
import random
import re
import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

from keras_srgan import Generator
from keras_srgan.lock import locked
from keras_srgan.run_folder import is_run
from keras_srgan.settings import Settings
from keras_srgan.stop_on_non_finite import StopOnNonFinite
from keras_srgan.training import TrainingRun

KILLS = int(os.environ.get("KERAS_SRGAN_KILLS", "1"))
EPOCHS, STEPS = 2, 3


class KilledError(BaseException):
    """Stands for the signal: no handler of errors catches it."""


class Killer:
    """Kills at a file operation or at a step, by number.

    A dead process does nothing more to files: from then on, each operation
    fails, also those that clean up.
    """

    OPERATIONS = ("replace", "unlink", "rmdir", "mkdir")

    def __init__(self, monkeypatch):
        self.count = 0
        self.fatal = None
        self.dead = False
        for name in self.OPERATIONS:
            original = getattr(os, name)
            monkeypatch.setattr(os, name, self._watch(original))
        monkeypatch.setattr(
            StopOnNonFinite,
            "on_train_batch_end",
            lambda callback, batch, logs=None: self._event(),
        )

    def _watch(self, operation):
        def watched(*args, **kwargs):
            self._event()
            result = operation(*args, **kwargs)
            self._event()
            return result

        return watched

    def _event(self):
        self.count += 1
        if self.count == self.fatal:
            self.dead = True
        if self.dead:
            raise KilledError

    def kill(self, command, folder, events):
        """Kills a command that makes a folder, at a random event.

        Returns the event, and the events of a whole run.
        """
        draw = random.SystemRandom()
        fatal = draw.randrange(1, events + 1)
        if not self.run(command, fatal):
            # The first run had more events, perhaps those of a cold cache.
            events = self.count
            shutil.rmtree(folder)
            fatal = draw.randrange(1, events + 1)
            assert self.run(command, fatal)
        return fatal, events

    def run(self, command, fatal=None):
        """Returns whether a command is killed at an event."""
        self.count, self.fatal, self.dead = 0, fatal, False
        try:
            command()
        except KilledError:
            return True
        finally:
            self.fatal, self.dead = None, False
        return False


@pytest.fixture
def folder(tmp_path):
    """A folder with eight photos."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(8):
        levels = rng.integers(0, 256, (6, 6, 3), "uint8")
        photo = Image.fromarray(levels).resize((32, 32), Image.BICUBIC)
        photo.save(tmp_path / f"photos/{i}.png")
    return tmp_path


@pytest.fixture
def make_settings(folder):
    def make(**settings):
        return Settings(
            **{
                "photos": str(folder / "photos"),
                "stage": "gan",
                "content_loss": "mse",
                "generator": {"num_blocks": 1, "filters": 4},
                "discriminator": {"filters": 2},
                "held_out": 2,
                "test_size": 24,
                "crop_size": 24,
                "batch_size": 2,
                "steps_per_epoch": STEPS,
                "warmup_steps": 2,
                "average": 0.9,
                "augmentation": {"turn": True},
                "checkpoint_every": 1,
                **settings,
            }
        )

    return make


def train_and_finish(directory, settings):
    """Does what is left of a run, as its commands would."""
    if is_run(directory):
        run = TrainingRun.open(directory)
    else:
        run = TrainingRun.create(directory, settings)
    run.train(epochs=EPOCHS)
    run.finish(decay=0.5)


def read(directory):
    """Returns what a run has written, by the name of the file."""
    contents = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        temporary = any(part.startswith(".") for part in path.parts)
        if not path.is_file() or path.name == "log.txt" or temporary:
            continue
        contents[name] = path.read_bytes()
        if path.suffix == ".keras":
            # Without the time of saving and addresses in memory.
            with zipfile.ZipFile(path) as archive:
                config = archive.read("config.json")
                weights = io.BytesIO(archive.read("model.weights.h5"))
            contents[name] = [
                re.sub(rb'"shared_object_id": \d+', b"", config),
                read_arrays(weights),
            ]
        elif path.suffix == ".h5":
            # Without the time spent, an attribute of the whole file.
            contents[name] = read_arrays(path)
    return contents


def read_arrays(path):
    arrays = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[()].tobytes()

    with h5py.File(path) as file:
        file.visititems(visit)
    return arrays


def differing(one, other):
    return [
        name
        for name in {**one, **other}
        if one.get(name, b"") != other.get(name, b"")
    ]


@pytest.fixture
def seen(folder):
    """A folder with JPEG files to measure."""
    (folder / "seen").mkdir()
    rng = np.random.default_rng(1)
    for i in range(3):
        levels = rng.integers(0, 256, (12, 12, 3), "uint8")
        photo = Image.fromarray(levels).resize((72, 72), Image.BICUBIC)
        photo.save(folder / f"seen/{i}.jpg", quality=40 + i)
    return folder / "seen"


@pytest.mark.parametrize(
    ("degradation", "optimizer"), [("clean", "adam"), ("seen", "muon")]
)
def test_a_run_killed_anywhere_ends_as_if_it_had_not_been(
    folder, seen, make_settings, monkeypatch, degradation, optimizer
):
    monkeypatch.chdir(folder)
    settings = make_settings(degradation=degradation, optimizer=optimizer)
    killer = Killer(monkeypatch)
    whole = folder / "whole"
    assert not killer.run(lambda: train_and_finish(whole, settings))
    events, expected = killer.count, read(whole)
    assert {
        "settings.toml",
        "history.csv",
        "curves.png",
        "checkpoints/best.keras",
        "model.keras",
        "finish-0002-0003/results.md",
        "finish-0002-0003/pictures/epoch-0003.png",
        "backup/epoch-0002.weights.h5",
    } <= expected.keys()

    killed = folder / "killed"

    def resume():
        if is_run(killed) and seen.exists():
            # The photos were measured when the run was created.
            seen.rename(folder / "gone")
        train_and_finish(killed, settings)

    for _ in range(KILLS):
        first, events = killer.kill(resume, killed, events)
        second = random.SystemRandom().randrange(1, events + 1)
        # The resumed run may end before it is killed.
        killer.run(resume, second)
        assert not killer.run(resume)
        assert not differing(read(killed), expected), (first, second)
        shutil.rmtree(killed)
        if not seen.exists():
            (folder / "gone").rename(seen)


@pytest.mark.once
def test_a_finished_run_says_so_and_trains_nothing(
    folder, make_settings, capsys
):
    run = TrainingRun.create(folder / "run", make_settings())
    assert run.train(epochs=1)
    assert run.finish()
    before = read(folder / "run")
    capsys.readouterr()
    run = TrainingRun.open(folder / "run")
    assert not run.train()
    assert not run.train(epochs=1)
    assert not run.finish()
    assert not differing(read(folder / "run"), before)
    assert capsys.readouterr().out.count("nothing to train") == 2


@pytest.mark.once
def test_a_run_that_diverges_stops(folder, make_settings):
    run = TrainingRun.create(folder / "run", make_settings())
    run.train(epochs=1)
    # As if the first epoch had been much better.
    (backup,) = (folder / "run/backup").glob("*.h5")
    with h5py.File(backup, "a") as file:
        states = json.loads(file.attrs["callbacks"])
        states["StopOnDivergence"]["best"] += 100
        file.attrs["callbacks"] = json.dumps(states)
    with pytest.raises(FloatingPointError, match="diverged in epoch 2"):
        TrainingRun.open(folder / "run").train(epochs=2)
    assert TrainingRun.open(folder / "run").epochs_done == 1


@pytest.mark.once
def test_a_finished_run_can_be_continued(folder, make_settings):
    """The decay leaves the constant-rate state as it is."""
    one, other = folder / "one", folder / "other"
    for directory in (one, other):
        run = TrainingRun.create(directory, make_settings())
        run.train(epochs=1)
        if directory == one:
            run.finish()
        run = TrainingRun.open(directory)
        run.train(epochs=2)
    backup = "backup/epoch-0002.weights.h5"
    assert read(one)[backup] == read(other)[backup]
    assert read(one)["history.csv"] == read(other)["history.csv"]


@pytest.mark.once
def test_a_run_ends_after_its_minutes(folder, make_settings, capsys):
    run = TrainingRun.create(folder / "run", make_settings())
    assert run.train(minutes=1e-4)
    assert not run.train()
    done = run.epochs_done
    assert done == 1
    assert run.train(minutes=1e-4)
    assert run.epochs_done == done + 1


def test_nothing_is_replaced_unasked(folder, make_settings):
    directory = folder / "run"
    directory.mkdir()
    (directory / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="missing or empty.*mine.txt"):
        TrainingRun.create(directory, make_settings())
    (directory / "mine.txt").unlink()
    TrainingRun.create(directory, make_settings())
    with pytest.raises(ValueError, match="holds a training run"):
        TrainingRun.create(directory, make_settings())


@pytest.mark.once
def test_two_processes_cannot_train_in_one_folder(folder, make_settings):
    run = TrainingRun.create(folder / "run", make_settings())
    leftover = folder / "run/pictures/.keras-srgan-x"
    leftover.mkdir(parents=True)
    with locked(folder / "run"):
        run = TrainingRun.open(folder / "run")
        for work in (lambda: run.train(epochs=1), run.finish):
            with pytest.raises(ValueError, match="in use by another process"):
                work()
        # It may be what the other process is writing.
        assert leftover.exists()
    assert run.train(epochs=1)
    assert not leftover.exists()


def test_a_run_with_other_settings_is_refused(folder, make_settings):
    TrainingRun.create(folder / "run", make_settings())
    run = TrainingRun.open(folder / "run", {"batch_size": 2, "stage": "gan"})
    assert run.settings == make_settings()
    with pytest.raises(ValueError, match="`batch_size` must be 2.*=4"):
        TrainingRun.open(folder / "run", {"batch_size": 4})
    with pytest.raises(ValueError, match="must hold a training run"):
        TrainingRun.open(folder / "photos")


def test_a_new_discriminator_trains_alone_first(folder, make_settings, capsys):
    start = Generator(num_blocks=1, filters=4)
    start.save(folder / "start.keras")
    settings = make_settings(
        start=str(folder / "start.keras"),
        generator={},
        discriminator_steps=STEPS,
        average=0.0,
    )
    run = TrainingRun.create(folder / "run", settings)
    run.train(epochs=1)
    assert "trains alone for 3 steps" in capsys.readouterr().out
    path = "run/checkpoints/srgan-epoch-000{}.keras"
    model = keras.saving.load_model(folder / path.format(1))
    for before, after in zip(
        start.get_weights(), model.generator.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(before, after)
    discriminator = model.discriminator.get_weights()
    run.train(epochs=2)
    model = keras.saving.load_model(folder / path.format(2))
    assert any(
        np.any(before != after)
        for before, after in zip(
            start.get_weights(), model.generator.get_weights(), strict=True
        )
    )
    # A run that starts from this one has a discriminator that is trained.
    run = TrainingRun.create(
        folder / "next",
        make_settings(
            start=str(folder / path.format(1)), generator={}, discriminator={}
        ),
    )
    start = keras.saving.load_model(folder / "next/start.keras")
    for before, after in zip(
        discriminator, start.discriminator.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(before, after)


@pytest.mark.once
def test_a_run_on_pairs(folder, make_settings):
    (folder / "lr").mkdir()
    for path in sorted((folder / "photos").iterdir()):
        with Image.open(path) as photo:
            photo.reduce(4).save(folder / f"lr/{path.stem}x4.png")
    pairs = [str(folder / "lr"), str(folder / "photos")]
    run = TrainingRun.create(
        folder / "run", make_settings(photos=None, pairs=pairs)
    )
    run.train(epochs=1)
    run.finish()
    with Image.open(folder / "run/pictures/test/lr/00.png") as used:
        with Image.open(folder / "lr/6x4.png") as lr:
            # A crop of 24 pixels from the center of 32.
            box = (1, 1, 7, 7)
            np.testing.assert_array_equal(
                np.asarray(used), np.asarray(lr.crop(box))
            )
    assert (folder / "run/model.keras").exists()
