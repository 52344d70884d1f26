import keras
from keras import ops
from keras_hub.src.models.task import Task


@keras.saving.register_keras_serializable(package="keras_srgan")
class PeakSignalToNoiseRatio(keras.metrics.MeanMetricWrapper):
    """PSNR in dB of RGB images in [0, 255], computed per image.

    Unlike `keras_srgan.PSNR`, it covers all of the pixels and channels,
    so it works in both data formats.

    Args:
        name: String. Defaults to `"psnr"`.
        dtype: Dtype of the result. Defaults to float32.

    Example:

    ```python
    import numpy as np
    from keras_srgan.hub.image_upscaler import PeakSignalToNoiseRatio

    metric = PeakSignalToNoiseRatio()
    metric(np.zeros((1, 8, 8, 3)), np.full((1, 8, 8, 3), 25.5))  # 20.0
    ```
    """

    def __init__(self, name="psnr", dtype=None):
        super().__init__(_compute_psnr, name=name, dtype=dtype)
        self._direction = "up"

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


def _compute_psnr(y_true, y_pred):
    error = ops.cast(y_true, "float32") - ops.cast(y_pred, "float32")
    mse = ops.mean(ops.square(error), axis=(1, 2, 3))
    # Equal images would have an infinite PSNR.
    return 10 * ops.log10(255**2 / ops.maximum(mse, 1e-6))


@keras.saving.register_keras_serializable(package="keras_srgan")
class ImageUpscaler(Task):
    """Base class for image upscaling (super-resolution) tasks.

    An `ImageUpscaler` wraps a `keras_hub.models.Backbone` and a preprocessor.
    It maps photos to photos that are `upscale_factor` times as large per side,
    RGB in [0, 255].

    To train with `fit()`, pass tuples `(x, y)` of low-resolution and
    high-resolution images, RGB in [0, 255], `y` being `upscale_factor` times
    as large per side. This trains for PSNR.

    Subclasses build the functional model and set `upscale_factor`. All of
    them have a `from_preset()` constructor.

    Example:

    ```python
    import numpy as np
    from keras_srgan.hub import ImageUpscaler

    upscaler = ImageUpscaler.from_preset("srresnet_x4")
    x = np.random.randint(0, 256, (2, 24, 24, 3))
    upscaler.predict(x)  # (2, 96, 96, 3)

    y = np.random.randint(0, 256, (2, 96, 96, 3))
    upscaler.fit(x, y, batch_size=2)
    ```
    """

    def load_task_weights(self, filepath):
        # Presets have no optimizer state, about which Keras would warn.
        keras.saving.load_weights(
            self,
            filepath,
            objects_to_skip=[*self.backbone._flatten_layers(), self.optimizer],
        )

    def get_config(self):
        return {**super().get_config(), "upscale_factor": self.upscale_factor}

    def compile(
        self, optimizer="auto", loss="auto", *, metrics="auto", **kwargs
    ):
        """Configures the `ImageUpscaler` task for training.

        Args:
            optimizer: `"auto"`, an optimizer name, or a `keras.Optimizer`.
                Defaults to `"auto"`, Adam with a learning rate of 1e-4.
            loss: `"auto"`, a loss name, or a `keras.losses.Loss` of images in
                [0, 255]. Defaults to `"auto"`, the mean squared error.
            metrics: `"auto"`, or a list of metrics of images in [0, 255].
                Defaults to `"auto"`, `PeakSignalToNoiseRatio`.
            **kwargs: Other arguments of `keras.Model.compile`.
        """
        if optimizer == "auto":
            optimizer = keras.optimizers.Adam(1e-4)
        if loss == "auto":
            loss = keras.losses.MeanSquaredError()
        if metrics == "auto":
            metrics = [PeakSignalToNoiseRatio()]
        super().compile(
            optimizer=optimizer, loss=loss, metrics=metrics, **kwargs
        )
