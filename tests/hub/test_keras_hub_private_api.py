"""The names of keras-hub that are used here although they are not public.

keras-hub's own models import them from `keras_hub.src`, and so do those of
`keras_srgan.hub`. Where a test fails, keras-hub has changed: mend the code
that uses the name, then raise keras-hub's lower bound in pyproject.toml.
"""

import ast
import importlib
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PATHS = sorted(
    path
    for folder in ("keras_srgan", "tests", "recipes", "examples", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)

# Module in `keras_hub.src`, name in it, what it is used for.
NAMES = [
    ("models.backbone", "Backbone", "the base of `SRGANBackbone`"),
    ("models.task", "Task", "the base of `ImageUpscaler`"),
    (
        "models.preprocessor",
        "Preprocessor",
        "the base of `ImageUpscalerPreprocessor`",
    ),
    (
        "layers.preprocessing.image_converter",
        "ImageConverter",
        "the base of `SRGANImageConverter`",
    ),
    (
        "utils.keras_utils",
        "standardize_data_format",
        "resolves the data format of layers",
    ),
    (
        "utils.tensor_utils",
        "preprocessing_function",
        "lets the preprocessor take arrays and datasets",
    ),
    ("utils.preset_utils", "register_presets", "registers the presets"),
    ("utils", "preset_utils", "the tests replace Kaggle's client in it"),
    ("tests.test_case", "TestCase", "keras-hub's tests of models and tasks"),
]
# Attributes of the above.
ATTRIBUTES = [
    ("models.task", "Task.load_task_weights", "overridden for presets"),
    ("utils", "preset_utils.kagglehub", "replaced by the tests"),
    *(
        ("tests.test_case", f"TestCase.{name}", "called by the tests")
        for name in (
            "run_litert_export_test",
            "run_model_saving_test",
            "run_preprocessing_layer_test",
            "run_preset_test",
            "run_task_test",
            "run_vision_backbone_test",
        )
    ),
]


def _check(module, name, use):
    keras_hub = pytest.importorskip(
        "keras_hub", reason="`pip install keras-srgan[hub]`"
    )
    if module.startswith("tests."):
        pytest.importorskip("grain", reason="`pip install grain`")
    path = f"keras_hub.src.{module}"
    try:
        owner = importlib.import_module(path)
        for part in name.split("."):
            owner = getattr(owner, part)
    except (ImportError, AttributeError) as error:
        pytest.fail(
            f"keras-hub {keras_hub.__version__} changed {path}.{name}, which "
            f"is not public. It is used here: {use}. {error}",
            pytrace=False,
        )


def _imports():
    """Yields each module and name imported from `keras_hub.src`."""
    for path in PATHS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.ImportFrom(module=str(module)):
                    names = [alias.name for alias in node.names]
                case ast.Import(names=aliases):
                    module, names = "", [alias.name for alias in aliases]
                case _:
                    continue
            for name in names:
                full = f"{module}.{name}".lstrip(".")
                if full.startswith("keras_hub.src"):
                    yield module.removeprefix("keras_hub.src."), name


@pytest.mark.parametrize("module, name, use", [*NAMES, *ATTRIBUTES])
def test_keras_hub_has(module, name, use):
    _check(module, name, use)


@pytest.mark.parametrize(
    "module, name", [("models.task", "Gone"), ("models.gone", "Task")]
)
def test_a_name_that_vanished_is_reported(module, name):
    with pytest.raises(
        pytest.fail.Exception,
        match=rf"changed keras_hub.src.{module}.{name}, .* used here: a base",
    ):
        _check(module, name, "a base")


def test_all_imports_are_listed():
    listed = {(module, name) for module, name, _ in NAMES}
    assert set(_imports()) == listed, "Update `NAMES`."
