"""What is trained on, and what is kept for validation."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold, train_test_split
from sklearn.utils import check_random_state

from seriatim._typing import AnyArray, Integers


def split(
    target: AnyArray, fraction: float, random_state: Any, *, groups: Any = None, stratify: bool = False
) -> tuple[Integers, Integers]:
    """Return indices of what is trained on and of what is kept for validation.

    Parameters
    ----------
    target : ndarray, shape (n, ...)
        Encoded; numbers of classes if ``stratify``.
    fraction : float
        That validation takes.
    random_state : int, RandomState or None
    groups : array_like, shape (n,), optional
        None is divided.
    stratify : bool
        Whether classes keep their shares where each has enough sequences for it.

    Raises
    ------
    ValueError
        There is not a group for each sequence, or one group alone.
    """
    seed, n = int(check_random_state(random_state).randint(2**31 - 1)), len(target)
    if groups is not None:
        return _split_groups(target, fraction, seed, np.asarray(groups), stratify)
    count = max(1, round(fraction * n))
    sizes = np.bincount(target) if stratify else np.array([0])
    possible = stratify and sizes[sizes > 0].min() >= 2 and count >= np.count_nonzero(sizes)
    training, validation = train_test_split(
        np.arange(n), test_size=count, random_state=seed, stratify=target if possible else None
    )
    return training, validation


def _split_groups(
    target: AnyArray, fraction: float, seed: int, groups: AnyArray, stratify: bool
) -> tuple[Integers, Integers]:
    n = len(target)
    if groups.shape != (n,):
        raise ValueError(f"groups: expected a group for each of {n} sequences, got shape {groups.shape}")
    parts, known = max(2, round(1 / fraction)), len(np.unique(groups))
    if known < 2:
        raise ValueError("groups: expected at least 2 groups, one of them to validate on, got 1")
    if stratify and known >= parts and np.bincount(target).max() >= parts:
        splitter: Any = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    else:
        splitter = GroupShuffleSplit(1, test_size=fraction, random_state=seed)
    training, validation = next(iter(splitter.split(np.zeros(n), target, groups)))
    return training, validation
