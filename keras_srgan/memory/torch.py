import keras
import torch


def accelerator_bytes():
    """Returns the free memory of the current GPU, `None` without one."""
    device = keras.ops.zeros(()).device
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    # PyTorch caches freed memory.
    kept = torch.cuda.memory_reserved(device)
    return free + kept - torch.cuda.memory_allocated(device)
