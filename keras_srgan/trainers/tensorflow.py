import tensorflow as tf

from keras_srgan.collectives import devices
from keras_srgan.collectives import share


class Trainer:
    """The training and evaluation step of `SRGAN` on TensorFlow."""

    _tunes_reading = True

    @property
    def replicas(self):
        return devices()

    def train_step(self, data):
        with tf.GradientTape(persistent=True) as tape:
            losses, logs = self.compute_losses(data, training=True)
            # Keras' optimizers sum the gradients of all replicas.
            losses = [
                self.optimizer.scale_loss(loss / self.replicas)
                for loss in losses
            ]
        gradients = [
            gradient
            for loss, variables in zip(
                losses, self.network_variables, strict=False
            )
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
        # Keras concatenates the results of all replicas.
        return outputs[: tf.where(index == 0, tf.shape(outputs)[0], 0)]

    # Datasets that users build with tf.data keep their own options.
    def fit(self, x=None, *args, **kwargs):
        self._tunes_reading = isinstance(x, tf.data.Dataset)
        return super().fit(x, *args, **kwargs)

    def evaluate(self, x=None, *args, **kwargs):
        self._tunes_reading = isinstance(x, tf.data.Dataset)
        return super().evaluate(x, *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        self._tunes_reading = isinstance(x, tf.data.Dataset)
        return super().predict(x, *args, **kwargs)

    @property
    def distribute_strategy(self):
        strategy = super().distribute_strategy
        return strategy if self._tunes_reading else _Untuned(strategy)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras builds a model on a batch, and fails if the batch cannot be
        # divided evenly. This model is already built.
        pass


class _Untuned:
    """A strategy that turns off tf.data's autotuning of a dataset.

    Between its measurements the tuner sleeps for up to a minute, and at the
    end of an epoch TensorFlow waits for it to wake up.
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

    # With fewer photos than replicas, some replicas get an empty batch, which
    # not all operations accept and whose mean is NaN.
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
