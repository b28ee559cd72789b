"""Dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim import functional as F
from seriatim._arrays import as_floats, as_numbers, of_shape
from seriatim._typing import Array, ArrayLike, Seed
from seriatim.functional._stream import Stage
from seriatim.nn.base import _init, _undo
from seriatim.nn.base._calls import ArrayModule
from seriatim.nn.base._guards import guard_of
from seriatim.nn.base._together import together

# What one call drops: probability, seed and number.
Drop = tuple[float, int, int]

# How many numbers a micro-batch has for one module.
_DRAWS = 1 << 16


class Dropout(ArrayModule):
    """In training, zero each element with probability ``p`` and scale the others by ``1 / (1 - p)``.

    Parameters
    ----------
    p : float in [0, 1], default 0.5
    rng : int, Generator or None
        Of the seed. The mask depends on the seed, the number of the call and the element's position alone.

    Raises
    ------
    ValueError
        ``p`` is no probability. From backward: the gradient has another shape than the output.
    """

    _is_leaf = True

    def __init__(self, p: float = 0.5, *, rng: Seed = None) -> None:
        super().__init__()
        self.p = p
        self.seed = int(_init.generator(rng).integers(2**63))
        self.calls = 0

    @property
    def p(self) -> float:
        """Probability with which an element is dropped; may be set."""
        found: float = self.__dict__["_p"]
        return found

    @p.setter
    def p(self, p: float) -> None:
        self.__dict__["_p"] = probability("p", p)

    def _stream_stages(self, name: str, inputs: int) -> list[Stage]:
        return []

    def trace(self, x: ArrayLike) -> tuple[Array, Any]:
        """Drop."""
        drop = self.draw() if self.training else None
        y = dropped(x, drop)
        return y, self.keep((drop, y.shape))

    def pullback(self, context: Any, grad_output: ArrayLike) -> Array:
        """Drop the same elements of the gradient."""
        drop, shape = self.kept(context)
        return dropped(of_shape("grad_output", grad_output, shape), drop)

    def _draws(self) -> Dropout:
        return self

    def draw(self) -> Drop | None:
        """Return what a new call drops, None if there is nothing to drop."""
        return None if self.p == 0 else (self.p, self.seed, self.number())

    def number(self) -> int:
        """Return the number of a new draw: what is drawn depends on the seed and on it alone.

        Of micro-batches that run together each has numbers of its own, by its place and not by who runs it; ``calls``
        then is the number of the step, which whoever runs them advances.
        """
        part = together.get()
        if part is not None:
            drawn = part.draw(self)
            if drawn >= _DRAWS:
                raise RuntimeError(
                    f"dropout: a micro-batch drew more than {_DRAWS:,} masks with one module, which have no numbers of "
                    "their own; train with micro_shards=None, or give the module's uses a Dropout each"
                )
            return (self.calls * part.of + part.shard) * _DRAWS + drawn
        _undo.note(self, "calls")
        with guard_of(self):
            self.calls += 1
            return self.calls - 1

    def extra_repr(self) -> str:
        """Return the probability."""
        return f"p={self.p}"


def dropped(x: ArrayLike, drop: Drop | None) -> Array:
    """Drop what a call drops; nothing for None.

    Parameters
    ----------
    x : array_like
    drop : (float, int, int) or None
        Probability, seed and number of the call.
    """
    if drop is None:
        return as_floats("x", x)
    if drop[0] == 1:
        # torch multiplies by 0: what is not finite is not hidden.
        return np.where(np.isfinite(as_numbers("x", x)), np.float32(0), np.float32(np.nan))
    return F.dropout(x, *drop)


def probability(name: str, p: float) -> float:
    """Return a probability, as a float.

    Parameters
    ----------
    name : str
        What an error calls it.
    p : float

    Raises
    ------
    ValueError
        It is not from 0 to 1.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: expected a probability from 0 to 1, got {p!r}")
    return float(p)
