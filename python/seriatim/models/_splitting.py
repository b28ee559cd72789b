"""What is trained on, and what is kept for validation: no class is lost to it, no group divided.

scikit-learn's stratified splitters refuse a class of one sequence, and may take all of a small class or of a class that
one group has; here every class keeps a sequence, or a group, to be learned from.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from seriatim._arrays import as_labels
from seriatim._typing import AnyArray, Array, Integers
from seriatim.models._labels import as_list, refuse_missing

_WAY_ON = "validation_data, or early_stopping=False, is the way on"


def split(
    classes: Integers,
    fraction: float,
    random_state: Any,
    *,
    groups: Integers | None = None,
    weights: Array | None = None,
) -> tuple[Integers, Integers]:
    """Return indices of what is trained on and of what is kept for validation, both rising.

    Parameters
    ----------
    classes : ndarray of int, shape (n,)
        The class of each sequence; zeros if there are none. They keep their shares as far as whole sequences can.
    fraction : float
        That validation takes of what counts; at least one sequence, and never all of a class.
    random_state : int, RandomState or None
    groups : ndarray of int, shape (n,), optional
        Of :func:`check_groups`. None is divided, and none is taken that has all of a class.
    weights : ndarray, shape (n,), optional
        What weighs nothing stays in training, where it teaches nothing: validation would have no mean.

    Raises
    ------
    ValueError
        Nothing can be taken without losing a class.
    """
    rng, n = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1)), len(classes)
    counting = np.ones(n, bool) if weights is None else weights > 0
    if groups is None:
        taken = _some_of_each(classes, counting, fraction, rng)
    else:
        taken = _whole_groups(classes, counting, fraction, groups, rng)
    return np.flatnonzero(~taken), np.flatnonzero(taken)


def check_groups(groups: Any, n: int) -> Integers:
    """Return the number of each sequence's group.

    Raises
    ------
    ValueError
        There is not a group for each sequence, or one group alone.
    """
    groups = as_list(groups)
    refuse_missing("groups", groups, "a group for each sequence", "give what is unknown a group of its own")
    given = as_labels("groups", groups)
    if given.shape != (n,):
        raise ValueError(f"groups: expected a group for each of {n} sequences, got shape {given.shape}")
    numbers = in_order_of_coming(given)
    if numbers.max() < 1:
        raise ValueError("groups: expected at least 2 groups, one of them to validate on, got 1")
    return numbers


def in_order_of_coming(names: AnyArray) -> Integers:
    """Return numbers in the place of names, 0 for the first that comes."""
    found: dict[Any, int] = {}
    return np.array([found.setdefault(name, len(found)) for name in names.tolist()], np.int64)


def only_in_training(classes: Integers, groups: Integers | None, weights: Array | None) -> Integers:
    """Return the classes of which nothing can be kept for validation: of one sequence, or in one group alone."""
    counting = np.ones(len(classes), bool) if weights is None else weights > 0
    units = np.arange(len(classes)) if groups is None else groups
    pairs = np.unique(np.stack([classes[counting], units[counting]], axis=1), axis=0)
    return np.flatnonzero(np.bincount(pairs[:, 0]) == 1)


def _some_of_each(classes: Integers, counting: AnyArray, fraction: float, rng: np.random.Generator) -> AnyArray:
    """Return a mask of single sequences."""
    sizes = np.bincount(classes[counting])
    total, most = int(sizes.sum()), np.maximum(sizes - 1, 0)
    count = min(max(1, round(fraction * total)), int(most.sum()))
    if count == 0:
        raise ValueError(
            f"early_stopping: expected a class with at least 2 sequences, one of them to validate on, got {total} "
            f"sequences that count, all of other classes; {_WAY_ON}"
        )
    shares = _shares(sizes * (count / total), most, count, rng)
    order = rng.permutation(np.flatnonzero(counting))
    taken = np.zeros(len(classes), bool)
    for number in np.flatnonzero(shares):
        taken[order[classes[order] == number][: shares[number]]] = True
    return taken


def _shares(wanted: AnyArray, most: Integers, count: int, rng: np.random.Generator) -> Integers:
    """Return whole numbers near what is wanted, at most ``most`` each, whose sum is ``count``; ties by lot."""
    shares = np.minimum(wanted.astype(np.int64), most)
    while (rest := count - int(shares.sum())) > 0:
        open_ = rng.permutation(np.flatnonzero(shares < most))
        neediest = open_[np.argsort(shares[open_] - wanted[open_], kind="stable")]
        shares[neediest[:rest]] += 1
    return shares


def _whole_groups(
    classes: Integers, counting: AnyArray, fraction: float, groups: Integers, rng: np.random.Generator
) -> AnyArray:
    """Return a mask of whole groups that have about a fraction of every class."""
    table = np.zeros((groups.max() + 1, classes.max() + 1))
    np.add.at(table, (groups, classes), counting)
    sizes = table.sum(axis=0)
    missing, scale = fraction * sizes, np.where(sizes > 0, 1 / np.maximum(sizes, 1), 0)
    # In how many groups of those that are left each class is.
    homes = np.count_nonzero(table, axis=0)
    order = rng.permutation(np.flatnonzero(table.any(axis=1)))
    distance = [float((scale * (missing - table[group]) ** 2).sum()) for group in order]
    nearest = [int(order[i]) for i in np.argsort(distance, kind="stable")]
    taken: list[int] = []
    # By lot, whatever brings nearer; and at least the one that is nearest.
    for group, at_least in [(int(group), False) for group in order] + [(group, True) for group in nearest]:
        has = table[group] > 0
        left = missing - table[group]
        nearer = float((scale * left**2).sum()) < float((scale * missing**2).sum())
        if (nearer or (at_least and not taken)) and (homes[has] > 1).all():
            taken, missing, homes = [*taken, group], left, homes - has
    if not taken:
        raise ValueError(
            f"groups: expected one to validate on that training can do without, but each of {len(order)} groups has "
            f"all of some class; {_WAY_ON}"
        )
    return np.isin(groups, taken)
