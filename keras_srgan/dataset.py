import keras

from keras_srgan.checks import check_integer


class EpochDataset(keras.utils.PyDataset):
    """A dataset whose batches only depend on the epoch and their index.

    A run that resumes at an epoch sees the batches that it would have seen.
    `SRGAN.fit` sets the epoch and, where several processes train together,
    the part of each batch that this process reads. It does not shuffle such a
    dataset.
    """

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch whose batches the dataset returns.

        Args:
            epoch: Non-negative integer.
        """
        raise NotImplementedError

    def set_share(
        self, index: int, count: int, devices: int | None = None
    ) -> None:
        """Chooses the part of each batch that the dataset returns.

        Args:
            index: Integer. The part, from 0.
            count: Integer. The number of parts, which are of equal size.
            devices: Integer, a multiple of `count`. The number of devices
                that divide all parts of a batch. Defaults to `count`.

        Raises:
            ValueError: if the devices cannot divide a batch evenly.
        """
        raise NotImplementedError


class ShortEpochs(EpochDataset):
    """A dataset in epochs of a fixed number of steps.

    Training saves its state after each epoch. Use short epochs so that little
    work is lost if a run is killed. Batches follow each other as in the whole
    dataset.

    Args:
        dataset: `EpochDataset`, such as an `ImageFolder`.
        steps: Integer, at least 1. Batches per epoch.

    Example:

    ```python
    from keras_srgan import ImageFolder
    from keras_srgan.dataset import ShortEpochs

    photos = ShortEpochs(ImageFolder("photos"), steps=200)
    ```
    """

    def __init__(self, dataset: EpochDataset, steps: int):
        super().__init__(workers=0)
        check_integer(1, steps=steps)
        self.dataset = dataset
        self.steps = steps
        self.epoch = 0

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        index = range(self.steps)[index]
        epoch, index = divmod(
            self.epoch * self.steps + index, len(self.dataset)
        )
        if epoch != self.dataset.epoch:
            self.dataset.set_epoch(epoch)
        return self.dataset[index]

    def set_epoch(self, epoch):
        self.epoch = epoch

    def set_share(self, index, count, devices=None):
        self.dataset.set_share(index, count, devices)
