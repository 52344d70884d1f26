"""The names of Keras that the package uses although they are not public.

Where a test fails, Keras has changed: look for public API first, else mend the
code that uses the name, then raise Keras' upper bound in pyproject.toml.
"""

import ast
import inspect
import pathlib
import sys

import keras
import numpy as np
import pytest

BACKEND = keras.backend.backend()
PACKAGE = pathlib.Path(__file__).parents[1] / "keras_srgan"
PATHS = sorted(PACKAGE.rglob("*.py"))


def _has(owner, name):
    return lambda: hasattr(owner, name)


def _mentions(owner, name):
    """Checks for an attribute that Keras sets on instances only."""
    return lambda: any(
        name in inspect.getsource(sys.modules[base.__module__])
        for base in owner.__mro__
        if base.__module__.startswith("keras.")
    )


def _build_functional():
    inputs = keras.Input((2,))
    return keras.Model(inputs, keras.layers.Dense(1)(inputs))


def _seed_is_named():
    return keras.random.SeedGenerator(0).state.name == "seed_generator_state"


def _policy_can_be_set():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.dtype_policy = "mixed_bfloat16"
    return model.dtype_policy.name == "mixed_bfloat16"


def _loss_is_the_first_metric():
    model = _build_functional()
    model.compile("sgd", "mse", metrics=["mae"])
    model.train_on_batch(np.zeros((1, 2)), np.zeros((1, 1)))
    return model.metrics[0].name == "loss"


def _kernel_storage_can_be_replaced():
    layer = keras.layers.Conv2D(5, 3)
    layer.build((None, 8, 8, 4))
    kernel = layer.kernel.value
    kernel.data = kernel.data.permute(3, 2, 0, 1).contiguous()
    kernel.data = kernel.data.permute(2, 3, 1, 0)
    return layer.kernel.value.stride(2) == 9


# Name, backend (`None`: all), what it is used for, whether Keras has it.
NAMES = [
    (
        "jax_state_sync",
        "jax",
        "called after `evaluate` and `predict`",
        _has(keras.Model, "jax_state_sync"),
    ),
    (
        "batch_dim_name",
        None,
        "overridden with `None`, so that each device gets a whole batch",
        _has(keras.distribution.DataParallel, "batch_dim_name"),
    ),
    (
        "distribute_strategy",
        "tensorflow",
        "overridden to read datasets without autotuning",
        _has(keras.Model, "distribute_strategy"),
    ),
    (
        "_maybe_symbolic_build",
        "tensorflow",
        "overridden, because an `SRGAN` is built already",
        _has(keras.Model, "_maybe_symbolic_build"),
    ),
    (
        "_optimizer_map",
        None,
        "read to find the optimizer of a variable",
        _mentions(keras.optimizers.MultiOptimizer, "_optimizer_map"),
    ),
    (
        "_should_use_adamw",
        None,
        "overridden to train convolutions by Muon",
        _mentions(keras.optimizers.Muon, "_should_use_adamw"),
    ),
    (
        "_model_variables_moving_average",
        None,
        "read for the averaged weights",
        _mentions(
            keras.optimizers.Optimizer, "_model_variables_moving_average"
        ),
    ),
    (
        "_compile_metrics",
        None,
        "built before a step is compiled",
        _mentions(keras.Model, "_compile_metrics"),
    ),
    (
        "_trainable_variables",
        None,
        "read for the variables that an optimizer was built with",
        _mentions(keras.optimizers.Optimizer, "_trainable_variables"),
    ),
    (
        "_nodes_by_depth",
        None,
        "read to walk through a network for its receptive field",
        lambda: hasattr(_build_functional(), "_nodes_by_depth"),
    ),
    (
        "_run_through_graph",
        None,
        "called to run a network with masks before its convolutions",
        _has(keras.Function, "_run_through_graph"),
    ),
    (
        "_initial_epoch",
        None,
        "set to resume training at a later epoch",
        _mentions(keras.Model, "_initial_epoch"),
    ),
    (
        "_flatten_layers",
        None,
        "called to visit the layers of a model at all depths",
        _has(keras.Model, "_flatten_layers"),
    ),
    (
        "_direction",
        None,
        "set on metrics, so that callbacks know that higher is better",
        lambda: (
            "_direction"
            in inspect.getsource(
                sys.modules[keras.callbacks.EarlyStopping.__mro__[1].__module__]
            )
        ),
    ),
    (
        "summary",
        "tensorflow",
        "TensorBoard's writer module, used to add pictures",
        _mentions(keras.callbacks.TensorBoard, "self.summary"),
    ),
    (
        "seed_generator_state",
        None,
        "the name by which random states are found, to save them",
        _seed_is_named,
    ),
    (
        "metrics",
        None,
        "the first of a compiled model's metrics is its loss",
        _loss_is_the_first_metric,
    ),
    (
        "dtype_policy",
        None,
        "set on a model that is built",
        _policy_can_be_set,
    ),
    (
        "kernel",
        "torch",
        "its storage is laid out once in PyTorch's order",
        _kernel_storage_can_be_replaced,
    ),
]


def _names_in_package():
    """Returns the names and strings used in the package, and names defined."""
    used, strings, defined = set(), set(), set()
    for path in PATHS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    defined.add(name)
                case ast.Attribute(attr=name, ctx=ast.Store()):
                    defined.add(name)
                case ast.Attribute(attr=name):
                    used.add(name)
                case ast.Name(id=name, ctx=ast.Store()):
                    defined.add(name)
                case ast.Constant(value=str(text)):
                    strings.add(text)
    return used, strings, defined


@pytest.mark.parametrize(
    "name, backend, use, exists", NAMES, ids=[name for name, *_ in NAMES]
)
def test_keras_has(name, backend, use, exists):
    if backend not in (None, BACKEND):
        pytest.skip(f"only on {backend}")
    assert exists(), (
        f"Keras {keras.__version__} changed {name!r}, which is not public. "
        f"keras_srgan uses it: {use}."
    )


def test_the_package_uses_what_is_listed():
    used, strings, defined = _names_in_package()
    listed = {name for name, *_ in NAMES}
    unused = listed - used - strings - defined
    assert not unused, "Remove these from `NAMES`."


def test_all_private_names_of_keras_are_listed():
    used, _, defined = _names_in_package()
    private = {
        name
        for name in used - defined - {name for name, *_ in NAMES}
        if name.startswith("_") and not name.startswith("__")
    }
    assert not private, "Use public API, or list these in `NAMES`."


def test_nothing_is_imported_from_keras_source_modules():
    for path in PATHS:
        assert "keras.src" not in path.read_text(encoding="utf-8"), path
