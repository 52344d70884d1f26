import contextlib
import warnings

import keras
import numpy as np
from keras import ops


class GANOptimizer(keras.optimizers.MultiOptimizer):
    """The generator's and the discriminator's optimizers as one optimizer.

    A Keras model has one `optimizer`. Keeping both in it makes everything
    that Keras does with an optimizer work for a GAN: its state on JAX, loss
    scaling, saving and learning-rate callbacks.

    `learning_rate` returns the generator's. Setting it scales the
    discriminator's in proportion, so that learning-rate callbacks keep the
    ratio of the two.

    An optimizer with `use_ema=True` averages its weights from the start of
    training: its momentum is `min(ema_momentum, (1 + t) / (10 + t))` at step
    `t`, so that the first, untrained weights soon leave the average.

    Args:
        generator_optimizer: `keras.optimizers.Optimizer`.
        discriminator_optimizer: `keras.optimizers.Optimizer`, another object.
        discriminator: The `keras.Model` whose variables the second optimizer
            updates. The generator's optimizer updates all others.

    Example:

    ```python
    import keras
    from keras_srgan import SRGAN

    srgan = SRGAN()
    srgan.optimizer.learning_rate = 1e-5
    srgan.optimizer.discriminator_optimizer.learning_rate  # 1e-5
    ```
    """

    def __init__(
        self,
        generator_optimizer,
        discriminator_optimizer,
        discriminator,
        name="gan_optimizer",
    ):
        if generator_optimizer is discriminator_optimizer:
            raise ValueError(
                "`generator_optimizer` and `discriminator_optimizer` must be "
                "two objects, as each keeps its own state. "
                f"Received: the same {generator_optimizer} twice"
            )
        # By identity: variable paths in functional models do not name the
        # model.
        second = {id(v) for v in discriminator.trainable_variables}
        super().__init__(
            lambda variable: (
                discriminator_optimizer
                if id(variable) in second
                else generator_optimizer
            ),
            name=name,
        )
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer

    def apply(self, grads, trainable_variables=None):
        """Updates both networks, or the generator alone.

        Args:
            grads: List of tensors: the gradients of the generator's
                variables, then those of the discriminator's, or none of them.
            trainable_variables: The variables in the same order. Defaults to
                those the optimizer was built with.
        """
        variables = trainable_variables or self._trainable_variables
        for optimizer in self.optimizers:
            pairs = [
                (grad, variable)
                for grad, variable in zip(grads, variables, strict=False)
                if self._optimizer_map(variable) is optimizer
            ]
            if pairs:
                with _average_warming_up(optimizer):
                    optimizer.apply(*zip(*pairs, strict=True))
        self.iterations.assign_add(1)

    def averages(self) -> list:
        """Returns pairs of a variable and a NumPy array with its average.

        Only those of optimizers with `use_ema=True` that have made a step:
        before its first step, the average of a network is zero.
        """
        return [
            # A copy, as JAX cannot donate one buffer for two variables.
            (variable, np.array(ops.convert_to_numpy(average)))
            for optimizer in self.optimizers
            if optimizer.use_ema and ops.convert_to_numpy(optimizer.iterations)
            for variable, average in zip(
                optimizer._trainable_variables,
                optimizer._model_variables_moving_average,
                strict=True,
            )
        ]

    def finalize_variable_values(self, var_list):
        for variable, average in self.averages():
            variable.assign(average)

    @property
    def learning_rate(self):
        return self.generator_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        generator = self.generator_optimizer
        discriminator = self.discriminator_optimizer
        if isinstance(value, keras.optimizers.schedules.LearningRateSchedule):
            generator.learning_rate = discriminator.learning_rate = value
            return
        before = float(ops.convert_to_numpy(generator.learning_rate))
        if before:
            # Kept, because a rate of zero has no ratio.
            self._ratio = (
                float(ops.convert_to_numpy(discriminator.learning_rate))
                / before
            )
        generator.learning_rate = value
        discriminator.learning_rate = value * getattr(self, "_ratio", 1.0)

    def save_own_variables(self, store):
        # Keras saves the two optimizers separately, as attributes of this one.
        store["iteration"] = ops.convert_to_numpy(self.iterations)

    def load_own_variables(self, store):
        self.iterations.assign(store["iteration"])


@contextlib.contextmanager
def _average_warming_up(optimizer):
    """Lowers the momentum of an optimizer's average during first steps."""
    momentum = optimizer.ema_momentum
    if optimizer.use_ema:
        step = ops.cast(optimizer.iterations, "float32")
        optimizer.ema_momentum = ops.minimum(momentum, (1 + step) / (10 + step))
    try:
        yield
    finally:
        optimizer.ema_momentum = momentum


def get_optimizer(optimizer, name: str) -> keras.optimizers.Optimizer:
    """Returns an optimizer, by default that of the reference experiment."""
    if optimizer is None:
        return keras.optimizers.Adam(1e-4, 0.9, 0.999, epsilon=1e-8, name=name)
    return keras.optimizers.get(optimizer)


def __getattr__(name):
    if name != "PlayersOptimizer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        "`PlayersOptimizer` is now `GANOptimizer`.",
        DeprecationWarning,
        stacklevel=2,
    )
    return GANOptimizer
