import keras
import numpy as np

from keras_srgan import trainers


def distribute() -> bool:
    """Lets a program train on all devices at hand, and on several machines.

    Call it once, before anything of Keras is made. What it finds decides:

    - JAX: all devices, and all processes where the environment names them
      (`KERAS_DISTRIBUTION_NUM_PROCESSES` and so on, see
      `keras.distribution.initialize`);
    - TensorFlow: all GPUs of the machine;
    - PyTorch: one GPU, or the CPU, for each process of `torchrun`.

    On one device, it changes nothing. The batch that `SRGAN.fit` is given is
    that of all devices together, and each gets an equal part of it, so the
    number of devices must divide the batch size. `ImageFolder` reads in each
    process its own part; other sources must give each process its own.
    Evaluation and prediction do not share work: each process has them whole.

    Returns:
        Boolean. Whether this process is the first, which writes the files.
        The callbacks of this package see to it themselves.

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
    """Returns whether this process is the one that writes files."""
    index, _ = trainers.process()
    return index == 0


def average(logs: dict) -> dict:
    """Returns the mean of each log over all processes."""
    _, processes = trainers.process()
    if processes == 1:
        return logs
    values = [float(value) for value in logs.values()]
    means = np.mean(trainers.gather(values), axis=0)
    return dict(zip(logs, means.tolist(), strict=True))


class FirstProcessCallback(keras.callbacks.Callback):
    """A callback that `SRGAN.fit` only runs in the first process.

    Where several processes train together, one of them writes the files.
    """
