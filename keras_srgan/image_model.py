import contextlib

import keras
import numpy as np
from keras import ops

from keras_srgan.checks import check_images
from keras_srgan.checks import check_range
from keras_srgan.collectives import devices
from keras_srgan.collectives import process
from keras_srgan.dataset import EpochDataset
from keras_srgan.distribution import FirstProcessCallback
from keras_srgan.distribution import average
from keras_srgan.distribution import is_first
from keras_srgan.losses import VGGContentLoss
from keras_srgan.optimizers import GANOptimizer
from keras_srgan.stop_on_non_finite import StopOnNonFinite
from keras_srgan.trainers import Trainer


class ImageModel(Trainer, keras.Model):
    """Adds to Keras' training loop what `SRGAN` needs.

    - Arrays are checked to be images in [0, 255].
    - Several processes may train together.
    - Where optimizers average the weights (`use_ema=True`), `fit` validates,
      saves and finally keeps the averages, and callbacks draw them. Only
      `save_weights` writes the weights of the last step, to resume from.
    - Each evaluation draws the same random numbers, so its results can be
      compared; the draws of training are not affected.
    - Saved files hold the state of random numbers.
    """

    content_loss = None
    _fitting = False
    _averaged = False

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        **kwargs,
    ):
        """Trains both networks; see `keras.Model.fit` for all arguments.

        Args:
            x: HR photos, RGB in [0, 255], `(count, height, width, 3)`: an
                array, or any source of batches that Keras takes, such as
                `ImageFolder`, `tf.data.Dataset`, a torch `DataLoader` or
                `keras.utils.image_dataset_from_directory(..., labels=None)`.
                With a `y`, or where the source yields pairs, LR images.
            y: HR photos, `scale` times as large as `x`, if `x` is an array of
                LR images.
            batch_size, epochs, verbose, callbacks, validation_split,
                validation_data, shuffle, **kwargs: As in `keras.Model.fit`.

        Returns:
            A `keras.callbacks.History`.

        Raises:
            ValueError: if the data are not images of the right shapes, dtype
                and range, or the devices cannot divide their batches evenly.
            FloatingPointError: if a loss becomes NaN or infinite, before any
                callback saves the result.
        """
        _check_arrays(x=x, y=y, validation_data=validation_data)
        callbacks = keras.tree.flatten(callbacks or [])
        if not is_first():
            verbose = 0
            callbacks = [
                callback
                for callback in callbacks
                if not isinstance(callback, FirstProcessCallback)
            ]
        split = 0.0 if validation_data is not None else validation_split
        own, shuffle = _prepare_source(x, batch_size or 32, split, shuffle)
        own += [
            # Processes must make the same decisions from their logs.
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: logs.update(average(logs))
            ),
            StopOnNonFinite(),
        ]
        with self._as_fitting(), _shared(x):
            return super().fit(
                x,
                y,
                batch_size,
                epochs,
                verbose,
                own + callbacks,
                validation_split,
                validation_data,
                shuffle,
                **kwargs,
            )

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """Returns losses and metrics on photos; see `keras.Model.evaluate`.

        A random degradation draws the same parameters in each evaluation, so
        that epochs, and models, can be compared.

        Args:
            x, y: As for `fit`; nothing is augmented.
            *args, **kwargs: As in `keras.Model.evaluate`.
        """
        _check_arrays(x=x, y=y)
        with self._published_weights(), self.fixed_draws():
            return super().evaluate(x, y, *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        """Returns upscaled images; see `keras.Model.predict`.

        Args:
            x: LR images `(count, height, width, 3)`, RGB in [0, 255], or a
                source of batches of them.
            *args, **kwargs: As in `keras.Model.predict`.

        Returns:
            A NumPy array `(count, scale * height, scale * width, 3)`, RGB in
            [0, 255], float32.
        """
        _check_arrays(x=x)
        with self._published_weights():
            return super().predict(x, *args, **kwargs)

    # === Batches ===

    def make_pair(self, data, training=False):
        """Returns the LR and the HR images of a batch.

        Photos without LR images are augmented, in training, and degraded.

        Args:
            data: HR photos `(batch, height, width, 3)` or a pair of LR images
                and HR photos, RGB in [0, 255], as `fit` passes them.
            training: Boolean. Whether photos without an LR image are
                augmented.

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

    def make_train_function(self, force=False):
        self._build_content_loss()
        return super().make_train_function(force)

    def make_test_function(self, force=False):
        self._build_content_loss()
        return super().make_test_function(force)

    def _build_content_loss(self):
        # Variables cannot be created in the step that is about to be traced.
        if isinstance(self.content_loss, VGGContentLoss):
            self.content_loss.build()

    # === Averaged weights ===

    @contextlib.contextmanager
    def averaged_weights(self):
        """Uses the optimizers' averages of the weights within a context.

        Only weights of optimizers with `use_ema=True` change, and get their
        own values back afterwards. `fit` leaves the averages in the model;
        until then `evaluate`, `predict` and `save` enter this context.

        Example:

        ```python
        import keras
        import numpy as np
        from keras_srgan import SRGAN, Generator

        photos = np.random.randint(0, 256, (8, 64, 64, 3), "uint8")
        srgan = SRGAN(Generator(num_blocks=2, filters=8))
        adam = keras.optimizers.Adam(use_ema=True, ema_momentum=0.999)
        srgan.compile(adam, content_loss="mse", adversarial_weight=0)
        srgan.train_on_batch(photos)
        with srgan.averaged_weights():
            srgan.generator.save("averaged.keras")
        ```
        """
        if self._averaged:
            yield
            return
        if hasattr(self, "jax_state_sync"):
            # Within an epoch, Keras keeps the state out of the variables.
            self.jax_state_sync()
        raw = []
        self._averaged = True
        try:
            for variable, average in self._averages():
                raw.append((variable, np.array(ops.convert_to_numpy(variable))))
                variable.assign(average)
            yield
        finally:
            for variable, value in raw:
                variable.assign(value)
            self._averaged = False

    def _averages(self):
        optimizer = getattr(self, "optimizer", None)
        # Keras wraps an optimizer to scale losses.
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if isinstance(optimizer, GANOptimizer):
            return optimizer.averages()
        return []

    def _published_weights(self):
        # Outside `fit` the weights may have been set after the averages.
        if self._fitting:
            return self.averaged_weights()
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def _as_fitting(self):
        self._fitting = True
        try:
            yield
        finally:
            self._fitting = False

    # === Random numbers ===

    @contextlib.contextmanager
    def fixed_draws(self):
        """Draws the same random numbers each time a context is entered.

        They do not depend on the seeds of the layers. Afterwards, the draws
        continue where they were before. `evaluate` enters this context.

        Example:

        ```python
        import numpy as np
        from keras_srgan import SRGAN, Generator
        from keras_srgan.degradations import PhotoDegradation

        photos = np.random.randint(0, 256, (8, 64, 64, 3), "uint8")
        generator = Generator(num_blocks=2, filters=8)
        srgan = SRGAN(generator, degradation=PhotoDegradation())
        with srgan.fixed_draws():
            lr, hr = srgan.make_pair(photos)  # equal in each context
        ```
        """
        if hasattr(self, "jax_state_sync"):
            self.jax_state_sync()
        seeds = self._seeds()
        states = [np.array(ops.convert_to_numpy(seed)) for seed in seeds]
        # Generators with neighboring seeds would draw the same numbers on
        # PyTorch, one draw apart. It takes 31 bits.
        fixed = np.random.SeedSequence(0).generate_state(len(seeds)) // 2
        try:
            for seed, value in zip(seeds, fixed, strict=True):
                seed.assign(np.array([value, 0]))
            yield
        finally:
            for seed, state in zip(seeds, states, strict=True):
                seed.assign(state)

    # === Saving ===

    def save(self, *args, **kwargs):
        """Saves the model; see `keras.Model.save`."""
        with self._published_weights():
            super().save(*args, **kwargs)

    def save_own_variables(self, store):
        for i, seed in enumerate(self._seeds()):
            store[f"seed_{i}"] = ops.convert_to_numpy(seed)

    def load_own_variables(self, store):
        for i, seed in enumerate(self._seeds()):
            seed.assign(store[f"seed_{i}"])

    def _seeds(self):
        # Keras leaves them out of its files; a resumed run must draw the
        # numbers that it would have drawn.
        return [
            variable
            for variable in self.non_trainable_variables
            if variable.name == "seed_generator_state"
        ]


@contextlib.contextmanager
def _shared(dataset):
    """Makes each process read its own part of a dataset's batches."""
    if not isinstance(dataset, EpochDataset):
        yield
        return
    dataset.set_share(*process(), devices())
    try:
        yield
    finally:
        dataset.set_share(0, 1)


def _check_arrays(**arguments):
    for name, argument in arguments.items():
        for images in keras.tree.flatten(argument):
            if isinstance(images, np.ndarray):
                check_images(images, name)
                check_range(images, name)


def _prepare_source(x, batch_size, validation_split, shuffle):
    """Returns the callbacks of a source of batches, and how to shuffle it."""
    if isinstance(x, EpochDataset):
        callback = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: x.set_epoch(epoch)
        )
        return [callback], False
    if isinstance(x, np.ndarray):
        _check_batches(int(len(x) * (1 - validation_split)), batch_size)
    elif not hasattr(x, "shape") and not isinstance(x, keras.utils.PyDataset):
        # Keras warns that it cannot shuffle a stream.
        return [], False
    return [], shuffle


def _check_batches(count, batch_size):
    if batch_size % devices() or count % batch_size % devices():
        raise ValueError(
            f"`batch_size` must be a multiple of {devices()}, the number of "
            "devices that share each batch, and so must the size of the last "
            f"batch. Received: batch_size={batch_size} for {count} photos"
        )
