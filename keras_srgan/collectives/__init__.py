"""The processes and devices that share a batch, on each backend.

- `process()` returns the index of this process and their number.
- `devices()` returns the number of devices that share each batch, over all
  processes.
- `share()` returns, within a step, the part of the batch that the step sees:
  its index and the number of parts.
- `gather(values)` returns the numbers of all processes, one row per process.
"""

import keras

match keras.backend.backend():
    case "tensorflow":
        from keras_srgan.collectives import tensorflow as collectives
    case "jax":
        from keras_srgan.collectives import jax as collectives
    case "torch":
        from keras_srgan.collectives import torch as collectives
    case _:
        # Keras' other backends only predict.
        from keras_srgan.collectives import single as collectives

process = collectives.process
devices = collectives.devices
share = collectives.share
gather = collectives.gather
