import keras
from keras import layers

from keras_srgan.degradations.base import to_levels


@keras.saving.register_keras_serializable(package="keras_srgan")
class DegradationChain(layers.Layer):
    """Applies degradations one after another, then rounds levels.

    Args:
        degradations: List of `keras.layers.Layer`, such as `Degradation(4)`
            and `JPEGCompression()`.

    Call arguments:
        images: `(batch, height, width, 3)`, RGB in [0, 255].
        parameters: List with one item per degradation: its parameters, or
            `None` for new draws. Defaults to `None`: new draws for all.

    Output shape:
        That of the last degradation. RGB in [0, 255], float32, whole levels.

    Example:

    ```python
    import numpy as np
    from keras_srgan.degradations import Degradation
    from keras_srgan.degradations import DegradationChain
    from keras_srgan.degradations import GaussianBlur
    from keras_srgan.degradations import JPEGCompression

    photos = np.random.randint(0, 256, (2, 64, 64, 3), "uint8")
    chain = DegradationChain(
        [GaussianBlur((0, 4)), Degradation(4), JPEGCompression()]
    )
    chain(photos).shape  # (2, 16, 16, 3)
    ```
    """

    def __init__(self, degradations, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.degradations = list(degradations)
        for layer in self.degradations:
            if not isinstance(layer, layers.Layer):
                raise ValueError(
                    "`degradations` must be a list of `keras.layers.Layer`. "
                    f"Received: degradations={degradations!r}"
                )

    def build(self, input_shape):
        for layer in self.degradations:
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def call(self, images, parameters=None):
        if parameters is None:
            parameters = [None] * len(self.degradations)
        for layer, given in zip(self.degradations, parameters, strict=True):
            # Layers without random parameters do not take any.
            given = {} if given is None else {"parameters": given}
            images = layer(images, **given)
        return to_levels(images)

    def compute_output_shape(self, input_shape):
        for layer in self.degradations:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "degradations": [
                keras.saving.serialize_keras_object(layer)
                for layer in self.degradations
            ],
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        config["degradations"] = [
            keras.saving.deserialize_keras_object(layer, custom_objects)
            for layer in config["degradations"]
        ]
        return cls(**config)
