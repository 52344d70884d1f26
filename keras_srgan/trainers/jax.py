import jax
import keras


class Trainer:
    """`SRGAN`'s training and evaluation step on JAX."""

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
