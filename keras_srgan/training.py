import json
import math
import os
import pathlib
import shutil
import sys
import time

import keras

from keras_srgan import callbacks
from keras_srgan import recipe
from keras_srgan.collectives import gather
from keras_srgan.degradations import PhotoReport
from keras_srgan.distribution import is_first
from keras_srgan.evaluation import mean_rows
from keras_srgan.evaluation import save_tables
from keras_srgan.files import copy_file
from keras_srgan.files import replacing
from keras_srgan.lock import exclusive
from keras_srgan.lock import locked
from keras_srgan.pixels import quantize
from keras_srgan.preset import save_preset
from keras_srgan.run_folder import SETTINGS
from keras_srgan.run_folder import check_unused
from keras_srgan.run_folder import is_run
from keras_srgan.settings import Settings
from keras_srgan.settings import read_settings

# Keras counts epochs up to a number.
ENDLESS = 10**6


class TrainingRun:
    """A training run in a folder, which can be killed and resumed at any time.

    Training has a constant learning rate, so it can continue for as long as
    there is time. `finish` makes a model of the last constant-rate state, by
    a short decay of the learning rate; training can then continue from that
    state. With the setting `average`, evaluation, pictures, checkpoints and
    the final model use averages of the weights.

    The folder holds `settings.toml`, `log.txt`, `history.csv`, `curves.png`,
    `pictures/`, `checkpoints/`, `backup/`, and, once finished, `model.keras`,
    `preset/` and a folder for each finish. See docs/training.md.

    Use `create` or `open` to make one.

    Example:

    ```python
    from keras_srgan.settings import Settings
    from keras_srgan.training import TrainingRun

    settings = Settings(photos="photos", generator={"filters": 32})
    run = TrainingRun.create("runs/photos", settings)
    run.train(minutes=30)
    run.finish()

    run = TrainingRun.open("runs/photos")
    run.train(minutes=30)
    run.finish()
    ```
    """

    def __init__(self, directory: str | os.PathLike, settings: Settings):
        self.directory = pathlib.Path(directory)
        self.settings = settings

    @classmethod
    def create(
        cls, directory: str | os.PathLike, settings: Settings
    ) -> "TrainingRun":
        """Makes the folder of a new run.

        Args:
            directory: Path of the folder; it must be missing or empty.
            settings: `Settings`.

        Raises:
            ValueError: if the folder holds files, or the settings name photos
                or a model that cannot be used.
        """
        run = cls(directory, settings)
        if is_first():
            run._create()
        # The other processes wait until the folder is complete.
        gather([0.0])
        return run

    @classmethod
    def open(
        cls, directory: str | os.PathLike, given: dict | None = None
    ) -> "TrainingRun":
        """Returns the run in a folder.

        Args:
            directory: Path of the folder.
            given: Dict of settings that the run must have, by name. Defaults
                to `None`: any settings.

        Raises:
            ValueError: if there is no run in the folder, or it has other
                settings than those given.
        """
        directory = pathlib.Path(directory)
        if not is_run(directory):
            raise ValueError(
                f"`directory` must hold a training run ({SETTINGS}). "
                f"Received: directory={str(directory)!r}"
            )
        stored = read_settings(directory / SETTINGS)
        settings = Settings(**stored)
        if given:
            changed = {**stored, **given}
            if "photos" in given:
                changed.pop("pairs", None)
            elif "pairs" in given:
                changed.pop("photos", None)
            settings.check_same(Settings(**changed), given)
        return cls(directory, settings)

    @property
    def _start(self):
        """The path of the model that the run started from, if any."""
        return self.directory / "start.keras"

    @property
    def _measured(self):
        """The path of the arguments of `PhotoDegradation`, if measured."""
        return self.directory / "degradation.json"

    @property
    def epochs_done(self) -> int:
        """The epochs at constant rate whose state is saved."""
        found = self._backup().find()
        return found[0] if found else 0

    @property
    def _minutes_spent(self):
        state = self._backup().read_state(callbacks.TimeLimit)
        return state["spent"] if state else 0.0

    @exclusive
    def train(
        self, epochs: int | None = None, minutes: float | None = None
    ) -> bool:
        """Trains at a constant learning rate.

        Without arguments, trains the remainder of the last request; initially
        that is until interrupted.

        Args:
            epochs: Integer. Epochs of the run in all.
            minutes: Float. Further minutes; training stops after an epoch.

        Returns:
            Boolean. Whether there was anything to train.

        Raises:
            ValueError: if another process trains in the folder.
        """
        amount = self._read_amount(epochs, minutes)
        if amount["finished"]:
            self.log(
                f"{self.epochs_done} epochs are done, as asked: nothing to "
                "train. Ask for more --epochs or --minutes, or --finish."
            )
            return False
        done = self.epochs_done
        epochs = amount["epochs"] or ENDLESS
        limit = amount["minutes"] or math.inf
        if self._minutes_spent >= limit:
            # Killed between the last epoch and its end.
            epochs = done
        begun = f"resumes after epoch {done}" if done else "starts"
        self.log(f"{begun}: {self.settings.steps_per_epoch} steps per epoch")
        try:
            self._fit(self.directory, epochs, time_limit=limit)
        except KeyboardInterrupt:
            self.log(f"interrupted after epoch {self.epochs_done}: --resume")
            raise
        self._write_amount({**amount, "finished": True})
        self.log(f"{self.epochs_done} epochs are done")
        return True

    @exclusive
    def finish(self, decay: float = 0.15) -> bool:
        """Decays the learning rate to zero, and saves and measures the model.

        It starts from the last state at constant rate, which stays as it is.
        The model is saved as `model.keras` and as a preset in `preset`, which
        replace those of an earlier finish of the run.

        Args:
            decay: Positive float. Steps of the decay, as a share of those
                done at constant rate. Defaults to `0.15`.

        Returns:
            Boolean. Whether there was anything to do.

        Raises:
            ValueError: if `decay` is not positive, no epoch is done, or
                another process trains in the folder.
        """
        if not decay > 0:
            raise ValueError(
                f"`decay` must be positive. Received: decay={decay!r}"
            )
        found = self._backup().find()
        if not found:
            raise ValueError(
                "A run must have trained an epoch before it is finished. "
                f"Received: {self.directory}"
            )
        done, state = found
        last = done + max(1, round(decay * done))
        folder = self.directory / f"finish-{done:04d}-{last:04d}"
        if (folder / "results.md").exists():
            self.log(f"is finished from epoch {done}: see {folder}")
            shutil.rmtree(folder / "backup", ignore_errors=True)
            return False
        self.log(f"decays from epoch {done} to {last}")
        if is_first() and not self._backup(folder).find():
            copy_file(self.directory / "history.csv", folder / "history.csv")
            # Last, as it says that the decay has begun.
            copy_file(state, folder / "backup" / state.name)
        gather([0.0])
        srgan = self._fit(folder, last, decay_start=done)
        if is_first():
            with replacing(self.directory / "model.keras") as partial:
                srgan.save(partial)
            save_preset(
                srgan.generator,
                self.directory / "preset",
                description="trained by keras-srgan train, stage "
                f"{self.settings.stage}",
                version="1",
            )
            self._measure(srgan.generator, folder)
            # The state is only needed until everything is written.
            shutil.rmtree(folder / "backup")
        self.log(f"finished: {self.directory / 'model.keras'}")
        return True

    def log(self, text: str) -> None:
        """Prints a line, and adds it to `log.txt`."""
        if not is_first():
            return
        print(f"{self.directory}: {text}", flush=True)
        with open(self.directory / "log.txt", "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    # === Folder ===

    def _create(self):
        own = [self._start, self._measured]
        names = [path.name for path in own]
        check_unused(self.directory, *names)
        start = recipe.load_start(self.settings.start)
        folder = self.settings.degradation_folder
        report = PhotoReport.of_folder(folder) if folder else None
        recipe.check(self.settings, start, report and report.settings())
        self.directory.mkdir(parents=True, exist_ok=True)
        with locked(self.directory):
            # Another process may have made a run meanwhile.
            check_unused(self.directory, *names)
            for path in own:
                path.unlink(missing_ok=True)
            if start:
                with replacing(self._start) as partial:
                    start.save(partial)
            if report:
                # The photos may change before the run is resumed.
                with replacing(self._measured) as partial:
                    partial.write_text(json.dumps(report.settings()), "utf-8")
                for line in str(report).splitlines():
                    self.log(line)
            # Last: from now on this is a run.
            with replacing(self.directory / SETTINGS) as partial:
                self.settings.save(partial)

    def _backup(self, folder=None, *states):
        return callbacks.RunBackup(
            (folder or self.directory) / "backup",
            *states,
            delete_checkpoint=False,
        )

    def _read_amount(self, epochs, minutes):
        """Returns the epochs and minutes to train in all, and if they are."""
        path = self.directory / "amount.json"
        stored = {"epochs": None, "minutes": None, "finished": False}
        if path.exists():
            stored = json.loads(path.read_text("utf-8"))
        if epochs is None and minutes is None:
            return stored
        if minutes is not None:
            minutes += self._minutes_spent
        amount = {
            "epochs": epochs,
            "minutes": minutes,
            "finished": stored["finished"]
            and epochs is not None
            and epochs <= self.epochs_done,
        }
        self._write_amount(amount)
        return amount

    def _write_amount(self, amount):
        if is_first():
            with replacing(self.directory / "amount.json") as partial:
                partial.write_text(json.dumps(amount), "utf-8")
        gather([0.0])

    def _fit(self, folder, epochs, decay_start=None, time_limit=math.inf):
        settings = self.settings
        measured = None
        if self._measured.exists():
            measured = json.loads(self._measured.read_text("utf-8"))
        srgan, is_new = recipe.make_srgan(settings, self._start, measured)
        delay = settings.discriminator_steps if is_new else 0
        decay = None if decay_start is None else (decay_start, epochs)
        recipe.compile_srgan(srgan, settings, delay, decay)
        if delay and not self.epochs_done:
            self.log(
                "a new run: the start model has no trained discriminator; a "
                f"new one trains alone for {delay} steps"
            )
        train, test = recipe.make_datasets(settings, srgan.scale)
        with srgan.fixed_draws():
            lr, hr = (
                quantize(keras.ops.convert_to_numpy(images), "uint8")
                for images in srgan.make_pair(test[0])
            )
        limit = callbacks.TimeLimit(time_limit)
        used = [
            # Must run first: it decides whether this is the last epoch.
            limit,
            callbacks.ProgressPictures(
                hr,
                folder / "pictures",
                lr=lr,
                scale=srgan.scale,
                every=settings.pictures_every,
            ),
            callbacks.LossCurves(folder),
        ]
        states = []
        if decay_start is None:
            checkpoints = self._make_checkpoints(lr, hr)
            states = [limit, *checkpoints]
            used += [
                callbacks.PeriodicCheckpoint(
                    folder / "checkpoints", settings.checkpoint_every
                ),
                *checkpoints,
            ]
        if settings.tensorboard:
            used.append(
                callbacks.TensorBoardPictures(
                    folder / "tensorboard", folder / "pictures"
                )
            )
        backup = self._backup(folder, *states)
        srgan.fit(
            train,
            epochs=epochs,
            validation_data=test,
            callbacks=[*used, backup],
            verbose=1 if sys.stdout.isatty() else 2,
        )
        return srgan

    def _make_checkpoints(self, lr, hr):
        """Returns the callbacks that compare epochs on held-out photos."""
        return [
            callbacks.BestCheckpoint(self.directory / "checkpoints"),
            callbacks.StopOnDivergence(),
        ]

    # === Results ===

    def _measure(self, generator, folder):
        """Measures the model beside the start model, on whole photos."""
        systems = {"bicubic": "bicubic"}
        start, _ = recipe.load_networks(self._start)
        if start is not None:
            systems["start"] = start
        systems["model"] = generator
        rows = recipe.measure(self.settings, systems, generator.scale)
        photos = "held-out photos"
        if self.settings.degradation != "clean":
            photos += " with clean LR images"
        save_tables(rows, folder, f"{self.settings.held_out} {photos}")
        for row in mean_rows(rows):
            self.log(
                f"{photos}, {row['system']}: PSNR {row['psnr']:.2f} dB, "
                f"SSIM {row['ssim']:.4f}"
            )
