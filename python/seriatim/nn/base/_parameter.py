"""Parameters, and the flat buffers that hold a model's parameters and gradients.

A parameter's memory may be packed for the kernels and the packed copy kept, but only while nobody can change the
original unseen. So :attr:`Parameter.data` hands out *leased* views: a lease lives as long as any view of it, a version
counts changes, and :meth:`Parameter._stamp` gives the version only while no lease lives.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterable
from contextvars import ContextVar, copy_context
from typing import Any

import numpy as np

from seriatim._arrays import as_numbers
from seriatim._typing import AnyArray, Array, ArrayLike
from seriatim.nn.base import _undo
from seriatim.nn.base._guards import guard_of


class _Clock:
    """How many steps optimisers have made: what tells whether something happened since one's last step."""

    now = 0


CLOCK = _Clock()

# Versions are unique among all parameters: a packed copy is not mistaken for one of a parameter that took the place.
_versions = itertools.count()


def new_version() -> int:
    """Return a number that no other parameter's values have."""
    return next(_versions)


def as_switch(name: str, value: Any) -> bool:
    """Return True or False; raise TypeError for all else, as torch: text that says "False" is true."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected True or False, got {value!r}")
    return bool(value)


class _Lease:
    """The base of every view that a user holds of one parameter's memory."""

    __slots__ = ("__array_interface__", "__weakref__", "owner")

    def __init__(self, array: Array) -> None:
        self.__array_interface__ = array.__array_interface__
        self.owner = array


class _Flat:
    """Memory of many parameters behind each other, and of their gradients."""

    __slots__ = ("data", "grad")

    def __init__(self, size: int) -> None:
        self.data: Array = np.zeros(size, np.float32)
        self.grad: Array = np.zeros(size, np.float32)


class Parameter:
    """An array that an optimiser may change.

    Parameters
    ----------
    data : array_like
        Initial values; copied, as float32.
    requires_grad : bool, default True
        Whether backward computes a gradient and optimisers move it.

    Attributes
    ----------
    data : ndarray of float32
        A writeable view. Assigning an array of the same shape copies its values.
    grad : ndarray of float32 or None
        None until the first backward; then the sum since the last ``zero_grad``.
    requires_grad : bool

    Raises
    ------
    TypeError
        ``data``, or what is assigned to it or to ``grad``, are no real numbers, or ``requires_grad`` is no bool.
    ValueError
        What is assigned has another shape.
    """

    __slots__ = (
        "__weakref__",
        "_array",
        "_changes",
        "_flat",
        "_fresh",
        "_gradient",
        "_lease",
        "_offset",
        "_owner",
        "_requires_grad",
        "_version",
        "_written",
    )

    def __init__(self, data: ArrayLike, requires_grad: bool = True) -> None:
        self._array: Array = np.array(as_numbers("data", data), dtype=np.float32, order="C")
        self._gradient: Array | None = None
        self._fresh = False
        self._lease: weakref.ref[_Lease] | None = None
        self._version = new_version()
        # How often the values were assigned, loaded or moved: what tells a context that it is of others.
        self._changes = 0
        self._flat: _Flat | None = None
        self._offset = 0
        # The module that has it, and when a gradient was last computed: what an optimiser's warnings go by.
        self._owner: weakref.ref[Any] | None = None
        self._written = -1
        self.requires_grad = requires_grad

    @property
    def data(self) -> Array:
        """A writeable view of the values."""
        lease = self._lease() if self._lease is not None else None
        if lease is None:
            lease = _Lease(self._array)
            self._lease = weakref.ref(lease)
            self._version = new_version()
        return np.asarray(lease)

    @data.setter
    def data(self, values: ArrayLike) -> None:
        new = as_numbers("data", values)
        if new.shape != self._array.shape:
            raise ValueError(f"data: expected shape {self._array.shape}, got {new.shape}")
        self._array[...] = new
        self._touch()

    @property
    def requires_grad(self) -> bool:
        """Whether backward computes a gradient and optimisers move it."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, requires_grad: bool) -> None:
        self._requires_grad = as_switch("requires_grad", requires_grad)

    def requires_grad_(self, requires_grad: bool = True) -> Parameter:
        """Set ``requires_grad``, False to freeze; returns the parameter.

        Raises
        ------
        TypeError
            ``requires_grad`` is no bool.
        """
        self.requires_grad = requires_grad
        return self

    @property
    def grad(self) -> Array | None:
        """The gradient, or None before the first backward."""
        self._note_gradient()
        if self._gradient is not None and self._fresh:
            self._gradient.fill(0)
            self._fresh = False
        return self._gradient

    @grad.setter
    def grad(self, values: ArrayLike | None) -> None:
        self._note_gradient()
        if values is None:
            self._gradient, self._fresh = None, False
            return
        new = as_numbers("grad", values)
        if new.shape != self._array.shape:
            raise ValueError(f"grad: expected shape {self._array.shape}, got {new.shape}")
        slot, _ = self._grad_slot()
        slot[...] = new

    def zero_grad(self) -> None:
        """Make the gradient zeros, if there is one; the memory is cleared when it is next read."""
        if self._gradient is not None and not self._fresh:
            self._note_gradient()
            self._fresh = True

    def add_grad(self, values: ArrayLike) -> None:
        """Add to the gradient, as backward does; nothing happens to a parameter that requires none.

        Raises
        ------
        TypeError
            The values are no real numbers.
        ValueError
            Their shape is not the parameter's.
        """
        new = as_numbers("grad", values)
        if new.shape != self._array.shape:
            raise ValueError(f"grad: expected shape {self._array.shape}, got {new.shape}")
        if not self.requires_grad:
            return
        elsewhere = _elsewhere.get()
        with guard_of(self):
            if elsewhere is None or self not in elsewhere:
                self._note_gradient()
            slot, accumulate = self._grad_slot()
            np.add(slot, new, out=slot, casting="unsafe") if accumulate else np.copyto(slot, new, casting="unsafe")
            if elsewhere is not None:
                elsewhere.written([self])

    @property
    def form(self) -> str:
        """How the values are kept: 'float32', or what :func:`seriatim.quantize` has made of it."""
        return "float32"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values."""
        return self._array.shape

    @property
    def size(self) -> int:
        """Number of values."""
        return self._array.size

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if copy is False:
            raise ValueError("copy: expected True or None; parameter.data is the view without a copy")
        return np.array(self._array, dtype=dtype)

    def __repr__(self) -> str:
        return f"Parameter({np.array2string(self._array, threshold=6)}, shape={self.shape})"

    def __reduce__(self) -> tuple[Any, ...]:
        state = (None if self._gradient is None else np.array(self.grad),)
        return _restore, (np.array(self._array), self.requires_grad, *state)

    # ---- For this package only

    def _kept(self) -> Any:
        """Return what kernels pack: the array, or the weight as it is kept."""
        return self._array

    def _owned_by(self, module: Any) -> None:
        self._owner = weakref.ref(module)

    def _touch(self) -> None:
        """Note that the values have changed."""
        self._version = new_version()
        self._changes += 1

    def _adopt(self, array: Array) -> None:
        """Take another's memory for the values, who may write to it at any time: packed copies of it are never kept."""
        lease = _Lease(array)
        # The array keeps its lease alive, so that there always is one.
        self._array, self._lease = np.asarray(lease), weakref.ref(lease)
        self._flat, self._offset = None, 0
        self._touch()

    def _stamp(self) -> int | None:
        """Return a number that stays equal while the values do; None while a user could change them unseen."""
        if self._lease is not None:
            if self._lease() is not None:
                return None
            self._lease = None
        return self._version

    def _note_gradient(self) -> None:
        """Note the gradient, before a module's call changes it: nothing outside of such a call."""
        _undo.note(self, "grad", self._gradient_as_it_is)

    def _gradient_as_it_is(self) -> Callable[[], None]:
        gradient, fresh, written = self._gradient, self._fresh, self._written
        # What is fresh holds no numbers yet, so that a backward after zero_grad() copies nothing.
        values = None if gradient is None or fresh else gradient.copy()

        def put_back() -> None:
            if gradient is not None and values is not None:
                gradient[...] = values
            self._gradient, self._fresh, self._written = gradient, fresh, written

        return put_back

    def _grad_slot(self) -> tuple[Array, bool]:
        """Return the array that backward writes to, and whether it must add to what is there."""
        elsewhere = _elsewhere.get()
        return self._own_slot() if elsewhere is None else elsewhere.slot(self)

    def _own_slot(self) -> tuple[Array, bool]:
        if self._gradient is None:
            if self._flat is not None:
                part = self._flat.grad[self._offset : self._offset + self._array.size]
                self._gradient = part.reshape(self._array.shape)
            else:
                self._gradient = np.empty_like(self._array)
            self._fresh = True
        accumulate, self._fresh = not self._fresh, False
        self._written = CLOCK.now
        return self._gradient, accumulate


class Gradients:
    """Gradients of one backward beside those that the parameters have: inside of :meth:`receive` they go here.

    Parameters
    ----------
    parameters : iterable of Parameter
        Whose gradients are wanted; those of others go where they always go.
    arrays : iterable of ndarray of float32, optional
        Where they go, of the parameters' shapes and C-contiguous; new ones by default. What they hold is written over.
    """

    __slots__ = ("_arrays", "_begun")

    def __init__(self, parameters: Iterable[Parameter], arrays: Iterable[Array] | None = None) -> None:
        listed = list(parameters)
        given = [np.empty(p.shape, np.float32) for p in listed] if arrays is None else list(arrays)
        self._arrays: dict[Parameter, Array] = dict(zip(listed, given, strict=True))
        self._begun: set[Parameter] = set()

    def receive(self, backward: Callable[..., Any], *given: Any, **options: Any) -> Any:
        """Call what runs backwards, which write here; what a last one has left counts as nothing.

        Parameters
        ----------
        backward : callable
        *given, **options
            Its arguments.
        """
        self._begun.clear()
        # In a context of its own, which ends with the call wherever Ctrl-C arrives.
        context = copy_context()
        context.run(_elsewhere.set, self)
        return context.run(backward, *given, **options)

    def slot(self, parameter: Parameter) -> tuple[Array, bool]:
        """Return the array that backward writes to, and whether it must add to what is there."""
        array = self._arrays.get(parameter)
        if array is None:
            return parameter._own_slot()
        accumulate = parameter in self._begun
        self._begun.add(parameter)
        return array, accumulate

    def __contains__(self, parameter: Parameter) -> bool:
        """Whether this parameter's gradient goes here."""
        return parameter in self._arrays

    def written(self, parameters: list[Parameter]) -> None:
        """Note that a layer's backward has written what it was given; a subclass may make something of it."""

    def found(self) -> dict[Parameter, Array]:
        """Return the gradients that were written."""
        return {p: array for p, array in self._arrays.items() if p in self._begun}

    def fill(self) -> None:
        """Make those that no backward has written zeros."""
        for p, array in self._arrays.items():
            if p not in self._begun:
                array.fill(0)


_elsewhere: ContextVar[Gradients | None] = ContextVar("elsewhere", default=None)


def owned(array: AnyArray) -> AnyArray:
    """Return an array that may be written to: itself, or a copy of one that is read-only.

    What joblib or a memory map hands on is; it is copied once, where it is first written to.
    """
    return array if array.flags.writeable else np.array(array)


class _Lent:
    """The arrays of one backward call; a context manager by hand, for there is one for every layer and step.

    Who enters it holds the guard of the first parameter, which stands for all that are lent together. This class does
    not take it: Ctrl-C may arrive within ``__enter__`` and ``__exit__`` of Python, and the lock would stay held.
    """

    __slots__ = ("_before", "_parameters")

    def __init__(self, parameters: tuple[Parameter | None, ...]) -> None:
        self._parameters = parameters
        self._before: list[tuple[Parameter, Array | None, bool]] = []

    def __enter__(self) -> tuple[list[Array | None], bool]:
        wanted = [p if p is not None and p._requires_grad else None for p in self._parameters]
        self._before = [(p, p._gradient, p._fresh) for p in wanted if p is not None]
        if _undo.is_composed():
            elsewhere = _elsewhere.get()
            for p, _, _ in self._before:
                # What is received elsewhere changes nothing that would have to be put back.
                if elsewhere is None or p not in elsewhere:
                    p._note_gradient()
        slots = [(None, False) if p is None else p._grad_slot() for p in wanted]
        # A kernel adds to all or to none: gradients that are fresh among others that are not begin at zero.
        accumulate = any([add for _, add in slots])
        for slot, add in slots:
            if slot is not None and accumulate and not add:
                slot.fill(0)
        return [slot for slot, _ in slots], accumulate

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if kind is not None:
            for p, gradient, fresh in self._before:
                p._gradient, p._fresh = gradient, fresh
        elif (elsewhere := _elsewhere.get()) is not None:
            elsewhere.written([p for p, _, _ in self._before])


def gradient_slots(*parameters: Parameter | None) -> _Lent:
    """Lend the arrays that one backward call writes gradients to, and whether it must add to what is there.

    The array is None for a parameter that is None or needs no gradient. When the call raises, no gradient has changed.
    """
    return _Lent(parameters)


def clear_gradients(parameters: Iterable[Parameter]) -> None:
    """Add zeros to gradients: what a backward of nothing does."""
    lent = tuple(parameters)
    with guard_of(lent[0]), gradient_slots(*lent) as (slots, accumulate):
        for slot in slots:
            if slot is not None and not accumulate:
                slot.fill(0)


def _restore(data: Array, requires_grad: bool, grad: Array | None) -> Parameter:
    parameter = Parameter(data, requires_grad)
    if grad is not None:
        parameter.grad = grad
    return parameter


def flatten(parameters: Iterable[Parameter]) -> None:
    """Move parameters and their gradients behind each other into one buffer each.

    Values do not change. A parameter whose memory a user still holds a view of stays where it is, and so does what
    :func:`seriatim.quantize` has made.

    Parameters
    ----------
    parameters : iterable of Parameter
    """
    movable = [p for p in dict.fromkeys(parameters) if p._stamp() is not None and p.form == "float32"]
    if len({id(p._flat) for p in movable}) <= 1 and all(p._flat is not None for p in movable):
        return
    flat, offset = _Flat(sum(p.size for p in movable)), 0
    for p in movable:
        end = offset + p.size
        moved = flat.data[offset:end].reshape(p.shape)
        moved[...] = p._array
        if p._gradient is not None:
            gradient = flat.grad[offset:end].reshape(p.shape)
            gradient[...] = p._gradient
            p._gradient = gradient
        p._array, p._flat, p._offset = moved, flat, offset
        offset = end


def runs(parameters: Iterable[Parameter]) -> list[tuple[list[Parameter], Array, Array]]:
    """Group parameters whose memory lies behind each other.

    Returns
    -------
    list of (parameters, data, grad)
        1-D views over each run; only parameters that have a gradient are listed.
    """
    found: list[list[Parameter]] = []
    noting = _undo.is_noting()
    for p in parameters:
        # Who asks for a gradient may write to it; and one that is fresh is cleared.
        if p._gradient is None or ((noting or p._fresh) and p.grad is None):
            continue
        last = found[-1][-1] if found else None
        joins = last is not None and p._flat is not None and p._flat is last._flat
        if joins and last is not None and last._offset + last.size == p._offset:
            found[-1].append(p)
        else:
            found.append([p])
    return [(run, *_views(run)) for run in found]


def _views(run: list[Parameter]) -> tuple[Array, Array]:
    first, last = run[0], run[-1]
    if first._flat is None or first._gradient is None:
        assert first._gradient is not None
        return first._array.reshape(-1), first._gradient.reshape(-1)
    part = slice(first._offset, last._offset + last.size)
    return first._flat.data[part], first._flat.grad[part]
