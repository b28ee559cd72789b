"""The way data flows, held by tests: who imports whom, and that header and Swift agree on the C ABI."""

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

C_TYPES = {
    "float *": "UnsafeMutablePointer<Float>",
    "const float *": "UnsafePointer<Float>",
    "double *": "UnsafeMutablePointer<Double>",
    "const int64_t *": "UnsafePointer<Int64>",
    "int32_t *": "UnsafeMutablePointer<Int32>",
    "const int32_t *": "UnsafePointer<Int32>",
    "const ptrdiff_t *": "UnsafePointer<Int>",
    "const void *const *": "UnsafePointer<UnsafeRawPointer>",
    "ptrdiff_t": "Int",
    "int32_t": "Int32",
    "uint32_t": "UInt32",
    "uint64_t": "UInt64",
    "float": "Float",
}


def header():
    text = (ROOT / "Bindings/include/seriatim.h").read_text()
    listed = re.findall(r"^\s+X\((\w+)\)", text, re.M)
    code = re.sub(r"//.*", "", text)
    declared = {}
    for kind, name, arguments in re.findall(r"^(int32_t|ptrdiff_t) srt_(\w+)\(([^)]*)\);", code, re.M):
        parts = [" ".join(a.split()) for a in arguments.split(",")]
        types = []
        for part in [] if parts == ["void"] else parts:
            c_type = re.sub(r"(\w+)$", "", part).strip()
            types.append(C_TYPES[c_type])
        declared[name] = (types, C_TYPES[kind])
    return listed, declared


def swift():
    found = {}
    for path in sorted((ROOT / "Sources/SeriatimC").glob("*.swift")):
        pattern = r'@_cdecl\("srt_(\w+)"\)\s*public func (\w+)\((.*?)\)\s*->\s*(\w+)'
        for name, function, arguments, result in re.findall(pattern, path.read_text(), re.S):
            assert function == f"srt_{name}", f"{path.name}: {function} is exported as srt_{name}"
            types = [a.split(":", 1)[1].strip().rstrip("?") for a in arguments.split(",") if a.strip()]
            found[name] = (types, result)
    return found


def test_header_lists_each_function_once():
    listed, declared = header()
    assert len(listed) == len(set(listed))
    assert set(listed) == set(declared)


def test_swift_has_the_types_of_the_header():
    _, declared = header()
    written = swift()
    assert set(written) == set(declared)
    for name, (types, result) in declared.items():
        assert written[name] == (types, result), name


def test_one_stem_in_every_layer():
    recurrent = ("gru", "lstm", "rnn")
    images = ("convolution", "pooling", "conv_gru", "conv_lstm", "conv_rnn")
    others = (
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
    for stem in recurrent + others:
        assert (ROOT / f"Bindings/{stem}.c").exists(), stem
        assert (PACKAGE / f"functional/_{stem}.py").exists(), stem


def test_only_arrays_c_words_what_is_wrong_with_an_array():
    for path in (ROOT / "Bindings").glob("*.c"):
        if path.name not in {"arrays.c", "collate.c"}:
            assert "PyArray_DESCR" not in path.read_text(), path.name
