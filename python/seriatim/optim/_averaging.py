"""Averages of a model's weights over training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter, is_
from typing import Any

import numpy as np

from seriatim import functional as F
from seriatim._brief import brief
from seriatim._typing import AnyArray, Array
from seriatim.nn import Module, Parameter, flatten
from seriatim.nn.base._parameter import owned
from seriatim.optim._optimizer import _check

_memory_of = attrgetter("_array")


class WeightAverage:
    """The exponential moving average of a module's weights: often better in evaluation than the last weights.

    Parameters
    ----------
    module : Module
        Its parameters, as they are now, begin the average.
    decay : float, default 0.999
        How much of the average stays at an update.
    warm_up : bool, default True
        Whether the average stays less at first, so that it soon forgets where training began.

    Attributes
    ----------
    updates : int
        How often :meth:`update` was called.
    swapped : bool
        Whether the module holds the averaged weights, and this the trained ones.

    Raises
    ------
    TypeError
        ``module`` is no Module.
    ValueError
        It has no parameters, or ``decay`` is not from 0 to 1.

    Notes
    -----
    ``a = a + (1 - d) (p - a)`` with ``d = min(decay, (1 + t) / (10 + t))`` at update ``t = 0, 1, ...``, without warm-up
    ``d = decay``. Buffers, batch normalisation's running statistics, are not averaged: the last ones are kept.

    The parameters are those that the module has when this is made. They are moved into one buffer (``nn.flatten``), so
    an update is one pass over memory.

    References
    ----------
    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control Optim. 30(4), 1992.
    Tarvainen and Valpola, "Mean teachers are better role models", NeurIPS 2017 (exponential).

    Examples
    --------
    >>> average = WeightAverage(model, decay=0.999)
    >>> optimizer.step()
    >>> average.update()  # after every step
    >>> with average.applied():
    ...     y = model.eval()(x)
    """

    def __init__(self, module: Module, decay: float = 0.999, *, warm_up: bool = True) -> None:
        if not isinstance(module, Module):
            raise TypeError(f"module: expected a Module, got {type(module).__name__}")
        _check(decay=(decay, 0, 1))
        self.module, self.decay, self.warm_up = module, float(decay), bool(warm_up)
        self.updates, self.swapped = 0, False
        self._parameters: list[Parameter] = list(module.parameters())
        if not self._parameters:
            raise ValueError("module: expected one with parameters, got one without")
        # Where each buffer is found: modules replace them.
        self._homes = [(m._buffers, name) for m in module.modules() for name, b in m._buffers.items() if b is not None]
        self._places: list[Array] = []
        self._runs: list[tuple[slice, Array]] = []
        flatten(self._parameters)
        self._average: Array = np.concatenate([p._array.reshape(-1) for p in self._parameters])
        self._buffers: list[AnyArray] = [np.array(home[name]) for home, name in self._homes]

    # ---- Averaging

    def __repr__(self) -> str:
        return f"WeightAverage({brief(self.module)}, decay={self.decay}, updates={self.updates})"

    def update(self) -> None:
        """Move the average towards the module's weights, and copy its buffers."""
        self._not_swapped("update")
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.warm_up else self.decay
        for part, memory in self._memory():
            F.average_step(self._average[part], memory, decay)
        for kept, (home, name) in zip(self._buffers, self._homes, strict=True):
            kept[...] = home[name]
        self.updates += 1

    def _memory(self) -> list[tuple[slice, Array]]:
        """Return the parts of the average, each with the memory of its parameters: one if all lie behind each other."""
        # An optimiser may have moved the parameters since.
        if len(self._places) != len(self._parameters) or not all(
            map(is_, map(_memory_of, self._parameters), self._places)
        ):
            flatten(self._parameters)
            self._average, self._buffers = owned(self._average), [owned(kept) for kept in self._buffers]
            self._places = [p._array for p in self._parameters]
            self._runs = list(_runs(self._parameters))
        return self._runs

    # ---- Using the average

    def swap(self) -> None:
        """Exchange the module's weights and buffers with the averaged ones; a second call puts them back."""
        for part, memory in self._memory():
            _exchange(memory, self._average[part])
        for parameter in self._parameters:
            parameter._touch()
        for kept, (home, name) in zip(self._buffers, self._homes, strict=True):
            _exchange(home[name], kept)
        self.swapped = not self.swapped

    @contextmanager
    def applied(self) -> Iterator[Module]:
        """Let the module hold the averaged weights for a while; gives the module.

        Modes stay as they are: call ``module.eval()`` to evaluate.

        Yields
        ------
        Module
        """
        self._not_swapped("applied")
        self.swap()
        try:
            yield self.module
        finally:
            if self.swapped:
                self.swap()

    def copy_to(self, module: Module) -> None:
        """Copy the averaged weights and buffers into a module of the same structure.

        Raises ValueError, changing nothing, when names or shapes differ.

        Parameters
        ----------
        module : Module
            Of the same structure.
        """
        module.load_state_dict(self._named())

    def _named(self) -> dict[str, AnyArray]:
        """Return the averaged weights and buffers under the names of the module's ``state_dict()``."""
        if self.swapped:
            return self.module.state_dict()
        # The average of each array of the module's state, by the array.
        averages: dict[int, AnyArray] = {}
        offset = 0
        for p in self._parameters:
            averages[id(p._array)] = self._average[offset : offset + p.size].reshape(p.shape)
            offset += p.size
        for kept, (home, name) in zip(self._buffers, self._homes, strict=True):
            averages[id(home[name])] = kept
        return {name: np.array(averages.get(id(memory), memory)) for name, memory, _ in self.module._state("")}

    # ---- State

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the average, under the module's names, and of the numbers.

        Returns
        -------
        dict
        """
        return {"updates": self.updates, "decay": self.decay, "warm_up": self.warm_up, "average": self._named()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Copy average and numbers in; raises ValueError, changing nothing, when they are of another module.

        Parameters
        ----------
        state_dict : mapping
            Of :meth:`state_dict`.

        Raises
        ------
        ValueError
            It does not fit. The average is then as it was.
        """
        self._not_swapped("load_state_dict")
        keys = {"updates", "decay", "warm_up", "average"}
        if set(state_dict) != keys:
            raise ValueError(f"state_dict: expected the keys {sorted(keys)}, got {sorted(state_dict)}")
        _check(decay=(state_dict["decay"], 0, 1), updates=(state_dict["updates"], 0, np.inf))
        # The module knows its names and checks them: it holds the average for so long.
        self.swap()
        try:
            self.module.load_state_dict(state_dict["average"])
        finally:
            self.swap()
        self.updates, self.decay = int(state_dict["updates"]), float(state_dict["decay"])
        self.warm_up = bool(state_dict["warm_up"])

    def _not_swapped(self, name: str) -> None:
        if self.swapped:
            raise RuntimeError(f"WeightAverage.{name}(): the module holds the averaged weights; call swap() first")

    def __getstate__(self) -> dict[str, Any]:
        # Where the parameters lie is another matter in a copy.
        return {**self.__dict__, "_places": [], "_runs": []}


def _exchange(one: AnyArray, other: AnyArray) -> None:
    kept = one.copy()
    one[...] = other
    other[...] = kept


def _runs(parameters: list[Parameter]) -> Iterator[tuple[slice, Array]]:
    """Yield the memory of parameters that lie behind each other, with its place if all were put behind each other."""
    begin = 0
    while parameters:
        first, count = parameters[0], 1
        while (
            count < len(parameters)
            and first._flat is not None
            and parameters[count]._flat is first._flat
            and parameters[count]._offset == parameters[count - 1]._offset + parameters[count - 1].size
        ):
            count += 1
        size = sum(p.size for p in parameters[:count])
        whole = first._array.reshape(-1)
        if first._flat is not None:
            whole = first._flat.data[first._offset : first._offset + size]
        yield slice(begin, begin + size), whole
        parameters, begin = parameters[count:], begin + size
