import math

import keras

from keras_srgan.collectives import process


class StopOnNonFinite(keras.callbacks.Callback):
    """Ends training with an error once a loss is NaN or infinite.

    `SRGAN.fit` runs it before all other callbacks, so that none of them saves
    broken weights at the end of an epoch.

    Args:
        every: Integer. Batches between two checks of the losses within an
            epoch; each check waits for the accelerator. Several processes
            only check at the end of an epoch. Defaults to `100`.
    """

    async_safe = True

    def __init__(self, every=100):
        super().__init__()
        self.every = every

    def on_train_batch_end(self, batch, logs=None):
        # Processes that stopped at different batches would wait for each
        # other forever.
        _, processes = process()
        if processes == 1 and batch % self.every == 0 and self._broken(logs):
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        broken = self._broken(logs)
        # The last update is not yet reflected in any loss.
        if not all(
            keras.ops.all(keras.ops.isfinite(weight))
            for weight in self.model.trainable_variables
        ):
            broken.append("the weights")
        if broken:
            raise FloatingPointError(
                f"Training diverged in epoch {epoch + 1}: {', '.join(broken)} "
                "became NaN or infinite. Nothing was saved after it. Resume "
                "from the last checkpoint with a lower learning rate, with "
                '`clipnorm` in the optimizers, or with the "mixed_bfloat16" '
                'policy instead of "mixed_float16" or "float16".'
            )

    def _broken(self, logs):
        return [
            name
            for name, value in (logs or {}).items()
            if name.endswith("loss") and not math.isfinite(float(value))
        ]
