"""The kept executions of every function of `_core`, and a hundred at random: every array ends at a guard page."""

import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).resolve().parents[1] / "fuzz"
REPLAY = """
import core
made = core.prepare(False)
for name in core.names():
    for data in core.corpus(name):
        made.execute(name, data)
    made.at_random(name, 1, 100)
results = sum(gave for _, _, gave in made.counts().values())
without = [name for name in core.names() if not made.counts()[name][2]]
print(sum(row[0] for row in made.counts().values()), results, without)
"""


def test_kept_executions_end_well():
    # In a child: a fault ends it, and its last line is what Tests/fuzz/core.py --replay takes.
    done = subprocess.run([sys.executable, "-c", REPLAY], cwd=FUZZ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    executions, results, without = done.stdout.split(maxsplit=2)
    assert int(executions) > 6000
    assert int(results) > 2000
    # Fuzzed bytes make no capsules.
    assert without.strip() in ("[]", "['stream_network', 'stream_measure', 'stream_run']")
