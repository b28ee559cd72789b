"""scikit-learn's parts by their public names: which a file may name, and nothing else.

Found are estimators, the splitters and kernels that they may hold, and a few helpers of theirs that have no public name
and a state of plain values; functions of which estimators are made; and ufuncs. Nothing of these writes or runs what a
file says: they compute. A name outside of the modules listed here is never imported.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from typing import Any

import numpy as np

# Public modules with estimators; each is imported only if a file or a model names it.
_MODULES = frozenset(
    (
        "calibration", "cluster", "compose", "covariance", "cross_decomposition", "decomposition",
        "discriminant_analysis", "dummy", "ensemble", "feature_extraction", "feature_extraction.image",
        "feature_extraction.text", "feature_selection", "frozen", "gaussian_process",
        "gaussian_process.kernels", "impute", "isotonic", "kernel_approximation", "kernel_ridge",
        "linear_model", "manifold", "mixture", "model_selection", "multiclass", "multioutput", "naive_bayes",
        "neighbors", "neural_network", "pipeline", "preprocessing", "random_projection", "semi_supervised",
        "svm", "tree",
    )
)  # fmt: skip
# Functions that estimators take: scores, metrics, transformations of arrays.
_FUNCTIONS = frozenset(("feature_selection", "metrics", "metrics.pairwise", "preprocessing"))
_REDUCTIONS = ("max", "mean", "median", "min", "sum")
# Helpers inside fitted estimators; they are no more than attributes.
_HELPERS = frozenset(
    (
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.calibration._TemperatureScaling",
        "sklearn.compose._column_transformer._RemainderColsList",
        "sklearn.compose._column_transformer.make_column_selector",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.metrics._scorer._CurveScorer",
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.metrics._scorer._Scorer",
        "sklearn.multiclass._ConstantPredictor",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.utils._bunch.Bunch",
    )
)
# The library's own, of which scorers are made.
_METRICS = "seriatim.metrics"
# Beside estimators: what a search and a Gaussian process are made of.
_OTHERS = ("model_selection", "gaussian_process.kernels")


@functools.cache
def name_of(cls: Any) -> str | None:
    """Return the name by which a file knows a class of scikit-learn's, None if it may not be in one."""
    own = f"{cls.__module__}.{cls.__qualname__}"
    if own in _HELPERS:
        return own
    parts = cls.__module__.split(".")
    if parts[0] != "sklearn":
        return None
    public = [part for part in parts[1:] if not part.startswith("_")]
    for end in range(len(public), 0, -1):
        name = f"sklearn.{'.'.join(public[:end])}.{cls.__name__}"
        if find(name) is cls:
            return name
    return None


@functools.cache
def find(name: str) -> Any:
    """Return the class of a name that a file has, None if that is none."""
    home, _, word = name.rpartition(".")
    if name in _HELPERS:
        try:
            return getattr(importlib.import_module(home), word, None)
        except ImportError:
            # Another version's.
            return None
    from sklearn.base import BaseEstimator

    short = home.removeprefix("sklearn.")
    if not home.startswith("sklearn.") or short not in _MODULES:
        return None
    found = getattr(importlib.import_module(home), word, None)
    if not inspect.isclass(found) or word.startswith("_") or not _is_public(found, home):
        return None
    return found if issubclass(found, BaseEstimator) or short in _OTHERS else None


def function_name(value: Any) -> str | None:
    """Return the name of a function that a file may name, None of any other."""
    if not callable(value) or inspect.isclass(value):
        return None
    word = str(getattr(value, "__name__", ""))
    word = {"amax": "max", "amin": "min"}.get(word, word)
    if not inspect.isfunction(value) or str(value.__module__).startswith("numpy"):
        names = [f"numpy.{word}", f"scipy.special.{word}"]
    else:
        home = str(getattr(value, "__module__", ""))
        names = [f"sklearn.{short}.{word}" for short in sorted(_FUNCTIONS) if home.startswith("sklearn.")]
        names += [f"{_METRICS}.{word}"] * (home == _METRICS)
    return next((name for name in names if find_function(name) is value), None)


@functools.cache
def find_function(name: str) -> Any:
    """Return the function of a name that a file has, None if that is none."""
    home, _, word = name.rpartition(".")
    if home in ("numpy", "scipy.special"):
        found = getattr(importlib.import_module(home), word, None)
        named = isinstance(found, np.ufunc) or (home == "numpy" and word in _REDUCTIONS)
        return found if named else None
    if home != _METRICS and (not home.startswith("sklearn.") or home.removeprefix("sklearn.") not in _FUNCTIONS):
        return None
    found = getattr(importlib.import_module(home), word, None)
    return found if inspect.isfunction(found) and not word.startswith("_") and _is_public(found, home) else None


def _is_public(found: Any, home: str) -> bool:
    """Return whether a public module gives something out, or, where it does not say what it gives, defines it."""
    given_out = getattr(importlib.import_module(home), "__all__", None)
    return bool(found.__module__ == home if given_out is None else found.__name__ in given_out)
