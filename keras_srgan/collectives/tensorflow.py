import tensorflow as tf

from keras_srgan.collectives.single import gather as gather
from keras_srgan.collectives.single import process as process


def devices():
    return tf.distribute.get_strategy().num_replicas_in_sync


def share():
    context = tf.distribute.get_replica_context()
    if context is None:
        return 0, 1
    return context.replica_id_in_sync_group, context.num_replicas_in_sync
