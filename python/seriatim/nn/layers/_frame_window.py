"""A linear map of neighbouring frames: a convolution over the steps of each sequence.

Frames before the first of a sequence and behind its last are zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._typing import Array, ArrayLike, Integers, Seed
from seriatim.functional._stream import Stage, stage
from seriatim.nn.base import _init
from seriatim.nn.base._layouts import PackedRows
from seriatim.nn.base._module import Module
from seriatim.nn.base._stages import one_behind_another
from seriatim.nn.layers._activation import ReLU
from seriatim.nn.layers._linear import Linear
from seriatim.sequences import PackedSequence


class FrameWindow(Module):
    """``y_t = max(W [x_(t-k+1), ..., x_t] + b, 0)``: the last k frames side by side, a linear map of them, and a ReLU.

    Parameters
    ----------
    in_features, out_features : int
        Of a frame, before and behind.
    frames : int
        k, those that are seen at once.
    centred : bool, default False
        Whether ``(k - 1) // 2`` of them are frames that are still to come, ``x_(t - k // 2), ..., x_(t + (k - 1) //
        2)``, and not all are past. What is not centred can run while frames arrive.
    rng : int, Generator or None
        Of the initial values.

    Attributes
    ----------
    linear, relu
        Where the parameters are: ``linear.weight (out_features, k * in_features)``, the oldest frame's columns first,
        and ``linear.bias``.

    Raises
    ------
    ValueError
        A size is not positive. From the call: rows have other features. From backward: the gradient has another shape
        than the output.

    Notes
    -----
    ``y (rows, out_features) = window(x)`` of a PackedSequence, as such, or ``window(x, batch_sizes)`` of packed rows
    ``(rows, in_features)``. Frames before a sequence's first, and behind its last, are zeros.
    """

    _fixed = ("in_features", "frames", "centred")
    _over_time = True

    def __init__(
        self, in_features: int, out_features: int, frames: int, *, centred: bool = False, rng: Seed = None
    ) -> None:
        super().__init__()
        _init.positive(in_features=in_features, out_features=out_features, frames=frames)
        self.in_features, self.frames, self.centred = in_features, frames, bool(centred)
        self.linear = Linear(frames * in_features, out_features, rng=rng)
        self.relu = ReLU()

    @property
    def out_features(self) -> int:
        """Features of a frame behind it."""
        return self.linear.out_features

    def trace(self, x: ArrayLike | PackedSequence, batch_sizes: Integers | None = None) -> tuple[Any, Any]:
        """Map every frame and its neighbours; ``batch_sizes`` beside packed rows."""
        given = PackedRows.read(x, batch_sizes, self.in_features)
        sums, of_linear = self.linear.trace(self._side_by_side(given))
        y, of_relu = self.relu.trace(sums)
        return given.like(y), self.keep((given, of_linear, of_relu))

    def pullback(self, context: Any, grad_output: ArrayLike | PackedSequence, need_input: bool = True) -> Any:
        """Add to the parameters' gradients, and return that of x, like it; None without ``need_input``."""
        given, of_linear, of_relu = self.kept(context)
        grad = given.rows_in("grad_output", grad_output, (len(given.rows), self.out_features))
        wide = self.linear.pullback(of_linear, self.relu.pullback(of_relu, grad), need_input=need_input)
        if wide is None:
            return None
        # A frame was seen from its neighbours: what each of them says of it, one after the other.
        wide = wide.reshape(len(wide), self.frames, self.in_features)
        found = np.zeros((len(wide), self.in_features), np.float32)
        for place, index in enumerate(_neighbours(given.batch_sizes, -self._offsets()).T):
            seen = index < len(wide)
            found[seen] += wide[index[seen], place]
        return given.like(found)

    def _stream_stages(self, name: str, inputs: int) -> list[Stage]:
        if self.centred and self.frames > 2:
            raise ValueError(
                f"{type(self).__name__}: expected a window of past frames in a stream, got centred=True, which sees "
                f"{(self.frames - 1) // 2} that are still to come"
            )
        seen = stage(name, "window", self.in_features, self.frames * self.in_features, count=self.frames)
        return [seen, *one_behind_another([(name, self.linear), (name, self.relu)], seen.outputs)]

    def _offsets(self) -> Integers:
        """Return where the frames of a window stand, counted from the one whose window it is."""
        last = (self.frames - 1) // 2 if self.centred else 0
        return np.arange(last - self.frames + 1, last + 1)

    def _side_by_side(self, given: PackedRows) -> Array:
        """Return the frames of each window, the oldest first, ``(rows, frames * in_features)``."""
        rows = given.rows.astype(np.float32, copy=False)
        padded = np.concatenate([rows, np.zeros((1, self.in_features), np.float32)])
        windows: Array = padded.take(_neighbours(given.batch_sizes, self._offsets()), axis=0)
        return windows.reshape(len(rows), self.linear.in_features)

    def extra_repr(self) -> str:
        """Return the sizes."""
        centred = ", centred" if self.centred else ""
        return f"in_features={self.in_features}, out_features={self.out_features}, frames={self.frames}{centred}"


def _neighbours(batch_sizes: Integers, offsets: Integers) -> Integers:
    """Return the packed rows of each row's neighbours ``(rows, len(offsets))``; where there is none, ``rows``."""
    starts = np.append(0, np.cumsum(batch_sizes))
    rows = int(starts[-1])
    step = np.repeat(np.arange(len(batch_sizes)), batch_sizes)
    sequence = np.arange(rows) - starts[step]
    there = step[:, None] + offsets
    inside = (there >= 0) & (there < len(batch_sizes))
    there[~inside] = 0
    inside &= sequence[:, None] < batch_sizes[there] if rows else inside
    return np.where(inside, starts[there] + sequence[:, None], rows)
