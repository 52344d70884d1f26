import csv
import os
import pathlib
import random
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from keras_srgan import callbacks

EPOCHS = 4
STEPS = 4
RNG = np.random.default_rng(0)
LR = RNG.integers(0, 256, (2 * STEPS, 8, 8, 3), "uint8")
HR = LR.repeat(4, axis=1).repeat(4, axis=2)


@keras.saving.register_keras_serializable(package="test_callbacks")
class Fragile(keras.layers.Layer):
    """Does nothing, but can fail or kill the process while it is saved."""

    saves = 0
    fatal_save = None
    fatal_signal = None

    def call(self, inputs):
        return inputs

    def save_own_variables(self, store):
        Fragile.saves += 1
        if Fragile.saves == Fragile.fatal_save:
            if Fragile.fatal_signal is None:
                raise OSError("No space left on device")
            os.kill(os.getpid(), Fragile.fatal_signal)


@pytest.fixture(autouse=True)
def _sturdy(monkeypatch):
    monkeypatch.setattr(Fragile, "saves", 0)
    monkeypatch.setattr(Fragile, "fatal_save", None)
    monkeypatch.setattr(Fragile, "fatal_signal", None)


def make_model(filters=4):
    """An upscaler with trained weights, moments and statistics."""
    # Not `set_random_seed`, which would import TensorFlow to seed it too.
    random.seed(0)
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(filters, 3, padding="same")(x)
    x = keras.layers.BatchNormalization()(x)
    x = Fragile()(x)
    x = keras.layers.UpSampling2D(4)(x)
    x = keras.layers.Conv2D(3, 3, padding="same", name="rgb")(x)
    model = keras.Model(inputs, keras.layers.Rescaling(255)(x))
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model


@pytest.fixture(scope="module")
def compiled():
    model = make_model()
    model.optimizer.build(model.trainable_variables)
    return model, get_state(model)


@pytest.fixture
def start(compiled):
    """A function that puts the one compiled model back to its start."""
    model, state = compiled

    def start():
        for variable, value in zip(variables(model), state, strict=True):
            variable.assign(value)
        return model

    return start


def variables(model):
    return model.variables + model.optimizer.variables


def get_state(model):
    """All that a step of training depends on and changes."""
    return [np.array(keras.ops.convert_to_numpy(v)) for v in variables(model)]


def weights(model):
    """What a saved model holds."""
    return model.get_weights() + get_state(model)[len(model.variables) :]


def equal(a, b):
    return len(a) == len(b) and all(map(np.array_equal, a, b))


def fit(model, *used, **kwargs):
    kwargs = {"epochs": 2, "shuffle": False, "verbose": 0, **kwargs}
    return model.fit(LR, HR, batch_size=2, callbacks=list(used), **kwargs)


def read_photo(path):
    with Image.open(path) as image:
        return np.asarray(image)


def read_rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def files(directory):
    return sorted(
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_file()
    )


def shows(sheet, photo):
    """Whether a picture has a photo in it, magnified or not."""
    for zoom in range(1, 13):
        cell = photo.repeat(zoom, axis=0).repeat(zoom, axis=1)
        height, width, _ = cell.shape
        for y, x in zip(
            *np.all(sheet == cell[0, 0], -1).nonzero(), strict=True
        ):
            if np.array_equal(sheet[y : y + height, x : x + width], cell):
                return True
    return False


# === ProgressPictures ===


def test_pictures_of_each_epoch(start, tmp_path):
    model = start()
    fit(model, callbacks.ProgressPictures(HR[:2], tmp_path))
    assert files(tmp_path) == [
        "comparison.png",
        "epoch-0001.png",
        "epoch-0001/00.png",
        "epoch-0001/01.png",
        "epoch-0002.png",
        "epoch-0002/00.png",
        "epoch-0002/01.png",
        "test/hr/00.png",
        "test/hr/01.png",
        "test/lr/00.png",
        "test/lr/01.png",
    ]
    lr = read_photo(tmp_path / "test/lr/01.png")
    pillow = Image.fromarray(HR[1]).resize((8, 8), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(lr, np.asarray(pillow))
    np.testing.assert_array_equal(
        read_photo(tmp_path / "test/hr/01.png"), HR[1]
    )
    sr = np.rint(np.clip(model.predict(lr[None], verbose=0)[0], 0, 255))
    np.testing.assert_array_equal(
        read_photo(tmp_path / "epoch-0002/01.png"), sr
    )

    sheet = read_photo(tmp_path / "epoch-0002.png")
    enlarged = Image.fromarray(lr).resize((32, 32), Image.Resampling.BICUBIC)
    assert shows(sheet, HR[1])
    assert shows(sheet, sr.astype("uint8"))
    assert shows(sheet, lr.repeat(4, axis=0).repeat(4, axis=1))
    assert shows(sheet, np.asarray(enlarged))
    assert not shows(sheet, read_photo(tmp_path / "epoch-0001/01.png"))


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ((1, 3), [1, 3]),
        ((2, 60), [2]),
        ((42, 60), [1, 4]),
        ((9, 8, 7), [1, 2, 4]),
    ],
)
def test_comparison_over_chosen_epochs(start, tmp_path, asked, shown):
    # What a longer run left in the same folder is not of this one.
    (tmp_path / "epoch-0060").mkdir()
    Image.fromarray(HR[1]).save(tmp_path / "epoch-0060/00.png")
    fit(
        start(),
        callbacks.ProgressPictures(HR[:1], tmp_path, compare_epochs=asked),
        epochs=4,
    )
    sheet = read_photo(tmp_path / "comparison.png")
    assert shows(sheet, HR[0])
    for epoch in range(1, 5):
        photo = read_photo(tmp_path / f"epoch-000{epoch}/00.png")
        assert shows(sheet, photo) == (epoch in shown)
    assert not shows(sheet, HR[1])


def test_pictures_every_so_many_epochs_and_last(start, tmp_path):
    pictures = callbacks.ProgressPictures(HR[:1], tmp_path, every=2)
    fit(start(), pictures, epochs=5)
    assert sorted(path.name for path in tmp_path.glob("epoch-*.png")) == [
        f"epoch-000{epoch}.png" for epoch in (2, 4, 5)
    ]


def test_comparison_is_drawn_from_files(start, tmp_path):
    model = start()
    fit(model, callbacks.ProgressPictures(HR[:2], tmp_path), epochs=3)
    before = (tmp_path / "comparison.png").read_bytes()
    (tmp_path / "comparison.png").unlink()
    # As where a run is killed between its last epoch and its end.
    fit(
        model,
        callbacks.ProgressPictures(HR[:2], tmp_path),
        initial_epoch=3,
        epochs=3,
    )
    assert (tmp_path / "comparison.png").read_bytes() == before


def test_test_photos_of_any_sizes(start, tmp_path):
    photos = [HR[0], HR[1, :12], HR[2, :, :20]]
    fit(start(), callbacks.ProgressPictures(photos, tmp_path), epochs=1)
    for i, photo in enumerate(photos):
        sr = read_photo(tmp_path / f"epoch-0001/{i:02d}.png")
        assert sr.shape == photo.shape
        assert shows(read_photo(tmp_path / "comparison.png"), photo)


def test_six_test_photos_at_most(start, tmp_path):
    fit(start(), callbacks.ProgressPictures(HR, tmp_path), epochs=1)
    assert len(files(tmp_path / "epoch-0001")) == 6


def test_given_lr_images_are_used(start, tmp_path):
    fit(start(), callbacks.ProgressPictures(HR[:1], tmp_path, lr=LR[1:2]))
    np.testing.assert_array_equal(
        read_photo(tmp_path / "test/lr/00.png"), LR[1]
    )
    enlarged = LR[1].repeat(4, axis=0).repeat(4, axis=1)
    assert shows(read_photo(tmp_path / "epoch-0001.png"), enlarged)


def test_pictures_of_broken_outputs(start, tmp_path):
    model = start()
    model.get_layer("rgb").bias.assign([np.nan, np.inf, -np.inf])
    fit(model, callbacks.ProgressPictures(HR[:1], tmp_path), epochs=1)
    assert read_photo(tmp_path / "epoch-0001/00.png").shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"hr": HR.astype("float32")}, "`hr` must hold uint8 RGB.*float32"),
        ({"hr": HR[0]}, "`hr` must hold uint8 RGB.*32, 3"),
        ({"hr": HR[..., :1]}, "`hr` must hold uint8 RGB.*32, 1"),
        ({"hr": []}, "`hr` must hold a photo"),
        ({"hr": HR[:, :30]}, "multiples of `scale`=4.*30x32"),
        ({"hr": HR[:, :8]}, "at least 12.*8x32"),
        ({"hr": HR, "lr": LR[:2]}, "`lr` must hold the images of `hr`"),
        ({"hr": HR, "lr": HR}, "`lr` must hold the images of `hr`"),
        ({"hr": HR, "lr": LR / 255}, "`lr` must hold uint8 RGB.*float64"),
        ({"hr": HR, "scale": 1}, "`scale` must be an integer.*scale=1"),
    ],
)
def test_bad_test_photos(tmp_path, kwargs, message):
    with pytest.raises(ValueError, match=message):
        callbacks.ProgressPictures(directory=tmp_path, **kwargs)


def test_scale_of_another_model(start, tmp_path):
    model = start()
    before = get_state(model)
    pictures = callbacks.ProgressPictures(HR, tmp_path, scale=2)
    with pytest.raises(ValueError, match="is its scale 2.*64x64.*32x32"):
        fit(model, pictures)
    assert equal(before, get_state(model))


# === LossCurves ===


def test_history_and_curves(start, tmp_path):
    history = fit(
        start(),
        callbacks.LossCurves(tmp_path),
        epochs=3,
        validation_data=(LR, HR),
        validation_freq=2,
    ).history
    rows = read_rows(tmp_path / "history.csv")
    assert list(rows[0]) == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [float(row["loss"]) for row in rows] == history["loss"]
    assert [row["val_loss"] for row in rows] == [
        "",
        str(history["val_loss"][0]),
        "",
    ]
    assert files(tmp_path) == ["curves.png", "history.csv"]
    height, width, _ = read_photo(tmp_path / "curves.png").shape
    assert min(height, width) > 400


def test_resumed_history_has_each_epoch_once(start, tmp_path):
    model = start()
    fit(model, callbacks.LossCurves(tmp_path), epochs=4)
    whole = read_rows(tmp_path / "history.csv")
    fit(model, callbacks.LossCurves(tmp_path), initial_epoch=2, epochs=3)
    rows = read_rows(tmp_path / "history.csv")
    assert rows[:2] == whole[:2]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert rows[2] != whole[2]


def test_curves_leave_pyplot_alone(start, tmp_path):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("svg")
    fit(start(), callbacks.LossCurves(tmp_path), epochs=1)
    assert pyplot.get_backend() == "svg"
    assert not pyplot.get_fignums()


def test_curves_of_nan(start, tmp_path):
    curves = callbacks.LossCurves(tmp_path)
    model = start()
    model.get_layer("rgb").bias.assign([np.nan] * 3)
    fit(model, curves)
    assert [row["loss"] for row in read_rows(tmp_path / "history.csv")] == [
        "nan",
        "nan",
    ]


def test_foreign_history_is_left_alone(start, tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss\nlast,good\n")
    with pytest.raises(ValueError, match="history.csv is not a history"):
        fit(start(), callbacks.LossCurves(tmp_path))
    assert path.read_text() == "epoch,loss\nlast,good\n"


def test_curves_without_matplotlib(start, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"keras-srgan\[examples\]"):
        fit(start(), callbacks.LossCurves(tmp_path))


# === PeriodicCheckpoint ===


def test_checkpoint_every_so_many_epochs_and_last(start, tmp_path):
    model = start()
    fit(model, callbacks.PeriodicCheckpoint(tmp_path, every=2), epochs=5)
    assert files(tmp_path) == [
        f"srgan-epoch-000{epoch}.keras" for epoch in (2, 4, 5)
    ]
    middle, last = (
        keras.saving.load_model(tmp_path / f"srgan-epoch-000{epoch}.keras")
        for epoch in (4, 5)
    )
    assert int(middle.optimizer.iterations) == 4 * STEPS
    assert equal(weights(last), weights(model))


def test_checkpoint_of_a_run_stopped_early(start, tmp_path):
    model = start()
    stop = keras.callbacks.EarlyStopping("loss", min_delta=1e9, patience=2)
    fit(model, callbacks.PeriodicCheckpoint(tmp_path), stop, epochs=9)
    assert files(tmp_path) == ["srgan-epoch-0003.keras"]


def test_last_checkpoint_of_a_run_killed_after_it(start, tmp_path):
    def interrupt(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    killed = keras.callbacks.LambdaCallback(on_epoch_end=interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(start(), callbacks.PeriodicCheckpoint(tmp_path), killed, epochs=3)
    assert files(tmp_path) == ["srgan-epoch-0003.keras"]


@pytest.mark.parametrize("every", [0, -1, 2.0, None])
def test_bad_checkpoint_interval(tmp_path, every):
    with pytest.raises(ValueError, match="`every` must be .*Received: every="):
        callbacks.PeriodicCheckpoint(tmp_path, every)


@pytest.mark.parametrize(
    ("callback", "kept"),
    [
        (callbacks.PeriodicCheckpoint, "srgan-epoch-0001.keras"),
        (callbacks.RunBackup, "epoch-0001.weights.h5"),
    ],
)
def test_failed_save_leaves_the_last_good_file(start, tmp_path, callback, kept):
    Fragile.fatal_save = 2
    used = callback(tmp_path, **({"every": 1} if "srgan" in kept else {}))
    model = start()
    with pytest.raises(OSError, match="No space left"):
        fit(model, used, epochs=3)
    assert files(tmp_path) == [kept]


# === BestCheckpoint and TensorBoard ===


def make_validation(psnr):
    """Returns a callback that makes up the `val_psnr` of each epoch."""
    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update(val_psnr=psnr[epoch])
    )


def test_best_checkpoint_of_a_new_run_forgets_the_last_run(start, tmp_path):
    best = callbacks.BestCheckpoint(tmp_path)
    fit(start(), make_validation([30.0, 29.0]), best)
    assert (best.value, best.epoch) == (30.0, 1)
    model = start()
    fit(model, make_validation([float("nan"), 20.0]), best)
    assert (best.value, best.epoch) == (20.0, 2)
    assert files(tmp_path) == ["best.keras"]
    saved = keras.saving.load_model(tmp_path / "best.keras")
    assert equal(weights(saved), weights(model))


def test_best_checkpoint_of_a_resumed_run_knows_the_best(start, tmp_path):
    psnr = [20.5, 21.25, 21.0, 21.25]
    for epochs, epoch in ((2, 2), (3, 2), (4, 2)):
        best = callbacks.BestCheckpoint(tmp_path)
        backup = callbacks.RunBackup(
            tmp_path / "backup", best, delete_checkpoint=False
        )
        fit(start(), make_validation(psnr), best, backup, epochs=epochs)
        assert (best.value, best.epoch) == (21.25, epoch)
    saved = keras.saving.load_model(tmp_path / "best.keras")
    assert int(saved.optimizer.iterations) == 2 * STEPS


def test_divergence_stops_training_and_is_not_saved(start, tmp_path):
    def train(epochs):
        stop = callbacks.StopOnDivergence(max_drop=2.0)
        backup = callbacks.RunBackup(tmp_path, stop, delete_checkpoint=False)
        psnr = make_validation([20.0, 22.0, 21.0, 19.5])
        fit(start(), psnr, stop, backup, epochs=epochs)

    train(2)
    for _ in range(2):
        # A resumed run knows the best value, and stops again.
        with pytest.raises(FloatingPointError, match="epoch 4: val_psnr is 19"):
            train(4)
        assert files(tmp_path) == ["epoch-0003.weights.h5"]
    # The next `fit` starts at its first epoch.
    assert fit(start(), epochs=1).epoch == [0]
    with pytest.raises(ValueError, match="max_drop=0"):
        callbacks.StopOnDivergence(0)
    with pytest.raises(ValueError, match="monitor='val_psnr'"):
        fit(start(), callbacks.StopOnDivergence())


def test_best_checkpoint_by_the_least(start, tmp_path):
    best = callbacks.BestCheckpoint(tmp_path, "loss", mode="min")
    history = fit(start(), best, epochs=2, validation_data=(LR, HR)).history
    assert best.value == min(history["loss"])


def test_time_limit(start):
    limit = callbacks.TimeLimit(minutes=1e-6)
    assert fit(start(), limit, epochs=9).epoch == [0]
    assert limit.spent > 1e-6
    with pytest.raises(ValueError, match="`minutes` .*minutes=0"):
        callbacks.TimeLimit(0)


@pytest.mark.parametrize(
    "name", ["BackupAndRestore", "TensorBoard", "TestPictures"]
)
def test_old_names_are_deprecated(name):
    with pytest.warns(DeprecationWarning, match=name):
        assert issubclass(getattr(callbacks, name), keras.callbacks.Callback)


def test_run_backup_keeps_callbacks_with_a_state_only(tmp_path):
    # The second argument of BackupAndRestore was `delete_checkpoint`.
    with pytest.raises(ValueError, match="`callbacks` must.*=\\(False,\\)"):
        callbacks.RunBackup(tmp_path, False)


def test_best_checkpoint_names_what_it_does_not_know(start, tmp_path):
    with pytest.raises(ValueError, match="`mode`.*'most'"):
        callbacks.BestCheckpoint(tmp_path, mode="most")
    best = callbacks.BestCheckpoint(tmp_path, "val_pnsr")
    with pytest.raises(ValueError, match="`monitor`.*loss.*'val_pnsr'"):
        fit(start(), best, epochs=1)


def test_tensorboard_shows_curves_and_test_photos(start, tmp_path):
    pytest.importorskip("tensorflow")
    pytest.importorskip("tensorboard")
    fit(
        start(),
        callbacks.ProgressPictures(HR[:1], tmp_path / "run"),
        callbacks.TensorBoardPictures(
            tmp_path / "logs", pictures=tmp_path / "run"
        ),
        epochs=1,
    )
    events = {
        path.parent.name: path.read_bytes()
        for path in (tmp_path / "logs").rglob("events*")
    }
    assert b"epoch_loss" in events["train"]
    assert b"test photos" in events["pictures"]
    assert b"PNG" in events["pictures"]


# === RunBackup ===


def run(directory, model, fatal_step=None, fatal_save=None):
    """Trains with all callbacks; dies at a step or while saving, if asked."""
    steps = iter(range(EPOCHS * STEPS))
    Fragile.fatal_save, Fragile.fatal_signal = fatal_save, signal.SIGKILL

    def log(epoch, logs):
        with open(directory / "epochs.txt", "a") as file:
            file.write(f"{epoch} ")

    def die(batch, logs):
        if next(steps) == fatal_step:
            os.kill(os.getpid(), signal.SIGKILL)

    fit(
        model,
        keras.callbacks.LambdaCallback(
            on_epoch_begin=log, on_train_batch_begin=die
        ),
        callbacks.ProgressPictures(
            HR[:2], directory / "run", compare_epochs=(1, 3)
        ),
        callbacks.LossCurves(directory / "run"),
        callbacks.PeriodicCheckpoint(directory / "run", every=EPOCHS),
        callbacks.RunBackup(directory / "backup"),
        epochs=EPOCHS,
        validation_data=(LR, HR),
    )
    return get_state(model)


def run_and_die(directory, **kwargs):
    code = "import sys, pathlib, test_callbacks as t; "
    code += f"t.run(pathlib.Path(sys.argv[1]), t.make_model(), **{kwargs})"
    process = subprocess.run(
        [sys.executable, "-c", code, directory],
        cwd=pathlib.Path(__file__).parent,
        capture_output=True,
        text=True,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr


def test_killed_run_resumes_as_if_it_had_never_stopped(start, tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    killed.mkdir()
    whole.mkdir()
    step = random.SystemRandom().randrange(2 * STEPS)
    done = step // STEPS

    run_and_die(killed, fatal_step=step)
    run_and_die(killed, fatal_save=2)
    epochs = [*range(done + 1), *range(done, done + 2)]
    assert (killed / "epochs.txt").read_text().split() == list(map(str, epochs))
    # The kill left a hidden folder with half of the second file.
    partial, whole_file = files(killed / "backup")
    assert partial.startswith(".") and whole_file.startswith("epoch-")
    assert whole_file == f"epoch-000{done + 1}.weights.h5"
    resumed = run(killed, start())
    uninterrupted = run(whole, start())
    epochs += range(done + 1, EPOCHS)
    assert (killed / "epochs.txt").read_text().split() == list(map(str, epochs))

    assert equal(resumed, uninterrupted), f"killed at step {step}"
    assert not (killed / "backup").exists()
    assert files(killed / "run") == files(whole / "run")
    for name in files(whole / "run"):
        a, b = killed / "run" / name, whole / "run" / name
        if name.endswith(".keras"):
            a, b = keras.saving.load_model(a), keras.saving.load_model(b)
            assert equal(weights(a), weights(b)), name
        else:
            assert a.read_bytes() == b.read_bytes(), name


def test_srgan_resumes_with_the_draws_it_would_have_made(
    make_srgan, photos, tmp_path
):
    def train(seed, *used):
        keras.utils.set_random_seed(seed)
        srgan = make_srgan()
        srgan.fit(
            photos,
            batch_size=4,
            epochs=3,
            shuffle=False,
            verbose=0,
            callbacks=list(used),
        )
        return get_state(srgan)

    def interrupt(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    backup = callbacks.RunBackup(tmp_path)
    stop = keras.callbacks.LambdaCallback(on_epoch_begin=interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(0, backup, stop)
    assert files(tmp_path) == ["epoch-0002.weights.h5"]
    # Nothing is left to the seed of the program that resumes.
    resumed = train(1, backup)
    assert equal(resumed, train(0))


def test_callbacks_do_not_disturb_training(start, tmp_path):
    model = start()
    fit(
        model,
        callbacks.ProgressPictures(HR[:2], tmp_path),
        callbacks.LossCurves(tmp_path),
        callbacks.PeriodicCheckpoint(tmp_path, every=1),
        callbacks.RunBackup(tmp_path),
    )
    watched = get_state(model)
    fit(start())
    assert equal(watched, get_state(model))


def test_one_backup_at_a_time(start, tmp_path):
    seen = []
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(files(tmp_path))
    )
    fit(start(), callbacks.RunBackup(tmp_path), look, epochs=3)
    assert seen == [[f"epoch-000{epoch}.weights.h5"] for epoch in (1, 2, 3)]


def test_finished_run_leaves_no_backup(start, tmp_path):
    (tmp_path / "mine.weights.h5").write_bytes(b"")
    fit(start(), callbacks.RunBackup(tmp_path))
    assert files(tmp_path) == ["mine.weights.h5"]
    fit(start(), callbacks.RunBackup(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_kept_backup_goes_on_with_more_epochs(start, tmp_path):
    kept = callbacks.RunBackup(tmp_path, delete_checkpoint=False)
    fit(start(), kept, epochs=2)
    assert fit(start(), kept, epochs=2).epoch == []
    model = start()
    assert fit(model, kept, epochs=4).epoch == [2, 3]
    resumed = get_state(model)
    # The next `fit` of the same model starts where it is told to.
    assert fit(start(), epochs=4).epoch == [0, 1, 2, 3]
    assert equal(resumed, get_state(model))


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_damaged_backup_is_named(start, tmp_path):
    kept = callbacks.RunBackup(tmp_path, delete_checkpoint=False)
    fit(start(), kept)
    path = tmp_path / "epoch-0002.weights.h5"
    with pytest.raises(ValueError, match="epoch-0002.* of another model"):
        fit(make_model(filters=5), kept)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ValueError, match="epoch-0002.*is damaged"):
        fit(start(), kept)
    assert path.exists()


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="the others build the model before the callbacks see it",
)
def test_backup_needs_a_built_model(tmp_path):
    model = keras.Sequential([keras.layers.UpSampling2D(4)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="needs a model that is built"):
        fit(model, callbacks.RunBackup(tmp_path))


# === All ===


@pytest.mark.parametrize(
    "make",
    [
        lambda directory: callbacks.ProgressPictures(HR, directory),
        callbacks.LossCurves,
        callbacks.PeriodicCheckpoint,
        callbacks.RunBackup,
    ],
)
def test_unwritable_directory(start, tmp_path, make):
    path = tmp_path / "file"
    path.write_text("mine")
    model = start()
    before = get_state(model)
    for directory in (path, path / "runs"):
        with pytest.raises(ValueError, match="`directory` must be.*file"):
            fit(model, make(directory))
    assert equal(before, get_state(model))
    assert path.read_text() == "mine"
