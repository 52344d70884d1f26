import keras
import numpy as np

from keras_srgan import collectives
from keras_srgan import trainers


def distribute() -> bool:
    """Sets up training on all available devices and on several machines.

    Call it once, before creating any Keras object. It uses:

    - on JAX, all devices, and all processes that the environment describes
      (`KERAS_DISTRIBUTION_NUM_PROCESSES` and others, see
      `keras.distribution.initialize`);
    - on TensorFlow, all GPUs of the machine;
    - on PyTorch, one GPU, or the CPU, per process of `torchrun`.

    It has no effect on a single device. The batch passed to `SRGAN.fit` is
    the batch of all devices together. Each device gets an equal part of it,
    so the batch size must be a multiple of the number of devices. In each
    process, `ImageFolder` reads only that process's part; other datasets must
    yield the part of their process. Evaluation and prediction are not
    distributed: each process computes all of them.

    Returns:
        Boolean. Whether this is the first process, the one that writes files.
        The callbacks of this package already check this.

    Example:

    ```python
    import numpy as np
    from keras_srgan import SRGAN, Generator, distribute

    first = distribute()
    photos = np.random.randint(0, 256, (8, 64, 64, 3), "uint8")
    srgan = SRGAN(Generator(num_blocks=2, filters=8))
    srgan.compile(content_loss="mse")
    srgan.fit(photos, batch_size=8)
    if first:
        srgan.save("srgan.keras")
    ```
    """
    trainers.distribute()
    return is_first()


def is_first() -> bool:
    """Returns whether this is the process that writes files."""
    index, _ = collectives.process()
    return index == 0


def average(logs: dict) -> dict:
    """Returns the mean of each log over all processes."""
    _, processes = collectives.process()
    if processes == 1:
        return logs
    values = [float(value) for value in logs.values()]
    means = np.mean(collectives.gather(values), axis=0)
    return dict(zip(logs, means.tolist(), strict=True))


class FirstProcessCallback(keras.callbacks.Callback):
    """A callback that `SRGAN.fit` only runs in the first process.

    Where several processes train together, one of them writes the files.
    """
