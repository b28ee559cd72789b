"""Who asks an estimator while another thread fits it is answered by the old model or by the new one, wholly.

A fit works on a *draft*, which has the parameters as they are when it begins, and what it has learned becomes the
estimator's all at once, when nothing can fail any more. What answers works on a draft, too: on what the estimator is
when it is asked. For both a fit must leave alone what the last one has left: it goes on with copies of that.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeVar, cast

Method = TypeVar("Method", bound=Callable[..., Any])
Model = TypeVar("Model")

# The attribute that a draft alone has.
_DRAFT = "_is_draft"
_guard = threading.Lock()
_being_fitted: dict[int, object] = {}


def state_of(model: Any) -> dict[str, Any]:
    """Return an estimator's attributes as they were at one moment."""
    with _guard:
        return dict(vars(model))


def _draft(model: Model) -> Model:
    draft = object.__new__(type(model))
    vars(draft).update(state_of(model), **{_DRAFT: True})
    return draft


def _publish(model: Any, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Give an estimator what a draft has learned; what was set in it meanwhile stays."""
    learned = {name: value for name, value in after.items() if name not in before or before[name] is not value}
    gone = before.keys() - after.keys()
    with _guard:
        own = vars(model)
        # What is replaced may have a __del__, which is not to run in here.
        replaced = dict(own)
        # A single step of the interpreter, which no signal's handler interrupts.
        own.update(learned)
        for name in gone:
            own.pop(name, None)
    del replaced


def learns(fit: Method) -> Method:
    """Make a method that fits one that changes its estimator at the end, and at once.

    Raises
    ------
    RuntimeError
        Of the method: the estimator is being fitted, by another thread, or by the fit that has called.
    """

    @functools.wraps(fit)
    def called(self: Any, *args: Any, **options: Any) -> Any:
        if _DRAFT in vars(self):
            return fit(self, *args, **options)
        key, claim = id(self), object()
        try:
            with _guard:
                first = _being_fitted.setdefault(key, claim)
            if first is not claim:
                raise RuntimeError(
                    f"{type(self).__name__}.{fit.__name__}: expected one fit of an estimator at a time, got another "
                    "while the first still runs (in another thread, or it has called this itself). Wait for it, or fit "
                    "a clone (sklearn.base.clone, or copy.deepcopy of what is fitted)."
                )
            draft = _draft(self)
            before = dict(vars(draft))
            # What it sets for those below ends with it, wherever Ctrl-C arrives.
            found = copy_context().run(fit, draft, *args, **options)
            _publish(self, before, vars(draft))
        finally:
            # No call, and so no moment in which Ctrl-C could leave the claim.
            if key in _being_fitted and _being_fitted[key] is claim:
                del _being_fitted[key]
        return self if found is draft else found

    return cast(Method, called)


def answers(method: Method) -> Method:
    """Make a method that asks a fitted estimator one that is answered by the estimator as it is when it is called."""

    @functools.wraps(method)
    def called(self: Any, *args: Any, **options: Any) -> Any:
        if _DRAFT in vars(self):
            return method(self, *args, **options)
        return copy_context().run(method, _draft(self), *args, **options)

    return cast(Method, called)


def _forked() -> None:
    """Forget, in a forked process, the fits of threads that are not in it."""
    global _guard
    _guard = threading.Lock()
    _being_fitted.clear()


os.register_at_fork(after_in_child=_forked)
