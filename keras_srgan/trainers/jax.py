import contextlib
import os

import jax
import keras


class Trainer:
    """`SRGAN`'s training and evaluation step on JAX."""

    replicas = 1

    @property
    def non_trainable_variables(self):
        # The content network's weights travel with the state: as arguments of
        # the compiled step rather than constants in it.
        frozen = getattr(self.content_loss, "variables", [])
        return super().non_trainable_variables + frozen

    def train_step(self, state, data):
        trainable, non_trainable, optimizer, metrics = state

        def players_losses(trainable):
            with self._scope(
                trainable, non_trainable, metrics, optimizer
            ) as scope:
                losses, logs = self.compute_losses(data, training=True)
                losses = [self.optimizer.scale_loss(loss) for loss in losses]
            return losses, (logs, *self._updated(scope))

        losses, pullback, (logs, non_trainable, metrics) = jax.vjp(
            players_losses, trainable, has_aux=True
        )
        # A pullback is for all variables; what the other player's would have
        # cost, the compiler leaves out.
        gradients = []
        for one_hot, variables in zip(
            jax.numpy.eye(len(losses)), self.players, strict=False
        ):
            (pulled,) = pullback(list(one_hot))
            start = len(gradients)
            gradients += pulled[start : start + len(variables)]
        trainable, optimizer = self.optimizer.stateless_apply(
            optimizer, gradients, trainable
        )
        return logs, (trainable, non_trainable, optimizer, metrics)

    def test_step(self, state, data):
        trainable, non_trainable, metrics = state
        with self._scope(trainable, non_trainable, metrics) as scope:
            _, logs = self.compute_losses(data, training=False)
        return logs, (trainable, *self._updated(scope))

    def _scope(self, trainable, non_trainable, metrics, optimizer=()):
        pairs = [
            *zip(self.trainable_variables, trainable, strict=True),
            *zip(self.non_trainable_variables, non_trainable, strict=True),
            *zip(self.metrics_variables, metrics, strict=True),
        ]
        if optimizer:
            pairs += zip(self.optimizer.variables, optimizer, strict=True)
        return keras.StatelessScope(state_mapping=pairs)

    def _updated(self, scope):
        return (
            [scope.get_current_value(v) for v in self.non_trainable_variables],
            [scope.get_current_value(v) for v in self.metrics_variables],
        )

    def evaluate(self, *args, **kwargs):
        with _whole_batches(), self._putting_state_back():
            return super().evaluate(*args, **kwargs)

    def predict(self, *args, **kwargs):
        with _whole_batches(), self._putting_state_back():
            return super().predict(*args, **kwargs)

    # Keras takes the weights out of a model to compute with them, and would
    # lose them if the first step fails, as it does on wrong images.
    def _get_jax_state(self, purge_model_variables=False, **kinds):
        state = super()._get_jax_state(
            purge_model_variables=purge_model_variables, **kinds
        )
        if purge_model_variables:
            self._jax_state = dict(zip(kinds, state, strict=True))
        return state

    @contextlib.contextmanager
    def _putting_state_back(self):
        # `fit` does so itself.
        try:
            yield
        finally:
            self.jax_state_sync()

    # Only one process saves, and Keras makes variables meanwhile: on many
    # devices, that would wait for the other processes.
    def save(self, *args, **kwargs):
        with _using(None):
            super().save(*args, **kwargs)

    def save_weights(self, *args, **kwargs):
        with _using(None):
            super().save_weights(*args, **kwargs)


class _Whole(keras.distribution.DataParallel):
    """Each device gets all of a batch."""

    batch_dim_name = None


def _whole_batches():
    # A few photos cannot be divided evenly, and what the devices of another
    # process make of theirs cannot be read in this one.
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
