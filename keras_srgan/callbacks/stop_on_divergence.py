import keras

from keras_srgan.callbacks.best_checkpoint import read_log


class StopOnDivergence(keras.callbacks.Callback):
    """Ends training with an error once a metric is far below its best value.

    Training that diverges need not reach NaN: it can go on for hours with a
    model that is worse than a new one. Must come before `RunBackup`, which
    then keeps the state of the epoch before. A resumed run knows the best
    value where `RunBackup` keeps the state of this callback.

    Args:
        max_drop: Positive float. How far the metric may fall. Defaults to
            `6.0`: an error of four times the squares, for PSNR in dB.
        monitor: String. The name of a log; higher is better. Defaults to
            `"val_psnr"`.

    Attributes:
        best: Float. The best value, or `None`.

    Raises:
        ValueError: if `max_drop` is not positive; after the first epoch, if
            there is no such log.
        FloatingPointError: during training, if the metric falls further.

    Example:

    ```python
    import numpy as np
    from keras_srgan import SRGAN, Generator
    from keras_srgan.callbacks import StopOnDivergence

    photos = np.random.randint(0, 256, (8, 64, 64, 3), "uint8")
    srgan = SRGAN(Generator(num_blocks=2, filters=8))
    srgan.compile(content_loss="mse")
    srgan.fit(
        photos,
        validation_data=photos[:2],
        callbacks=[StopOnDivergence()],
    )
    ```
    """

    def __init__(self, max_drop: float = 6.0, monitor: str = "val_psnr"):
        super().__init__()
        if not max_drop > 0:
            raise ValueError(
                f"`max_drop` must be positive. Received: max_drop={max_drop!r}"
            )
        self.max_drop = max_drop
        self.monitor = monitor
        self.best = None

    def get_state(self) -> dict:
        """Returns the state of a run that `RunBackup` keeps."""
        return {"best": self.best}

    def set_state(self, state: dict) -> None:
        """Sets the state that `get_state` returned."""
        self.best = state["best"]

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0:
            self.best = None

    def on_epoch_end(self, epoch, logs=None):
        value = read_log(logs, self.monitor)
        if self.best is not None and value < self.best - self.max_drop:
            raise FloatingPointError(
                f"Training diverged in epoch {epoch + 1}: {self.monitor} is "
                f"{value:.2f}, and was {self.best:.2f} before. Start a new run "
                "from the best checkpoint with a lower learning rate."
            )
        self.best = value if self.best is None else max(value, self.best)
