"""Weights of half or a quarter the width, for inference."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, TypeVar

from seriatim.functional import narrow
from seriatim.nn import RNN, Linear, Module, Parameter, SequenceRNN
from seriatim.nn.base._narrow import NarrowParameter, narrow_form
from seriatim.nn.recurrent._stack import RecurrentCell, RecurrentStack

__all__ = ["quantize"]

_FORMS = ("bfloat16", "int8")
# Of recurrent layers: their kinds, the options that exclude it, and what the names of their weights begin with.
_KINDS = ("gru", "lstm", "rnn")
_WEIGHTS = ("weight_ih", "weight_hh", "weight_hr")
# What an estimator goes on training with.
_TRAINING = ("_optimizer", "_rng", "_loss_function_")

Model = TypeVar("Model")


def __dir__() -> list[str]:
    return __all__


def quantize(model: Model, weights: str = "bfloat16") -> Model:
    """Return a copy of a model whose weights take a half or a quarter of the memory, for inference.

    Parameters
    ----------
    model : module, fitted estimator of seriatim, or fitted pipeline that ends with one
        Is left as it is.
    weights : {'bfloat16', 'int8'}, default 'bfloat16'
        How weights are kept, in memory and in files. 'bfloat16': 8 significant bits. 'int8': whole numbers from -127 to
        127, and a scale for each row, one row being what makes one number of the output.

    Returns
    -------
    model
        Of the same class, in evaluation mode. It cannot be trained: ``fit``, ``train()``, ``backward`` and
        ``load_state_dict`` refuse. ``state_dict()`` has the rounded weights as float32. ``clone`` of an estimator gives
        one that is not fitted, as ever.

    Raises
    ------
    ValueError
        ``weights`` is another one, no layer of the model can be quantised, one is quantised already, or a weight is
        NaN, infinite, or too large for bfloat16 (above 3.3895e38).
    TypeError
        The model is no module, estimator or pipeline.
    sklearn.exceptions.NotFittedError
        The estimator is not fitted.

    Notes
    -----
    Quantised are the weights of Linear, and ``weight_ih``, ``weight_hh`` and ``weight_hr`` of GRU, LSTM and RNN, stacks
    and cells, with all their options but ``norm="layer"``. All else keeps float32: biases, peepholes, layer-normalised
    cells, MinGRU, MinLSTM, IndRNN, convolutions, embeddings and a weight that is tied to one, norms, and reservoirs,
    whose linear layer is solved for their very states.

    Only weights are rounded. They are widened in registers, and all sums are float32 in the order they always have::

        bfloat16    W x + b       = b + sum_j w_j x_j,  w rounded to the nearest bfloat16, ties to even
        int8        W x + b       = b + s (sum_j q_j x_j),  s = max |w| / 127 of the row,  q = round(w / s)

    so that a bfloat16 model has the bits of the float32 model whose weights have been rounded, and every result the
    same bits alone, in any batch, and for any number of threads.

    It pays where weights come from memory or a shared cache: one sequence, or few, and layers whose weights are larger
    than a core's cache. Large batches take as long as in float32 (bfloat16), or somewhat longer (int8).

    Examples
    --------
    >>> gru = nn.GRU(13, 64, rng=0).eval()
    >>> half = seriatim.quantize(gru)
    >>> half
    GRU(13, 64, weights='bfloat16')
    >>> x = np.ones((5, 13), np.float32)
    >>> bool(np.abs(half(x)[0] - gru(x)[0]).max() < 1e-2)
    True
    """
    if not isinstance(weights, str) or weights not in _FORMS:
        raise ValueError(f"weights: expected 'bfloat16' or 'int8', got {weights!r}")
    if isinstance(model, Module):
        copied: Model = _copy(model, model, weights)
        return copied
    if hasattr(model, "steps") and model.steps:
        last = model.steps[-1][1]
        if not _is_ours(last):
            raise TypeError(
                f"model: expected a pipeline that ends with an estimator of seriatim, got one that ends with "
                f"{type(last).__name__}"
            )
        return copy.deepcopy(model, {id(last): quantize(last, weights)})
    if not _is_ours(model):
        best = hasattr(model, "refit") or hasattr(model, "best_estimator_")
        raise TypeError(
            "model: expected a module of seriatim.nn, a fitted estimator of seriatim or a pipeline that ends with one, "
            f"got {type(model).__name__}{': give its best_estimator_' if best else ''}"
        )
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(model)
    module = getattr(model, "module_", None)
    if not isinstance(module, Module):
        raise TypeError(f"model: expected an estimator with a network, got {type(model).__name__}, which has none")
    shallow = copy.copy(model)
    for attribute in _TRAINING:
        vars(shallow).pop(attribute, None)
    made: Model = _copy(shallow, module, weights)
    return made


def _is_ours(model: object) -> bool:
    return isinstance(model, Module) or (
        hasattr(model, "get_params") and type(model).__module__.startswith("seriatim.")
    )


def _copy(model: Any, module: Module, form: str) -> Any:
    """Return a deep copy of what a module is, or is in, with the module's weights narrow."""
    there = narrow_form(module.parameters())
    if there is not None:
        raise ValueError(
            f"model: expected float32 weights, got {there}: they have been rounded already; quantise the model that "
            "they were made of"
        )
    memo: dict[int, Any] = {}
    for name, parameter in _weights(module):
        try:
            memo[id(parameter)] = NarrowParameter(narrow(parameter._array, form))
        except ValueError as error:
            raise ValueError(f"{name}: {str(error).removeprefix('weight: ')}") from None
    if not memo:
        raise ValueError(
            f"model: {type(module).__name__} has no weights that are quantised: those of Linear, GRU, LSTM and RNN "
            "without norm='layer' are, all else keeps float32, reservoirs, too"
        )
    # Gradients are no part of what serves inference, and everything in the copy refers to the narrow weights.
    made = copy.deepcopy(model, memo)
    inner = made if model is module else made.module_
    inner.eval()
    for parameter in inner.parameters():
        parameter.grad = None
    return made


def _weights(module: Module) -> Iterator[tuple[str, Parameter]]:
    """Yield the weights that are narrowed, each once: those that are nothing else anywhere."""
    found: dict[int, tuple[str, Parameter]] = {}
    others: set[int] = set()
    # A reservoir's linear layer was solved for its very states: large numbers that nearly cancel.
    reservoirs = (part for part in module.modules() if _is_reservoir(part))
    kept = {id(part) for reservoir in reservoirs for part in reservoir.modules()}
    for path, part in module.named_modules():
        for name, parameter in part._parameters.items():
            if parameter is None:
                continue
            if id(part) not in kept and _is_narrowed(part, name):
                found.setdefault(id(parameter), (f"{path}.{name}" if path else name, parameter))
            else:
                others.add(id(parameter))
    for key, entry in found.items():
        if key not in others:
            yield entry


def _is_reservoir(module: Module) -> bool:
    trained = any(parameter.requires_grad for parameter in module.parameters())
    return isinstance(module, SequenceRNN) and isinstance(module.rnn, RNN) and not trained


def _is_narrowed(module: Module, name: str) -> bool:
    if isinstance(module, Linear):
        return name == "weight"
    if not isinstance(module, (RecurrentStack, RecurrentCell)):
        return False
    kind = module._kind
    return kind.name in _KINDS and "layer_norm" not in kind.options and name.startswith(_WEIGHTS)
