import os
import pathlib
from collections.abc import Callable

import keras

from keras_srgan.collectives import gather
from keras_srgan.distribution import is_first
from keras_srgan.files import make_writable
from keras_srgan.files import replacing
from keras_srgan.held_out import MIN_GAINS
from keras_srgan.held_out import HeldOut
from keras_srgan.held_out import find_faults
from keras_srgan.held_out import find_gains


class HeldOutCheckpoint(keras.callbacks.Callback):
    """Restores the best checkpoint when metrics of held-out photos degrade.

    After each epoch, a state is better if its score has a higher mean than
    all before, and no other figure is worse than at the start of training:
    see `find_faults`. It is written to `directory`: the model as
    `best.keras`, the state of training as `best.weights.h5`. Where a figure
    is worse, or after `patience` epochs without a better state, training
    continues from that state; before the first one, from the start.

    A resumed run knows the figures if `RunBackup` keeps the state of this
    callback.

    Args:
        directory: Path of the folder to write to; made if missing.
        held_out: `HeldOut`.
        patience: Integer. Epochs without a better state. Defaults to `5`.
        log: Function that is called with a line of text after an epoch.
            Defaults to `print`.

    Attributes:
        before: List of dicts, the figures of the model at the start.
        best: The same for the best state, or `None`.
        epoch: Integer. The epoch of the best state, counted from one; 0 is
            the start.

    Example:

    ```python
    import numpy as np
    from keras_srgan import SRGAN, Generator
    from keras_srgan.callbacks import HeldOutCheckpoint
    from keras_srgan.held_out import HeldOut

    photos = np.random.randint(0, 256, (8, 96, 96, 3), "uint8")
    srgan = SRGAN(Generator(num_blocks=2, filters=8))
    srgan.compile(content_loss="mse")
    held_out = HeldOut(photos[:2, ::4, ::4], photos[:2], scale=4)
    srgan.fit(
        photos[2:],
        epochs=3,
        callbacks=[HeldOutCheckpoint("runs/faces", held_out)],
    )
    ```
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        held_out: HeldOut,
        patience: int = 5,
        log: Callable[[str], None] = print,
    ):
        super().__init__()
        self.directory = pathlib.Path(directory)
        self.held_out = held_out
        self.patience = patience
        self.log = log
        self.set_state({"before": None, "best": None, "epoch": 0, "waited": 0})

    def get_state(self) -> dict:
        """Returns the state of a run that `RunBackup` keeps."""
        return {
            "before": self.before,
            "best": self.best,
            "epoch": self.epoch,
            "waited": self.waited,
        }

    def set_state(self, state: dict) -> None:
        """Sets the state that `get_state` returned."""
        self.before, self.best = state["before"], state["best"]
        self.epoch, self.waited = state["epoch"], state["waited"]

    def on_train_begin(self, logs=None):
        make_writable(directory=self.directory)

    def on_epoch_begin(self, epoch, logs=None):
        if epoch > 0:
            return
        state = {"best": None, "epoch": 0, "waited": 0}
        self.set_state({"before": self._measure(), **state})
        self._save_state()

    def on_epoch_end(self, epoch, logs=None):
        rows = self._measure()
        score = self.held_out.score
        faults = find_faults(rows, self.before, score)
        gain = find_gains(rows, self.best or self.before, score).mean()
        text = f"epoch {epoch + 1}: "
        if gain > MIN_GAINS[score] and not faults:
            if is_first():
                with replacing(self.directory / "best.keras") as partial:
                    self.model.save(partial)
            self._save_state()
            self.best, self.epoch, self.waited = rows, epoch + 1, 0
            self.log(text + "the best so far on the held-out photos")
            return
        self.waited += 1
        if not faults and self.waited < self.patience:
            self.log(text + "no better on the held-out photos")
            return
        reason = "; ".join(faults) or f"no better for {self.waited} epochs"
        back = f"epoch {self.epoch}" if self.epoch else "the start"
        self.log(text + f"{reason}: back to {back}")
        self.model.load_weights(self.directory / "best.weights.h5")
        self.waited = 0

    def _measure(self):
        return self.held_out.measure(
            lambda lr: self.model.predict(lr, verbose=0)
        )

    def _save_state(self):
        if is_first():
            with replacing(self.directory / "best.weights.h5") as partial:
                self.model.save_weights(partial)
        # The other processes read the file to restore it.
        gather([0.0])
