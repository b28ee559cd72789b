"""Twins in the place of torch's modules, in any model."""

from __future__ import annotations

from types import TracebackType

import torch
from torch.nn.utils.parametrize import is_parametrized

from seriatim.torch._convolution import Conv2d
from seriatim.torch._recurrent import GRU, LSTM, RNN

RECURRENT: dict[type, type] = {torch.nn.GRU: GRU, torch.nn.LSTM: LSTM, torch.nn.RNN: RNN}
CONVOLUTIONS: dict[type, type] = {torch.nn.Conv2d: Conv2d}


class Patch:
    """What :func:`patch` did to a model; as a context manager, it undoes it at the end.

    Attributes
    ----------
    replaced : dict of str
        The class that each module was of, by the module's name in the model.
    left : dict of str
        Why a module of these kinds is as it was, by its name.
    """

    def __init__(self) -> None:
        self.replaced: dict[str, str] = {}
        self.left: dict[str, str] = {}
        self._were: list[tuple[torch.nn.Module, type, type]] = []

    def _replace(self, name: str, module: torch.nn.Module, twin: type) -> None:
        was = type(module)
        # The module stays the object that it is: with its parameters, hooks, mode, and whoever holds it.
        module.__class__ = twin
        self.replaced[name] = was.__name__
        self._were.append((module, was, twin))

    def undo(self) -> None:
        """Give the modules their classes back; parameters keep the values that they have now. Twice is once."""
        for module, was, twin in self._were:
            if type(module) is twin:
                module.__class__ = was
        self._were.clear()

    def __enter__(self) -> Patch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()

    def __repr__(self) -> str:
        lines = [f"replaced {name or 'the model itself'}: {was}" for name, was in self.replaced.items()]
        lines += [f"left {name or 'the model itself'}: {why}" for name, why in self.left.items()]
        return "Patch:\n  " + "\n  ".join(lines or ["nothing to replace"])


def patch(model: torch.nn.Module, *, conv2d: bool = False) -> Patch:
    """Make the GRU, LSTM and RNN modules of a model seriatim's, in place.

    Modules stay the objects that they are, with their names, parameters, hooks and mode: an optimiser that holds the
    parameters is right, and so is a module that stands in the model twice. What is of ``torch.nn``'s own classes and
    float32 on the CPU is replaced. Left as they are: subclasses, modules whose ``forward`` has been replaced, and those
    with parametrised weights (``weight_norm`` and its like).

    Parameters
    ----------
    model : torch.nn.Module
        A model, or a single module.
    conv2d : bool, default False
        Whether ``Conv2d`` is replaced, too.

    Returns
    -------
    Patch
        What was replaced, what was not and why; ``undo()`` gives torch's classes back, and so does the end of a
        ``with`` block. A model that is patched already is left as it is.

    Raises
    ------
    TypeError
        ``model`` is no module.

    Examples
    --------
    >>> done = seriatim.torch.patch(model)
    >>> done
    Patch:
      replaced encoder.rnn: GRU
    >>> done.undo()
    """
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
    twins, done = RECURRENT | (CONVOLUTIONS if conv2d else {}), Patch()
    for name, module in list(model.named_modules()):
        kind = _kind(module, twins)
        if kind is None or type(module) is twins[kind]:
            continue
        why = _why_not(module, kind)
        if why is None:
            done._replace(name, module, twins[kind])
        else:
            done.left[name] = why
    return done


def _kind(module: torch.nn.Module, twins: dict[type, type]) -> type | None:
    """Return which of torch's classes a module is of, by itself, by a subclass, or in TorchScript."""
    for kind in twins:
        if isinstance(module, kind) or getattr(module, "original_name", None) == kind.__name__:
            return kind
    return None


def _why_not(module: torch.nn.Module, kind: type) -> str | None:
    """Return why a module must stay what it is."""
    if isinstance(module, torch.jit.ScriptModule):
        return "TorchScript has compiled it: patch the model first"
    weights = dict(module.named_parameters(recurse=False))
    plain = [name for name in getattr(module, "_flat_weights_names", ["weight"]) if name not in weights]
    if is_parametrized(module) or plain:
        return f"{plain[0] if plain else 'a weight'} is made of other parameters"
    if type(module) is not kind:
        return f"{type(module).__qualname__} is a subclass of {kind.__name__}, and may do something else"
    if "forward" in vars(module):
        return "its forward has been replaced"
    for name, weight in weights.items():
        if weight.dtype is not torch.float32 or weight.device.type != "cpu":
            return f"{name} is {weight.dtype} on {weight.device}, not torch.float32 on the CPU"
    return None
