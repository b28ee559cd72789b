"""No memory and no threads from the system: kernels need neither, and what needs memory raises MemoryError."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_calls_without_memory_end_in_results_or_memory_errors(threads):
    # In a child process: what is looked for would end this one.
    command = [sys.executable, "-X", "faulthandler", Path(__file__).with_name("no_memory.py"), threads]
    environment = {**os.environ, "SERIATIM_NUM_THREADS": threads}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    (last,) = done.stdout.splitlines()
    results, calls = map(int, last.split()[1::2])
    # The large ones have all they need from the calls before.
    assert calls > 40
    assert results > 10
