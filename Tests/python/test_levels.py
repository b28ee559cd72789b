"""Every instruction-set level that this CPU can run, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seriatim import _core

SCRIPT = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from reference import gru as twin, linear as linear_twin
from seriatim import _core, functional as F

assert _core.level() == sys.argv[2]
rng = np.random.default_rng(0)
sizes = np.array([11, 11, 9, 9, 3, 1, 1])
for hidden in (1, 7, 17, 50):
    for after in (True, False):
        for reverse in (True, False):
            shapes = [(3 * hidden, 6), (3 * hidden, hidden), (3 * hidden,), (3 * hidden,)]
            weights = [rng.normal(size=s) * 0.3 for s in shapes]
            x, h0 = rng.normal(size=(45, 6)), rng.normal(size=(11, hidden))
            outputs = []
            for library in (F, twin):
                packed = library.gru_pack(*weights, reset_after=after)
                (y, h), cache = library.gru(
                    x, sizes, packed, h0, hidden_size=hidden, reverse=reverse, reset_after=after, training=True
                )
                outputs += [(y, h)]
            for ours, wanted in zip(*outputs):
                np.testing.assert_allclose(ours, wanted, atol=2e-6)
for rows, columns in ((1, 1), (5, 13), (33, 49)):
    x, w, b = rng.normal(size=(rows, 7)), rng.normal(size=(columns, 7)).astype(np.float32), rng.normal(size=columns)
    np.testing.assert_allclose(F.linear(x, w, b)[0], x @ w.T + b, atol=1e-5)
print("done")
"""


@pytest.mark.parametrize("level", _core.levels())
def test_level(level):
    tests = Path(__file__).parent
    env = {**os.environ, "SERIATIM_LEVEL": level}
    done = subprocess.run([sys.executable, "-c", SCRIPT, tests, level], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "done"


def test_an_unknown_level_is_named_with_those_there_are():
    env = {**os.environ, "SERIATIM_LEVEL": "v9"}
    done = subprocess.run([sys.executable, "-c", "import seriatim"], capture_output=True, text=True, env=env)
    assert done.returncode != 0
    assert "SERIATIM_LEVEL" in done.stderr
    assert "got 'v9'" in done.stderr
    assert "baseline" in done.stderr or "neon" in done.stderr
