import importlib.util

BACKENDS = [
    name
    for name in ("tensorflow", "jax", "torch")
    if importlib.util.find_spec(name)
]
