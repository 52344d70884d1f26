"""Averaged weights are what `fit` validates, draws, saves and leaves."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_srgan import callbacks


def make_adam(momentum=0.9):
    return keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=momentum)


def copy(variables):
    return [np.array(ops.convert_to_numpy(v)) for v in variables]


def assert_equal(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


class Record(keras.callbacks.Callback):
    """Keeps the weights after each step."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def on_train_batch_end(self, batch, logs=None):
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        self.steps.append(copy(self.model.generator.trainable_variables))


def compute_average(steps, momentum):
    average = steps[0]
    for t, weights in enumerate(steps):
        m = min(momentum, (1 + t) / (10 + t)) if t else 0.0
        average = [
            m * a + (1 - m) * w for a, w in zip(average, weights, strict=True)
        ]
    return average


def test_the_first_weights_soon_leave_the_average(make_srgan, photos):
    srgan = make_srgan(make_adam(0.999), adversarial_weight=0)
    record = Record()
    srgan.fit(photos, batch_size=2, epochs=3, verbose=0, callbacks=[record])
    for a, b in zip(
        compute_average(record.steps, 0.999),
        copy(srgan.generator.trainable_variables),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_fit_validates_draws_and_saves_averages(
    make_srgan, photos, tmp_path, policy
):
    srgan = make_srgan(make_adam(), dtype=policy)
    seen = {}

    def look(epoch, logs):
        seen["logs"] = dict(logs)
        seen["raw"] = copy(srgan.trainable_variables)
        seen["picture"] = srgan.predict(photos[:1, :8, :8], verbose=0)
        srgan.save_weights(tmp_path / "raw.weights.h5")
        srgan.save(tmp_path / "averaged.keras")
        assert_equal(copy(srgan.trainable_variables), seen["raw"])

    srgan.fit(
        photos,
        batch_size=4,
        epochs=2,
        verbose=0,
        validation_data=photos[:4],
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=look)],
    )
    # What `fit` leaves, and what it has saved, are the averages.
    saved = keras.saving.load_model(tmp_path / "averaged.keras")
    assert_equal(saved.get_weights(), srgan.get_weights())
    assert any(
        np.any(raw != average)
        for raw, average in zip(
            seen["raw"], copy(srgan.trainable_variables), strict=True
        )
    )
    np.testing.assert_array_equal(
        seen["picture"], srgan.predict(photos[:1, :8, :8], verbose=0)
    )
    logs = srgan.evaluate(photos[:4], verbose=0, return_dict=True)
    assert seen["logs"]["val_psnr"] == pytest.approx(logs["psnr"], abs=1e-5)
    srgan.load_weights(tmp_path / "raw.weights.h5")
    assert_equal(copy(srgan.trainable_variables), seen["raw"])


def test_weights_that_are_set_after_fit_are_used(make_srgan, photos):
    srgan = make_srgan(make_adam())
    before = srgan.predict(photos[:1, :8, :8], verbose=0)
    weights = srgan.get_weights()
    srgan.fit(photos, batch_size=4, verbose=0)
    srgan.set_weights(weights)
    np.testing.assert_array_equal(
        before, srgan.predict(photos[:1, :8, :8], verbose=0)
    )


def test_looking_at_averages_does_not_disturb_training(make_srgan, photos):
    def train(*used):
        keras.utils.set_random_seed(0)
        srgan = make_srgan(make_adam(), make_adam())
        srgan.fit(
            photos,
            batch_size=2,
            epochs=2,
            shuffle=False,
            verbose=0,
            callbacks=list(used),
        )
        return copy(srgan.variables) + copy(srgan.optimizer.variables)

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            # On JAX, Keras holds the state outside the variables now.
            self.model.predict(photos[:1, :8, :8], verbose=0)
            with self.model.averaged_weights():
                self.model.predict(photos[:1, :8, :8], verbose=0)

    assert_equal(train(Look()), train())


def test_checkpoints_hold_averages_and_the_backup_does_not(
    make_srgan, photos, tmp_path
):
    srgan = make_srgan(make_adam())
    backup = callbacks.RunBackup(tmp_path, delete_checkpoint=False)
    srgan.fit(
        photos,
        batch_size=4,
        verbose=0,
        callbacks=[
            callbacks.PeriodicCheckpoint(tmp_path, every=1),
            callbacks.BestCheckpoint(tmp_path, "psnr"),
            backup,
        ],
    )
    for name in ("srgan-epoch-0001.keras", "best.keras"):
        saved = keras.saving.load_model(tmp_path / name)
        assert_equal(saved.get_weights(), srgan.get_weights())
    averages = copy(srgan.trainable_variables)
    backup.restore()
    assert any(
        np.any(raw != average)
        for raw, average in zip(
            copy(srgan.trainable_variables), averages, strict=True
        )
    )
