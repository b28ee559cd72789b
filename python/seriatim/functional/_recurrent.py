"""One direction of one recurrent layer of any cell over a packed ragged batch.

A :class:`Cell` says which recurrence it is, with its options and sizes. Everything else is the same for all of them:
the parameters come in the order of ``PARAMETERS``, the states as a pair ``(h, c)``, whose second is None for cells
without one. :mod:`seriatim.functional._gru` and its siblings give the cells' equations.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from seriatim import _core
from seriatim._typing import Array, ArrayLike, Integers
from seriatim.functional._narrow import Narrow

# The parameters that a cell may have, in the order in which the functions here take them and their gradients.
PARAMETERS = (
    "weight_ih",
    "weight_hh",
    "bias_ih",
    "bias_hh",
    "weight_hr",
    "weight_ch",
    "norm_ih",
    "norm_hh",
    "norm_c",
    "bias_c",
)

_KINDS, _OPTIONS, _HAS = _core.recurrent_names()

Zoneout = tuple[float, int, int]
NO_ZONEOUT: Zoneout = (0.0, 0, 0)
States = tuple[Array | None, Array | None]
NO_STATES: States = (None, None)


class Cell(NamedTuple):
    """A recurrence, with the sizes of one layer: what every function here takes first.

    Parameters
    ----------
    kind, options : int
        As :func:`cell` makes them.
    input_size, hidden_size : int
    proj_size : int
        Size of h and of the output after a projection; 0 for none.
    """

    kind: int
    options: int
    input_size: int
    hidden_size: int
    proj_size: int = 0

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of h, which is also the output, and of c where there is one."""
        _, state_size, _, cell_size, _ = _core.recurrent_describe(self)
        return (state_size, cell_size) if cell_size else (state_size,)

    def packed_as(self, form: str) -> Cell:
        """Return the same cell with weights that are packed as 'float32', 'bfloat16' or 'int8'."""
        return self if form == "float32" else self._replace(options=self.options | _OPTIONS[form])

    def shapes(self, bias: bool = True) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the parameters that the cell has, in torch's order."""
        return {name: shape for name, shape in _shapes(self).items() if bias or not name.startswith("bias")}


@lru_cache(maxsize=256)
def _shapes(cell: Cell) -> dict[str, tuple[int, ...]]:
    rows, _, columns, _, has = _core.recurrent_describe(cell)
    shapes: dict[str, tuple[int, ...]] = {
        "weight_ih": (rows, cell.input_size),
        "weight_hh": (rows, columns),
        "bias_ih": (rows,),
        "bias_hh": (rows,),
        "weight_hr": (cell.proj_size, cell.hidden_size),
        "weight_ch": (3 * cell.hidden_size,),
        "norm_ih": (rows,),
        "norm_hh": (rows,),
        "norm_c": (cell.hidden_size,),
        "bias_c": (cell.hidden_size,),
    }
    return {name: shape for name, shape in shapes.items() if name not in _HAS or has & _HAS[name]}


def cell(kind: str, input_size: int, hidden_size: int, proj_size: int = 0, options: Sequence[str] = ()) -> Cell:
    """Return a cell by name.

    Parameters
    ----------
    kind : {'gru', 'lstm', 'rnn', 'min_gru', 'min_lstm', 'ind_rnn'}
    input_size, hidden_size : int
    proj_size : int, default 0
    options : sequence of {'reset_before', 'relu', 'peephole', 'layer_norm', 'bfloat16', 'int8'}
        Those that the kind has. The last two say how weights are packed, for inference alone: of GRU, LSTM and RNN
        without layer_norm.

    Returns
    -------
    Cell

    Raises
    ------
    ValueError
        The kind or an option is not known. Whether they go together is said by the functions that take the cell.
    """
    if kind not in _KINDS:
        raise ValueError(f"kind: expected one of {', '.join(_KINDS)}, got {kind!r}")
    if unknown := [name for name in options if name not in _OPTIONS]:
        raise ValueError(f"options: expected some of {', '.join(_OPTIONS)}, got {unknown[0]!r}")
    return Cell(_KINDS[kind], sum(_OPTIONS[name] for name in options), input_size, hidden_size, proj_size)


def sizes_of_weights(weight_ih: ArrayLike, weight_hh: ArrayLike) -> tuple[int, int]:
    """Return the columns of both, for functions that learn a cell's sizes from its weights."""
    shapes = np.shape(weight_ih), np.shape(weight_hh)
    for name, shape in zip(("weight_ih", "weight_hh"), shapes, strict=True):
        if len(shape) != 2 or 0 in shape:
            raise ValueError(f"{name}: expected a matrix without empty axes, got shape {shape}")
    return shapes[0][1], shapes[1][1]


def _all(parameters: Sequence[Any]) -> tuple[Any, ...]:
    """Return one item for each of PARAMETERS; those that a sequence ends before are None."""
    return (*parameters, *[None] * (len(PARAMETERS) - len(parameters)))


class RecurrentCache(NamedTuple):
    """What :func:`recurrent_backward` needs of a forward call.

    Parameters
    ----------
    cell, x, batch_sizes, states, reverse, zoneout
        Those of the call; x and the states as they were used.
    y : ndarray of float32, shape (rows, state_size)
        The output.
    gates : ndarray of float32, or None
        What the cell keeps of each step, in a layout of its own.
    """

    cell: Cell
    x: Array
    batch_sizes: Integers
    states: States
    reverse: bool
    zoneout: Zoneout
    y: Array
    gates: Array | None


def recurrent_pack(cell: Cell, weights: Sequence[ArrayLike | Narrow | None]) -> Array:
    """Lay the parameters out for :func:`recurrent`; opaque, 1-D.

    Parameters
    ----------
    cell : Cell
    weights : sequence of array_like, Narrow or None
        In the order of ``PARAMETERS``, with the shapes of :meth:`Cell.shapes`; None for those that the cell has
        not, and for biases that are zeros. Those behind the last one may be left out. With the option int8, weight_ih,
        weight_hh and weight_hr are Narrow; with bfloat16 they may be, and are rounded if they are not.

    Raises
    ------
    ValueError
        A shape is another one, or a parameter is missing or not of this cell.
    """
    given = _all(weights)
    if Narrow not in map(type, given):
        return _core.recurrent_pack(cell, given, (None, None, None))
    numbers = tuple([w.numbers() if isinstance(w, Narrow) else w for w in given])
    ih, hh, _, _, hr, *_ = [w.scale if isinstance(w, Narrow) else None for w in given]
    return _core.recurrent_pack(cell, numbers, (ih, hh, hr))


def recurrent_pack_backward(cell: Cell, weights: Sequence[ArrayLike | None], need_input: bool = True) -> Array:
    """Lay the weights out for :func:`recurrent_backward`; opaque, 1-D.

    Parameters
    ----------
    cell : Cell
    weights : sequence of array_like or None
        As for :func:`recurrent_pack`; biases may be left out.
    need_input : bool, default True
        Whether the gradient of x will be wanted.

    Returns
    -------
    packed : ndarray of float32

    Raises
    ------
    ValueError
        A shape is another one, or a weight is missing or not of this cell.
    """
    return _core.recurrent_pack_backward(cell, _all(weights), need_input)


def recurrent(
    cell: Cell,
    x: ArrayLike,
    batch_sizes: Integers,
    packed: Array,
    states: tuple[ArrayLike | None, ArrayLike | None] = NO_STATES,
    *,
    reverse: bool = False,
    training: bool = False,
    zoneout: Zoneout = NO_ZONEOUT,
    out: Array | None = None,
) -> tuple[tuple[Array, States], RecurrentCache | None]:
    """Run the recurrence.

    Parameters
    ----------
    cell : Cell
    x : array_like, shape (rows, input_size)
        Packed: time-major, sequences in descending order of length.
    batch_sizes : ndarray of int64, shape (steps,)
    packed : ndarray
        From :func:`recurrent_pack`.
    states : (h0, c0)
        ``(batch, state_size)`` and ``(batch, hidden_size)`` in the order of the packed batch, or None for zeros.
    reverse : bool
        Run from each sequence's last step to its first.
    training : bool
        Keep a cache, and draw the mask of zoneout.
    zoneout : (rate, seed, offset)
        ``h' = m h + (1 - m) cell(x, h)``, with a random m of 0 and 1 in training, that depends on seed, offset and the
        element's place alone, and ``m = rate`` else (Krueger et al. 2017). Rate 0, the default: none. A rate below 0:
        ``m = -rate``, in training too.
    out : ndarray of float32, shape (rows, state_size), optional
        Written instead of a new array; may be a column slice of a wider one.

    Returns
    -------
    (y, (h_n, c_n)) : ndarray (rows, state_size), and the shapes of ``states``
        Each sequence's own last states (those at its first step with ``reverse``).
    cache : RecurrentCache or None

    Raises
    ------
    ValueError, TypeError
        An array has another shape or type; nothing was computed.
    """
    h0, c0 = states
    if h0 is not None:
        h0 = _core.as_floats(h0, "h0")
    if c0 is not None:
        c0 = _core.as_floats(c0, "c0")
    if not training:
        y, h_n, c_n, _ = _core.recurrent_forward(cell, (x, batch_sizes, h0, c0, reverse), zoneout, packed, False, out)
        return (y, (h_n, c_n)), None
    # What backward reads again is converted once.
    used = _core.as_floats(x, "x")
    y, h_n, c_n, gates = _core.recurrent_forward(cell, (used, batch_sizes, h0, c0, reverse), zoneout, packed, True, out)
    return (y, (h_n, c_n)), RecurrentCache(cell, used, batch_sizes, (h0, c0), reverse, zoneout, y, gates)


def recurrent_backward(
    cache: RecurrentCache,
    packed: Array,
    grad_y: ArrayLike | None,
    grad_states: tuple[ArrayLike | None, ArrayLike | None] = NO_STATES,
    *,
    gradients: Sequence[Array | None],
    need_input: bool = True,
    need_state: bool = True,
    accumulate: bool = False,
    grad_x: Array | None = None,
) -> tuple[Array | None, States]:
    """Back-propagation through time of :func:`recurrent`; uses the cache up.

    Parameters
    ----------
    cache : RecurrentCache
    packed : ndarray
        From :func:`recurrent_pack_backward`, with the same ``need_input``.
    grad_y : array_like, shape (rows, state_size), or None for zeros
    grad_states : (grad_h_n, grad_c_n)
        Like the states, or None for zeros.
    gradients : sequence of ndarray of float32 or None
        Of the parameters, in the order of ``PARAMETERS``: written to, or added to with ``accumulate``. Biases may
        be None: left out. All of them None: the parameters are frozen, and cost nothing. Of some, weights that are
        None are computed and thrown away.
    need_input, need_state : bool
        Whether the gradients of x and of the initial states are wanted.
    accumulate : bool, default False
    grad_x : ndarray of float32, shape (rows, input_size), optional
        Added to, instead of a new array.

    Returns
    -------
    grad_x : ndarray (rows, input_size) or None
    (grad_h0, grad_c0) : like the states; None where they are not wanted

    Raises
    ------
    ValueError, TypeError
        An array has another shape or type; nothing was computed, and the cache is as it was.
    """
    cell = cache.cell
    shapes = cell.shapes(bias=False)
    asks = any([target is not None for target in gradients])
    gradients = [
        np.zeros(shapes[name], np.float32) if asks and target is None and name in shapes else target
        for name, target in zip(PARAMETERS, _all(gradients), strict=True)
    ]
    grad, h, c = _core.recurrent_backward(
        cell,
        (cache.x, cache.batch_sizes, *cache.states, cache.reverse),
        cache.zoneout,
        packed,
        (cache.y, cache.gates),
        (grad_y, *grad_states),
        (*gradients, accumulate),
        (need_input, need_state, grad_x),
    )
    return grad, (h, c)
