import jax
import keras
import numpy as np
from jax.experimental import multihost_utils


def process():
    return jax.process_index(), jax.process_count()


def devices():
    distribution = keras.distribution.distribution()
    return 1 if distribution is None else distribution.device_mesh.devices.size


def share():
    # A step sees the whole batch, wherever its parts are.
    return 0, 1


def gather(values):
    if jax.process_count() == 1:
        return [values]
    return multihost_utils.process_allgather(np.array(values, "float32"))
