"""What a training that goes on (``warm_start``, ``partial_fit``) makes of each parameter: follows it, or refuses it.

The last fit's networks, and the transformers before them, stay what they are. A parameter that says what they are is
held against a record of that fit, by content; all others hold from the next step on.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import clone

from seriatim.models._policy import EFFORTS, Facts
from seriatim.models._prediction import members
from seriatim.nn import Module
from seriatim.optim import Optimizer
from seriatim.training import is_reservoir
from seriatim.training._identity import identity, shown

_NETWORK = "what the network is made of"
_DATA = "what the first sequences were prepared with, as all that follow are"
# Why a parameter cannot change; None of one that is followed. What a class adds that is not here cannot.
HOW: dict[str, str | None] = {
    **dict.fromkeys(
        (
            "hidden_size",
            "num_layers",
            "bidirectional",
            "rnn",
            "fc",
            "dims",
            "pooling",
            "embedding",
            "embedding_size",
            "convolution",
        ),
        _NETWORK,
    ),
    "n_estimators": "how many networks there are",
    "scaling": _DATA,
    "preprocessing": _DATA,
    # The learning: an optimiser of another kind begins without memory, a random state where it is.
    **dict.fromkeys(("learning_rate", "schedule", "optimizer", "weight_decay", "clip_norm", "weight_averaging")),
    **dict.fromkeys(("batch_size", "max_epochs", "max_time", "augmentation", "dropout", "freeze", "random_state")),
    **dict.fromkeys(("early_stopping", "validation_fraction", "n_iter_no_change", "tol", "monitor")),
    **dict.fromkeys(("label_smoothing", "class_weight", "ignore_label")),
    # As far as the number of networks stays, and as a whole fit can solve for a readout.
    **dict.fromkeys(("effort", "reservoir")),
    # The run.
    **dict.fromkeys(
        ("warm_start", "checkpoint_dir", "checkpoint_every", "verbose", "callbacks", "predict_rows", "micro_shards")
    ),
}
_COMPARED = ("effort", "reservoir", "random_state", "freeze")


def record(estimator: Any) -> dict[str, Any]:
    """Return what the next training is held against; a file can have it."""
    found = {
        name: _mark(name, value)
        for name, value in estimator.get_params(deep=False).items()
        if HOW.get(name, _NETWORK) is not None or name in _COMPARED
    }
    embedding = getattr(estimator, "embedding", None)
    if isinstance(embedding, Module):
        found["frozen"] = [name for name, p in embedding.named_parameters() if not p.requires_grad]
    return found


def has_changed(estimator: Any, name: str) -> bool:
    """Return whether a parameter is another one than in the last fit."""
    then = getattr(estimator, "_fitted_with", {})
    if name not in then:
        return False
    now = _mark(name, getattr(estimator, name))
    # A callable that nothing can be said of is asked for itself.
    return bool(then[name] != now) or (name == "embedding" and now["content"] == "")


def goes_on(estimator: Any, *, in_pieces: bool) -> np.random.Generator | None:
    """Refuse parameters that have changed since the last fit and cannot be followed.

    Parameters
    ----------
    in_pieces : bool
        Whether training goes on by ``partial_fit``.

    Returns
    -------
    Generator or None
        A copy of the last fit's; None where ``random_state`` says of another one, or a file had none.

    Raises
    ------
    ValueError
    """
    for name in estimator.get_params(deep=False):
        why = HOW.get(name, _NETWORK)
        if why is not None and has_changed(estimator, name) and not _comes_to_the_same(estimator, name, in_pieces):
            then, now = estimator._fitted_with[name], getattr(estimator, name)
            was = getattr(estimator, f"{name}_", then) if then == "auto" and why is not _DATA else then
            told = was["shown"] if isinstance(was, dict) and "shown" in was else shown(was)
            raise ValueError(_refusal(name, told, shown(now), f"it says {why}", in_pieces))
    _check_members(estimator, in_pieces)
    return None if has_changed(estimator, "random_state") else copy.deepcopy(getattr(estimator, "_rng", None))


def _check_members(estimator: Any, in_pieces: bool) -> None:
    """Refuse what would add a network to those that there are."""
    whole = estimator._is_auto("max_epochs") and not in_pieces
    if whole and has_changed(estimator, "effort") and estimator._is_auto("n_estimators"):
        count, there = estimator._members_of(EFFORTS[estimator.effort]), estimator.n_estimators_
        if count != there:
            why = f"it means {count} networks, and there are {there} (n_estimators={there} keeps them)"
            raise ValueError(
                _refusal("effort", repr(estimator._fitted_with["effort"]), repr(estimator.effort), why, False)
            )
    wants = estimator.reservoir and not estimator._is_auto("reservoir")
    if in_pieces and wants and has_changed(estimator, "reservoir") and not has_reservoir(estimator.module_):
        why = "a readout is solved for all sequences at once, by fit"
        raise ValueError(_refusal("reservoir", shown(estimator._fitted_with["reservoir"]), "True", why, in_pieces))


def last_fit(estimator: Any) -> tuple[Module, Optimizer | None, dict[str, list[float]]]:
    """Return copies of the networks, the optimiser and the history: until a fit has succeeded, the last one's answer.

    What a file says nothing of begins with a fresh optimiser: None.
    """
    # An embedding that is no module may not be copyable, and is not trained.
    given = [getattr(member, "embedding", None) for member in members(estimator.module_)]
    memo = {id(one): one for one in given if not isinstance(one, Module)}
    last = estimator.module_, getattr(estimator, "_optimizer", None), estimator.history_
    copied: tuple[Module, Optimizer | None, dict[str, list[float]]] = copy.deepcopy(last, memo)
    return copied


def has_reservoir(module: Module) -> bool:
    """Return whether one of the networks is not trained."""
    return any(map(is_reservoir, members(module)))


def kept(estimator: Any, settled: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """Return settled parameters with what "auto" became in the last fit where the networks are made of it."""
    names = [name for name in settled if HOW.get(name, _NETWORK) is not None and hasattr(estimator, f"{name}_")]
    found = {**settled, **{name: getattr(estimator, f"{name}_") for name in names}}
    if estimator._is_auto("augmentation"):
        found["augmentation"] = None if found["scaling"] is None else estimator._own_augmentation(facts)
    return found


def _comes_to_the_same(estimator: Any, name: str, in_pieces: bool) -> bool:
    """Return whether another value of a parameter says the same: "auto" and what it became, a list and a tuple."""
    if name == "embedding" and not isinstance(estimator.embedding, Module):
        return members(estimator.module_)[0].embedding is estimator.embedding
    if HOW.get(name, _NETWORK) is _DATA or not hasattr(estimator, f"{name}_"):
        return False
    settled = estimator._settle_network()
    if name == "n_estimators":
        settled[name] = estimator._count(estimator._is_auto("max_epochs") and not in_pieces)
    return name in settled and bool(_plain(settled[name]) == _plain(getattr(estimator, f"{name}_")))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value


def _refusal(name: str, was: str, now: str, why: str, in_pieces: bool) -> str:
    anew = "partial_fit of a clone" if in_pieces else "warm_start=False"
    return (
        f"{name}: expected {was}, as in the last fit, for training that goes on from it; got {now}. It cannot change: "
        f"{why}. Set it back, or train anew ({anew})."
    )


def _mark(name: str, value: Any) -> Any:
    """Return a plain value, or what another one is by its content, as far as that can be said."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    content = value
    if isinstance(value, Module):
        # Its weights and structure, which a file has; not what is drawn or frozen.
        content = [repr(value), value.state_dict()]
    elif hasattr(value, "get_params"):
        # What was fitted before is not what it is fitted as here.
        content = clone(value, safe=False)
    try:
        return {"content": identity(content, name), "shown": shown(value)}
    except TypeError:
        return {"content": "", "shown": shown(value)}
