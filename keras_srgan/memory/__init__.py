"""The free memory of the current device, if its backend reports it."""

import os
from pathlib import Path

import keras

match keras.backend.backend():
    case "jax":
        from keras_srgan.memory.jax import accelerator_bytes
    case "torch":
        from keras_srgan.memory.torch import accelerator_bytes
    case _:
        # TensorFlow has no public function for it, and takes all memory of a
        # GPU for itself.
        def accelerator_bytes():
            return None


def available_bytes() -> int | None:
    """Returns the memory that one program can safely use, in bytes.

    On an accelerator, that is its free memory. On a processor, it is a quarter
    of the machine's memory or of the limit of the process's control groups,
    because other programs need the rest. `None` if it is unknown.
    """
    free = accelerator_bytes()
    if free is not None:
        return free
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
    return min([total, *_group_limits(Path("/"))]) // 4


def _group_limits(root):
    """Yields the limits of the process's control groups, in bytes."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not on Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2
            base, name = root / "sys/fs/cgroup", "memory.max"
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            name = "memory.limit_in_bytes"
        else:
            continue
        group = Path(path.lstrip("/"))
        # The limits of the groups above hold too. In a container, the path
        # may be that of the host.
        for folder in (group, *group.parents):
            try:
                limit = (base / folder / name).read_text().strip()
            except OSError:
                continue
            if limit.isdecimal():  # not "max"
                yield int(limit)
