"""What differs between backends: the only modules that import one.

Each has a `Trainer`, whose `train_step` takes the losses of
`SRGAN.compute_losses`, differentiates each player's for that player's
variables alone, and applies the gradients of both at once; and, for many
devices:

- `distribute()` sets up all devices that there are, and other processes;
- `Trainer.replicas` is by how much Keras divides a `keras.losses.Loss`, to
  add it up over devices.
"""

import keras

match keras.backend.backend():
    case "tensorflow":
        from keras_srgan.trainers import tensorflow as trainer
    case "jax":
        from keras_srgan.trainers import jax as trainer
    case "torch":
        from keras_srgan.trainers import torch as trainer
    case _:
        # Keras' other backends only predict.
        from keras_srgan.trainers import single as trainer

Trainer = trainer.Trainer
distribute = trainer.distribute
