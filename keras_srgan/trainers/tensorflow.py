import tensorflow as tf


class Trainer:
    """`SRGAN`'s training and evaluation step on TensorFlow."""

    def train_step(self, data):
        with tf.GradientTape(persistent=True) as tape:
            losses, logs = self.compute_losses(data, training=True)
            losses = [self.optimizer.scale_loss(loss) for loss in losses]
        gradients = [
            gradient
            for loss, variables in zip(losses, self.players, strict=False)
            for gradient in tape.gradient(loss, variables)
        ]
        self.optimizer.apply(gradients)
        return logs

    def test_step(self, data):
        _, logs = self.compute_losses(data, training=False)
        return logs
