"""What users install: sdist -> wheel -> fresh environment, its size, its symbols, and the error without Swift."""

import fcntl
import os
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from setuptools.errors import PlatformError

from seriatim import _core

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="not a checkout")


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def without_coverage_of_the_checkout():
    """An environment in which only what is installed can be imported."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}


def built_once(tmp_path_factory, name, build):
    """The wheel that ``build(folder)`` makes, made by one of the processes that run the tests."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not list(folder.glob("*.whl")):
            build(folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def small_wheel(tmp_path_factory):
    """The wheel made from the sdist, in a folder without the checkout, with the baseline's kernels alone: a minute."""
    return built_once(tmp_path_factory, "sdist", build_from_sdist)


def build_from_sdist(folder):
    copy = folder / "checkout"
    ignored = shutil.ignore_patterns("build", ".git", ".venv", "*.so", "*.egg-info", "demo-output", ".*_cache")
    shutil.copytree(ROOT, copy, ignore=ignored)
    run(sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", folder, cwd=copy)
    unpacked = folder / "unpacked"
    shutil.unpack_archive(next(folder.glob("*.tar.gz")), unpacked)
    source = next(unpacked.iterdir())
    env = {**os.environ, "SERIATIM_LEVELS": "baseline"}
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, cwd=source, env=env)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of the checkout, whose kernels are compiled already where the package was installed from it."""
    return built_once(tmp_path_factory, "wheel", build_in_place)


def build_in_place(folder):
    # What setuptools left there of an earlier build would be in the wheel.
    for left in (ROOT / "build").glob("lib*"):
        shutil.rmtree(left)
    run(sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", folder, ROOT)


def test_both_wheels_hold_the_same_files(wheel, small_wheel):
    one, other = (sorted(zipfile.ZipFile(path).namelist()) for path in (wheel, small_wheel))
    assert one == other


def test_wheel_is_small_and_for_every_python(wheel):
    assert wheel.stat().st_size < 1_500_000
    assert "cp310-abi3" in wheel.name
    names = zipfile.ZipFile(wheel).namelist()
    assert "seriatim/py.typed" in names
    assert "seriatim/_core.pyi" in names
    assert any(name.endswith("LICENSE") for name in names)
    assert not [n for n in names if not n.startswith("seriatim")]


def test_wheel_works_in_a_fresh_environment(small_wheel, tmp_path):
    run(sys.executable, "-m", "venv", tmp_path / "env")
    python = tmp_path / "env" / "bin" / "python"
    env = without_coverage_of_the_checkout()
    run(python, "-m", "pip", "install", "-q", small_wheel, env=env)
    code = "import seriatim, numpy as np; from seriatim import nn; seriatim.show_config();"
    code += "print(nn.GRU(3, 4)(np.zeros((2, 1, 3)))[0].shape); print(seriatim.__file__)"
    out = run(python, "-W", "error", "-c", code, cwd=tmp_path, env=env)
    assert "(2, 1, 4)" in out
    assert "'baseline'" in out or "neon" in out
    assert "v4" not in out
    assert str(tmp_path) in out


def extension():
    return Path(_core.__file__)


def test_extension_exports_its_init_function_alone():
    out = run("nm", "-D", "--defined-only", extension())
    assert [line.split()[-1] for line in out.splitlines()] == ["PyInit__core"]


def test_extension_needs_libc_alone():
    needed = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", extension()))
    assert set(needed) <= {"libc.so.6", "libpthread.so.0", "libm.so.6", "ld-linux-x86-64.so.2"}


def test_baseline_kernels_hold_no_wider_instruction():
    objects = list((ROOT / "build/swift/baseline").glob("seriatim_baseline.o"))
    if not objects:
        pytest.skip("the extension was not built here, or not on x86-64")
    assert not re.search(r"%[yz]mm", run("objdump", "-d", objects[0]))


def test_no_level_calls_libm_per_lane():
    out = run("nm", "-D", "--undefined-only", extension())
    assert not re.search(r"\b(fmaf?|expf?|tanhf?|logf?)(@|$)", out, re.M)


def test_no_swift_gives_a_clear_error(tmp_path):
    env = {**os.environ, "SERIATIM_SWIFT": "no-such-swift"}
    copy = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("build", ".git", ".venv", "*.so", "*.egg-info", "Tests")
    shutil.copytree(ROOT, copy, ignore=ignored)
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-build-isolation",
        "--no-deps",
        "--target",
        tmp_path / "t",
        ".",
    ]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=copy, env=env)
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert "'no-such-swift' was not found" in text
    assert "https://www.swift.org/install" in text
    assert "SERIATIM_SWIFT" in text
    assert "Traceback" not in text


@pytest.fixture
def setup(monkeypatch):
    """What setup.py defines, for a platform that Python would say it runs on."""
    monkeypatch.setattr("setuptools.setup", lambda **_: None)

    def load(platform):
        monkeypatch.setenv("_PYTHON_HOST_PLATFORM", platform)
        return SimpleNamespace(**runpy.run_path(str(ROOT / "setup.py")))

    return load


def test_an_unknown_level_to_build_is_refused(setup, monkeypatch):
    monkeypatch.setenv("SERIATIM_LEVELS", "v9")
    made = setup("linux-x86_64")
    with pytest.raises(PlatformError, match="SERIATIM_LEVELS: expected some of baseline, v3, v4, got v9"):
        made.wanted_levels(*made.target())


@pytest.mark.parametrize(
    ("platform", "levels"),
    [
        ("linux-x86_64", ["baseline", "v3", "v4"]),
        ("linux-aarch64", ["neon"]),
        ("macosx-11.0-arm64", ["neon"]),
        ("macosx-11.0-x86_64", ["baseline"]),
    ],
)
def test_each_platform_has_its_levels(setup, monkeypatch, platform, levels):
    monkeypatch.delenv("SERIATIM_LEVELS", raising=False)
    made = setup(platform)
    assert list(made.wanted_levels(*made.target())) == levels


@pytest.mark.parametrize("platform", ["win-amd64", "win-arm64", "win32"])
def test_windows_is_told_of_wsl(setup, platform):
    with pytest.raises(PlatformError, match=r"does not build on Windows.*WSL.*wsl --install"):
        setup(platform).target()


@pytest.mark.parametrize("platform", ["linux-riscv64", "linux-i686", "freebsd-14.0-amd64"])
def test_other_platforms_are_refused_by_name(setup, platform):
    with pytest.raises(PlatformError, match=f"on Linux and macOS, on x86_64 and aarch64.*{platform.split('-')[0]}"):
        setup(platform).target()


def test_a_recipe_and_a_workflow_say_what_the_project_says():
    project = (ROOT / "pyproject.toml").read_text()
    version = re.search(r'^version = "(.*)"', project, re.M)[1]
    needed = re.findall(r'"([\w-]+>=[\d.]+)"', re.search(r"^dependencies = (.*)", project, re.M)[1])
    recipe = (ROOT / "Packaging/conda/recipe.yaml").read_text()
    assert f'version: "{version}"' in recipe
    for name in needed:
        assert f"    - {name.replace('>=', ' >=')}\n" in recipe
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
    for workflow in (ROOT / ".github/workflows").glob("*.yml"):
        assert set(re.findall(r"run: make (\S+)", workflow.read_text())) <= set(targets)


def test_what_make_wheels_tests_is_there():
    wheels = (ROOT / "Packaging/wheels.py").read_text()
    names = re.findall(r'"([\w/]+\.py)"', re.search(r"^TESTS = \[(.*?)\]", wheels, re.M | re.S)[1])
    assert names
    assert all((ROOT / "Tests/python" / name).exists() for name in names)


def test_import_adds_little_to_numpy():
    """The median over some processes: imports are the user's first impression."""
    code = "import numpy, time; t = time.perf_counter(); import seriatim; print(time.perf_counter() - t)"
    times = sorted(float(run(sys.executable, "-c", code)) for _ in range(5))
    assert times[2] < 0.06
    loaded = run(sys.executable, "-c", "import sys, seriatim; print(*sys.modules)").split()
    assert not {"sklearn", "matplotlib", "tqdm", "safetensors", "torch", "dask", "distributed"} & set(loaded)
