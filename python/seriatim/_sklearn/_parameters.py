"""What parameters may be, declared on the class as scikit-learn's ``_parameter_constraints`` are.

A class names its rules in ``_parameter_rules``, alternatives of each parameter, and has those of its bases as well::

    _parameter_rules = {"clip_norm": [Number(above=0), None], "schedule": [Choice("cosine", "constant"), callable]}

An alternative is :class:`Number`, :class:`Choice`, :class:`Some`, :class:`Kind`, ``callable``, ``bool`` or None. A
parameter whose default is "auto" may be "auto" without saying so. scikit-learn's own checker is private, takes True for
an integer, and words errors otherwise than this library.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

AUTO = "auto"
# What a class declares: the alternatives of each parameter.
Rules = dict[str, list[Any]]


@dataclass(frozen=True)
class Number:
    """A number within bounds, which may be either in the range or just outside of it; never NaN, never a bool.

    Parameters
    ----------
    low, high : float
        Bounds that are in the range.
    above, below : float, optional
        Bounds that are not.
    whole : bool
        Integers alone.
    unit : str, optional
        Named in errors: "a positive number of seconds".
    """

    low: float = -np.inf
    high: float = np.inf
    above: float | None = None
    below: float | None = None
    whole: bool = False
    unit: str = ""

    def accepts(self, value: Any) -> bool:
        """Return whether a value is such a number."""
        kinds = (int, np.integer) if self.whole else (int, float, np.integer, np.floating)
        if isinstance(value, bool) or not isinstance(value, kinds) or not self.low <= value <= self.high:
            return False
        return bool((self.above is None or value > self.above) and (self.below is None or value < self.below))

    def __str__(self) -> str:
        kind = "an integer" if self.whole else "a finite number" if self.below == np.inf else "a number"
        of = f" of {self.unit}" if self.unit else ""
        low = self.low if self.above is None else self.above
        high = self.high if self.below is None else self.below
        if high == np.inf and self.above == 0:
            return kind.replace("a ", "a positive ").replace("an ", "a positive ") + of
        if high == np.inf:
            return f"{kind}{of}" if low == -np.inf else f"{kind}{of} of at least {low}"
        if self.above is not None:
            return f"{kind}{of} between {low} and {high}"
        return f"{kind}{of} from {low} to {'' if self.below is None else 'below '}{high}"


class Choice:
    """One of some strings; where they are too many to be read, errors have a description instead."""

    def __init__(self, *options: str, described: str = "") -> None:
        self.options, self.described = options, described

    def accepts(self, value: Any) -> bool:
        """Return whether a value is one of them."""
        return isinstance(value, str) and value in self.options

    def __str__(self) -> str:
        return self.described or f"one of {self.options}"


class Some:
    """A list or tuple of some strings out of these, each once; ``least`` 0 is none as well."""

    def __init__(self, *options: str, least: int = 1) -> None:
        self.options, self.least = options, least

    def accepts(self, value: Any) -> bool:
        """Return whether a value is such a list."""
        if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
            return False
        return self.least <= len(value) == len(set(value) & set(self.options))

    def __str__(self) -> str:
        return f"some of {self.options}, each once, as a list or tuple"


@dataclass(frozen=True)
class Kind:
    """What a function accepts; errors name it."""

    accepts: Callable[[Any], bool]
    name: str

    def __str__(self) -> str:
        return self.name


# What has a range or a kind of its own; other alternatives are bool, callable, None and "auto".
_RULES = (Number, Choice, Some, Kind)


def has_method(method: str, name: str) -> Kind:
    """Return the kind of the objects that have a method."""
    return Kind(lambda value: hasattr(value, method), name)


def check_value(name: str, value: Any, *alternatives: Any) -> None:
    """Refuse a value that none of the alternatives accepts.

    Raises
    ------
    ValueError
        It is not in the range, or none of the options.
    TypeError
        It is of another kind, where any object of the kind would do.
    """
    for alternative in alternatives:
        if _accepts(alternative, value):
            return
    *first, last = [_name(alternative) for alternative in alternatives]
    wanted = f"{', '.join(first)} or {last}" if first else last
    error = ValueError if any(isinstance(rule, (Number, Choice, Some)) for rule in alternatives) else TypeError
    raise error(f"{name}: expected {wanted}, got {value!r}{_meant(value, alternatives)}")


def _meant(value: Any, alternatives: tuple[Any, ...]) -> str:
    """Say which string was probably meant."""
    options = [option for rule in alternatives if isinstance(rule, Choice) for option in rule.options]
    close = difflib.get_close_matches(value, options, 1) if isinstance(value, str) else []
    return f": did you mean {close[0]!r}?" if close else ""


def _accepts(alternative: Any, value: Any) -> bool:
    if isinstance(alternative, _RULES):
        return bool(alternative.accepts(value))
    if alternative is None or alternative == AUTO:
        return value is alternative or (isinstance(value, str) and value == alternative)
    if alternative is bool:
        return isinstance(value, (bool, np.bool_))
    return callable(value)


def _name(alternative: Any) -> str:
    words = {bool: "True or False", callable: "a callable", None: "None", AUTO: "'auto'"}
    return words[alternative] if alternative in words else str(alternative)


def check_parameters(estimator: Any) -> None:
    """Hold an estimator's parameters against the rules of its class and of its bases.

    Raises
    ------
    ValueError, TypeError
        As of :func:`check_value`.
    """
    cls: Any = type(estimator)
    for name, alternatives in _rules(cls):
        check_value(name, getattr(estimator, name), *alternatives)


def is_auto(estimator: Any, name: str) -> bool:
    """Return whether a parameter that may be "auto" is it."""
    value: Any = getattr(estimator, name, None)
    cls: Any = type(estimator)
    return isinstance(value, str) and value == AUTO and name in _automatic(cls)


@cache
def _rules(cls: Any) -> list[tuple[str, list[Any]]]:
    """Return the rules of a class and its bases, for the parameters that its constructor has."""
    rules: Rules = {}
    for base in reversed(cls.__mro__):
        rules |= vars(base).get("_parameter_rules", {})
    known = inspect.signature(cls.__init__).parameters
    automatic = _automatic(cls)
    return [(name, [*rules[name], *[AUTO] * (name in automatic)]) for name in rules if name in known]


@cache
def _automatic(cls: Any) -> set[str]:
    """Return the parameters whose default is "auto"."""
    parameters = inspect.signature(cls.__init__).parameters.values()
    return {one.name for one in parameters if isinstance(one.default, str) and one.default == AUTO}


def keep(estimator: BaseEstimator, arguments: Mapping[str, Any]) -> None:
    """Set an attribute for every argument of ``__init__``, as scikit-learn wants it: ``keep(self, locals())``."""
    for name, value in arguments.items():
        if name not in ("self", "__class__"):
            setattr(estimator, name, value)
