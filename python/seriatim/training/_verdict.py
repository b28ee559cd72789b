"""What the course of a training says about it."""

from __future__ import annotations

import numpy as np

# Fewer epochs say nothing; of a loss that stays where it is, more are wanted.
_LEAST, _MANY = 5, 10
# A last loss of so many times the first one has exploded, or one that is worse than any guess, of labels as of
# standardised numbers.
_EXPLODED, _WORSE_THAN_A_GUESS = 2.0, 20.0
# A training has not moved within so much of its first loss, and its loss still falls if it does at so much of its mean
# pace from the last but one fifth of the epochs to the last one, having fallen by some part of the first one.
_UNMOVED, _PACE, _FALLEN = 0.01, 0.9, 0.3
# A fall of the validation loss that more epochs are worth.
_WORTH = 0.01


def improves(losses: list[float]) -> bool:
    """Return whether a validation loss has fallen by more than a hundredth in the last tenth of its epochs.

    A schedule that ends brings a little less loss until its last step.
    """
    before = losses[-1 - max(1, len(losses) // 10)] if len(losses) > 1 else -np.inf
    return bool(losses[-1] < before - _WORTH * abs(before))


def verdict(losses: list[float]) -> str | None:
    """Return what is wrong with a training that has ended with these losses, one an epoch, and what to do; or None."""
    values = np.asarray(losses, np.float64)
    if len(values) < _LEAST or not np.isfinite(values).all() or values[0] <= 0:
        return None
    first, last = values[0], values[-1]
    about = f"over {len(values)} epochs the training loss went from {first:.4g} to {last:.4g}"
    if last > min(_EXPLODED * first, _WORSE_THAN_A_GUESS):
        return f"training has exploded: {about}. A smaller learning_rate, or scaling='auto', is the way on."
    if len(values) >= _MANY and np.ptp(values) < _UNMOVED * first and first > 0.1:
        return (
            f"training has not moved: {about}. A larger learning_rate or scaling='auto' may help; or the observations "
            "say nothing about y."
        )
    part = len(values) // 5
    recent = values[-2 * part : -part].mean() - values[-part:].mean()
    pace = (first - last) * part / (len(values) - 1)
    # One that goes up and down is at its end.
    if first - last > _FALLEN * first and recent > _PACE * pace and np.all(np.diff(values[-2 * part :]) < 0):
        return (
            f"training ended while the loss was falling fast: {about}, {recent:.4g} of it in the last {part}. "
            "A larger max_epochs (or 'auto'), a smaller batch_size or a larger learning_rate gives a better model."
        )
    return None
