"""The structure of the package, read from its source: nothing is imported.

`pytest -s tests/test_structure.py` prints the import graph.
"""

import ast
import collections
import graphlib
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = "keras_srgan"
MAX_LINES = 400

# Lowest first. A module imports from its own layer and from those below it.
# An entry that is a package includes its modules.
LAYERS = {
    "basics": [
        "backend",
        "checks",
        "collectives",
        "convolutions",
        "dataset",
        "download",
        "files",
        "formats",
        "ladder",
        "memory",
        "metadata",
        "photo_files",
        "photo_modes",
        "pixels",
        "preset",
        "preset_layout",
        "run_folder",
        "self_test",
        "settings",
        "tiff",
        "tiling",
        "verification",
        "xmp",
    ],
    "photos and layers": [
        "consistency",
        "data",
        "deep_color",
        "detail_map",
        "detail_page",
        "draws",
        "initializers",
        "layers",
        "metrics",
        "pairs",
        "photo",
        "photo_cache",
        "sampling",
        "schedules",
        "spectral",
    ],
    "networks and losses": [
        "adversarial",
        "augmentation",
        "blending",
        "degradation",
        "degradations",
        "discriminator",
        "export",
        "generator",
        "grid",
        "hub",
        "loading",
        "losses",
        "masking",
        "matching",
        "msrresnet",
        "muon",
        "optimizers",
        "perceptual",
        "receptive_field",
        "spectrum",
        "srresnet_reader",
        "torch_checkpoint",
        "vgg",
    ],
    "models": [
        "distribution",
        "image_model",
        "model_choice",
        "srgan",
        "stop_on_non_finite",
        "trainers",
        "upscaling",
    ],
    "training runs and evaluation": [
        "adaptation",
        "callbacks",
        "evaluation",
        "held_out",
        "lock",
        "pictures",
        "recipe",
        "training",
    ],
    "command line": ["cli", "commands"],
}

# Imports that the layers would allow, or that must never come back.
FORBIDDEN = [
    ("augmentation", "trainers"),
    ("collectives", "trainers"),
    ("degradation", "trainers"),
    ("degradations", "trainers"),
    ("export", "generator"),
    ("layers", "trainers"),
    ("metrics", "trainers"),
    ("srgan", "callbacks"),
    ("srgan", "pictures"),
    ("trainers", "srgan"),
    ("upscaling", "srgan"),
]

# Modules that may import a backend anywhere, and modules that may do so only
# inside functions, to read or write a file of that backend.
BACKENDS = {"jax", "tensorflow", "torch"}
BACKEND_ROOMS = {"collectives", "convolutions", "memory", "trainers"}
BACKEND_FILES = {"export", "torch_checkpoint"}


def _find_modules():
    """Returns a dict of module names, without the package's, to paths."""
    modules = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if name:
            modules[name] = path
    return modules


MODULES = _find_modules()


def _imports(path):
    """Yields (absolute name, imported name or `None`, whether it is lazy)."""

    def visit(node, lazy):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield alias.name, None, lazy
            elif isinstance(child, ast.ImportFrom):
                assert not child.level, f"{path}: a relative import"
                for alias in child.names:
                    yield child.module, alias.name, lazy
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from visit(child, lazy or function)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), False)


def _targets(module, name, attribute):
    """Returns the modules of the package that an import makes run."""
    full = f"{name}.{attribute}".removeprefix(f"{PACKAGE}.")
    name = name.removeprefix(PACKAGE).removeprefix(".")
    target = full if full in MODULES else name
    # A submodule runs after its packages.
    parts = target.split(".")
    chain = {".".join(parts[: i + 1]) for i in range(len(parts))}
    parents = {module.rpartition(".")[0]} - {target}
    return chain - parents - {module}


def _import_graph():
    """Returns a dict of module to a dict of imported module to laziness."""
    graph = {module: {} for module in MODULES}
    for module, path in MODULES.items():
        for name, attribute, lazy in _imports(path):
            if name.partition(".")[0] == PACKAGE:
                for target in _targets(module, name, attribute):
                    earlier = graph[module].get(target, True)
                    graph[module][target] = earlier and lazy
    return graph


GRAPH = _import_graph()


def _belongs(module, entry):
    return module == entry or module.startswith(f"{entry}.")


def _layer(module):
    """Returns the index of a module's layer."""
    for index, entries in enumerate(LAYERS.values()):
        if any(_belongs(module, entry) for entry in entries):
            return index
    pytest.fail(f"Add {module!r} to `LAYERS` in {__file__}.")


def test_print_the_import_graph():
    print()
    for index, name in enumerate(LAYERS):
        print(f"\n=== {name}")
        for module in (m for m in MODULES if _layer(m) == index):
            print(module)
            for target, lazy in sorted(GRAPH[module].items()):
                print(f"    {target}{' (inside a function)' * lazy}")


def test_no_layer_lists_a_module_that_does_not_exist():
    entries = {entry for layer in LAYERS.values() for entry in layer}
    assert not entries - MODULES.keys()


def test_modules_import_from_each_other_without_cycles():
    try:
        graphlib.TopologicalSorter(GRAPH).prepare()
    except graphlib.CycleError as error:
        cycle = " <- ".join(error.args[1])
        pytest.fail(f"Modules import each other: {cycle}")


def test_no_module_imports_from_a_higher_layer():
    upward = [
        f"{module} imports {target}"
        for module, targets in GRAPH.items()
        for target in targets
        if _layer(target or "cli") > _layer(module)
    ]
    assert not upward


def test_no_module_imports_the_whole_package():
    assert [module for module, targets in GRAPH.items() if "" in targets] == []


@pytest.mark.parametrize("importer, imported", FORBIDDEN)
def test_forbidden_import(importer, imported):
    assert [
        f"{module} imports {target}"
        for module, targets in GRAPH.items()
        for target in targets
        if _belongs(module, importer) and _belongs(target, imported)
    ] == []


def test_backends_are_imported_in_their_rooms_only():
    outside = []
    for module, path in MODULES.items():
        if module.partition(".")[0] in BACKEND_ROOMS:
            continue
        for name, _, lazy in _imports(path):
            allowed = module in BACKEND_FILES and lazy
            if name.partition(".")[0] in BACKENDS and not allowed:
                outside.append(f"{module} imports {name}")
    assert not outside


def test_each_registered_name_has_one_class():
    # Of two classes with one name, Keras loads the one registered last.
    registered = collections.defaultdict(list)
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for decorator in getattr(node, "decorator_list", ()):
                text = ast.unparse(decorator)
                if "register_keras_serializable" in text:
                    names = [
                        argument.value.value
                        for argument in decorator.keywords
                        if argument.arg == "name"
                    ]
                    name = names[0] if names else node.name
                    registered[name].append(f"{module}.{node.name}")
    assert registered
    assert {k: v for k, v in registered.items() if len(v) > 1} == {}


def test_no_file_is_long():
    lengths = {
        module: len(path.read_text(encoding="utf-8").splitlines())
        for module, path in MODULES.items()
    }
    assert {m: n for m, n in lengths.items() if n > MAX_LINES} == {}
