import contextlib
import os

import jax
import keras


class Trainer:
    """The training and evaluation step of `SRGAN` on JAX."""

    replicas = 1

    def train_step(self, state, data):
        trainable, non_trainable, optimizer, metrics = state
        data, frozen = data

        def compute_losses(trainable):
            with self._scope(
                trainable, non_trainable, metrics, frozen, optimizer
            ) as scope:
                losses, logs = self.compute_losses(data, training=True)
                losses = [self.optimizer.scale_loss(loss) for loss in losses]
            return losses, (logs, *self._updated(scope))

        losses, pullback, (logs, non_trainable, metrics) = jax.vjp(
            compute_losses, trainable, has_aux=True
        )
        # A pullback returns the gradients of all variables. The compiler
        # removes the computation of those that are not used.
        gradients = []
        for i, variables in enumerate(self.network_variables[: len(losses)]):
            one_hot = [
                jax.numpy.full_like(loss, i == j)
                for j, loss in enumerate(losses)
            ]
            (pulled,) = pullback(one_hot)
            start = len(gradients)
            gradients += pulled[start : start + len(variables)]
        trainable, optimizer = self.optimizer.stateless_apply(
            optimizer, gradients, trainable
        )
        return logs, (trainable, non_trainable, optimizer, metrics)

    def test_step(self, state, data):
        trainable, non_trainable, metrics = state
        data, frozen = data
        with self._scope(trainable, non_trainable, metrics, frozen) as scope:
            _, logs = self.compute_losses(data, training=False)
        return logs, (trainable, *self._updated(scope))

    def _scope(self, trainable, non_trainable, metrics, frozen, optimizer=()):
        pairs = [
            *zip(self.trainable_variables, trainable, strict=True),
            *zip(self.non_trainable_variables, non_trainable, strict=True),
            *zip(self.metrics_variables, metrics, strict=True),
            *zip(self._frozen_variables, frozen, strict=True),
        ]
        if optimizer:
            pairs += zip(self.optimizer.variables, optimizer, strict=True)
        return keras.StatelessScope(state_mapping=pairs)

    def _updated(self, scope):
        return (
            [scope.get_current_value(v) for v in self.non_trainable_variables],
            [scope.get_current_value(v) for v in self.metrics_variables],
        )

    @property
    def _frozen_variables(self):
        """The variables of the losses: VGG19's, which no step changes."""
        return getattr(self.content_loss, "variables", [])

    def make_train_function(self, force=False):
        if self.train_function is None or force:
            super().make_train_function(force)
            self.train_function = self._keep_state(
                self._pass_frozen(self.train_function),
                lambda: (self.optimizer.variables, self.metrics_variables),
            )

    def make_test_function(self, force=False):
        if self.test_function is None or force:
            super().make_test_function(force)
            self.test_function = self._keep_state(
                self._pass_frozen(self.test_function),
                lambda: (self.metrics_variables,),
            )

    def make_predict_function(self, force=False):
        if self.predict_function is None or force:
            super().make_predict_function(force)
            self.predict_function = self._keep_state(
                self.predict_function, lambda: ()
            )
        return self.predict_function

    def _pass_frozen(self, function):
        """Passes the frozen variables with each batch.

        As arguments of the compiled step they are not compiled into it as
        constants, and as no part of the state they are not returned by it.
        """

        def step(state, batches):
            frozen = [variable.value for variable in self._frozen_variables]
            return function(state, ((batch, frozen) for batch in batches))

        return step

    def _keep_state(self, function, get_others):
        """Assigns the state to the model's variables if a step fails.

        Keras takes the values out of the variables before a step and would
        lose them, for example on images of a wrong shape.
        """

        def step(state, batches):
            try:
                return function(state, batches)
            except BaseException:
                groups = (
                    self.trainable_variables,
                    self.non_trainable_variables,
                    *get_others(),
                )
                for variables, values in zip(groups, state, strict=True):
                    for variable, value in zip(variables, values, strict=True):
                        variable.assign(value)
                raise

        return step

    # `fit` syncs the state itself, also if a callback raises.
    def evaluate(self, *args, **kwargs):
        with _whole_batches():
            try:
                return super().evaluate(*args, **kwargs)
            finally:
                self.jax_state_sync()

    def predict(self, *args, **kwargs):
        with _whole_batches():
            try:
                return super().predict(*args, **kwargs)
            finally:
                self.jax_state_sync()

    # Only one process saves. Keras creates variables while saving, which on
    # many devices would wait for the other processes.
    def save(self, *args, **kwargs):
        with _using(None):
            super().save(*args, **kwargs)

    def save_weights(self, *args, **kwargs):
        with _using(None):
            super().save_weights(*args, **kwargs)


class _Whole(keras.distribution.DataParallel):
    """Gives the whole batch to each device."""

    batch_dim_name = None


def _whole_batches():
    # A small batch cannot be divided evenly, and a process cannot read the
    # results on the devices of another one.
    current = keras.distribution.distribution()
    if current is None:
        return contextlib.nullcontext()
    return _using(_Whole(current.device_mesh, auto_shard_dataset=False))


@contextlib.contextmanager
def _using(distribution):
    current = keras.distribution.distribution()
    keras.distribution.set_distribution(distribution)
    try:
        yield
    finally:
        keras.distribution.set_distribution(current)


def distribute():
    if "KERAS_DISTRIBUTION_NUM_PROCESSES" in os.environ:
        keras.distribution.initialize()
    if jax.device_count() > 1:
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(auto_shard_dataset=False)
        )
