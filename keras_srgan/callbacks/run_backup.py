import json
import os
import pathlib
import re

import h5py
import keras
import numpy as np

from keras_srgan.collectives import gather
from keras_srgan.distribution import is_first
from keras_srgan.files import make_writable
from keras_srgan.files import remove_leftovers
from keras_srgan.files import replacing


class RunBackup(keras.callbacks.Callback):
    """Resumes a killed run exactly.

    After each epoch, one file holds the weights, the state of the optimizers,
    the random state of the `SRGAN` and the state of callbacks:
    `epoch-0007.weights.h5`, which replaces the one before. It is written
    atomically, so a run can be killed at any moment;
    `keras.callbacks.BackupAndRestore` can be killed between two files that
    disagree. `fit`, called again by the same program, resumes after the last
    whole epoch.

    Place it last in the list of callbacks, so that an epoch only counts as
    done after all of them. The data must be the same in each
    epoch, or only depend on the epoch, as with `ImageFolder`.

    Args:
        directory: Path of the folder to write to; made if missing. Each `fit`
            of a program needs its own.
        *callbacks: Callbacks with `get_state` and `set_state`, such as
            `BestCheckpoint` and `TimeLimit`, whose state is kept too.
        delete_checkpoint: Boolean. Whether the file is removed after
            training, and the folder if it is empty. Otherwise `fit`, called
            again, resumes with more epochs and does nothing with the same
            epochs. Call `delete` once the trained model is saved. Defaults to
            `True`.

    Raises:
        ValueError: if a callback has no state; at the start of training, if
            the model is not built, `directory` cannot be written to, or its
            file is damaged or of another model.

    Example:

    ```python
    import numpy as np
    from keras_srgan import SRGAN, Generator
    from keras_srgan.callbacks import BestCheckpoint, RunBackup

    photos = np.random.randint(0, 256, (8, 64, 64, 3), "uint8")
    srgan = SRGAN(Generator(num_blocks=2, filters=8))
    srgan.compile(content_loss="mse")
    best = BestCheckpoint("runs/faces", "loss", "min")
    backup = RunBackup("runs/faces/backup", best, delete_checkpoint=False)
    srgan.fit(photos, epochs=3, callbacks=[best, backup])
    srgan.save("runs/faces/model.keras")
    backup.delete()
    ```
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        *callbacks: keras.callbacks.Callback,
        delete_checkpoint: bool = True,
    ):
        super().__init__()
        if not all(hasattr(callback, "get_state") for callback in callbacks):
            raise ValueError(
                "`callbacks` must have `get_state` and `set_state`. "
                f"Received: callbacks={callbacks}"
            )
        self.directory = pathlib.Path(directory)
        self.callbacks = callbacks
        self.delete_checkpoint = delete_checkpoint

    def find(self) -> tuple[int, pathlib.Path] | None:
        """Returns the epochs done and the path of the newest backup."""
        return max(self._backups(), default=None)

    def read_state(self, callback: type) -> dict | None:
        """Returns the state of a class of callbacks in the newest backup."""
        found = self.find()
        if not found:
            return None
        with h5py.File(found[1]) as file:
            states = json.loads(file.attrs.get("callbacks", "{}"))
        return states.get(callback.__name__)

    def delete(self) -> None:
        """Removes the backup, and its folder if it is empty."""
        if not is_first() or not self.directory.is_dir():
            return
        remove_leftovers(self.directory)
        # The newest goes last, or a kill would leave an older one to resume.
        for _, path in sorted(self._backups()):
            path.unlink()
        if not any(self.directory.iterdir()):
            self.directory.rmdir()

    def on_train_begin(self, logs=None):
        make_writable(directory=self.directory)
        if not self.model.built:
            raise ValueError(
                "`RunBackup` needs a model that is built: give it an `Input`, "
                f"or call it once. Received: model={self.model}"
            )
        # `fit` reads it after this call, and keeps it for the next.
        self.model._initial_epoch = None
        found = self.find()
        epochs = np.ravel(gather([found[0] if found else 0]))
        if any(epochs != epochs[0]):
            raise ValueError(
                "`directory` must be a folder that all processes of a run "
                "share: they found backups of different epochs, "
                f"{epochs.tolist()}. Received: "
                f"directory={str(self.directory)!r}"
            )
        if found:
            self.restore()
            self.model._initial_epoch = found[0]
            if is_first():
                # The run may have been killed before they were removed.
                self._remove_older()

    def on_epoch_begin(self, epoch, logs=None):
        # Otherwise, the next `fit` would start here if this one is stopped.
        self.model._initial_epoch = None

    def on_epoch_end(self, epoch, logs=None):
        if not is_first():
            return
        path = self.directory / f"epoch-{epoch + 1:04d}.weights.h5"
        states = {
            type(callback).__name__: callback.get_state()
            for callback in self.callbacks
        }
        with replacing(path) as partial:
            self.model.save_weights(partial)
            with h5py.File(partial, "a") as file:
                file.attrs["callbacks"] = json.dumps(states)
        self._remove_older()

    def on_train_end(self, logs=None):
        self.model._initial_epoch = None
        if self.delete_checkpoint:
            self.delete()

    def restore(self) -> None:
        """Loads the newest backup into the model and the callbacks."""
        _, path = self.find()
        optimizer = self.model.optimizer
        if not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        try:
            self.model.load_weights(path)
            for callback in self.callbacks:
                state = self.read_state(type(callback))
                if state:
                    callback.set_state(state)
        except (KeyError, OSError, ValueError) as error:
            raise ValueError(
                f"{path} is damaged or of another model. Remove it to train "
                f"from the start. {error}"
            ) from error

    def _remove_older(self):
        for _, path in sorted(self._backups())[:-1]:
            path.unlink()

    def _backups(self):
        """Returns pairs of the epochs done and a backup's path."""
        if not self.directory.is_dir():
            return []
        matches = (
            re.fullmatch(r"epoch-(\d+)\.weights\.h5", path.name)
            for path in self.directory.iterdir()
        )
        return [
            (int(match[1]), self.directory / match[0])
            for match in matches
            if match
        ]
