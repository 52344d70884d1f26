import torch


class Trainer:
    """`SRGAN`'s training and evaluation step on PyTorch."""

    def train_step(self, data):
        losses, logs = self.compute_losses(data, training=True)
        gradients = []
        for loss, variables in zip(losses, self.players, strict=False):
            # Both losses are made of the same generated images, so the graph
            # must survive the first of them.
            gradients += torch.autograd.grad(
                self.optimizer.scale_loss(loss),
                [variable.value for variable in variables],
                retain_graph=True,
            )
        with torch.no_grad():
            self.optimizer.apply(gradients)
        return logs

    def test_step(self, data):
        _, logs = self.compute_losses(data, training=False)
        return logs
