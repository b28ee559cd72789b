"""No arguments of any function of `_core` make it crash, or read or write where it must not: all errors are clear."""

import os
import subprocess
import sys
from pathlib import Path

import core_arguments
import numpy as np
import pytest

from seriatim import _core

SCRIPT = Path(core_arguments.__file__)


def test_every_function_has_arguments_that_fit():
    assert set(core_arguments.GOOD) == set(core_arguments.TABLES)


def test_wrong_arguments_end_in_clear_errors():
    # In a child process: what is looked for would end this one.
    environment = {**os.environ, "SERIATIM_NUM_THREADS": "2"}
    command = [sys.executable, "-X", "faulthandler", SCRIPT, "1"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    last = done.stderr.splitlines()[-30:]
    assert done.returncode == 0, "\n".join(["a crash; the last lines:", *last])
    assert done.stdout.splitlines() == ["done"], done.stdout[:4000]


@pytest.mark.parametrize("value", [np.nan, np.inf, -128, 0.5])
def test_int8_weights_are_whole_numbers(value):
    weight = core_arguments.whole(5, 4)
    weight[4, 3] = value
    with pytest.raises(ValueError, match="weight: expected whole numbers from -127 to 127 for int8, got another"):
        _core.linear_pack(weight, core_arguments.floats(5), 2)
