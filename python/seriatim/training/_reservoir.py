"""Reservoirs: made of random weights, and read out by a linear layer that is solved for at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seriatim._typing import AnyArray, Array
from seriatim.nn import RNN as _RNN
from seriatim.nn import Module, SequenceRNN, reservoir_
from seriatim.sequences import Sequences
from seriatim.training._batches import by_length, collate
from seriatim.training._readout import sharpness, solve_readout

POOLING = ("mean", "max", "positive")
# Sequences that run through it together.
_BATCH = 128


def make_reservoir(
    input_size: int,
    hidden_size: int,
    n_outputs: int,
    *,
    log_probs: bool,
    bidirectional: bool = True,
    pooling: Sequence[str] = POOLING,
    spectral_radius: float = 0.9,
    input_scale: float = 0.5,
    connections: int = 10,
    rng: np.random.Generator,
) -> SequenceRNN:
    """Return a network with a reservoir's weights, whose linear layer :func:`fit_reservoir` sets.

    Parameters
    ----------
    input_size, hidden_size, n_outputs : int
    log_probs : bool
        Whether it gives logarithms of probabilities, or numbers.
    bidirectional : bool, default True
    pooling : sequence of str
        As of :class:`seriatim.nn.SequenceRNN`.
    spectral_radius, input_scale, connections
        As of :func:`seriatim.nn.reservoir_`.
    rng : Generator

    Returns
    -------
    SequenceRNN

    Raises
    ------
    ValueError
        A size or a kind of pooling has no meaning.
    """
    head = "log_softmax" if log_probs else "linear"
    module = SequenceRNN(
        input_size, hidden_size, n_outputs, rnn="rnn", bidirectional=bidirectional, head=head, pooling=pooling, rng=rng
    )
    assert isinstance(module.rnn, _RNN)
    reservoir_(module.rnn, spectral_radius, input_scale, connections, rng=rng)
    return module


def is_reservoir(module: Module) -> bool:
    """Return whether a network is one that is not trained.

    Parameters
    ----------
    module : Module

    Returns
    -------
    bool
    """
    return isinstance(module, SequenceRNN) and isinstance(module.rnn, _RNN)


def fit_reservoir(
    module: SequenceRNN,
    sequences: Sequences,
    target: AnyArray,
    weights: Array | None,
    class_weight: Array | None,
    rows: int,
) -> None:
    """Solve for a reservoir's linear layer; the module is left in evaluation mode, frozen.

    Parameters
    ----------
    module : SequenceRNN
    sequences : Sequences
    target : ndarray
        Numbers of classes ``(n,)`` for a module that gives logarithms of probabilities, else ``(n, outputs)``.
    weights : ndarray, shape (n,), or None
    class_weight : ndarray, shape (classes,), or None
    rows : int
        The most steps of all sequences together that run through the reservoir at a time.
    """
    solve_reservoir(module, reservoir_features(module, sequences, rows), target, weights, class_weight)


def reservoir_features(module: SequenceRNN, sequences: Sequences, rows: int) -> Array:
    """Return what a reservoir makes of sequences; it is left in evaluation mode.

    Parameters
    ----------
    module : SequenceRNN
    sequences : Sequences
    rows : int
        The most steps of all sequences together that run through the reservoir at a time.

    Returns
    -------
    ndarray of float32, shape (n, width)
    """
    module.eval()
    features = np.empty((len(sequences), module.width), np.float32)
    for index in by_length(sequences.lengths, _BATCH, rows):
        x, order = collate(sequences, index)
        features[order] = module.embed(x)
    return features


def solve_reservoir(
    module: SequenceRNN, features: Array, target: AnyArray, weights: Array | None, class_weight: Array | None
) -> None:
    """Solve for a reservoir's linear layer from what it makes of all sequences; it is left frozen.

    Parameters
    ----------
    module : SequenceRNN
    features : ndarray, shape (n, width)
        Of :func:`reservoir_features`.
    target, weights, class_weight
        As of :func:`fit_reservoir`.
    """
    if class_weight is not None:
        weights = class_weight[target] if weights is None else class_weight[target] * weights
    if weights is not None and not weights.all():
        # Of what weighs nothing there is no error of leaving it out.
        counting = weights > 0
        features, target, weights = features[counting], target[counting], weights[counting]
    if len(features) < 2:
        raise ValueError(
            "a reservoir's readout leaves one sequence out: expected at least 2 sequences that count, got "
            f"{len(features)} sample; reservoir=False, where it stands beside trained networks, is the way on"
        )
    classifies = module.head == "log_softmax"
    values = np.where(target[:, None] == np.arange(module.n_outputs), 1.0, -1.0) if classifies else target
    weight, bias, left_out = solve_readout(features, values, weights)
    factor = np.float32(sharpness(left_out, target, weights) if classifies else 1)
    linear: Any = module.classifier[1]
    linear.weight.data, linear.bias.data = weight * factor, bias * factor
    module.requires_grad_(False)
