import math

import keras
import numpy as np
from keras import ops

from keras_srgan.adversarial import ADVERSARIAL_LOSSES
from keras_srgan.augmentation import Augmentation
from keras_srgan.callbacks import StopOnNonFinite
from keras_srgan.checks import check_images
from keras_srgan.checks import check_range
from keras_srgan.degradation import Degradation
from keras_srgan.discriminator import Discriminator
from keras_srgan.distribution import average
from keras_srgan.distribution import is_first
from keras_srgan.export import export
from keras_srgan.generator import Generator
from keras_srgan.losses import GridLoss
from keras_srgan.losses import PixelLoss
from keras_srgan.losses import VGGContentLoss
from keras_srgan.metrics import PSNR
from keras_srgan.optimizers import PlayersOptimizer
from keras_srgan.trainers import Trainer
from keras_srgan.trainers import devices
from keras_srgan.trainers import process


@keras.saving.register_keras_serializable(package="keras_srgan")
class SRGAN(Trainer, keras.Model):
    """A generator that upscales photos and a discriminator that trains it.

    A batch is just HR photos: they are augmented and shrunk on the
    accelerator, differently at each step. Called or asked to `predict`, the
    model is its generator.

    A new `SRGAN` is compiled with the settings of the reference experiment,
    so `SRGAN().fit(photos, epochs=60)` is a whole programme. See `compile`
    for other losses and optimizers, and for training without a discriminator.

    Args:
        generator: `keras.Model` from LR to HR images with an integer `scale`.
            Defaults to `Generator()`.
        discriminator: `keras.Model` from images to logits. Defaults to
            `Discriminator()`.
        augmentation: `keras.layers.Layer` applied to HR photos in training.
            Defaults to `Augmentation()`; `keras.layers.Identity()` is none.
        degradation: `keras.layers.Layer` from HR photos to LR images, `scale`
            times smaller. Defaults to `Degradation(scale)`.
        dtype: Dtype policy (or its name) of the default networks. Defaults to
            the generator's, or else to the global policy. Images and losses
            are float32 whatever it is.

    Input shape: `(batch, height, width, 3)`, RGB in [0, 255], uint8 or float.

    Output shape:
        `(batch, scale * height, scale * width, 3)`, RGB in [0, 255], float32.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_srgan import SRGAN, Generator

    photos = np.random.randint(0, 256, (8, 64, 64, 3), "uint8")
    srgan = SRGAN(Generator(num_blocks=2, filters=8))
    srgan.compile(content_loss="mse")
    srgan.fit(photos, batch_size=4)
    srgan.save("srgan.keras")
    small = np.random.randint(0, 256, (1, 24, 32, 3), "uint8")
    keras.saving.load_model("srgan.keras").predict(small)  # (1, 96, 128, 3)
    ```

    Reference: Ledig et al., "Photo-Realistic Single Image Super-Resolution
    Using a Generative Adversarial Network" (2017),
    https://arxiv.org/abs/1609.04802. The paper updates the players in turn;
    here both take one step from the same forward pass, as in the reference
    experiment.
    """

    content_loss = None

    def __init__(
        self,
        generator=None,
        discriminator=None,
        augmentation=None,
        degradation=None,
        dtype=None,
        **kwargs,
    ):
        if generator is not None:
            if not isinstance(getattr(generator, "scale", None), int):
                raise ValueError(
                    "`generator` must be a model with an integer `scale`. "
                    f"Received: generator={generator}"
                )
            dtype = dtype or generator.dtype_policy
        # Images must reach the layers that scale them at full precision.
        super().__init__(dtype=dtype, autocast=False, **kwargs)
        policy = self.dtype_policy
        self.generator = (
            Generator(dtype=policy) if generator is None else generator
        )
        self.discriminator = (
            Discriminator(dtype=policy)
            if discriminator is None
            else discriminator
        )
        self.augmentation = (
            Augmentation() if augmentation is None else augmentation
        )
        self.degradation = (
            Degradation(self.scale) if degradation is None else degradation
        )
        for layer in (self.augmentation, self.degradation):
            layer.build((None, None, None, 3))
        self._loss_means = [
            keras.metrics.Mean(name=name)
            for name in (
                "content_loss",
                "pixel_loss",
                "grid_loss",
                "adversarial_loss",
                "discriminator_loss",
            )
        ]
        self.built = True
        self.compile()

    @classmethod
    def from_preset(cls, preset, dtype=None, **kwargs):
        """Return a model to go on training with: a trained generator in it.

        Its discriminator is new, unless one is given, and begins by knowing
        nothing: the package ships none.

        Args:
            preset: As for `Generator.from_preset`.
            dtype: Dtype policy (or its name) of both networks. Defaults to
                the global policy.
            **kwargs: Those of `SRGAN`, but for `generator`.

        Example:

        ```python
        import numpy as np
        from keras_srgan import SRGAN

        photos = np.random.randint(0, 256, (4, 96, 96, 3), "uint8")
        srgan = SRGAN.from_preset("srgan_x4")
        srgan.compile("adam", content_loss="mse", adversarial_weight=0)
        srgan.fit(photos, batch_size=4)
        ```
        """
        return cls(Generator.from_preset(preset, dtype), **kwargs)

    @property
    def scale(self) -> int:
        """How many times larger the output is."""
        return self.generator.scale

    def call(self, inputs, training=None):
        return self.generator(inputs, training=training)

    def export(self, filepath, format=None, *, dtype="float32"):
        """Write the generator for another runtime: see `Generator.export`."""
        export(self, filepath, format, dtype=dtype)

    def compile(
        self,
        generator_optimizer=None,
        discriminator_optimizer=None,
        content_loss="vgg",
        adversarial_weight=1e-3,
        pixel_weight=0.0,
        adversarial_loss="vanilla",
        pixel_loss="mse",
        grid_weight=0.0,
        metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
        auto_scale_loss=True,
    ):
        """Configures losses and optimizers; the defaults are the reference's.

        Args:
            generator_optimizer: `keras.optimizers.Optimizer` or its name.
                Defaults to Adam, learning rate 1e-4, betas 0.9 and 0.999,
                epsilon 1e-8.
            discriminator_optimizer: Likewise; another object.
            content_loss: `"vgg"` for `VGGContentLoss()`, `"mse"` for
                `PixelLoss()`, `"mae"` for `PixelLoss("absolute")`, or a
                `keras.losses.Loss` of HR and generated images in [0, 255].
                Defaults to `"vgg"`.
            adversarial_weight: Float, at least 0. Weight of the adversarial
                loss. With 0 the discriminator is neither trained nor
                computed: the PSNR-oriented first stage. Defaults to `1e-3`.
            pixel_weight: Float, at least 0. Weight of `pixel_loss` next to
                the content loss; it prevents shifts of color. Defaults to
                `0.0`.
            adversarial_loss: String. `"vanilla"`, the cross-entropy of the
                paper; `"relativistic"`, the relativistic average of ESRGAN;
                `"hinge"`; or `"least_squares"`. Defaults to `"vanilla"`.
            pixel_loss: `"mse"`, `"mae"` or a `keras.losses.Loss`, as for
                `content_loss`. Defaults to `"mse"`.
            grid_weight: Float, at least 0. Weight of `GridLoss(scale)`, which
                prevents a grid with the period of the LR pixels. HR images
                must then be at least `8 * scale` pixels high and wide.
                Defaults to `0.0`.
            metrics: List of `keras.metrics.Metric` of HR and generated
                images. Defaults to PSNR on Y, `scale` border pixels shaved.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss:
                As in `keras.Model.compile`.

        Raises:
            ValueError: if a loss or an optimizer is unknown or a weight is
                negative.

        Example:

        ```python
        import keras
        from keras_srgan import SRGAN, VGGContentLoss

        srgan = SRGAN()
        srgan.compile(content_loss="mse", adversarial_weight=0)
        srgan.compile(
            keras.optimizers.Adam(1e-5),
            keras.optimizers.Adam(1e-5),
            content_loss=VGGContentLoss("block2_conv2"),
            pixel_weight=0.1,
        )
        ```
        """
        for name, weight in (
            ("adversarial_weight", adversarial_weight),
            ("pixel_weight", pixel_weight),
            ("grid_weight", grid_weight),
        ):
            if not 0 <= weight < math.inf:
                raise ValueError(
                    f"`{name}` must be a finite number, at least 0. "
                    f"Received: {name}={weight!r}"
                )
        if adversarial_loss not in ADVERSARIAL_LOSSES:
            raise ValueError(
                f"`adversarial_loss` must be one of {[*ADVERSARIAL_LOSSES]}. "
                f"Received: adversarial_loss={adversarial_loss!r}"
            )
        pixel_losses = {
            "mse": lambda: PixelLoss("squared"),
            "mae": lambda: PixelLoss("absolute"),
        }
        named = {
            "vgg": lambda: VGGContentLoss(vgg_dtype=self.dtype_policy),
            **pixel_losses,
        }
        self._compile_arguments = keras.saving.serialize_keras_object(
            {
                "generator_optimizer": generator_optimizer,
                "discriminator_optimizer": discriminator_optimizer,
                "content_loss": content_loss,
                "adversarial_weight": adversarial_weight,
                "pixel_weight": pixel_weight,
                "adversarial_loss": adversarial_loss,
                "pixel_loss": pixel_loss,
                "grid_weight": grid_weight,
                "metrics": metrics,
                "run_eagerly": run_eagerly,
                "steps_per_execution": steps_per_execution,
                "jit_compile": jit_compile,
                "auto_scale_loss": auto_scale_loss,
            }
        )
        self.content_loss = _get_loss("content_loss", content_loss, named)
        self.pixel_loss = _get_loss("pixel_loss", pixel_loss, pixel_losses)
        self.grid_loss = GridLoss(self.scale)
        self.adversarial_loss = adversarial_loss
        self.adversarial_weight = adversarial_weight
        self.pixel_weight = pixel_weight
        self.grid_weight = grid_weight
        super().compile(
            optimizer=PlayersOptimizer(
                _get_optimizer(generator_optimizer, "generator_adam"),
                _get_optimizer(discriminator_optimizer, "discriminator_adam"),
                self.discriminator,
            ),
            metrics=[PSNR(shave=self.scale)] if metrics is None else metrics,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
        )
        self.optimizer.build(self.trainable_variables)
        # Metrics must be built before a step is compiled. Keras would build
        # them on a batch, which may have no targets.
        image = np.zeros((1, 64, 64, 3), "float32")
        self.compute_metrics(None, image, image)
        self.reset_metrics()

    @property
    def players(self) -> list:
        """The trainable variables of the generator and the discriminator."""
        return [
            self.generator.trainable_variables,
            self.discriminator.trainable_variables,
        ]

    @property
    def metrics(self) -> list:
        """The losses in use, then the compiled metrics."""
        loss, *others = super().metrics
        unused = set()
        if not self.adversarial_weight:
            unused |= {"adversarial_loss", "discriminator_loss"}
        if not self.pixel_weight:
            unused |= {"pixel_loss"}
        if not self.grid_weight:
            unused |= {"grid_loss"}
        return [loss] + [m for m in others if m.name not in unused]

    def make_pair(self, data, training=False):
        """Return `(lr, hr)` images of a batch, making what is not given.

        Args:
            data: HR photos `(batch, height, width, 3)` or a pair of LR images
                and HR photos, RGB in [0, 255], as `fit` hands them on.
            training: Boolean. Whether photos without an LR image are
                augmented first.

        Raises:
            ValueError: if the shapes or dtypes are not those of images, or do
                not fit the scale.
        """
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if sample_weight is not None:
            raise ValueError("SRGAN does not take sample or class weights.")
        if y is None:
            check_images(x, "HR images")
            hr = self.augmentation(x, training=training)
            return self.degradation(hr), hr
        check_images(x, "LR images")
        check_images(y, "HR images")
        for small, large in zip(x.shape[1:3], y.shape[1:3], strict=True):
            if None not in (small, large) and small * self.scale != large:
                raise ValueError(
                    f"HR images must be {self.scale} times as large as their "
                    f"LR images. Received: LR of shape {tuple(x.shape)} and "
                    f"HR of shape {tuple(y.shape)}"
                )
        return x, ops.cast(y, "float32")

    def compute_losses(self, data, training):
        """Returns the loss of each network on one batch, and all logs.

        Args:
            data: A batch, see `make_pair`.
            training: Boolean.

        Returns:
            A tuple `(losses, logs)`. The losses are scalar tensors: the
            generator's and, unless `adversarial_weight` is 0, the
            discriminator's.

        Reference: Ledig et al. (2017), equations 2, 3 and 6.
        """
        lr, hr = self.make_pair(data, training)
        sr = self.generator(lr, training=training)

        content = self.replicas * self.content_loss(hr, sr)
        generator_loss = content
        parts = {"content_loss": content}
        if self.pixel_weight:
            pixel = self.replicas * self.pixel_loss(hr, sr)
            generator_loss = generator_loss + self.pixel_weight * pixel
            parts["pixel_loss"] = pixel
        if self.grid_weight:
            grid = self.replicas * self.grid_loss(hr, sr)
            generator_loss = generator_loss + self.grid_weight * grid
            parts["grid_loss"] = grid
        if self.adversarial_weight:
            real = self.discriminator(hr, training=training)
            fake = self.discriminator(sr, training=training)
            loss = ADVERSARIAL_LOSSES[self.adversarial_loss]
            adversarial = loss.generator(real, fake)
            generator_loss = (
                generator_loss + self.adversarial_weight * adversarial
            )
            parts["adversarial_loss"] = adversarial
            parts["discriminator_loss"] = loss.discriminator(real, fake)
        parts["loss"] = generator_loss

        count = ops.shape(hr)[0]
        for metric in self.metrics:
            if metric.name in parts:
                metric.update_state(parts[metric.name], sample_weight=count)
        losses = [
            parts[name]
            for name in ("loss", "discriminator_loss")
            if name in parts
        ]
        return losses, self.compute_metrics(lr, hr, sr)

    def make_train_function(self, force=False):
        self._build_content_loss()
        return super().make_train_function(force)

    def make_test_function(self, force=False):
        self._build_content_loss()
        return super().make_test_function(force)

    def _build_content_loss(self):
        # Variables cannot be created in a traced step.
        if isinstance(self.content_loss, VGGContentLoss):
            self.content_loss.build()

    def fit(self, x=None, y=None, *, callbacks=None, **kwargs):
        """Train both players; see `keras.Model.fit` for all arguments.

        Args:
            x: HR photos, RGB in [0, 255], `(count, height, width, 3)`: an
                array, or any source of batches that Keras takes, such as
                `ImageFolder`, `tf.data.Dataset`, a torch `DataLoader` or
                `keras.utils.image_dataset_from_directory(..., labels=None)`.
                With a `y`, or where the source gives pairs, LR images.
            y: HR photos, `scale` times as large as `x`, if `x` is an array of
                LR images.
            callbacks: List of `keras.callbacks.Callback`.
            **kwargs: Those of `keras.Model.fit`.

        Returns:
            A `keras.callbacks.History`.

        Raises:
            ValueError: if the data are not images of the right shapes, dtype
                and range, or their batches cannot be divided evenly between
                the devices.
            FloatingPointError: if a loss becomes NaN or infinite, before any
                callback has saved what came of it.
        """
        _check_arrays(x=x, y=y, validation_data=kwargs.get("validation_data"))
        callbacks = keras.tree.flatten(callbacks or [])
        if not is_first():
            kwargs["verbose"] = 0
            callbacks = [
                callback
                for callback in callbacks
                if not getattr(callback, "first_process_only", False)
            ]
        own = [
            # What is decided on a log must be decided alike everywhere.
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: logs.update(average(logs))
            ),
            StopOnNonFinite(),
        ]
        if hasattr(x, "set_share"):
            x.set_share(*process(), devices())
        elif isinstance(x, np.ndarray):
            _check_batches(len(x), kwargs.get("batch_size") or 32)
        if hasattr(x, "set_epoch"):
            # Such a dataset shuffles itself, by epoch: a resumed run sees the
            # batches that the run it goes on from would have seen.
            kwargs["shuffle"] = False
            own.append(
                keras.callbacks.LambdaCallback(
                    on_epoch_begin=lambda epoch, logs: x.set_epoch(epoch)
                )
            )
        elif not hasattr(x, "shape"):
            # Keras warns of each stream that it cannot shuffle it.
            dataset = isinstance(x, keras.utils.PyDataset)
            kwargs.setdefault("shuffle", dataset)
        try:
            return super().fit(x, y, callbacks=own + callbacks, **kwargs)
        finally:
            if hasattr(x, "set_share"):
                x.set_share(0, 1)

    def evaluate(self, x=None, y=None, **kwargs):
        """Return losses and metrics on photos; see `keras.Model.evaluate`.

        Args:
            x, y: As for `fit`; nothing is augmented.
            **kwargs: Those of `keras.Model.evaluate`.
        """
        _check_arrays(x=x, y=y)
        return super().evaluate(x, y, **kwargs)

    def predict(self, x, **kwargs):
        """Return upscaled images; see `keras.Model.predict`.

        Args:
            x: LR images `(count, height, width, 3)`, RGB in [0, 255], or a
                source of batches of them.
            **kwargs: Those of `keras.Model.predict`.

        Returns:
            A NumPy array `(count, scale * height, scale * width, 3)`, RGB in
            [0, 255], float32.
        """
        _check_arrays(x=x)
        return super().predict(x, **kwargs)

    def save_own_variables(self, store):
        for i, seed in enumerate(self._seeds()):
            store[f"seed_{i}"] = ops.convert_to_numpy(seed)

    def load_own_variables(self, store):
        for i, seed in enumerate(self._seeds()):
            seed.assign(store[f"seed_{i}"])

    def _seeds(self):
        # Keras leaves them out of its files; a resumed run must go on drawing
        # where it was.
        return [
            variable
            for variable in self.non_trainable_variables
            if variable.name == "seed_generator_state"
        ]

    def get_config(self):
        return {
            **super().get_config(),
            **{
                name: keras.saving.serialize_keras_object(getattr(self, name))
                for name in (
                    "generator",
                    "discriminator",
                    "augmentation",
                    "degradation",
                )
            },
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = {
            key: keras.saving.deserialize_keras_object(value, custom_objects)
            if isinstance(value, dict)
            else value
            for key, value in config.items()
        }
        return cls(**config)

    def get_compile_config(self):
        return dict(self._compile_arguments)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))


def _get_optimizer(optimizer, name):
    if optimizer is None:
        return keras.optimizers.Adam(1e-4, 0.9, 0.999, epsilon=1e-8, name=name)
    return keras.optimizers.get(optimizer)


def _get_loss(argument, loss, named):
    if isinstance(loss, keras.losses.Loss):
        return loss
    if isinstance(loss, str) and loss in named:
        return named[loss]()
    raise ValueError(
        f"`{argument}` must be one of {[*named]} or a `keras.losses.Loss`. "
        f"Received: {argument}={loss!r}"
    )


def _check_arrays(**arguments):
    for name, argument in arguments.items():
        for images in keras.tree.flatten(argument):
            if isinstance(images, np.ndarray):
                check_images(images, name)
                check_range(images, name)


def _check_batches(count, batch_size):
    if batch_size % devices() or count % batch_size % devices():
        raise ValueError(
            f"`batch_size` must be a multiple of {devices()}, the number of "
            "devices that share each batch, and so must what is left for the "
            f"last. Received: batch_size={batch_size} for {count} photos"
        )
