import os

import torch
from torch import distributed


class Trainer:
    """The training and evaluation step of `SRGAN` on PyTorch."""

    replicas = 1

    def train_step(self, data):
        losses, logs = self.compute_losses(data, training=True)
        gradients = []
        for loss, variables in zip(
            losses, self.network_variables, strict=False
        ):
            # Both losses depend on the same generated images, so their graph
            # must outlive the first call.
            gradients += torch.autograd.grad(
                self.optimizer.scale_loss(loss),
                [variable.value for variable in variables],
                retain_graph=True,
            )
        with torch.no_grad():
            self.optimizer.apply(_mean(gradients))
        return logs

    def test_step(self, data):
        _, logs = self.compute_losses(data, training=False)
        return logs

    def make_train_function(self, force=False):
        super().make_train_function(force)
        if distributed.is_initialized():
            for variable in self.variables + self.optimizer.variables:
                value = variable.value.detach()
                # NCCL only accepts contiguous tensors.
                same = value.contiguous()
                distributed.broadcast(same, src=0)
                value.copy_(same)


def _mean(gradients):
    """Returns the mean of the gradients of all processes."""
    if not distributed.is_initialized():
        return gradients
    # One message: with many small ones, latency dominates.
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    parts = flat.split([gradient.numel() for gradient in gradients])
    return [
        part.view_as(gradient)
        for part, gradient in zip(parts, gradients, strict=True)
    ]


def distribute():
    # Set by `torchrun` in each process that it starts.
    if "LOCAL_RANK" not in os.environ:
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("nccl")
    else:
        distributed.init_process_group("gloo")
