"""Calls every function of `_core` again and again, with arguments that fit and ones that do not; nothing may be left.

    python every_call.py TIMES

For memcheck and LeakSanitizer (Tests/sanitize.py). Prints each function that lost something.
"""

import gc
import sys

import core_arguments
import numpy as np

from seriatim import _core

# What others keep on purpose.
LEFT_OUT = ("release_memory", "refuse_memory", "group_limits", "set_num_threads", "set_runs_alone")


def spoiled(arguments):
    """The same arguments with the last one replaced by what nothing is made of."""
    return [*arguments[:-1], object()] if arguments else [object()]


def call(name, arguments):
    try:
        getattr(_core, name)(*core_arguments.grouped(name, arguments))
    except core_arguments.ERRORS:
        return


def references(values):
    # True, None and small integers have references from everywhere.
    return [sys.getrefcount(value) if isinstance(value, np.ndarray | list) else 0 for value in values]


def lost(name, make, times):
    """Blocks of Python's memory and bytes of arrays that are left after so many calls and as many that are refused."""
    good, bad = make(), spoiled(make())
    # Free lists are emptied by a collection and filled by the first calls.
    gc.collect()
    for _ in range(20):
        call(name, good)
        call(name, bad)
    blocks, used = sys.getallocatedblocks(), _core.memory_info()["bytes_used"]
    counts = references(good)
    for _ in range(times):
        call(name, good)
        call(name, bad)
    kept = _core.memory_info()["bytes_used"] - used
    held = sum(abs(after - before) for after, before in zip(references(good), counts, strict=True))
    return sys.getallocatedblocks() - blocks, kept, held


def main(times):
    faults = 0
    for name, makers in core_arguments.GOOD.items():
        for make in makers:
            if name in LEFT_OUT:
                continue
            blocks, kept, held = lost(name, make, times)
            # A few blocks are of Python's own bookkeeping; a lost reference would be one a call.
            if blocks > times // 2 + 100 or kept or held:
                faults += 1
                print(f"{name}: {blocks} blocks, {kept} bytes and {held} references are left after {times} calls")
    print(f"{len(core_arguments.GOOD)} functions, {faults} that lose memory")
    return faults


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])) > 0)
