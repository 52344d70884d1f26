"""One process on one device, for Keras' other backends, which only predict."""


class Trainer:
    replicas = 1


def distribute():
    pass
