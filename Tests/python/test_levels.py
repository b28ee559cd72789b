"""Every instruction-set level that this CPU can run, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seriatim import _core

TESTS = Path(__file__).parent
OTHERS = [level for level in _core.levels() if level != _core.level()]
# What asks nothing of kernels.
SAME = ["nn/test_settings.py", "nn/base/test_undo.py", "nn/base/test_module.py"]


@pytest.mark.parametrize("level", OTHERS)
def test_every_operator_at_level(level):
    """The operators' own tests, as they run at this level in this process."""
    env = {**os.environ, "SERIATIM_LEVEL": level}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TESTS / "functional", TESTS / "nn"]
    command += [f"--ignore={TESTS / name}" for name in SAME]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=TESTS.parents[1])
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("level", _core.levels())
def test_a_level_can_be_chosen(level):
    env = {**os.environ, "SERIATIM_LEVEL": level}
    script = "from seriatim import _core; print(_core.level())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env)
    assert done.stdout.strip() == level, done.stderr


def test_an_unknown_level_is_named_with_those_there_are():
    env = {**os.environ, "SERIATIM_LEVEL": "v9"}
    done = subprocess.run([sys.executable, "-c", "import seriatim"], capture_output=True, text=True, env=env)
    assert done.returncode != 0
    assert "SERIATIM_LEVEL" in done.stderr
    assert "got 'v9'" in done.stderr
    assert "baseline" in done.stderr or "neon" in done.stderr
