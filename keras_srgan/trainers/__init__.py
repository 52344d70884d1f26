"""The training steps, which differ between backends.

Each has a `Trainer`, whose `train_step` takes the losses of
`SRGAN.compute_losses`, computes the gradient of each loss with respect to the
variables of its own network, and applies both at once. For training on
several devices, each module also has:

- `distribute()` sets up all devices of this machine, and other processes;
- `Trainer.replicas` is the factor by which Keras divides a
  `keras.losses.Loss`, so that the sum over devices is right.
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
        # Keras' other backends cannot train.
        from keras_srgan.trainers import single as trainer

Trainer = trainer.Trainer
distribute = trainer.distribute
