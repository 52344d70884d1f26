import keras


def accelerator_bytes():
    """Returns the free memory of the GPU or TPU, or `None` without one."""
    device, *_ = keras.ops.zeros(()).devices()
    memory = device.memory_stats() or {}
    if "bytes_limit" not in memory:
        return None
    return memory["bytes_limit"] - memory["bytes_in_use"]
