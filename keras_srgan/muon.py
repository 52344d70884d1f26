import re

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_srgan")
class Muon(keras.optimizers.Muon):
    """Muon for convolutional networks.

    Muon replaces the momentum of a matrix by a nearly orthogonal matrix with
    the same singular vectors, so that a step changes all directions equally.
    `keras.optimizers.Muon` only does so for matrices and treats all other
    weights as Adam does. This class also treats the kernels of convolutions as
    matrices, of shape `(height * width * channels, filters)`.

    Update sizes match those of Adam, so a learning rate of Adam is a good
    start. Biases and the slopes of `PReLU` are trained as by Adam.

    Args:
        learning_rate: Float or `LearningRateSchedule`. Defaults to `0.001`.
        exclude_layers: List of strings, regular expressions. Kernels whose
            path matches one are trained as by Adam. Defaults to
            `("start_conv", "rgb_conv")`, the first and the last convolution
            of a `Generator`, which read and write colors.
        adam_lr_ratio: Float. The learning rate of the weights that are
            trained as by Adam, divided by `learning_rate`. With larger rates,
            long training is less stable. Defaults to `0.2`.
        weight_decay: Float. Before each step, the other kernels are multiplied
            by `1 - weight_decay * learning_rate`. As all steps have about the
            same size, kernels would otherwise grow until training diverges.
            Defaults to `1.0`. `None`: no weight decay.
        adam_weight_decay: Float. Likewise, for the weights that are trained
            as by Adam. Defaults to `None`.
        **kwargs: Further arguments of `keras.optimizers.Muon`.

    Example:

    ```python
    from keras_srgan import SRGAN, Muon

    srgan = SRGAN()
    srgan.compile(Muon(1e-3), content_loss="mae", adversarial_weight=0)
    ```

    References:
        - Jordan et al., "Muon: An optimizer for hidden layers in neural
          networks" (2024), https://kellerjordan.github.io/posts/muon/
        - Liu et al., "Muon is Scalable for LLM Training" (2025), for the size
          of the updates, https://arxiv.org/abs/2502.16982
    """

    def __init__(
        self,
        learning_rate=1e-3,
        exclude_layers=("start_conv", "rgb_conv"),
        adam_lr_ratio=0.2,
        weight_decay=1.0,
        adam_weight_decay=None,
        **kwargs,
    ):
        super().__init__(
            learning_rate,
            exclude_layers=list(exclude_layers),
            adam_lr_ratio=adam_lr_ratio,
            weight_decay=weight_decay,
            adam_weight_decay=adam_weight_decay,
            **kwargs,
        )

    def _should_use_adamw(self, variable):
        if len(variable.shape) != 4:
            return super()._should_use_adamw(variable)
        return any(
            re.search(name, variable.path) for name in self.exclude_layers
        )

    def zeropower_via_newtonschulz5(self, x, steps):
        matrix = super().zeropower_via_newtonschulz5(_flatten(x), steps)
        return ops.reshape(matrix, x.shape)

    def lr_adjust(self, x):
        return ops.reshape(super().lr_adjust(_flatten(x)), x.shape)


def _flatten(kernel):
    return ops.reshape(kernel, (-1, kernel.shape[-1]))
