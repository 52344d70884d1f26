import keras
from keras import ops

from keras_srgan.adversarial import ADVERSARIAL_LOSSES
from keras_srgan.augmentation import Augmentation
from keras_srgan.checks import check_built
from keras_srgan.checks import check_weight
from keras_srgan.degradations import Degradation
from keras_srgan.discriminator import Discriminator
from keras_srgan.export import export
from keras_srgan.generator import Generator
from keras_srgan.image_model import ImageModel
from keras_srgan.losses import PIXEL_LOSSES
from keras_srgan.losses import GridLoss
from keras_srgan.losses import VGGContentLoss
from keras_srgan.losses import get_loss
from keras_srgan.metrics import PSNR
from keras_srgan.optimizers import GANOptimizer
from keras_srgan.optimizers import get_optimizer
from keras_srgan.spectrum import SpectrumLoss

# The losses that can be added to the content loss.
ADDED = ("pixel", "grid", "spectrum")


@keras.saving.register_keras_serializable(package="keras_srgan")
class SRGAN(ImageModel):
    """A generator that upscales photos and a discriminator that trains it.

    A batch is just HR photos: they are augmented and degraded on the
    accelerator. The model's outputs are those of its generator. A new `SRGAN`
    is compiled with the settings of the reference experiment, so
    `SRGAN().fit(photos, epochs=60)` is a complete training program.

    Args:
        generator: `keras.Model` from LR to HR images with an integer `scale`.
            Defaults to `Generator()`.
        discriminator: `keras.Model` from images to logits. Defaults to
            `Discriminator()`.
        augmentation: `keras.layers.Layer` applied to HR photos in training.
            Defaults to `Augmentation()`; use `Identity()` for none.
        degradation: `keras.layers.Layer` from HR photos to LR images, `scale`
            times smaller. Defaults to `Degradation(scale)`.
        dtype: Dtype policy (or its name) of the default networks. Defaults to
            the generator's, or else to the global policy. Images and losses
            are float32 regardless of the policy.
        compile: Boolean. Whether to compile the model with the settings of
            the reference experiment. A model that is loaded is only compiled
            as it was saved. Defaults to `True`.

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
    https://arxiv.org/abs/1609.04802. The paper updates the networks in turn;
    here both take one step from the same forward pass.
    """

    def __init__(
        self,
        generator=None,
        discriminator=None,
        augmentation=None,
        degradation=None,
        dtype=None,
        compile=True,
        **kwargs,
    ):
        if generator is not None:
            if not isinstance(getattr(generator, "scale", None), int):
                raise ValueError(
                    "`generator` must be a model with an integer `scale`. "
                    f"Received: generator={generator}"
                )
            check_built(generator=generator)
            dtype = dtype or generator.dtype_policy
        if discriminator is not None:
            check_built(discriminator=discriminator)
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
            keras.metrics.Mean(name=f"{name}_loss")
            for name in ("content", *ADDED, "adversarial", "discriminator")
        ]
        self.built = True
        if compile:
            self.compile()

    @classmethod
    def from_preset(cls, preset, dtype=None, **kwargs):
        """Returns a model with a trained generator, to continue its training.

        Presets have no discriminator: it is freshly initialized, unless one
        is given.

        Args:
            preset: As for `Generator.from_preset`.
            dtype: Dtype policy (or its name) of both networks. Defaults to
                the global policy.
            **kwargs: Arguments of `SRGAN`, except `generator`.

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

    def export(self, *args, **kwargs):
        """Exports the generator to another runtime: see `Generator.export`."""
        export(self, *args, **kwargs)

    def compile(
        self,
        generator_optimizer=None,
        discriminator_optimizer=None,
        content_loss="vgg",
        adversarial_weight=1e-3,
        pixel_weight=0.0,
        metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
        auto_scale_loss=True,
        *,
        adversarial_loss="vanilla",
        pixel_loss="mse",
        grid_weight=0.0,
        spectrum_weight=0.0,
    ):
        """Configures losses and optimizers; the defaults are the reference's.

        Args:
            generator_optimizer: `keras.optimizers.Optimizer` or its name.
                Defaults to Adam, learning rate 1e-4, betas 0.9 and 0.999,
                epsilon 1e-8.
            discriminator_optimizer: Likewise; another object.
            content_loss: `"vgg"` for `VGGContentLoss()`, `"mse"` for
                `PixelLoss()`, `"mae"` for `PixelLoss("absolute")`,
                `"charbonnier"` for `PixelLoss("charbonnier")`, or a
                `keras.losses.Loss` of HR and generated images in [0, 255].
                Defaults to `"vgg"`.
            adversarial_weight: Float, at least 0. Weight of the adversarial
                loss. With 0 the discriminator is neither trained nor
                computed: the PSNR-oriented first stage. Defaults to `1e-3`.
            pixel_weight: Float, at least 0. Weight of `pixel_loss` next to
                the content loss; it prevents shifts of color. Defaults to
                `0.0`.
            metrics: List of `keras.metrics.Metric` of HR and generated
                images. Defaults to PSNR on Y, `scale` border pixels shaved.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss:
                As in `keras.Model.compile`.
            adversarial_loss: String. `"vanilla"`, the cross-entropy of the
                paper; `"relativistic"`, the relativistic average of ESRGAN;
                `"hinge"`; or `"least_squares"`. Defaults to `"vanilla"`.
            pixel_loss: As `content_loss`, without `"vgg"`. Defaults to
                `"mse"`.
            grid_weight: Float, at least 0. Weight of `GridLoss(scale)`, which
                prevents a grid with the period of the LR pixels. HR images
                must then be at least `8 * scale` pixels high and wide.
                Defaults to `0.0`.
            spectrum_weight: Float, at least 0. Weight of
                `SpectrumLoss(scale)`, which adds missing texture in all
                directions. HR images must then be at least 32 pixels high
                and wide. Defaults to `0.0`.

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
        check_weight(
            adversarial_weight=adversarial_weight,
            pixel_weight=pixel_weight,
            grid_weight=grid_weight,
            spectrum_weight=spectrum_weight,
        )
        if adversarial_loss not in ADVERSARIAL_LOSSES:
            raise ValueError(
                f"`adversarial_loss` must be one of {[*ADVERSARIAL_LOSSES]}. "
                f"Received: adversarial_loss={adversarial_loss!r}"
            )
        named = {
            "vgg": lambda: VGGContentLoss(vgg_dtype=self.dtype_policy),
            **PIXEL_LOSSES,
        }
        self._compile_arguments = keras.saving.serialize_keras_object(
            {
                "generator_optimizer": generator_optimizer,
                "discriminator_optimizer": discriminator_optimizer,
                "content_loss": content_loss,
                "adversarial_weight": adversarial_weight,
                "pixel_weight": pixel_weight,
                "metrics": metrics,
                "run_eagerly": run_eagerly,
                "steps_per_execution": steps_per_execution,
                "jit_compile": jit_compile,
                "auto_scale_loss": auto_scale_loss,
                "adversarial_loss": adversarial_loss,
                "pixel_loss": pixel_loss,
                "grid_weight": grid_weight,
                "spectrum_weight": spectrum_weight,
            }
        )
        self.content_loss = get_loss("content_loss", content_loss, named)
        self.pixel_loss = get_loss("pixel_loss", pixel_loss, PIXEL_LOSSES)
        self.grid_loss = GridLoss(self.scale)
        self.spectrum_loss = SpectrumLoss(self.scale)
        self.adversarial_loss = adversarial_loss
        self.adversarial_weight = adversarial_weight
        self.pixel_weight = pixel_weight
        self.grid_weight = grid_weight
        self.spectrum_weight = spectrum_weight
        super().compile(
            optimizer=GANOptimizer(
                get_optimizer(generator_optimizer, "generator_adam"),
                get_optimizer(discriminator_optimizer, "discriminator_adam"),
                self.discriminator,
            ),
            metrics=[PSNR(shave=self.scale)] if metrics is None else metrics,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
        )
        self.optimizer.build(self.trainable_variables)
        # Keras would build metrics on a batch, which need not have targets.
        images = keras.KerasTensor((None, None, None, 3), "float32")
        self._compile_metrics.build(images, images)

    @property
    def network_variables(self) -> list:
        """The trainable variables of the generator and the discriminator."""
        return [
            self.generator.trainable_variables,
            self.discriminator.trainable_variables,
        ]

    @property
    def metrics(self) -> list:
        """The losses in use, then the compiled metrics."""
        if not self.compiled:
            return []
        loss, *others = super().metrics
        unused = {
            f"{name}_loss"
            for name in ADDED
            if not getattr(self, f"{name}_weight")
        }
        if not self.adversarial_weight:
            unused |= {"adversarial_loss", "discriminator_loss"}
        return [loss] + [m for m in others if m.name not in unused]

    def compute_losses(self, data, training):
        """Returns the loss of each network on one batch, and all logs.

        Args:
            data: A batch, see `make_pair`.
            training: Boolean.

        Returns:
            A tuple `(losses, logs)`. The losses are scalar tensors: the
            generator's and, with an `adversarial_weight`, the discriminator's.

        Reference: Ledig et al. (2017), equations 2, 3 and 6.
        """
        lr, hr = self.make_pair(data, training)
        sr = self.generator(lr, training=training)

        content = ops.cast(self.content_loss(hr, sr), "float32") * self.replicas
        generator_loss = content
        parts = {"content_loss": content}
        for name in ADDED:
            weight = getattr(self, f"{name}_weight")
            if weight:
                part = self.replicas * getattr(self, f"{name}_loss")(hr, sr)
                generator_loss = generator_loss + weight * part
                parts[f"{name}_loss"] = part
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
        # Keras compiles a loaded model as it was saved, or not at all.
        return cls(**config, compile=False)

    def get_compile_config(self):
        return dict(self._compile_arguments)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
