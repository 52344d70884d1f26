"""One training step a backend: the only modules that import one.

Each takes the losses of `SRGAN.compute_losses`, differentiates each player's
for that player's variables alone, and applies the gradients of both at once.
"""

import keras

match keras.backend.backend():
    case "tensorflow":
        from keras_srgan.trainers.tensorflow import Trainer as Trainer
    case "jax":
        from keras_srgan.trainers.jax import Trainer as Trainer
    case "torch":
        from keras_srgan.trainers.torch import Trainer as Trainer
    case _:

        class Trainer:
            """Nothing: Keras' other backends only predict."""
