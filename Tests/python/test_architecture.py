"""The way data flows, held by tests: who imports whom, and what the compiler holds together."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "seriatim"

# Each layer, and the modules of the package that it may import besides those of its own folder.
BASE = {"_config", "_core", "_files", "_typing", "_warnings"}
ALLOWED = {
    "_config": {"_core"},
    "_files": set(),
    "_typing": set(),
    "_warnings": set(),
    "_threadpool": {"_config", "_core"},
    "functional": BASE,
    "sequences": BASE | {"functional"},
    "nn": BASE | {"functional", "sequences"},
    "optim": BASE | {"functional", "nn"},
    "convert": BASE,
    # scikit-learn's manners: what is below knows nothing of scikit-learn, but for the loop's kinds of warnings.
    "_sklearn": BASE | {"sequences"},
    "training": BASE | {"functional", "nn", "optim", "sequences"},
    "preprocessing": BASE | {"_sklearn", "functional", "sequences"},
    "models": BASE | {"_sklearn", "_threadpool", "functional", "nn", "optim", "preprocessing", "sequences", "training"},
    # Leaves: no layer above imports them; persistence finds the classes of recipes by name.
    "recipes": BASE | {"_sklearn", "functional", "models", "preprocessing", "sequences"},
    "persistence": BASE | {"models", "nn", "preprocessing"},
    "compat": BASE | {"_sklearn", "models", "sequences"},
    "export": BASE | {"functional", "models", "nn", "preprocessing"},
    "plotting": BASE,
    "demo": BASE | {"models", "persistence", "plotting", "sequences"},
    "cli": BASE | {"demo"},
    "__main__": {"cli"},
    "__init__": BASE | {"persistence", "sequences"},
}


def imports(path: Path) -> set[str]:
    """First names below `seriatim` that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "seriatim":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("seriatim."):
            found.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("seriatim.")}
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_data_flows_one_way(path):
    layer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    own = {layer} if (PACKAGE / layer).is_dir() else set()
    wrong = imports(path) - ALLOWED[layer] - own
    assert not wrong, f"{path.name} is of '{layer}', which must not import {sorted(wrong)}"


@pytest.mark.parametrize("layer", ["functional", "sequences", "nn", "optim"])
def test_layers_below_know_nothing_of_scikit_learn(layer):
    for path in (PACKAGE / layer).rglob("*.py"):
        assert "sklearn" not in re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.M), path.name


def test_every_layer_has_a_rule():
    layers = {
        p.name.removesuffix(".py") for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()
    }
    assert layers == set(ALLOWED)


# ---- The C ABI


def test_the_compiler_holds_swift_to_the_header():
    """SeriatimC imports the header, and `@implementation` refuses a function that is not what the header declares."""
    header = (ROOT / "Bindings/include/seriatim.h").read_text()
    listed = re.findall(r"^\s+X\((\w+)\)", header, re.M)
    assert len(listed) == len(set(listed))
    written = []
    for path in sorted((ROOT / "Sources/SeriatimC").glob("*.swift")):
        text = path.read_text()
        found = re.findall(r'@_cdecl\("srt_(\w+)"\) @implementation', text)
        assert len(found) == text.count("@_cdecl"), f"{path.name}: a function without @implementation"
        written += found
    assert sorted(written) == sorted(listed)


def test_one_stem_in_every_layer():
    images = ("convolution", "pooling", "conv_recurrent")
    others = (
        "recurrent",
        "linear",
        "attention",
        "batch_norm",
        "dropout",
        "activation",
        "loss",
        "optimizer",
        "collate",
        "ragged",
        *images,
    )
    for stem in others:
        assert (ROOT / f"Bindings/{stem}.c").exists(), stem
        assert (PACKAGE / f"functional/_{stem}.py").exists(), stem


def test_only_signature_c_words_what_is_wrong_with_an_array():
    for path in (ROOT / "Bindings").glob("*.c"):
        # arrays.c goes with gru.c, lstm.c and rnn.c.
        if path.name not in {"signature.c", "arrays.c"}:
            assert "PyArray_DESCR" not in path.read_text(), path.name
