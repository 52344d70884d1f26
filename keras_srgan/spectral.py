import keras
from keras import ops

from keras_srgan.layers import Conv2D


@keras.saving.register_keras_serializable(package="keras_srgan")
class SpectralConv2D(Conv2D):
    """A `Conv2D` whose kernel is divided by its spectral norm.

    The kernel, as a matrix with one row per filter, then has a largest
    singular value of 1, which limits the Lipschitz constant of a discriminator.
    Each call in training updates the estimate of that value by one power
    iteration. The kernel itself is never assigned: the division is part of the
    computation, and gradients pass through it.

    `keras.layers.SpectralNormalization` assigns the kernel within `call`, which
    a stateless training step discards for a trainable variable.

    Args:
        filters, kernel_size, **kwargs: As for `keras.layers.Conv2D`.

    Call arguments:
        inputs: Tensor of shape `(batch, height, width, channels)`.
        training: Boolean. Whether to update the estimate.

    Example:

    ```python
    import numpy as np
    from keras_srgan.spectral import SpectralConv2D

    SpectralConv2D(8, 3)(np.zeros((1, 16, 16, 3), "float32")).shape
    # (1, 16, 16, 8)
    ```

    Reference: Miyato et al., "Spectral Normalization for Generative
    Adversarial Networks" (2018), https://arxiv.org/abs/1802.05957
    """

    def build(self, input_shape):
        super().build(input_shape)
        # float32 under any dtype policy, as power iterations need it. All
        # replicas compute the same value.
        self.left_vector = self.add_weight(
            name="left_vector",
            shape=(self.filters, 1),
            initializer="random_normal",
            dtype="float32",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )
        self.left_vector.assign(_normalize(self.left_vector))

    def call(self, inputs, training=False):
        kernel = ops.cast(self.kernel, "float32")
        kernel = kernel / self._spectral_norm(kernel, training)
        x = self.convolution_op(inputs, ops.cast(kernel, self.compute_dtype))
        if self.use_bias:
            x = x + ops.cast(self.bias, x.dtype)
        return x if self.activation is None else self.activation(x)

    # Keras' convolutions save and load their kernel and bias only.
    def save_own_variables(self, store):
        super().save_own_variables(store)
        if self.built:
            store["left_vector"] = self.left_vector

    def load_own_variables(self, store):
        super().load_own_variables(store)
        if self.built:
            self.left_vector.assign(store["left_vector"])

    def _spectral_norm(self, kernel, training):
        """Returns `right @ W @ left`; only `W` has a gradient."""
        matrix = ops.reshape(kernel, (-1, self.filters))
        fixed = ops.stop_gradient(matrix)
        left = self.left_vector.value
        right = _normalize(ops.matmul(fixed, left))
        if training:
            left = _normalize(ops.matmul(ops.transpose(fixed), right))
            self.left_vector.assign(left)
        return ops.maximum(
            ops.sum(ops.matmul(matrix, left) * right), keras.config.epsilon()
        )


def _normalize(vector):
    return vector / ops.maximum(ops.norm(vector), keras.config.epsilon())
