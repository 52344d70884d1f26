import math
import os
import pathlib

from keras_srgan.distribution import FirstProcessCallback
from keras_srgan.files import make_writable
from keras_srgan.files import replacing


class BestCheckpoint(FirstProcessCallback):
    """Saves the model of the epoch with the best value of a metric.

    The file is `directory/best.keras`. The best value and its epoch are
    forgotten when `fit` starts at its first epoch. A resumed run knows them
    where `RunBackup` keeps the state of this callback.

    Args:
        directory: Path of the folder to write to; made if missing.
        monitor: String. The name of a log. Defaults to `"val_psnr"`.
        mode: `"max"` if higher is better, or `"min"`. Defaults to `"max"`.

    Attributes:
        value: Float. The best value, or `None`.
        epoch: Integer. The epoch of the best value, counted from one, or
            `None`.

    Raises:
        ValueError: if `mode` is anything else; at the start of training, if
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
        self.value = None
        self.epoch = None

    def get_state(self) -> dict:
        """Returns the state of a run that `RunBackup` keeps."""
        return {"value": self.value, "epoch": self.epoch}

    def set_state(self, state: dict) -> None:
        """Sets the state that `get_state` returned."""
        self.value, self.epoch = state["value"], state["epoch"]

    def on_train_begin(self, logs=None):
        make_writable(directory=self.directory)

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0:
            self.value = self.epoch = None

    def on_epoch_end(self, epoch, logs=None):
        value = read_log(logs, self.monitor)
        if not math.isfinite(value):
            return
        if self.value is not None:
            gain = value - self.value
            if (gain if self.mode == "max" else -gain) <= 0:
                return
        with replacing(self.directory / "best.keras") as partial:
            self.model.save(partial)
        self.value, self.epoch = value, epoch + 1


def read_log(logs: dict | None, monitor: str) -> float:
    """Returns the log that a callback monitors.

    Raises:
        ValueError: if there is no such log.
    """
    if monitor not in (logs or {}):
        raise ValueError(
            f"`monitor` must be one of {', '.join(logs or {})}. "
            f"Received: monitor={monitor!r}"
        )
    return float(logs[monitor])
