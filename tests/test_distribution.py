"""Many devices train as one does; see distributed.py for what is run."""

import csv
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

import distributed
import keras
import numpy as np
import pytest
from PIL import Image

from keras_srgan import ImageFolder

BACKEND = keras.backend.backend()
SCRIPT = pathlib.Path(__file__).with_name("distributed.py")
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def backend(name):
    return pytest.mark.skipif(BACKEND != name, reason=f"for {name}")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for i in range(32):
        colors = Image.fromarray(rng.integers(0, 256, (6, 6, 3), "uint8"))
        colors.resize((48, 48)).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def one_device(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("one_device")
    distributed.main(photos, out)
    return out


def start(arguments, **environment):
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env={
            **os.environ,
            "PYTHONPATH": str(SCRIPT.parent.parent),
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Lest what it started in turn outlives it.
        start_new_session=True,
    )


def finish(*processes):
    try:
        outputs = [process.communicate(timeout=600)[0] for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                # Closes its pipe, whose warning would fail a later test.
                process.communicate()
    return outputs


def check_same(out, expected):
    """One run left what the other did: weights, figures and files."""
    ours = np.load(out / "weights.npz")
    theirs = np.load(expected / "weights.npz")
    largest = moved = 0
    for name in theirs:
        largest = max(largest, np.abs(ours[name] - theirs[name]).max())
        if name.startswith("end"):
            begun = theirs[name.replace("end", "start")]
            moved = max(moved, np.abs(theirs[name] - begun).max())
    print(f"\nlargest difference of a weight: {largest:.1e} of {moved:.1e}")
    assert moved > 1e-3
    # Backends choose other algorithms for smaller batches on some processors,
    # whose rounding eight steps amplify; shares that go wrong change the
    # weights by a tenth of the steps and more.
    assert largest < 0.01 * moved

    logs = []
    for folder in (out, expected):
        with open(folder / "history.csv", newline="") as file:
            logs.append(list(csv.DictReader(file)))
    for ours, theirs in zip(*logs, strict=True):
        assert ours.keys() == theirs.keys()
        for name in theirs:
            assert float(ours[name]) == pytest.approx(
                float(theirs[name]), rel=1e-3
            ), name

    def names(folder):
        return sorted(
            re.sub(r"-\d+\.\d+\.keras", "", path.name)
            for path in folder.rglob("*")
        )

    assert names(out) == names(expected)


@backend("jax")
def test_jax_devices(photos, one_device, tmp_path):
    process = start(
        [SCRIPT, photos, tmp_path],
        XLA_FLAGS="--xla_force_host_platform_device_count=4",
        # Simulated devices wait for each other in one pool of threads; with
        # as many as there are cores, the last may never get its turn.
        NPROC="16",
        JAX_CPU_ENABLE_ASYNC_DISPATCH="false",
    )
    (output,) = finish(process)
    assert process.returncode == 0, output
    check_same(tmp_path, one_device)


@backend("jax")
def test_jax_processes(photos, one_device, tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    processes = [
        start(
            [SCRIPT, photos, tmp_path],
            KERAS_DISTRIBUTION_JOB_ADDRESSES=address,
            KERAS_DISTRIBUTION_NUM_PROCESSES="2",
            KERAS_DISTRIBUTION_PROCESS_ID=str(i),
        )
        for i in range(2)
    ]
    outputs = finish(*processes)
    assert [process.returncode for process in processes] == [0, 0], outputs
    check_same(tmp_path, one_device)


@backend("tensorflow")
def test_tensorflow_devices(photos, one_device, tmp_path):
    process = start([SCRIPT, photos, tmp_path], TENSORFLOW_DEVICES="2")
    (output,) = finish(process)
    assert process.returncode == 0, output
    check_same(tmp_path, one_device)


@backend("torch")
def test_torch_processes_one_of_which_is_killed(photos, one_device, tmp_path):
    command = [*TORCHRUN, SCRIPT, photos, tmp_path]
    process = start(command, DYING_RANK="1")
    (output,) = finish(process)
    assert process.returncode != 0
    assert "SIGKILL" in output
    assert (tmp_path / "backup/epoch-0001.weights.h5").exists()
    assert not (tmp_path / "weights.npz").exists()

    process = start(command)
    (output,) = finish(process)
    assert process.returncode == 0, output
    check_same(tmp_path, one_device)


def test_shares_make_up_the_batch(photos):
    whole, first, second = (
        ImageFolder(photos, 32, batch_size=8, crop="random") for _ in range(3)
    )
    first.set_share(0, 2)
    second.set_share(1, 2)
    for i in range(len(whole)):
        assert len(first[i]) == 4
        np.testing.assert_array_equal(
            np.concatenate([first[i], second[i]]), whole[i]
        )


def test_batches_that_cannot_be_shared(photos):
    with pytest.raises(ValueError, match="multiple of 3.*batch_size=8"):
        ImageFolder(photos, 32, batch_size=8).set_share(0, 3)
    with pytest.raises(ValueError, match="batches of 12 to 8 photos"):
        ImageFolder(photos, 32, batch_size=12, shuffle=False).set_share(0, 3)
    with pytest.raises(ValueError, match="multiple of 4.*batch_size=6"):
        ImageFolder(photos, 32, batch_size=6).set_share(0, 1, devices=4)


@pytest.mark.parametrize("count, batch_size", [(12, 6), (10, 8)])
def test_arrays_that_devices_cannot_share(
    make_srgan, monkeypatch, count, batch_size
):
    monkeypatch.setattr("keras_srgan.image_model.devices", lambda: 4)
    hr = np.zeros((count, 32, 32, 3), "uint8")
    with pytest.raises(ValueError, match=f"multiple of 4.*={batch_size} for"):
        make_srgan().fit(hr, batch_size=batch_size, verbose=0)
    # Photos that are split off for validation do not count.
    with pytest.raises(ValueError, match="multiple of 4.*=4 for 6 photos"):
        make_srgan().fit(hr[:8], batch_size=4, validation_split=0.25, verbose=0)


def test_a_dataset_is_whole_again_after_training(make_srgan, photos):
    dataset = ImageFolder(photos, 32, batch_size=8)
    dataset.set_share(1, 2)
    make_srgan().fit(dataset, steps_per_epoch=1, verbose=0)
    assert len(dataset[0]) == 8


@backend("torch")
def test_what_is_broadcast_is_contiguous(make_srgan, monkeypatch):
    """NCCL asks for it, and gloo, which other tests have, does not."""
    from keras_srgan.trainers import torch as trainer

    sent = []
    monkeypatch.setattr(trainer.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(
        trainer.distributed,
        "broadcast",
        lambda tensor, src: sent.append(tensor),
    )
    make_srgan().make_train_function()
    assert len(sent) > 50
    assert all(tensor.is_contiguous() for tensor in sent)
