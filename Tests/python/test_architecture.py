"""The way data flows, held by tests: who imports whom, and what the compiler holds together."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "seriatim"

# Each layer, and the modules of the package that it may import besides those of its own folder.
BASE = {"_arrays", "_brief", "_config", "_files", "_states", "_typing", "_warnings"}
ALLOWED = {
    "_arrays": {"_typing"},
    "_brief": set(),
    "_config": {"_core"},
    "_files": {"_typing"},
    "_states": {"_arrays", "_files", "_typing"},
    "_typing": set(),
    "_warnings": set(),
    "_threadpool": {"_config", "_core"},
    "functional": BASE | {"_core"},
    "sequences": BASE | {"functional"},
    # An ensemble asks the kernels to leave the threads to its members.
    "nn": BASE | {"_core", "functional", "sequences"},
    "optim": BASE | {"functional", "nn"},
    "convert": BASE,
    # Arrays and processes: nothing of modules or estimators.
    "distributed": BASE,
    # scikit-learn's manners: what is below knows nothing of scikit-learn, but for the loop's kinds of warnings.
    "_sklearn": BASE | {"sequences"},
    "training": BASE | {"distributed", "functional", "nn", "optim", "sequences"},
    "preprocessing": BASE | {"_sklearn", "functional", "sequences"},
    "models": BASE
    | {
        "_sklearn",
        "_threadpool",
        "distributed",
        "functional",
        "nn",
        "optim",
        "preprocessing",
        "sequences",
        "training",
    },
    # No layer above imports these; persistence finds classes by name.
    "recipes": BASE | {"_sklearn", "functional", "models", "preprocessing", "sequences"},
    "mpi": BASE | {"_sklearn", "distributed", "models"},
    "persistence": BASE | {"nn", "optim"},
    "compat": BASE | {"_sklearn", "models", "sequences"},
    "export": BASE | {"functional", "models", "nn", "preprocessing"},
    "metrics": BASE | {"sequences"},
    "plotting": BASE,
    "quantization": BASE | {"functional", "nn"},
    "torch": BASE | {"convert", "functional", "nn", "sequences"},
    "dask": BASE | {"_core", "_sklearn", "distributed", "models", "sequences", "training"},
    "demo": BASE | {"models", "persistence", "plotting", "sequences"},
    "cli": BASE | {"demo"},
    "__main__": {"cli"},
    "__init__": BASE | {"persistence", "quantization", "sequences"},
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
    # Caches, GEMM and Parallel serve all operators.
    stems = {path.name.removesuffix("+C.swift") for path in (ROOT / "Sources/SeriatimC").glob("*+C.swift")}
    for stem in stems - {"Caches", "GEMM", "Parallel"}:
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", stem).lower()
        assert (ROOT / f"Bindings/{name}.c").exists(), name
        assert (PACKAGE / f"functional/_{name}.py").exists(), name


def test_only_signature_c_words_what_is_wrong_with_an_array():
    for path in (ROOT / "Bindings").glob("*.c"):
        if path.name != "signature.c":
            assert "PyArray_DESCR" not in path.read_text(), path.name


KERNELS = ROOT / "Sources" / "SeriatimKernels"
DECLARATION = re.compile(
    r"^(?:@\w+(?:\([^)]*\))? )*(?:public |private |fileprivate )?(?:func|struct|protocol|enum|let|typealias) (\w+)",
    re.M,
)


def declared(room):
    """Names that files of a room declare for others."""
    names = set()
    for path in (KERNELS / room).rglob("*.swift"):
        for match in DECLARATION.finditer(path.read_text()):
            if "private " not in match.group(0):
                names.add(match.group(1))
    return names


def test_machinery_names_no_operator():
    """Vectors, products and workers know nothing of what is made of them.

    Folders and not SwiftPM targets: between modules every constant of a tile and every helper that holds vectors would
    have to be public and inlinable, and the tests' ordinary build would call them instead of inlining them.
    """
    operators = declared("Operators") - declared("Machinery")
    assert len(operators) > 50
    for path in (KERNELS / "Machinery").rglob("*.swift"):
        code = re.sub(r'//.*|"[^"]*"', "", path.read_text())
        # Types by name, functions by their calls: short names are variables too.
        used = set(re.findall(r"\b[A-Z]\w+\b", code)) | set(re.findall(r"\b([a-z]\w*)\(", code))
        assert not operators & used, f"{path.name}: {sorted(operators & used)}"


def test_tests_of_kernels_are_in_the_rooms_of_the_kernels():
    rooms = {path.name for path in KERNELS.iterdir() if path.is_dir()} - {"Operators"}
    rooms |= {path.name for path in (KERNELS / "Operators").iterdir()}
    tests = ROOT / "Tests" / "SeriatimKernelsTests"
    assert rooms == {path.name for path in tests.iterdir() if path.is_dir()}
    for path in tests.rglob("*Tests.swift"):
        stem = path.name.removesuffix("Tests.swift")
        found = [p for p in KERNELS.rglob("*.swift") if p.name == f"{stem}.swift" or p.parent.name == stem]
        assert found, f"{path.name}: no kernel of that name"
        assert any(path.parent.name in p.parts for p in found), f"{path.name}: its kernel is in another room"
