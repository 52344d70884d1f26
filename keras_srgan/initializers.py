import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_srgan")
class ICNR(keras.initializers.Initializer):
    """Initializes a sub-pixel convolution to nearest-neighbor upscaling.

    The `block_size**2` kernels whose outputs `PixelShuffle` places in one
    square are equal at first. An untrained network therefore draws flat
    squares instead of a checkerboard, which training would have to remove.

    Args:
        block_size: Integer, at least 1. The block size of the `PixelShuffle`
            that follows the convolution.
        initializer: Initializer (or its name) of the distinct kernels.
            Defaults to `"glorot_uniform"`.

    Raises:
        ValueError: if the number of filters of the convolution is not a
            multiple of `block_size**2`.

    Example:

    ```python
    import keras
    from keras_srgan.initializers import ICNR

    layer = keras.layers.Conv2D(256, 3, kernel_initializer=ICNR(block_size=2))
    ```

    Reference: Aitken et al., "Checkerboard artifact free sub-pixel
    convolution" (2017), section 3, https://arxiv.org/abs/1707.02937
    """

    def __init__(self, block_size, initializer="glorot_uniform"):
        self.block_size = block_size
        self.initializer = keras.initializers.get(initializer)

    def __call__(self, shape, dtype=None):
        *rest, filters = shape
        copies = self.block_size**2
        if filters % copies:
            raise ValueError(
                "The number of filters must be a multiple of "
                f"`block_size**2` = {copies}. Received: filters={filters}"
            )
        kernel = self.initializer((*rest, filters // copies), dtype=dtype)
        return ops.tile(kernel, [1] * len(rest) + [copies])

    def get_config(self):
        return {
            "block_size": self.block_size,
            "initializer": keras.initializers.serialize(self.initializer),
        }
