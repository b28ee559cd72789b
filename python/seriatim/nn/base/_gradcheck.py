"""Whether backward computes the gradient of forward."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from seriatim._arrays import as_numbers
from seriatim._typing import AnyArray
from seriatim.nn.base._module import Module
from seriatim.sequences import PackedSequence

_EPSILON = float(np.finfo(np.float32).eps)
# Relative to an array's own size. float32 rounds small steps away, large ones meet curvature: both are estimated.
_MOST_DIRECTIONS = 1000
_STEPS = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3)


class _Difference(NamedTuple):
    value: float
    error: float


def gradcheck(
    module: Module, *inputs: Any, rtol: float = 1e-2, n_directions: int = 3, seed: int = 0, **options: Any
) -> bool:
    """Hold a module's backward against differences of its forward, for every parameter and every input.

    Parameters
    ----------
    module : Module
        In the mode that it is in training; it and its gradients are left as they are.
    *inputs, **options
        What forward is called with. Inputs of integers, such as lengths, are not varied.
    rtol : float, default 1e-2
        How far a gradient may be off, relative to it.
    n_directions : int, default 3
        Random directions that each array is varied in. One is enough for most mistakes.
    seed : int, default 0
        Of the directions and of the weights of the outputs.

    Returns
    -------
    bool
        True.

    Raises
    ------
    AssertionError
        Some gradient is wrong, or the differences are too coarse to tell. The text lists every array, with what
        backward and what the differences gave.
    NotImplementedError
        The module serves inference only.

    Notes
    -----
    The loss is ``sum_k c_k y_k`` with random ``c``. With a random direction ``d`` of signs, ``g . d`` is held against
    ``(L(x + s d) - L(x - s d)) / 2s`` for several steps ``s``. Everything is float32, so small steps lose digits, and
    large ones meet curvature and kinks: for each step, the error is estimated as rounding, ``eps sum_k |c_k y_k| / s``,
    plus how far the next step's difference is off, and the step with the least is taken. A gradient passes when it is
    off by at most three times that error plus ``rtol`` of it. An error above a tenth of the gradient's own size, and
    above a hundredth of the largest one's, tells nothing, and does not pass.

    Dropout draws the same mask in every call, and batch normalisation sees the same statistics.

    Examples
    --------
    >>> nn.gradcheck(nn.GRU(3, 4), np.random.default_rng(0).normal(size=(5, 2, 3)))
    True
    """
    if not 1 <= n_directions <= _MOST_DIRECTIONS:
        raise ValueError(f"n_directions: expected an integer from 1 to {_MOST_DIRECTIONS}, got {n_directions!r}")
    random = np.random.default_rng(seed)
    inputs = tuple([_floats(value) for value in inputs])
    probe = _copy(module)
    output, context = probe.trace(*inputs, **options)
    if context is None:
        raise RuntimeError("gradcheck: expected a module in training mode, got one in evaluation; call train()")
    weights = [random.standard_normal(np.shape(array)) for array in _leaves(output)]
    grads = _refill(output, [weight.astype(np.float32) for weight in weights])
    found = _pulled_back(probe, context, grads, type(output) is tuple, weights)

    def loss_of(twin: Module, given: Any) -> tuple[float, float]:
        y, _ = twin.trace(*given, **options)
        parts = [np.asarray(a, np.float64) * w for a, w in zip(_leaves(y), weights, strict=True)]
        return float(sum(part.sum() for part in parts)), float(sum(np.abs(part).sum() for part in parts))

    checked: list[tuple[str, float, _Difference, float]] = []
    for name, values, gradient, moved in _varied(module, probe, inputs, found):
        norm = float(np.sqrt(np.square(gradient, dtype=np.float64).sum()))
        for _ in range(n_directions):
            direction = random.choice([-1.0, 1.0], values.shape)

            def loss(step: float, moved: Any = moved, direction: Any = direction) -> tuple[float, float]:
                return loss_of(*moved(step * direction))

            ours = float((np.asarray(gradient, np.float64) * direction).sum())
            checked.append((name, ours, _difference(loss, float(np.abs(values).mean()) or 1.0), norm))
    largest = max((abs(ours) for _, ours, _, _ in checked), default=0.0)
    rows = [
        (name, ours, numeric, _verdict(ours, numeric, norm, largest, rtol)) for name, ours, numeric, norm in checked
    ]
    if any(verdict != "ok" for *_, verdict in rows):
        texts = [
            f"  {name}: backward {ours:.6g}, differences {numeric.value:.6g} +- {numeric.error:.1g}: {verdict}"
            for name, ours, numeric, verdict in rows
        ]
        raise AssertionError(
            "\n".join([f"gradcheck: {type(module).__name__}.backward() does not give forward's gradient:", *texts])
        )
    return True


def _verdict(ours: float, numeric: _Difference, norm: float, largest: float, rtol: float) -> str:
    if not abs(ours - numeric.value) <= 3 * numeric.error + rtol * max(abs(ours), abs(numeric.value)):
        return "WRONG"
    size = max(abs(ours), abs(numeric.value), norm)
    return "too coarse to tell" if numeric.error > max(0.1 * size, 0.01 * largest) else "ok"


def _difference(loss: Callable[[float], tuple[float, float]], scale: float) -> _Difference:
    """Return the derivative at 0 by the step that promises the least error."""
    values, errors = [], []
    for step in _STEPS:
        (above, size), (below, _) = loss(step * scale), loss(-step * scale)
        values.append((above - below) / (2 * step * scale))
        errors.append(_EPSILON * size / (step * scale))
    best = _Difference(values[0], np.inf)
    for place in range(len(values) - 1):
        error = abs(values[place] - values[place + 1]) + errors[place + 1]
        if error < best.error:
            best = _Difference(values[place + 1], error)
    return best


def _copy(module: Module) -> Module:
    """Return a module of the same state and mode, without gradients."""
    twin = copy.deepcopy(module)
    for parameter in twin.parameters():
        parameter.grad = None
    return twin


def _floats(value: Any) -> Any:
    """Return numbers as float32 arrays, integers and the rest as they are."""
    if isinstance(value, PackedSequence):
        return value._replace(data=_floats(value.data))
    if type(value) in (tuple, list):
        return type(value)([_floats(one) for one in value])
    if value is None:
        return None
    array = as_numbers("inputs", value)
    return array.astype(np.float32) if array.dtype.kind == "f" else value


def _leaves(value: Any) -> list[AnyArray]:
    """Return all arrays in what a module takes or gives."""
    if value is None:
        return []
    if isinstance(value, PackedSequence):
        return [value.data]
    if isinstance(value, (tuple, list)):
        return [leaf for one in value for leaf in _leaves(one)]
    return [np.asarray(value)]


def _refill(value: Any, leaves: list[Any]) -> Any:
    """Return a value with other arrays in it; takes them from the front of the list."""
    if value is None:
        return None
    if isinstance(value, PackedSequence):
        return value._replace(data=leaves.pop(0))
    if isinstance(value, (tuple, list)):
        return type(value)([_refill(one, leaves) for one in value])
    return leaves.pop(0)


def _pulled_back(
    probe: Module, context: Any, grads: Any, several: bool, weights: list[npt.NDArray[np.float64]]
) -> tuple[Any, ...]:
    """Return the gradients of the inputs; what backward takes none of has no weight in the loss."""
    parameters = [p for p in inspect.signature(type(probe).backward).parameters.values() if p.name != "self"]
    options = {"need_input": True} if type(probe)._has_need_input else {}
    places = [p for p in parameters if p.kind is not p.KEYWORD_ONLY and p.name != "need_input"]
    whole = not several
    if several and len(places) == 1:
        # One that takes a tuple, as Parallel does; or one that takes the first output's gradient alone.
        try:
            return _tuple(probe.pullback(context, grads, **options))
        except (TypeError, ValueError):
            kept = len(_leaves(grads[0]))
            for weight in weights[kept:]:
                weight.fill(0)
            grads, whole = grads[0], True
    return _tuple(probe.pullback(context, *([grads] if whole else grads), **options))


def _tuple(found: Any) -> tuple[Any, ...]:
    return found if type(found) is tuple else (found,)


def _varied(module: Module, probe: Module, inputs: tuple[Any, ...], found: tuple[Any, ...]) -> Any:
    """Yield name, values and gradient of each array, and what gives the module and the inputs with it moved."""
    for (name, parameter), twin in zip(module.named_parameters(), probe.parameters(), strict=True):
        if not parameter.requires_grad:
            continue
        values = np.asarray(parameter)
        gradient = np.zeros_like(values) if twin.grad is None else np.array(twin.grad)

        def moved(step: Any, name: str = name, values: AnyArray = values) -> tuple[Module, Any]:
            other = _copy(module)
            dict(other.named_parameters())[name].data = values + step
            return other, inputs

        yield f"parameter {name}", values, gradient, moved
    leaves = _leaves(inputs)
    # A tuple of one input's parts is that input's gradient: Split and Join.
    gradients = found if len(inputs) > 1 or len(_leaves(inputs[:1])) <= 1 else (found,)
    begin = 0
    for number, value in enumerate(inputs):
        own = _leaves(value)
        gradient_leaves = _leaves(gradients[number]) if number < len(gradients) else []
        for place, values in enumerate(own):
            if values.dtype.kind != "f" or place >= len(gradient_leaves):
                continue

            def moved_input(step: Any, place: int = begin + place) -> tuple[Module, Any]:
                given = [(a + step).astype(np.float32) if i == place else a for i, a in enumerate(leaves)]
                return _copy(module), _refill(inputs, given)

            yield (
                f"input {number}" + (f", part {place}" if len(own) > 1 else ""),
                values,
                gradient_leaves[place],
                moved_input,
            )
        begin += len(own)
