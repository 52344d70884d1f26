import keras
from keras import ops


class PlayersOptimizer(keras.optimizers.MultiOptimizer):
    """The optimizers of both players behind the interface of one.

    A model has one `optimizer`. Keeping both in it makes everything Keras
    does with an optimizer work for a GAN: its state on JAX, loss scaling,
    saving, learning-rate callbacks.

    `learning_rate` reads as the generator's; setting it sets both, so that
    learning-rate callbacks work also where Keras wraps this optimizer to
    scale losses.

    Args:
        generator_optimizer: `keras.optimizers.Optimizer`.
        discriminator_optimizer: `keras.optimizers.Optimizer`, another object.
        discriminator: The `keras.Model` whose variables the second optimizer
            updates. All others are the generator's.

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
        name="players_optimizer",
    ):
        if generator_optimizer is discriminator_optimizer:
            raise ValueError(
                "`generator_optimizer` and `discriminator_optimizer` must be "
                "two objects, as each keeps its own state. "
                f"Received: the same {generator_optimizer} twice"
            )
        # By identity: the paths of variables in functional models do not say
        # which model they are in.
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
        """Update both players, or the generator alone.

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
                optimizer.apply(*zip(*pairs, strict=True))
        self.iterations.assign_add(1)

    def finalize_variable_values(self, var_list):
        for optimizer in self.optimizers:
            # The average of no updates is zero: a player that has not moved,
            # as in training without a discriminator, stays as it is.
            if ops.convert_to_numpy(optimizer.iterations):
                optimizer.finalize_variable_values(
                    [v for v in var_list if self._optimizer_map(v) is optimizer]
                )

    @property
    def learning_rate(self):
        return self.generator_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        self.generator_optimizer.learning_rate = value
        self.discriminator_optimizer.learning_rate = value

    def save_own_variables(self, store):
        # Keras saves the two optimizers by themselves, as attributes of this.
        store["iteration"] = ops.convert_to_numpy(self.iterations)

    def load_own_variables(self, store):
        self.iterations.assign(store["iteration"])
