import time

import keras
import numpy as np
import pytest
from keras import ops

from keras_srgan import SRGAN
from keras_srgan import SSIM
from keras_srgan import Discriminator
from keras_srgan import Generator
from keras_srgan import VGGContentLoss

TORCH = keras.backend.backend() == "torch"


def weights(model):
    return [np.array(weight) for weight in model.get_weights()]


def moved(before, after):
    return [
        not np.array_equal(a, b) for a, b in zip(before, after, strict=True)
    ]


def test_a_new_srgan_is_compiled_with_the_reference_settings():
    srgan = SRGAN()
    for optimizer in srgan.optimizer.optimizers:
        config = optimizer.get_config()
        assert isinstance(optimizer, keras.optimizers.Adam)
        assert config["learning_rate"] == pytest.approx(1e-4)
        assert (config["beta_1"], config["beta_2"]) == (0.9, 0.999)
        assert config["epsilon"] == 1e-8
    assert len(srgan.optimizer.optimizers) == 2
    assert isinstance(srgan.content_loss, VGGContentLoss)
    assert srgan.content_loss.layer == "block5_conv4"
    assert srgan.adversarial_weight == 1e-3
    assert srgan.pixel_weight == 0
    assert srgan.scale == 4


def test_fit_trains_both_networks(make_srgan, photos):
    srgan = make_srgan()
    before = weights(srgan.generator), weights(srgan.discriminator)
    history = srgan.fit(photos, batch_size=4, epochs=2, verbose=0).history
    assert all(moved(before[0], weights(srgan.generator)))
    assert all(moved(before[1], weights(srgan.discriminator)))
    assert set(history) == {
        "loss",
        "content_loss",
        "adversarial_loss",
        "discriminator_loss",
        "psnr",
    }
    assert np.isfinite(list(history.values())).all()


def test_fit_learns(make_srgan, photos):
    srgan = make_srgan(keras.optimizers.Adam(1e-2), adversarial_weight=0)
    first = srgan.evaluate(photos, verbose=0, return_dict=True)
    srgan.fit(photos, batch_size=8, epochs=20, verbose=0)
    last = srgan.evaluate(photos, verbose=0, return_dict=True)
    assert last["psnr"] > first["psnr"] + 2
    assert last["loss"] < first["loss"] / 1.5


def test_the_loss_is_the_weighted_sum_of_its_parts(make_srgan, photos):
    srgan = make_srgan(
        content_loss=VGGContentLoss("block1_conv2", weights=None),
        adversarial_weight=0.5,
        pixel_weight=0.25,
        grid_weight=2.0,
        spectrum_weight=3.0,
    )
    for logs in (
        srgan.train_on_batch(photos, return_dict=True),
        srgan.test_on_batch(photos, return_dict=True),
    ):
        parts = (
            logs["content_loss"]
            + 0.25 * logs["pixel_loss"]
            + 2 * logs["grid_loss"]
            + 3 * logs["spectrum_loss"]
            + 0.5 * logs["adversarial_loss"]
        )
        assert logs["loss"] == pytest.approx(parts, rel=1e-5)
        assert 0 < logs["content_loss"] != logs["pixel_loss"]


def test_without_an_adversary_the_discriminator_is_left_alone(
    make_srgan, photos
):
    srgan = make_srgan(adversarial_weight=0)
    state = srgan.optimizer.discriminator_optimizer.variables
    before = weights(srgan.discriminator), [np.array(v.numpy()) for v in state]

    def refuse(*args, **kwargs):
        raise AssertionError("the discriminator was called")

    srgan.discriminator.call = refuse
    history = srgan.fit(photos, batch_size=4, verbose=0).history
    assert set(history) == {"loss", "content_loss", "psnr"}
    assert not any(moved(before[0], weights(srgan.discriminator)))
    assert not any(moved(before[1], [np.array(v.numpy()) for v in state]))


def test_averaged_weights_replace_those_of_the_networks_that_moved(
    make_srgan, photos
):
    def adam():
        return keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9)

    srgan = make_srgan(adam(), adam(), adversarial_weight=0)
    before = weights(srgan.discriminator)
    srgan.fit(photos, batch_size=4, epochs=2, verbose=0)
    averages = [
        ops.convert_to_numpy(variable)
        for variable in srgan.optimizer.generator_optimizer.variables
        if "average" in variable.name
    ]
    assert not any(moved(averages, weights(srgan.generator)))
    assert not any(moved(before, weights(srgan.discriminator)))


def test_stages_follow_each_other(make_srgan, photos):
    srgan = make_srgan(adversarial_weight=0)
    srgan.fit(photos, batch_size=4, verbose=0)
    before = weights(srgan.generator)
    srgan.compile(content_loss="mse", adversarial_weight=1e-3)
    assert not any(moved(before, weights(srgan.generator)))
    history = srgan.fit(photos, batch_size=4, verbose=0).history
    assert "discriminator_loss" in history


def test_pairs_are_taken_as_they_are(make_srgan, photos):
    pairs = make_srgan()
    alone = make_srgan(augmentation=keras.layers.Identity())
    alone.set_weights(pairs.get_weights())
    lr = ops.convert_to_numpy(pairs.degradation(photos))
    pairs.fit(lr.astype("uint8"), photos, batch_size=8, verbose=0)
    alone.fit(photos, batch_size=8, verbose=0)
    for a, b in zip(weights(pairs), weights(alone), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_evaluation_is_repeatable_and_has_psnr(make_srgan, photos):
    srgan = make_srgan()
    first, second = (
        srgan.evaluate(photos, batch_size=4, verbose=0, return_dict=True)
        for _ in range(2)
    )
    assert first == second
    lr = ops.convert_to_numpy(srgan.degradation(photos))
    pairs = srgan.evaluate(lr, photos, verbose=0, return_dict=True)
    assert pairs["psnr"] == pytest.approx(first["psnr"], abs=1e-3)


def test_validation_is_logged_under_its_own_names(make_srgan, photos):
    srgan = make_srgan()
    history = srgan.fit(
        photos, batch_size=4, epochs=2, verbose=0, validation_data=photos[:3]
    ).history
    assert {name for name in history if not name.startswith("val_")} == {
        name[4:] for name in history if name.startswith("val_")
    }


def test_batches_are_augmented_anew_and_repeatably(photos):
    class Record(keras.callbacks.Callback):
        def __init__(self):
            self.losses = []

        def on_train_batch_end(self, batch, logs):
            self.losses.append(float(logs["loss"]))

    def losses():
        keras.utils.set_random_seed(1)
        srgan = SRGAN(
            Generator(num_blocks=0, filters=2), Discriminator(filters=1)
        )
        still = keras.optimizers.SGD(0.0)
        srgan.compile(still, adversarial_weight=0, content_loss="mse")
        record = Record()
        srgan.fit(photos[:1], epochs=4, verbose=0, callbacks=[record])
        return record.losses

    first = losses()
    assert len(set(first)) == 4
    assert losses() == first


def test_predict_upscales(make_srgan, photos):
    srgan = make_srgan()
    upscaled = srgan.predict(photos[:3, :7, :5], verbose=0)
    assert upscaled.shape == (3, 28, 20, 3)
    assert upscaled.dtype == np.float32
    assert 0 <= upscaled.min() < upscaled.max() <= 255


def generator_of_batches(photos):
    while True:
        yield (photos[:4],)


@pytest.mark.parametrize(
    "source", ["float array", "generator", "tf.data", "DataLoader", "directory"]
)
def test_any_source_of_batches(make_srgan, photos, source, tmp_path):
    arguments = {}
    if source == "float array":
        data = photos.astype("float64")
        arguments["batch_size"] = 4
    elif source == "generator":
        data = generator_of_batches(photos)
        arguments["steps_per_epoch"] = 2
    elif source == "tf.data":
        tf = pytest.importorskip("tensorflow")
        data = tf.data.Dataset.from_tensor_slices(photos).batch(4)
    elif source == "DataLoader":
        torch = pytest.importorskip("torch")
        tensors = torch.utils.data.TensorDataset(torch.from_numpy(photos))
        data = torch.utils.data.DataLoader(tensors, batch_size=4)
    else:
        pytest.importorskip("tensorflow")
        for i, photo in enumerate(photos):
            keras.utils.save_img(tmp_path / f"{i}.png", photo)
        data = keras.utils.image_dataset_from_directory(
            tmp_path,
            labels=None,
            image_size=(32, 32),
            batch_size=4,
            verbose=False,
        )
    history = make_srgan().fit(data, verbose=0, **arguments).history
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(make_srgan, photos, policy):
    srgan = make_srgan(
        dtype=policy, content_loss=VGGContentLoss("block1_conv1", weights=None)
    )
    scaled = isinstance(srgan.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (policy == "mixed_float16")
    before = weights(srgan.generator), weights(srgan.discriminator)
    history = srgan.fit(photos, batch_size=4, epochs=3, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert any(moved(before[0], weights(srgan.generator)))
    assert any(moved(before[1], weights(srgan.discriminator)))
    assert all(w.dtype == np.float32 for w in weights(srgan.generator))
    srgan.optimizer.learning_rate = 1e-5
    assert srgan.predict(photos, verbose=0).dtype == np.float32


def test_a_global_float64(photos):
    """Augmentation and losses are in float32, whatever the networks are."""
    if keras.backend.backend() == "jax":
        pytest.skip("JAX has float64 only with JAX_ENABLE_X64")
    keras.config.set_floatx("float64")
    try:
        srgan = SRGAN(
            Generator(num_blocks=1, filters=4), Discriminator(filters=2)
        )
        srgan.compile(content_loss="mse")
        history = srgan.fit(photos, batch_size=4, epochs=1, verbose=0).history
    finally:
        keras.config.set_floatx("float32")
    assert np.isfinite(history["loss"]).all()


def test_gradient_accumulation_equals_a_larger_batch(make_srgan, photos):
    def sgd(**arguments):
        return keras.optimizers.SGD(1e-2, **arguments)

    none = keras.layers.Identity()
    large = make_srgan(sgd(), sgd(), augmentation=none)
    small = make_srgan(
        sgd(gradient_accumulation_steps=2),
        sgd(gradient_accumulation_steps=2),
        augmentation=none,
    )
    small.set_weights(large.get_weights())
    large.fit(photos, batch_size=8, verbose=0, shuffle=False)
    small.fit(photos, batch_size=4, verbose=0, shuffle=False)
    for a, b in zip(weights(large), weights(small), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.skipif(TORCH, reason="Keras has no steps_per_execution on torch")
def test_steps_per_execution(make_srgan, photos):
    one = make_srgan(augmentation=keras.layers.Identity())
    two = make_srgan(
        augmentation=keras.layers.Identity(), steps_per_execution=2
    )
    two.set_weights(one.get_weights())
    for srgan in (one, two):
        srgan.fit(photos, batch_size=2, verbose=0, shuffle=False)
    for a, b in zip(weights(one), weights(two), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.data is TensorFlow's"
)
def test_an_epoch_ends_when_its_last_step_does(make_srgan, photos):
    """After 1.5 s of work, tf.data's tuner would sleep for another second."""
    ends = []

    class Work(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            end = time.perf_counter() + 0.75
            while time.perf_counter() < end:
                np.ones((500, 500)) @ np.ones((500, 500))
            ends.append(time.perf_counter())

    srgan = make_srgan()
    waits = []
    # It does not always sleep.
    for _ in range(5):
        srgan.fit(photos, batch_size=4, verbose=0, callbacks=[Work()])
        waits.append(time.perf_counter() - ends[-1])
    assert max(waits) < 0.5


def test_run_eagerly(make_srgan, photos):
    photo = photos[:1, :16, :16]
    history = make_srgan(run_eagerly=True).fit(photo, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_keras_callbacks_work(make_srgan, photos, tmp_path):
    def adam():
        return keras.optimizers.Adam(1e-3, use_ema=True)

    srgan = make_srgan(adam(), adam())
    srgan.fit(
        photos,
        batch_size=4,
        epochs=3,
        verbose=0,
        validation_data=photos,
        callbacks=[
            keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2),
            keras.callbacks.ReduceLROnPlateau("val_loss"),
            keras.callbacks.EarlyStopping("val_psnr", mode="max", patience=9),
            keras.callbacks.ModelCheckpoint(
                tmp_path / "best.keras",
                monitor="val_psnr",
                mode="max",
                save_best_only=True,
            ),
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
            keras.callbacks.TerminateOnNaN(),
            keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
            keras.callbacks.BackupAndRestore(tmp_path / "backup"),
        ],
    )
    for optimizer in srgan.optimizer.optimizers:
        assert float(optimizer.learning_rate) == pytest.approx(1e-3 / 8)
    assert (tmp_path / "log.csv").read_text().count("\n") == 4
    keras.saving.load_model(tmp_path / "best.keras")


def test_batch_norm_statistics_of_both_networks_follow_the_photos(photos):
    srgan = SRGAN(
        Generator(num_blocks=1, filters=4, use_batch_norm=True),
        Discriminator(filters=2, use_batch_norm=True),
    )
    srgan.compile(content_loss="mse")
    before = [np.array(v.numpy()) for v in srgan.non_trainable_weights]
    srgan.fit(photos, batch_size=4, verbose=0)
    after = [np.array(v.numpy()) for v in srgan.non_trainable_weights]
    assert len(after) == 2 * 3 + 2 * 7
    assert all(moved(before, after))


def test_vgg_weights_are_not_the_models(make_srgan, photos):
    srgan = make_srgan(
        content_loss=VGGContentLoss("block2_conv2", weights=None)
    )
    count = srgan.count_params()
    srgan.fit(photos, batch_size=4, verbose=0)
    vgg = [np.array(v.numpy()) for v in srgan.content_loss.variables]
    srgan.fit(photos, batch_size=4, verbose=0)
    assert len(vgg) == 8
    assert not any(v.trainable for v in srgan.content_loss.variables)
    assert not any(
        moved(vgg, [np.array(v.numpy()) for v in srgan.content_loss.variables])
    )
    assert srgan.count_params() == count
    assert len(srgan.trainable_variables) == len(
        srgan.generator.trainable_variables
        + srgan.discriminator.trainable_variables
    )


def test_learning_rates_keep_their_ratio(make_srgan):
    srgan = make_srgan(keras.optimizers.Adam(1e-4), keras.optimizers.Adam(4e-4))

    def rates():
        return [float(o.learning_rate) for o in srgan.optimizer.optimizers]

    srgan.optimizer.learning_rate = 5e-5
    assert rates() == pytest.approx([5e-5, 2e-4])
    srgan.optimizer.learning_rate = 0.0
    srgan.optimizer.learning_rate = 1e-4
    assert rates() == pytest.approx([1e-4, 4e-4])


def test_metrics_of_large_images(make_srgan, photos):
    """Compiling computes nothing: a metric may need larger images."""
    srgan = make_srgan(metrics=[SSIM(shave=27)])
    large = photos.repeat(3, axis=1).repeat(3, axis=2)
    history = srgan.fit(large, batch_size=4, verbose=0).history
    assert np.isfinite(history["ssim"]).all()


def test_fit_takes_what_keras_takes(make_srgan, photos):
    history = make_srgan().fit(photos, None, 4, 2, 0, None, 0.5)
    assert history.epoch == [0, 1]
    assert history.params["steps"] == 1
    assert "val_loss" in history.history
    assert len(make_srgan().evaluate(photos, None, 4, 0)) == 5


def test_networks_without_weights_are_refused():
    class Unbuilt(keras.Model):
        scale = 4

    with pytest.raises(ValueError, match="`generator` .*not built"):
        SRGAN(Unbuilt())
    with pytest.raises(ValueError, match="`discriminator` .*not built"):
        SRGAN(discriminator=Unbuilt())


def test_training_updates_spectral_norms_and_evaluation_does_not(photos):
    srgan = SRGAN(
        Generator(num_blocks=1, filters=4),
        Discriminator(filters=2, spectral_normalization=True),
    )
    srgan.compile(content_loss="mse", adversarial_loss="hinge")

    def norms():
        return [
            np.array(v.numpy())
            for v in srgan.discriminator.non_trainable_variables
            if v.shape[0] > 1  # the vector of a single filter is 1
        ]

    start = norms()
    srgan.evaluate(photos, verbose=0)
    assert not any(moved(start, norms()))
    srgan.fit(photos, batch_size=4, verbose=0)
    assert all(moved(start, norms()))


def test_the_content_network_is_no_state_of_the_model(photos, make_srgan):
    srgan = make_srgan(
        content_loss=VGGContentLoss("block1_conv1", weights=None)
    )
    before = len(srgan.non_trainable_variables)
    srgan.fit(photos, batch_size=4, verbose=0)
    assert len(srgan.content_loss.variables) == 2
    assert len(srgan.non_trainable_variables) == before


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.data is TensorFlow's"
)
def test_only_datasets_of_tf_data_are_tuned_by_it(
    make_srgan, photos, monkeypatch
):
    import tensorflow as tf

    srgan = make_srgan()
    seen = []
    strategy = type(tf.distribute.get_strategy())
    distribute = strategy.experimental_distribute_dataset

    def record(self, dataset, options=None):
        seen.append(dataset.options().autotune.enabled)
        return distribute(self, dataset, options)

    monkeypatch.setattr(strategy, "experimental_distribute_dataset", record)
    srgan.fit(photos, batch_size=8, verbose=0)
    srgan.fit(tf.data.Dataset.from_tensors(photos), verbose=0)
    assert seen == [False, None]
