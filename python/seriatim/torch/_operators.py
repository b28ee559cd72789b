"""How functions of NumPy arrays become operators of torch. All twins use what is here.

A twin is a subclass of torch's class: its ``forward`` runs our kernels where :func:`takes` says so, and torch's own
code (``super().forward``) everywhere else. Two ways lead to the kernels, both over the same functions of tensors:

- a ``torch.autograd.Function`` where :func:`is_eager`, because it costs 20 microseconds and an operator 130;
- a ``torch.library.custom_op`` named ``seriatim::...`` under ``torch.compile``, ``torch.export`` and dispatch modes,
  with :func:`operator` to define it; its backward is an operator of its own, whose derivative is :func:`refuse_twice`.
  The Function's backward gives its gradients through :func:`once`.

Inside of both, :func:`array` and :func:`tensor` go from torch to NumPy and back without a copy. What backward needs
are tensors that ``ctx.save_for_backward`` takes, so that hooks on saved tensors, checkpointing and torch's check for
changes in place see them. Kernels that use a saved tensor up ask :func:`is_kept` first, and copy it if it is True.
Functions that call kernels are :func:`bounded`: ``torch.set_num_threads`` holds for them.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, NoReturn, TypeVar

import numpy as np
import torch
from torch.autograd import forward_ad

from seriatim._config import get_num_threads, set_num_threads

Result = TypeVar("Result")
_KEEPS_GRAPH = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", None)
_TRANSFORMS = torch._C._are_functorch_transforms_active
_MODES = torch._C._len_torch_dispatch_stack
_PLAIN = (torch.Tensor, torch.nn.Parameter)
_FAKE = torch._subclasses.FakeTensor


def operator(name: str, function: Callable[..., Any], fake: Callable[..., Any]) -> Any:
    """Register ``seriatim::name`` for the CPU.

    Parameters
    ----------
    name : str
    function : callable
        With annotations that ``torch.library.custom_op`` knows; changes none of its arguments, returns new tensors.
    fake : callable
        The same for tensors without numbers: gives the shapes of the results.

    Returns
    -------
    torch.library.CustomOpDef
        Call it; ``register_autograd`` is still to be called.
    """
    if not hasattr(torch.library, "triton_op"):
        function.__annotations__ = {name: _spelt(hint) for name, hint in typing.get_type_hints(function).items()}
    made = torch.library.custom_op(f"seriatim::{name}", function, mutates_args=(), device_types="cpu")
    made.register_fake(fake)
    return made


def _spelt(hint: Any) -> Any:
    """Return a type as torch before 2.6 spells it: by typing's names alone."""
    origin, args = typing.get_origin(hint), tuple(_spelt(arg) for arg in typing.get_args(hint))
    if origin is types.UnionType:
        origin = typing.Union
    old = {Sequence: typing.Sequence, list: typing.List}.get(origin, origin)  # noqa: UP006
    return hint if origin is None else old[args if len(args) > 1 else args[0]]


def takes(tensors: Iterable[torch.Tensor]) -> bool:
    """Return whether our kernels can take these as they are: all float32, dense, on the CPU, and no autocast.

    What is left to torch's code besides: subclasses of ``torch.Tensor``, which mean something of their own; transforms
    of ``torch.func`` and forward-mode derivatives; ``torch.jit.trace``, whose result must not need this library.
    """
    for t in tensors:
        if t.dtype is not torch.float32 or not t.is_cpu or t.layout is not torch.strided:
            return False
        if type(t) not in _PLAIN and not isinstance(t, _FAKE):
            return False
    if torch.is_autocast_enabled("cpu") or torch.jit.is_tracing():
        return False
    # Transforms within what is compiled fail either way, or break the graph; torch 2.4 cannot compile the question.
    return torch.compiler.is_compiling() or not (_TRANSFORMS() or forward_ad._current_level >= 0)


def is_eager(*tensors: torch.Tensor) -> bool:
    """Return whether nothing traces the call: then it may take the short way."""
    return not (torch.compiler.is_compiling() or _MODES()) and all([type(t) in _PLAIN for t in tensors])


def is_kept() -> bool:
    """Return whether the backward pass that runs may be asked for again (``retain_graph=True``)."""
    return True if _KEEPS_GRAPH is None else bool(_KEEPS_GRAPH())


def bounded(function: Callable[..., Result]) -> Callable[..., Result]:
    """Return a function that runs on no more threads than torch may use, and seriatim."""

    @wraps(function)
    def call(*args: Any) -> Result:
        limit, own = torch.get_num_threads(), get_num_threads()
        if limit >= own:
            return function(*args)
        set_num_threads(limit)
        try:
            return function(*args)
        finally:
            set_num_threads(own)

    return call


def array(t: torch.Tensor) -> np.ndarray[Any, Any]:
    """Return the memory of a tensor of the CPU as a NumPy array."""
    return t.numpy(force=True)  # type: ignore[no-any-return]


def tensor(a: np.ndarray[Any, Any]) -> torch.Tensor:
    """Return the memory of an array as a tensor."""
    return torch.from_numpy(a)


def refuse_twice(*_: Any) -> NoReturn:
    """Say that there is no second derivative."""
    raise RuntimeError(
        "seriatim.torch: expected one differentiation, got create_graph=True and a second one, which our kernels have "
        "not: use torch's own module for this (undo the patch, or make a torch.nn one with the same state dict)"
    )


class _Once(torch.autograd.Function):  # type: ignore[misc]
    """Passes gradients through; refuses to be differentiated."""

    @staticmethod
    def forward(ctx: Any, *tensors: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        """Return what it is given."""
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> NoReturn:
        """Refuse."""
        refuse_twice()


def once(gradients: Sequence[torch.Tensor | None]) -> Sequence[torch.Tensor | None]:
    """Return gradients as a ``backward`` gives them: under ``create_graph=True`` they refuse to be differentiated."""
    if not torch.is_grad_enabled():
        return gradients
    found: tuple[torch.Tensor | None, ...] = _Once.apply(
        *[None if g is None else g.detach().requires_grad_() for g in gradients]
    )
    return found
