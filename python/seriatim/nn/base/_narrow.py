"""Parameters that are kept in bfloat16 or int8, for inference alone: what :func:`seriatim.quantize` makes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

from seriatim.functional import Narrow
from seriatim.nn.base._parameter import Parameter, as_switch, new_version

# How weights may be kept, and in what. (A buffer of bytes has another name in files.)
NARROW: dict[str, Any] = {"bfloat16": np.uint16, "int8": np.int8}


class NarrowParameter(Parameter):
    """A weight that has been rounded. It is read as float32, with the values that it stands for, and never changes."""

    __slots__ = ("_narrow",)

    def __init__(self, narrow: Narrow) -> None:
        self._narrow = narrow
        self._gradient, self._fresh, self._lease, self._flat, self._offset = None, False, None, None, 0
        self._version, self._owner, self._written, self._requires_grad = new_version(), None, -1, False
        self._changes = 0

    @property
    def form(self) -> str:
        """'bfloat16' or 'int8'."""
        return self._narrow.form

    @property
    def _array(self) -> Any:  # type: ignore[override]
        values = self._narrow.wide()
        values.flags.writeable = False
        return values

    @property
    def data(self) -> Any:
        """The values in float32, computed anew; read-only."""
        return self._array

    @data.setter
    def data(self, values: Any) -> None:
        self._refuse()

    @property
    def requires_grad(self) -> bool:
        """False."""
        return False

    @requires_grad.setter
    def requires_grad(self, requires_grad: bool) -> None:
        if as_switch("requires_grad", requires_grad):
            self._refuse()

    @property
    def grad(self) -> None:
        """None."""

    @grad.setter
    def grad(self, values: Any) -> None:
        if values is not None:
            self._refuse()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values."""
        return self._narrow.codes.shape

    @property
    def size(self) -> int:
        """Number of values."""
        return self._narrow.codes.size

    def __reduce__(self) -> tuple[Any, ...]:
        return NarrowParameter, (self._narrow,)

    def _kept(self) -> Narrow:
        return self._narrow

    def _refuse(self) -> NoReturn:
        raise AttributeError(advice("the parameter", self.form))


def narrow_zeros(form: str, shape: Sequence[int]) -> NarrowParameter:
    """Return a weight of zeros."""
    rows, columns = shape
    scale = np.ones(rows, np.float32) if form == "int8" else None
    return NarrowParameter(Narrow(np.zeros((rows, columns), NARROW[form]), scale))


def narrow_form(parameters: Iterable[Parameter | None]) -> str | None:
    """Return 'bfloat16' or 'int8' if one of the parameters is kept so, else None."""
    return next((p.form for p in parameters if isinstance(p, NarrowParameter)), None)


def advice(name: str, form: str) -> str:
    """Return what is said of an attempt to train or change what serves inference alone."""
    return (
        f"{name} is quantised to {form} and serves inference alone: train the float32 model, which "
        "seriatim.quantize() left as it was, and quantise it again"
    )
