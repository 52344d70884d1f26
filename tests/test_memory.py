"""The size of tiles follows the memory of the device."""

import keras
import pytest

from keras_srgan import Generator
from keras_srgan import Upscaler
from keras_srgan import memory


@pytest.mark.parametrize(
    "groups, files, expected",
    [
        # Version 2: those of the group and of the groups above.
        (
            "0::/a/b\n",
            {"a/b/memory.max": "max", "a/memory.max": "700"},
            [700],
        ),
        ("0::/a\n", {"a/memory.max": "500", "memory.max": "700"}, [500, 700]),
        # A container, which sees its own group at the root.
        ("0::/host/path\n", {"memory.max": "300"}, [300]),
        # Version 1.
        (
            "9:cpu,cpuacct:/x\n4:memory:/x\n0::/x\n",
            {"memory/x/memory.limit_in_bytes": "900"},
            [900],
        ),
        ("0::/\n", {}, []),
        (None, {}, []),
    ],
)
def test_limits_of_control_groups(groups, files, expected, tmp_path):
    (tmp_path / "proc" / "self").mkdir(parents=True)
    if groups is not None:
        (tmp_path / "proc" / "self" / "cgroup").write_text(groups)
    for name, text in files.items():
        file = tmp_path / "sys" / "fs" / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    assert list(memory._group_limits(tmp_path)) == expected


def test_a_limit_makes_less_memory_available(monkeypatch):
    if memory.accelerator_bytes() is not None:
        pytest.skip("a GPU has memory of its own")
    before = memory.available_bytes()
    monkeypatch.setattr(memory, "_group_limits", lambda root: [before])
    assert memory.available_bytes() == before // 4


def test_the_free_memory_of_a_gpu():
    with keras.device("cpu"):
        assert memory.accelerator_bytes() is None
    free = memory.accelerator_bytes()
    assert free is None or 2**20 < free < 2**40


def test_tiles_are_smaller_where_less_memory_is_free(monkeypatch):
    sizes = []
    for available in (None, 2**40, 2**28, 2**24):
        monkeypatch.setattr(memory, "available_bytes", lambda a=available: a)
        generator = Generator(num_blocks=1, filters=32)
        sizes.append(Upscaler(generator).tile_size)
    assert sizes[0] == sizes[1] > sizes[2] > sizes[3]
