import tensorflow as tf

from keras_srgan.collectives import devices
from keras_srgan.collectives import share


class Trainer:
    """`SRGAN`'s training and evaluation step on TensorFlow."""

    @property
    def replicas(self):
        return devices()

    def train_step(self, data):
        with tf.GradientTape(persistent=True) as tape:
            losses, logs = self.compute_losses(data, training=True)
            # Keras' optimizers add up the gradients of all replicas.
            losses = [
                self.optimizer.scale_loss(loss / self.replicas)
                for loss in losses
            ]
        gradients = [
            gradient
            for loss, variables in zip(losses, self.players, strict=False)
            for gradient in tape.gradient(loss, variables)
        ]
        self.optimizer.apply(gradients)
        return logs

    def test_step(self, data):
        _, logs = self.compute_losses(_whole_batch(data), training=False)
        return logs

    def predict_step(self, data):
        outputs = super().predict_step(_whole_batch(data))
        index, _ = share()
        # Keras puts together what the replicas return.
        return outputs[: tf.where(index == 0, tf.shape(outputs)[0], 0)]

    @property
    def distribute_strategy(self):
        return _Untuned(super().distribute_strategy)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras builds a model on a batch, and fails where that cannot be
        # divided evenly. This one is built.
        pass


class _Untuned:
    """A strategy that reads datasets without tuning the reading of them.

    The tuner of tf.data sleeps longer and longer, up to a minute, and as an
    epoch ends TensorFlow waits for it to wake up.
    """

    def __init__(self, strategy):
        self._strategy = strategy

    def __getattr__(self, name):
        return getattr(self._strategy, name)

    def experimental_distribute_dataset(self, dataset):
        options = tf.data.Options()
        options.autotune.enabled = False
        return self._strategy.experimental_distribute_dataset(
            dataset.with_options(options)
        )


def _whole_batch(data):
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return data

    # Of a few photos some replicas get none, which not all operations take,
    # and the mean over none is not a number.
    def gather(images):
        whole = context.all_gather(tf.cast(images, "float32"), axis=0)
        return tf.ensure_shape(whole, (None, *images.shape[1:]))

    return tf.nest.map_structure(gather, data)


def distribute():
    devices = tf.config.list_logical_devices("GPU")
    devices = devices or tf.config.list_logical_devices("CPU")
    if len(devices) > 1:
        names = [device.name for device in devices]
        strategy = tf.distribute.MirroredStrategy(names)
        tf.distribute.experimental_set_strategy(strategy)
