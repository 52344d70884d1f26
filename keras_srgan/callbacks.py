import contextlib
import csv
import math
import os
import pathlib
import re

import keras
import numpy as np
from PIL import Image

from keras_srgan import pictures
from keras_srgan.collectives import gather
from keras_srgan.collectives import process
from keras_srgan.distribution import is_first
from keras_srgan.files import make_writable
from keras_srgan.files import remove_leftovers
from keras_srgan.files import replacing

MAX_PHOTOS = 6


class TestPictures(keras.callbacks.Callback):
    """Shows after each epoch what the model makes of fixed test photos.

    Written under `directory`, with epochs counted from one:

    - `test/lr/00.png`, `test/hr/00.png` and so on: the test images, once;
    - `epoch-0042/00.png` and so on: the model's outputs;
    - `epoch-0042.png`: a row a photo, LR (nearest and bicubic), SR and HR;
    - `comparison.png`, at the end of training: LR, the epochs of
      `compare_epochs`, and HR, drawn from the files above.

    The figures in the pictures are PSNR on Y, `scale` border pixels shaved.

    Args:
        hr: The HR photos: a uint8 array `(count, height, width, 3)`, or a
            list of uint8 arrays `(height, width, 3)` of any sizes; RGB in
            [0, 255], height and width multiples of `scale`. The first six
            are used.
        directory: Path of the folder to write to; made if missing.
        lr: The LR images of `hr` in the same order, `scale` times smaller.
            Defaults to `None`: `hr` shrunk by Pillow's bicubic.
        scale: Integer, at least 2. The model's. Defaults to `4`.
        compare_epochs: Integers. The epochs to compare at the end, if they
            were reached. If none was, as many are chosen evenly, from first
            to last. Defaults to `(42, 60)`, those of the reference
            experiment.

    Raises:
        ValueError: if the photos are not as above; at the start of training,
            if `directory` cannot be written to or the model's outputs do not
            have the size of `hr`.

    Example:

    ```python
    import numpy as np
    from keras_srgan import SRGAN, Generator
    from keras_srgan.callbacks import TestPictures

    photos = np.random.randint(0, 256, (8, 64, 64, 3), "uint8")
    srgan = SRGAN(Generator(num_blocks=2, filters=8))
    srgan.compile(content_loss="mse")
    srgan.fit(photos[2:], callbacks=[TestPictures(photos[:2], "runs/faces")])
    ```
    """

    def __init__(
        self,
        hr,
        directory: str | os.PathLike,
        lr=None,
        scale: int = 4,
        compare_epochs: tuple[int, ...] = (42, 60),
    ):
        super().__init__()
        if not isinstance(scale, int) or scale < 2:
            raise ValueError(
                "`scale` must be an integer, at least 2. "
                f"Received: scale={scale!r}"
            )
        hr = _photos(hr, "hr")
        for photo in hr:
            # The PSNR leaves out `scale` pixels at each border.
            if any(side % scale or side <= 2 * scale for side in photo.size):
                raise ValueError(
                    "The height and width of `hr` photos must be multiples of "
                    f"`scale`={scale} and at least {3 * scale}. Received: hr "
                    f"with a photo of {photo.height}x{photo.width} pixels"
                )
        if lr is None:
            lr = [
                photo.resize(
                    (photo.width // scale, photo.height // scale),
                    Image.Resampling.BICUBIC,
                )
                for photo in hr
            ]
        else:
            lr = _photos(lr, "lr")
            sizes = [
                (scale * image.width, scale * image.height) for image in lr
            ]
            if sizes != [photo.size for photo in hr]:
                raise ValueError(
                    f"`lr` must hold the images of `hr`, {scale} times "
                    f"smaller. Received: lr of sizes {[i.size for i in lr]} "
                    f"for hr of sizes {[i.size for i in hr]} (width, height)"
                )
        self.hr = hr
        self.lr = lr
        self.directory = pathlib.Path(directory)
        self.scale = scale
        self.compare_epochs = tuple(compare_epochs)

    def on_train_begin(self, logs=None):
        if is_first():
            make_writable(directory=self.directory)
        # Now rather than after the first epoch, perhaps hours later.
        for sr, hr in zip(self._upscale(), self.hr, strict=True):
            if sr.size != hr.size:
                raise ValueError(
                    "The model's outputs must have the size of the `hr` test "
                    f"photos: is its scale {self.scale}? Received: an output "
                    f"of {sr.height}x{sr.width} pixels for a photo of "
                    f"{hr.height}x{hr.width}"
                )
        self._last_epoch = self.params["epochs"]
        if is_first():
            self._write("test/lr", self.lr)
            self._write("test/hr", self.hr)

    def on_epoch_end(self, epoch, logs=None):
        name = f"epoch-{epoch + 1:04d}"
        # On JAX, a model on many devices only works where all processes call.
        sr = self._upscale()
        if not is_first():
            return
        self._write(name, sr)
        columns = {
            "LR, nearest": self._enlarge(self.lr, Image.Resampling.NEAREST),
            "LR, bicubic": self._enlarge(self.lr, Image.Resampling.BICUBIC),
            f"SR, epoch {epoch + 1}": sr,
            "HR": self.hr,
        }
        with replacing(self.directory / f"{name}.png") as partial:
            pictures.contact_sheet(columns, self.scale).save(partial)
        self._last_epoch = epoch + 1

    def on_train_end(self, logs=None):
        epochs = self._compared_epochs()
        if not epochs or not is_first():
            return
        lr = self._enlarge(self._read("test/lr"), Image.Resampling.NEAREST)
        columns = {
            "LR": lr,
            **{f"epoch {i}": self._read(f"epoch-{i:04d}") for i in epochs},
            "HR": self._read("test/hr"),
        }
        with replacing(self.directory / "comparison.png") as partial:
            pictures.contact_sheet(columns, self.scale).save(partial)

    def _compared_epochs(self):
        """Returns the epochs to compare, of those whose files are there."""
        # A longer run may have left later epochs in the same folder.
        epochs = [
            epoch
            for epoch in range(1, self._last_epoch + 1)
            if all(path.exists() for path in self._paths(f"epoch-{epoch:04d}"))
        ]
        chosen = [epoch for epoch in self.compare_epochs if epoch in epochs]
        if chosen or not epochs:
            return chosen
        places = np.linspace(0, len(epochs) - 1, len(self.compare_epochs))
        return sorted({epochs[int(place)] for place in places})

    def _upscale(self):
        # One at a time: photos may differ in size, and those that do not
        # share one compiled function all the same.
        outputs = [
            self.model.predict(np.asarray(image)[None], verbose=0)[0]
            for image in self.lr
        ]
        return [
            Image.fromarray(
                np.rint(np.clip(np.nan_to_num(output), 0, 255)).astype("uint8")
            )
            for output in outputs
        ]

    def _enlarge(self, images, resample):
        return [
            image.resize(
                (self.scale * image.width, self.scale * image.height), resample
            )
            for image in images
        ]

    def _paths(self, folder):
        return [
            self.directory / folder / f"{i:02d}.png"
            for i in range(len(self.hr))
        ]

    def _write(self, folder, images):
        (self.directory / folder).mkdir(parents=True, exist_ok=True)
        for path, image in zip(self._paths(folder), images, strict=True):
            with replacing(path) as partial:
                image.save(partial)

    def _read(self, folder):
        images = []
        for path in self._paths(folder):
            with Image.open(path) as image:
                images.append(image.convert("RGB"))
        return images


class LossCurves(keras.callbacks.Callback):
    """Keeps the logs of each epoch as a table and as curves.

    Both are rewritten whole after each epoch, under `directory`:
    `history.csv`, a row an epoch (counted from one) with all its logs, and
    `curves.png`. A run that starts at a later epoch goes on with the rows of
    the earlier ones that it finds there, and drops the others.

    Args:
        directory: Path of the folder to write to; made if missing.

    Raises:
        ImportError: at the start of training, if matplotlib is missing.
        ValueError: at the start of training, if `directory` cannot be written
            to, or holds a `history.csv` that is not of this callback.

    Example:

    ```python
    import numpy as np
    from keras_srgan import SRGAN, Generator
    from keras_srgan.callbacks import LossCurves

    photos = np.random.randint(0, 256, (8, 64, 64, 3), "uint8")
    srgan = SRGAN(Generator(num_blocks=2, filters=8))
    srgan.compile(content_loss="mse")
    srgan.fit(photos, epochs=3, callbacks=[LossCurves("runs/faces")])
    ```
    """

    first_process_only = True

    def __init__(self, directory: str | os.PathLike):
        super().__init__()
        self.directory = pathlib.Path(directory)

    def on_train_begin(self, logs=None):
        try:
            import matplotlib  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "`LossCurves` needs matplotlib: "
                "`pip install keras-srgan[examples]`"
            ) from error
        make_writable(directory=self.directory)
        self._rows = self._read()

    def on_epoch_begin(self, epoch, logs=None):
        # Epochs done before a run was killed, but after its last backup.
        self._rows = [row for row in self._rows if row["epoch"] <= epoch]

    def on_epoch_end(self, epoch, logs=None):
        self._rows.append({"epoch": epoch + 1, **(logs or {})})
        names = dict.fromkeys(name for row in self._rows for name in row)
        with (
            replacing(self.directory / "history.csv") as partial,
            open(partial, "w", newline="") as file,
        ):
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(self._rows)
        with replacing(self.directory / "curves.png") as partial:
            pictures.curves(self._rows).savefig(partial, dpi=120)

    def _read(self):
        path = self.directory / "history.csv"
        if not path.exists():
            return []
        try:
            with open(path, newline="") as file:
                return [
                    {
                        # Not every epoch has every log: validation may be
                        # less frequent.
                        name: int(value) if name == "epoch" else float(value)
                        for name, value in row.items()
                        if name == "epoch" or value
                    }
                    for row in csv.DictReader(file)
                ]
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{path} is not a history that `LossCurves` wrote. Move it "
                "away, or choose another `directory`."
            ) from error


class PeriodicCheckpoint(keras.callbacks.Callback):
    """Saves the whole model, optimizers included, every so many epochs.

    The files, such as `srgan-epoch-0020.keras`, stay: to go on from, to
    compare, to publish. The last epoch of a run is always saved.

    Args:
        directory: Path of the folder to write to; made if missing.
        every: Integer, at least 1. Epochs between two files. Defaults to
            `20`.

    Raises:
        ValueError: if `every` is not a positive integer; at the start of
            training, if `directory` cannot be written to.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_srgan import SRGAN, Generator
    from keras_srgan.callbacks import PeriodicCheckpoint

    photos = np.random.randint(0, 256, (8, 64, 64, 3), "uint8")
    srgan = SRGAN(Generator(num_blocks=2, filters=8))
    srgan.compile(content_loss="mse")
    srgan.fit(photos, epochs=2, callbacks=[PeriodicCheckpoint("runs/faces")])
    srgan = keras.saving.load_model("runs/faces/srgan-epoch-0002.keras")
    ```
    """

    first_process_only = True

    def __init__(self, directory: str | os.PathLike, every: int = 20):
        super().__init__()
        if not isinstance(every, int) or every < 1:
            raise ValueError(
                f"`every` must be a positive integer. Received: every={every!r}"
            )
        self.directory = pathlib.Path(directory)
        self.every = every

    def on_train_begin(self, logs=None):
        make_writable(directory=self.directory)
        self._unsaved = None

    def on_epoch_end(self, epoch, logs=None):
        self._unsaved = epoch + 1
        # The last epoch is not left to `on_train_end`: a run killed between
        # the two has no epoch to go on with.
        if (epoch + 1) % self.every == 0 or epoch + 1 == self.params["epochs"]:
            self._save()

    def on_train_end(self, logs=None):
        # Training may have been stopped early.
        if self._unsaved:
            self._save()

    def _save(self):
        name = f"srgan-epoch-{self._unsaved:04d}.keras"
        with replacing(self.directory / name) as partial:
            self.model.save(partial)
        self._unsaved = None


class BestCheckpoint(keras.callbacks.Callback):
    """Keeps the model of the epoch that did best, by a metric.

    The file is named by what it is kept for, such as
    `srgan-best-val_psnr-28.4312.keras`. So a run that is resumed knows the
    best of what went before, which `keras.callbacks.ModelCheckpoint` forgets.

    Args:
        directory: Path of the folder to write to; made if missing.
        monitor: String. The name of a log. Defaults to `"val_psnr"`.
        mode: `"max"` if more is better, or `"min"`. Defaults to `"max"`.

    Raises:
        ValueError: if `mode` is another; at the start of training, if
            `directory` cannot be written to; after the first epoch, if there
            is no such log.

    Example:

    ```python
    import numpy as np
    from keras_srgan import SRGAN, Generator
    from keras_srgan.callbacks import BestCheckpoint

    photos = np.random.randint(0, 256, (8, 64, 64, 3), "uint8")
    srgan = SRGAN(Generator(num_blocks=2, filters=8))
    srgan.compile(content_loss="mse")
    srgan.fit(
        photos,
        validation_data=photos[:2],
        callbacks=[BestCheckpoint("runs/faces")],
    )
    ```
    """

    first_process_only = True

    def __init__(
        self,
        directory: str | os.PathLike,
        monitor: str = "val_psnr",
        mode: str = "max",
    ):
        super().__init__()
        if mode not in ("max", "min"):
            raise ValueError(
                f'`mode` must be "max" or "min". Received: mode={mode!r}'
            )
        self.directory = pathlib.Path(directory)
        self.monitor = monitor
        self.mode = mode

    def on_train_begin(self, logs=None):
        make_writable(directory=self.directory)

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor not in (logs or {}):
            raise ValueError(
                f"`monitor` must be one of {', '.join(logs or {})}. "
                f"Received: monitor={self.monitor!r}"
            )
        value = round(float(logs[self.monitor]), 4)
        kept = self._kept()
        better = max if self.mode == "max" else min
        if not math.isfinite(value) or (kept and better(value, *kept) in kept):
            return
        name = f"srgan-best-{self.monitor}-{value:.4f}.keras"
        with replacing(self.directory / name) as partial:
            self.model.save(partial)
        for path in kept.values():
            path.unlink()

    def _kept(self):
        """Returns the files by the value each was kept for."""
        start = f"srgan-best-{self.monitor}-"
        return {
            float(path.stem.removeprefix(start)): path
            for path in self.directory.glob(f"{start}*.keras")
        }


class TensorBoard(keras.callbacks.TensorBoard):
    """Keras' own `TensorBoard`, with the pictures of `TestPictures` besides.

    Place it after `TestPictures` in the list of callbacks. Like Keras' own it
    needs TensorFlow installed, whatever the backend, and TensorBoard:
    `pip install keras-srgan[tensorboard]`.

    Args:
        log_dir: Path of the folder that TensorBoard will read.
        pictures: Path of the folder that `TestPictures` writes to.
        **kwargs: Those of `keras.callbacks.TensorBoard`.

    Example:

    ```python
    from keras_srgan.callbacks import TensorBoard

    TensorBoard("runs/faces/tensorboard", pictures="runs/faces")
    ```
    """

    first_process_only = True

    def __init__(
        self,
        log_dir: str | os.PathLike,
        pictures: str | os.PathLike,
        **kwargs,
    ):
        super().__init__(os.fspath(log_dir), **kwargs)
        self.pictures = pathlib.Path(pictures)

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self._pictures_writer = self.summary.create_file_writer(
            os.path.join(self.log_dir, "pictures")
        )

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        with (
            Image.open(self.pictures / f"epoch-{epoch + 1:04d}.png") as sheet,
            self._pictures_writer.as_default(),
        ):
            self.summary.image("test photos", np.asarray(sheet)[None], epoch)

    def on_train_end(self, logs=None):
        super().on_train_end(logs)
        self._pictures_writer.close()


class StopOnNonFinite(keras.callbacks.Callback):
    """Ends training with an error once a loss is NaN or infinite.

    `SRGAN.fit` runs it before all other callbacks, so that none of them saves
    broken weights at the end of an epoch.

    Args:
        every: Integer. Batches between two looks at the losses within an
            epoch: each look waits for the accelerator. Several processes
            look at its end alone. Defaults to `100`.
    """

    async_safe = True

    def __init__(self, every=100):
        super().__init__()
        self.every = every

    def on_train_batch_end(self, batch, logs=None):
        # Processes that stopped at different batches would wait for each
        # other for ever: they look at the end of the epoch alone.
        _, processes = process()
        if processes == 1 and batch % self.every == 0 and self._broken(logs):
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        broken = self._broken(logs)
        # The last update of an epoch shows in no loss yet.
        if not all(
            keras.ops.all(keras.ops.isfinite(weight))
            for weight in self.model.trainable_variables
        ):
            broken.append("the weights")
        if broken:
            raise FloatingPointError(
                f"Training diverged in epoch {epoch + 1}: {', '.join(broken)} "
                "became NaN or infinite. Nothing was saved after it. Go on "
                "from the last checkpoint with a lower learning rate, with "
                '`clipnorm` in the optimizers, or with the "mixed_bfloat16" '
                'policy in place of "mixed_float16".'
            )

    def _broken(self, logs):
        return [
            name
            for name, value in (logs or {}).items()
            if name.endswith("loss") and not math.isfinite(float(value))
        ]


class BackupAndRestore(keras.callbacks.Callback):
    """Resumes a run that was killed, as if it had never stopped.

    After each epoch the weights, the optimizers' state and the random state
    of the `SRGAN` are kept in one file, `epoch-0007.weights.h5`, which takes
    the place of the one before. It appears whole or not at all, so a run can
    be killed at any moment; `keras.callbacks.BackupAndRestore` can be caught
    between two files that disagree. `fit` called again, by the same program,
    goes on after the last whole epoch; once it is done, the file is removed.

    Place it last in the list of callbacks, so that they have done their part
    of an epoch before it counts as done. The data must be the same in each
    epoch, or depend on the number of the epoch alone, as with `ImageFolder`.

    Args:
        directory: Path of the folder to write to; made if missing, removed
            if empty in the end. Each `fit` of a program needs its own.
        delete_checkpoint: Boolean. Whether the file is removed after
            training. If not, `fit` called again with more epochs goes on, and
            with the same epochs does nothing: what the first of two stages
            needs, lest it start again when the second is resumed. Defaults to
            `True`.

    Raises:
        ValueError: at the start of training, if the model is not built,
            `directory` cannot be written to, or its file is damaged or of
            another model.

    Example:

    ```python
    import numpy as np
    from keras_srgan import SRGAN, Generator
    from keras_srgan.callbacks import BackupAndRestore

    photos = np.random.randint(0, 256, (8, 64, 64, 3), "uint8")
    srgan = SRGAN(Generator(num_blocks=2, filters=8))
    srgan.compile(content_loss="mse")
    srgan.fit(photos, epochs=3, callbacks=[BackupAndRestore("runs/backup")])
    ```
    """

    def __init__(
        self, directory: str | os.PathLike, delete_checkpoint: bool = True
    ):
        super().__init__()
        self.directory = pathlib.Path(directory)
        self.delete_checkpoint = delete_checkpoint

    def on_train_begin(self, logs=None):
        make_writable(directory=self.directory)
        if not self.model.built:
            raise ValueError(
                "`BackupAndRestore` needs a model that is built: give it an "
                f"`Input`, or call it once. Received: model={self.model}"
            )
        # What `fit` reads after this call, and keeps for the next.
        self.model._initial_epoch = None
        backups = self._backups()[-1:]
        found = np.ravel(gather([epoch for epoch, _ in backups] or [0]))
        if any(found != found[0]):
            raise ValueError(
                "`directory` must be a folder that all processes of a run "
                "share: they found backups of different epochs, "
                f"{found.tolist()}. Received: directory={str(self.directory)!r}"
            )
        for epoch, path in backups:
            self._restore(path)
            self.model._initial_epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if not is_first():
            return
        earlier = self._backups()
        path = self.directory / f"epoch-{epoch + 1:04d}.weights.h5"
        with replacing(path) as partial:
            self.model.save_weights(partial)
        for _, old in earlier:
            if old != path:
                old.unlink()

    def on_train_end(self, logs=None):
        self.model._initial_epoch = None
        if self.delete_checkpoint and is_first():
            # The newest goes last, lest a kill leave an older one to resume.
            remove_leftovers(self.directory)
            for _, path in self._backups():
                path.unlink()
            with contextlib.suppress(OSError):
                self.directory.rmdir()

    def _backups(self):
        """Returns the files and how many epochs each has seen, in order."""
        matches = (
            re.fullmatch(r"epoch-(\d+)\.weights\.h5", path.name)
            for path in self.directory.iterdir()
        )
        return sorted(
            (int(match[1]), self.directory / match[0])
            for match in matches
            if match
        )

    def _restore(self, path):
        optimizer = self.model.optimizer
        if not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        try:
            self.model.load_weights(path)
        except (KeyError, OSError, ValueError) as error:
            raise ValueError(
                f"{path} is damaged or of another model. Remove it to train "
                f"from the start. {error}"
            ) from error


def _photos(images, name):
    """Returns the first photos as Pillow images."""
    images = [np.asarray(image) for image in images[:MAX_PHOTOS]]
    if not images:
        raise ValueError(f"`{name}` must hold a photo. Received: {name}=[]")
    for image in images:
        if image.dtype != "uint8" or image.ndim != 3 or image.shape[-1] != 3:
            raise ValueError(
                f"`{name}` must hold uint8 RGB photos of shape (height, width,"
                f" 3). Received: {name} with an array of shape {image.shape} "
                f"and dtype {image.dtype}"
            )
    return [Image.fromarray(image) for image in images]
