"""What the course of a training says about it."""

from __future__ import annotations

import numpy as np

# Fewer epochs say nothing.
_LEAST = 5
# Losses from the first epoch on that count as having exploded, as not having moved, and as still falling: the fall from
# the last but one fifth of the epochs to the last one, out of the whole fall.
# Of few epochs the fall has to be steeper.
_EXPLODED, _UNMOVED, _FALLING, _FALLING_OF_FEW = 2.0, 0.01, 0.2, 0.3


def verdict(losses: list[float]) -> str | None:
    """Return what is wrong with a training that has ended with these losses, one an epoch, and what to do; or None."""
    values = np.asarray(losses, np.float64)
    if len(values) < _LEAST or not np.isfinite(values).all() or values[0] <= 0:
        return None
    first, last = values[0], values[-1]
    about = f"over {len(values)} epochs the training loss went from {first:.4g} to {last:.4g}"
    if last > _EXPLODED * first:
        return f"training has exploded: {about}. A smaller learning_rate, or scaling='auto', is the way on."
    if len(values) >= 2 * _LEAST and np.ptp(values) < _UNMOVED * first and first > 0.1:
        return (
            f"training has not moved: {about}. A larger learning_rate or scaling='auto' may help; or the observations "
            "say nothing about y."
        )
    part = max(1, len(values) // 5)
    recent = values[-2 * part : -part].mean() - values[-part:].mean()
    falls = np.diff(values[-2 * part :])
    # One that goes up and down is at its end.
    steep = _FALLING if len(values) >= 2 * _LEAST else _FALLING_OF_FEW
    if recent > steep * (first - last) > 0 and np.all(falls < 0):
        return (
            f"training ended while the loss was falling fast: {about}, {recent:.4g} of it in the last {part}. "
            "A larger max_epochs (or 'auto'), a smaller batch_size or a larger learning_rate gives a better model."
        )
    return None
