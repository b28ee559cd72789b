"""What a module of seriatim takes and gives, and the same of tensors: tuples, lists and packed sequences of arrays."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.utils.rnn import PackedSequence as TorchPacked

from seriatim._typing import AnyArray
from seriatim.nn.base._module import Module
from seriatim.sequences import PackedSequence


class Place(NamedTuple):
    """Where an array of a structure is in the list of its arrays, and its shape."""

    number: int
    shape: tuple[int, ...]


def read(value: Any, tensors: list[Any]) -> tuple[Any, Any]:
    """Return an argument with arrays for its tensors, and the same with their places in the list that they join."""
    if isinstance(value, torch.Tensor):
        if value.device.type != "cpu" or value.layout is not torch.strided:
            raise TypeError(
                f"as_module: expected strided tensors on the CPU, got one of {value.layout} on {value.device}: what is "
                "inside is computed by seriatim; move the tensor by .cpu()"
            )
        if value.is_floating_point() and value.dtype is not torch.float32:
            value = value.float()
        tensors.append(value)
        return value.detach().numpy(), Place(len(tensors) - 1, tuple(value.shape))
    if isinstance(value, TorchPacked):
        data, place = read(value.data, tensors)
        rest: Any = [None if part is None else part.numpy() for part in value[1:]]
        return PackedSequence(data, *rest), place
    if type(value) in (tuple, list):
        parts = [read(part, tensors) for part in value]
        return type(value)([part for part, _ in parts]), type(value)([place for _, place in parts])
    return value, None


def arrays_of(value: Any) -> list[AnyArray]:
    """Return all arrays in a structure."""
    if isinstance(value, PackedSequence):
        return [value.data]
    if isinstance(value, (tuple, list)):
        return [array for part in value for array in arrays_of(part)]
    return [value] if isinstance(value, np.ndarray) else []


def take(value: Any, arrays: list[AnyArray]) -> Any:
    """Return a module's output with places for its arrays, which join the list."""
    if isinstance(value, PackedSequence):
        return value, take(value.data, arrays)
    if type(value) in (tuple, list):
        return type(value)([take(part, arrays) for part in value])
    if isinstance(value, (np.ndarray, np.generic, float)):
        array = np.asarray(value, np.float32 if isinstance(value, float) else None)
        arrays.append(array)
        return Place(len(arrays) - 1, array.shape)
    return value


def _is_packed(value: Any) -> bool:
    return type(value) is tuple and len(value) == 2 and isinstance(value[0], PackedSequence)


def fill(value: Any, tensors: list[Any]) -> Any:
    """Return what :func:`take` gave with tensors in the places."""
    if isinstance(value, Place):
        return tensors[value.number]
    if _is_packed(value):
        packed, place = value
        rest = [None if part is None else torch.from_numpy(np.array(part)) for part in packed[1:]]
        return TorchPacked(tensors[place.number], *rest)
    if type(value) in (tuple, list):
        return type(value)([fill(part, tensors) for part in value])
    return value


def gradients(value: Any, grads: list[AnyArray | None]) -> Any:
    """Return the gradient of an output in its structure: zeros where there is none."""
    if isinstance(value, Place):
        found = grads[value.number]
        return np.zeros(value.shape, np.float32) if found is None else found
    if _is_packed(value):
        return value[0]._replace(data=gradients(value[1], grads))
    if type(value) in (tuple, list):
        return type(value)([gradients(part, grads) for part in value])
    return value


def places(value: Any) -> Iterator[Place]:
    """Yield all places in a structure."""
    if isinstance(value, Place):
        yield value
    elif _is_packed(value):
        yield value[1]
    elif type(value) in (tuple, list):
        for part in value:
            yield from places(part)


def pull_back(module: Module, context: Any, output: Any, grads: list[AnyArray | None], **options: Any) -> Any:
    """Return what a module's pullback makes of an output's gradient.

    Of a tuple it takes a gradient for each part; or one, which is the tuple, or the first part's alone.

    Raises
    ------
    RuntimeError
        It takes the first part's gradient alone, and there are others.
    """
    given = gradients(output, grads)
    if type(output) is not tuple or _is_packed(output):
        return module.pullback(context, given, **options)
    kind: Any = type(module)
    if not _takes_one(kind):
        return module.pullback(context, *given, **options)
    try:
        return module.pullback(context, given, **options)
    except (TypeError, ValueError):
        if any(grads[place.number] is not None for part in output[1:] for place in places(part)):
            raise RuntimeError(
                f"as_module({type(module).__name__}): gradients flow back from its first output alone; detach() the "
                "others"
            ) from None
        return module.pullback(context, given[0], **options)


@lru_cache(maxsize=256)
def _takes_one(kind: Any) -> bool:
    """Return whether a pullback takes one gradient."""
    parameters = list(inspect.signature(kind.pullback).parameters.values())[2:]
    places = [p for p in parameters if p.kind is not p.KEYWORD_ONLY and p.name != "need_input"]
    return len(places) == 1 and places[0].kind is not inspect.Parameter.VAR_POSITIONAL


def spread(place: Any, grad: Any, found: list[Any]) -> None:
    """Put an input's gradient where its tensors are in a list."""
    if grad is None or place is None:
        return
    if isinstance(place, Place):
        array = grad.data if isinstance(grad, PackedSequence) else np.asarray(grad)
        found[place.number] = array if found[place.number] is None else found[place.number] + array
    elif type(grad) in (tuple, list):
        for part, of_part in zip(place, grad, strict=False):
            spread(part, of_part, found)
