import time

import keras
import numpy as np

from keras_srgan.collectives import gather


class TimeLimit(keras.callbacks.Callback):
    """Stops training at the end of the epoch that reaches a time limit.

    Where `RunBackup` keeps the state of this callback, a resumed run has the
    time that was left at its last backup.

    Args:
        minutes: Positive float, or infinity. Time in `fit`, with validation and
            the work of callbacks.

    Attributes:
        spent: Float. Minutes that have passed.

    Raises:
        ValueError: if `minutes` is not positive.

    Example:

    ```python
    import numpy as np
    from keras_srgan import SRGAN, Generator
    from keras_srgan.callbacks import TimeLimit

    photos = np.random.randint(0, 256, (8, 64, 64, 3), "uint8")
    srgan = SRGAN(Generator(num_blocks=2, filters=8))
    srgan.compile(content_loss="mse")
    srgan.fit(photos, epochs=1000, callbacks=[TimeLimit(minutes=0.1)])
    ```
    """

    def __init__(self, minutes: float):
        super().__init__()
        if not minutes > 0:
            raise ValueError(
                f"`minutes` must be positive. Received: minutes={minutes!r}"
            )
        self.minutes = minutes
        self.spent = 0.0

    def get_state(self) -> dict:
        """Returns the state of a run that `RunBackup` keeps."""
        return {"spent": self.spent}

    def set_state(self, state: dict) -> None:
        """Sets the state that `get_state` returned."""
        self.spent = state["spent"]

    def on_train_begin(self, logs=None):
        self._start = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        # Includes the time of other callbacks.
        start, self._start = self._start, time.monotonic()
        # Processes that stopped after different epochs would wait forever.
        spent = np.max(gather([(self._start - start) / 60]))
        self.spent += float(spent)
        if self.spent >= self.minutes:
            self.model.stop_training = True
