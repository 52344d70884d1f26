import keras
from keras import layers
from keras import ops

from keras_srgan import draws


@keras.saving.register_keras_serializable(package="keras_srgan")
class Augmentation(layers.Layer):
    """Randomly flips HR photos and slightly changes their colors in training.

    Parameters are drawn per photo. The defaults are those of the reference
    experiment. This is one layer rather than five of Keras' because hue and
    saturation share one conversion to HSV, and saturation stays in gamut.

    Args:
        flip: Boolean. Whether half the photos are mirrored left to right.
            Defaults to `True`.
        saturation: Float in [0, 1]. Saturation is multiplied by a random
            factor in `[1 - saturation, 1 + saturation]`. Defaults to `0.05`.
        hue: Float in [0, 0.5]. Hue is shifted by up to this fraction of the
            color wheel in either direction. Defaults to `0.05`.
        brightness: Float in [0, 1]. Levels are shifted by up to this fraction
            of 255 in either direction. Defaults to `0.05`.
        contrast: Float in [0, 1]. Differences from each channel's mean are
            multiplied by a random factor in `[1 - contrast, 1 + contrast]`.
            Defaults to `0.05`.
        seed: Integer, for repeatable draws. Defaults to `None`: drawn from
            the global seed.
        turn: Boolean. Whether photos are also rotated by a random multiple of
            90 degrees: with `flip`, all eight symmetries of a square. Needs
            square photos. Defaults to `False`.

    Input and output shape:
        `(batch, height, width, 3)`, RGB in [0, 255]; the output is float32.

    Example:

    ```python
    import numpy as np
    from keras_srgan import Augmentation

    photos = np.random.randint(0, 256, (2, 32, 32, 3), "uint8")
    Augmentation(hue=0)(photos, training=True)
    ```
    """

    def __init__(
        self,
        flip=True,
        saturation=0.05,
        hue=0.05,
        brightness=0.05,
        contrast=0.05,
        seed=None,
        dtype="float32",
        *,
        turn=False,
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        limits = {"saturation": 1, "hue": 0.5, "brightness": 1, "contrast": 1}
        values = (saturation, hue, brightness, contrast)
        for (name, limit), value in zip(limits.items(), values, strict=True):
            if not 0 <= value <= limit:
                raise ValueError(
                    f"`{name}` must be in [0, {limit}]. "
                    f"Received: {name}={value!r}"
                )
        self.flip = flip
        self.turn = turn
        self.saturation = saturation
        self.hue = hue
        self.brightness = brightness
        self.contrast = contrast
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        images = ops.cast(images, "float32")
        if not training:
            return images
        batch = ops.shape(images)[0]

        def draw(low, high):
            return draws.uniform(
                (batch, 1, 1, 1), low, high, self.seed_generator
            )

        if self.flip:
            mirrored = ops.flip(images, axis=2)
            images = ops.where(draw(0.0, 1.0) < 0.5, mirrored, images)
        if self.turn:
            _, height, width, _ = images.shape
            if height != width:
                raise ValueError(
                    "Photos must be square with `turn=True`. "
                    f"Received: shape={tuple(images.shape)}"
                )
            # A half turn and a quarter turn, each for half the photos, give
            # all four rotations.
            turned = ops.flip(images, axis=(1, 2))
            images = ops.where(draw(0.0, 1.0) < 0.5, turned, images)
            turned = ops.flip(ops.transpose(images, (0, 2, 1, 3)), axis=2)
            images = ops.where(draw(0.0, 1.0) < 0.5, turned, images)
        if self.saturation or self.hue:
            hsv = ops.image.rgb_to_hsv(
                images / 255, data_format="channels_last"
            )
            hue, saturation, value = ops.split(hsv, 3, axis=-1)
            hue = (hue + draw(-self.hue, self.hue)) % 1.0
            factor = draw(1 - self.saturation, 1 + self.saturation)
            saturation = saturation * factor
            hsv = ops.concatenate(
                [hue, ops.clip(saturation, 0, 1), value], axis=-1
            )
            images = 255 * ops.image.hsv_to_rgb(
                hsv, data_format="channels_last"
            )
        if self.brightness:
            shift = draw(-self.brightness, self.brightness)
            images = images + 255 * shift
        if self.contrast:
            mean = ops.mean(images, axis=(1, 2), keepdims=True)
            factor = draw(1 - self.contrast, 1 + self.contrast)
            images = mean + factor * (images - mean)
        return ops.clip(images, 0, 255)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "flip": self.flip,
            "turn": self.turn,
            "saturation": self.saturation,
            "hue": self.hue,
            "brightness": self.brightness,
            "contrast": self.contrast,
            "seed": self.seed,
        }
