"""What is validated on: a part of the training sequences, or what is given for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._sklearn import Reading, refuse_other_order
from seriatim._typing import AnyArray, Array, Integers
from seriatim.models._data import Examples, read_validation
from seriatim.models._splitting import check_groups, in_order_of_coming, only_in_training, split
from seriatim.models._warnings import PIPELINE, warn_of_shift, warn_of_unvalidated, warn_of_validation
from seriatim.preprocessing._targets import Targets, weights_in_loss
from seriatim.training import Checkpoint
from seriatim.training._checkpoint import drawn


def hold_out(
    estimator: Any,
    training: Examples,
    targets: Targets,
    class_weights: Array | None,
    groups: Any,
    checkpoint: Checkpoint | None,
) -> tuple[Examples, Examples]:
    """Part an estimator's training sequences into those that are trained on and those that are validated on.

    Which these are is drawn by what the sequences are, not by where they stand: both parts are in their own order.
    """
    n = len(training)
    numbers = None if groups is None else check_groups(groups, n)
    order = training.order()
    training = training[order]
    if numbers is not None:
        numbers = numbers[order]
    weights = weights_in_loss(training.target, training.weights, class_weights)
    chosen, kept = choose(estimator, training.target, weights, numbers, targets, checkpoint)
    return training[chosen], training[kept]


def choose(
    estimator: Any, target: AnyArray, weights: Array | None, numbers: Integers | None, targets: Targets, checkpoint: Any
) -> tuple[Integers, Integers]:
    """Return the indices of what is trained on and of what is validated on.

    Parameters
    ----------
    target : ndarray, shape (n, ...)
        In an order that depends on the sequences alone.
    weights : ndarray, shape (n,), or None
        What each sequence counts in the loss.
    numbers : ndarray of int, shape (n,), or None
        The group of each.
    checkpoint : object with what was ``drawn``, or None
    """
    if numbers is not None:
        numbers = in_order_of_coming(numbers)
    # Sets of labels have no shares to keep.
    stratifies = estimator._stratifies and target.ndim == 1
    classes = target if stratifies else np.zeros(len(target), np.int64)
    parts = split(classes, estimator.validation_fraction, estimator.random_state, groups=numbers, weights=weights)
    chosen, kept = drawn(checkpoint, "split", parts)
    warn_of_validation(len(kept), targets.n_kinds)
    if stratifies:
        names = estimator._targets_state(targets)["classes_"]
        warn_of_unvalidated(names[only_in_training(classes, numbers, weights)], grouped=numbers is not None)
    return chosen, kept


def given_validation(estimator: Any, validation_data: Any, training: Reading, targets: Targets) -> Examples:
    """Read the sequences that an estimator is given to validate on.

    Raises
    ------
    ValueError, TypeError
        They are none, have other observations than those of training, or labels that training has not.
    """
    X, y, lengths = read_validation(validation_data)
    given, wanted = estimator._read_targets(y), training.sequences.X.shape[1:]
    try:
        reading = estimator._read_form(X, lengths, training.known, len(given))
        given = estimator._placed(given, reading)
    except (TypeError, ValueError) as error:
        # What has other features may be what a pipeline's steps were to transform.
        hint = f". {PIPELINE}" if "is expecting" in str(error) else ""
        raise type(error)(f"validation_data: expected observations of shape {wanted}, as in X: {error}{hint}") from None
    sequences = reading.sequences
    shape = sequences.X.shape[1:]
    if shape != wanted or len(sequences) != len(given):
        raise ValueError(
            f"validation_data: expected observations of shape {wanted} and a target for each sequence, got {shape},"
            f" {len(sequences)} sequences and {len(given)} targets"
        )
    try:
        refuse_other_order("y", y, reading.keys)
        warn_of_shift(training.sequences, sequences, training.names)
        return Examples(sequences, targets.encode(given), given=given)
    except ValueError as error:
        raise ValueError(f"validation_data: {error}") from None
