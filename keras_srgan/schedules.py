import keras
from keras import ops

from keras_srgan.checks import check_integer


@keras.saving.register_keras_serializable(package="keras_srgan")
class WarmupStableDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, a constant learning rate, then a linear decay to zero.

    Training at the constant rate can continue for as long as there is time.
    A short decay from any of its checkpoints gives a finished model.

    Args:
        learning_rate: Float. The constant learning rate.
        warmup_steps: Integer, at least 0. Steps over which the rate rises
            from 0. Defaults to `0`.
        decay_start: Integer. The step at which the decay begins. Defaults to
            `None`: the rate stays constant.
        decay_steps: Integer, at least 1. Steps over which the rate falls to
            0, where it stays. Only used with `decay_start`. Defaults to `1`.
        delay_steps: Integer, at least 0. Steps at a rate of 0 before the
            warm-up. Defaults to `0`.

    Example:

    ```python
    import keras
    from keras_srgan import WarmupStableDecay

    rate = WarmupStableDecay(1e-3, 50, decay_start=8000, decay_steps=2000)
    keras.optimizers.Adam(rate)
    float(rate(4000)), float(rate(9000))  # (0.001, 0.0005)
    ```

    Reference: Hu et al., "MiniCPM: Unveiling the Potential of Small Language
    Models with Scalable Training Strategies" (2024), section 4,
    https://arxiv.org/abs/2404.06395
    """

    def __init__(
        self,
        learning_rate: float,
        warmup_steps: int = 0,
        decay_start: int | None = None,
        decay_steps: int = 1,
        delay_steps: int = 0,
    ):
        super().__init__()
        if not learning_rate > 0:
            raise ValueError(
                "`learning_rate` must be a positive number. "
                f"Received: learning_rate={learning_rate!r}"
            )
        check_integer(0, warmup_steps=warmup_steps, delay_steps=delay_steps)
        check_integer(1, decay_steps=decay_steps)
        if decay_start is not None:
            check_integer(0, decay_start=decay_start)
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.decay_start = decay_start
        self.decay_steps = decay_steps
        self.delay_steps = delay_steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rate = ops.convert_to_tensor(self.learning_rate, "float32")
        if self.delay_steps:
            rate = rate * ops.cast(step >= self.delay_steps, "float32")
        if self.warmup_steps:
            done = (step - self.delay_steps + 1) / self.warmup_steps
            rate = rate * ops.clip(done, 0.0, 1.0)
        if self.decay_start is not None:
            done = (step - self.decay_start) / self.decay_steps
            rate = rate * (1.0 - ops.clip(done, 0.0, 1.0))
        return rate

    def get_config(self):
        return {
            "learning_rate": self.learning_rate,
            "warmup_steps": self.warmup_steps,
            "decay_start": self.decay_start,
            "decay_steps": self.decay_steps,
            "delay_steps": self.delay_steps,
        }
