"""One process on one device."""


def process():
    return 0, 1


def devices():
    return 1


def share():
    return 0, 1


def gather(values):
    return [values]
