import csv
import os
import pathlib

from keras_srgan import pictures
from keras_srgan.distribution import FirstProcessCallback
from keras_srgan.files import make_writable
from keras_srgan.files import replacing


class LossCurves(FirstProcessCallback):
    """Writes the logs of each epoch as a table and as curves.

    Both are rewritten after each epoch, under `directory`: `history.csv`, one
    row per epoch (counted from one) with all its logs, and `curves.png`. A
    run that starts at a later epoch keeps the rows of the earlier epochs that
    it finds there, and drops the others.

    Args:
        directory: Path of the folder to write to; made if missing.

    Raises:
        ImportError: at the start of training, if matplotlib is missing.
        ValueError: at the start of training, if `directory` cannot be written
            to, or holds a `history.csv` of another program.

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
        # A killed run may have finished epochs after its last backup.
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
                        # Validation may be less frequent than epochs.
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
