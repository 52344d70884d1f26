"""One process on one device; Keras' other backends only predict."""


class Trainer:
    replicas = 1


def distribute():
    pass
