"""Keras's GRU, LSTM and SimpleRNN as ours."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from seriatim._states import Converted
from seriatim._typing import AnyArray, Array, ArrayLike
from seriatim.convert._keras._cells import Cell
from seriatim.convert._keras._kinds import GRU, LSTM, RNN, Kind
from seriatim.convert._keras._settings import ignored, inside
from seriatim.convert._keras._source import Source
from seriatim.convert._keras._stack import stack
from seriatim.convert._reader import refuse

# Where the blocks of Keras's gates lie in ours: r, z, n of z, r, h; i, f, g, o of i, f, c, o.
_ORDER = {GRU: (1, 0, 2), LSTM: (0, 1, 2, 3), RNN: (0,)}
# A mapping, a list, a path, or an object of Keras's.
Weights: TypeAlias = "Mapping[str, ArrayLike] | Sequence[Any] | str | os.PathLike[str] | Any"
# A layer's name, or the layer; or several.
Layers: TypeAlias = "str | Sequence[str] | Any"


def keras_gru(
    state_dict: Weights,
    *,
    layer: Layers | None = None,
    ignore: str | Collection[str] = (),
    units: int | None = None,
    bidirectional: bool | None = None,
) -> dict[str, AnyArray]:
    """Weights of Keras GRU layers, one or several, in one direction or ``Bidirectional``, for :class:`seriatim.nn.GRU`.

    Parameters
    ----------
    state_dict : mapping of name to array_like, layer or model of Keras, its ``weights``, path, or list of arrays
        A model, or the file of one (``.keras``, ``.h5``, ``.weights.h5``; takes h5py), may have other layers.

        By name: ``kernel (I, 3 H)``, ``recurrent_kernel (H, 3 H)``, gates z, r, h, and ``bias``: ``(2, 3 H)`` with
        Keras's default ``reset_after=True``, ``(3 H,)`` without, or none; a CuDNNGRU's ``(6 H,)``, whose kernels lie
        otherwise, is converted, too. Names may have a path in front and ``:0`` behind, as
        ``{variable.path: variable for variable in layer.weights}`` and Keras's files have; with several cells they
        must have: directions are known by ``forward_`` and ``backward_``, layers by the model or by the numbers of
        their names (``gru``, ``gru_1``), never by their order.
    layer : str, layer of Keras, or sequence of them, optional
        The layer to take by its name, or those of one stack in their order; all that there are by default.
    ignore : str or collection of str, default ()
        Settings of the layers that ours do not have and that you make up for: ``"activation"``,
        ``"recurrent_activation"``, ``"go_backwards"``, ``"stateful"``, ``"merge_mode"``.
    units : int, optional
        How many units the layers have: for a list of arrays, as ``get_weights()`` gives it, which is taken only if it
        can be read in no other way.
    bidirectional : bool, optional
        Whether such a list is of ``Bidirectional`` layers, if it can be read both ways.

    Returns
    -------
    dict
        For ``nn.GRU(I, H, num_layers, bidirectional=...)`` or, with ``reset_after=False``, the same with
        ``reset_after=False``: where it is known, ``load_state_dict`` of another refuses this dict. Zeros where there is
        no bias, which ``bias=False`` takes, too. ``Bidirectional`` joins its directions as ours does with
        ``merge_mode="concat"``, which is Keras's default.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ImportError
        A file is given, and h5py is not installed.
    TypeError
        ``state_dict`` is none of these, or ``layer`` and ``ignore`` are no names.
    ValueError
        Names are missing or not known, shapes do not fit each other (an LSTM's, a transposed kernel), a list can be
        read in two ways, the layers do what ours do not, or are not layers of one stack (branches, one that is applied
        twice), or ``ignore`` has another name. All that is wrong is listed.

    Notes
    -----
    Arrays alone do not say what the layers' activations are: Keras's defaults are taken for granted. A layer, a model
    and a file with a model's description say it, and what differs is refused.
    """
    return _converted(GRU, state_dict, layer, ignore, units, bidirectional)


def keras_lstm(
    state_dict: Weights,
    *,
    layer: Layers | None = None,
    ignore: str | Collection[str] = (),
    units: int | None = None,
    bidirectional: bool | None = None,
) -> dict[str, AnyArray]:
    """Weights of Keras LSTM layers, in one direction or ``Bidirectional``, for :class:`seriatim.nn.LSTM`.

    Parameters
    ----------
    state_dict : mapping of name to array_like, layer or model of Keras, its ``weights``, path, or list of arrays
        As for :func:`keras_gru`; ``kernel (I, 4 H)``, ``recurrent_kernel (H, 4 H)``, gates i, f, c, o, and ``bias
        (4 H,)`` or none, or a CuDNNLSTM's, ``(8 H,)``.
    layer, ignore, units, bidirectional
        As for :func:`keras_gru`.

    Returns
    -------
    dict
        For ``nn.LSTM(I, H, num_layers, bidirectional=...)``. Keras has one bias, ours two, the second of zeros.

    Raises
    ------
    FileNotFoundError, ImportError, TypeError, ValueError
        As for :func:`keras_gru`.
    """
    return _converted(LSTM, state_dict, layer, ignore, units, bidirectional)


def keras_rnn(
    state_dict: Weights,
    *,
    layer: Layers | None = None,
    ignore: str | Collection[str] = (),
    units: int | None = None,
    bidirectional: bool | None = None,
) -> dict[str, AnyArray]:
    """Weights of Keras SimpleRNN layers, in one direction or ``Bidirectional``, for :class:`seriatim.nn.RNN`.

    Parameters
    ----------
    state_dict : mapping of name to array_like, layer or model of Keras, its ``weights``, path, or list of arrays
        As for :func:`keras_gru`; ``kernel (I, H)``, ``recurrent_kernel (H, H)`` and ``bias (H,)`` or none.
    layer, ignore, units, bidirectional
        As for :func:`keras_gru`; with ``ignore=("activation",)`` a layer of ``activation="relu"`` goes to
        ``nn.RNN(..., nonlinearity="relu")``.

    Returns
    -------
    dict
        For ``nn.RNN(I, H, num_layers, bidirectional=...)``.

    Raises
    ------
    FileNotFoundError, ImportError, TypeError, ValueError
        As for :func:`keras_gru`.
    """
    return _converted(RNN, state_dict, layer, ignore, units, bidirectional)


def _converted(
    kind: Kind,
    given: Weights,
    layer: Layers | None,
    ignore: str | Collection[str],
    units: int | None,
    bidirectional: bool | None,
) -> dict[str, AnyArray]:
    layers, source = stack(kind, given, layer, ignore, units, bidirectional)
    found: dict[str, AnyArray] = {}
    made_up: list[str] = []
    for number, sides in enumerate(layers):
        for suffix, cell in sides.items():
            kernel, recurrent, bias = (_ours(kind, array) for array in _plain(kind, cell))
            behind = f"_l{number}{suffix}"
            found[f"weight_ih{behind}"], found[f"weight_hh{behind}"] = kernel.T, recurrent.T
            found[f"bias_ih{behind}"], found[f"bias_hh{behind}"] = bias
            if "bias" not in cell.arrays:
                made_up += [f"bias_ih{behind}", f"bias_hh{behind}"]
    cells = [cell for sides in layers for cell in sides.values()]
    return Converted(found, manner=_manner(kind, cells, source, ignored(ignore)), made_up=made_up)


def _manner(kind: Kind, cells: list[Cell], source: Source, ignore: Collection[str]) -> dict[str, Any]:
    """Return what ours has to be made with, as far as it is known."""
    if kind is RNN and source.plan and "activation" not in ignore:
        return {"nonlinearity": "tanh"}
    biases = [cell.arrays["bias"].ndim for cell in cells if "bias" in cell.arrays and not cell.is_cudnn]
    said = [
        config["reset_after"]
        for setting in source.plan
        if any(cell.path[: cell.start] == setting.name for cell in cells)
        for _, config in inside(setting.kind, setting.config)
        if "reset_after" in config
    ]
    if len(set(said)) > 1:
        refuse(kind.source, ["expected the same reset_after of all layers, got True and False; convert each by itself"])
    if kind is not GRU or not (biases or said):
        return {"reset_after": True} if any(cell.is_cudnn for cell in cells) else {}
    return {"reset_after": bool(said[0]) if said else biases[0] == 2}


def _ours(kind: Kind, array: Array) -> Array:
    """Return gates in our order."""
    blocks = np.split(array, kind.gates, axis=-1)
    return np.concatenate([blocks[place] for place in _ORDER[kind]], axis=-1)


def _plain(kind: Kind, cell: Cell) -> tuple[Array, Array, Array]:
    """Return the kernel, the recurrent kernel and both biases in Keras's layout."""
    kernel, recurrent, size = cell.arrays["kernel"], cell.arrays["recurrent_kernel"], cell.hidden_size
    bias = np.zeros((2, kind.gates * size), np.float32)
    if cell.is_cudnn:
        # As cuDNN wants them: the kernels of the gates transposed, the first without another shape.
        kernel = np.hstack([each.reshape(size, -1).T for each in np.split(kernel, kind.gates, axis=1)])
        recurrent = np.hstack([each.T for each in np.split(recurrent, kind.gates, axis=1)])
        bias[:] = cell.arrays["bias"].reshape(2, -1)
    elif "bias" in cell.arrays:
        given = np.atleast_2d(cell.arrays["bias"])
        bias[: len(given)] = given
    return kernel, recurrent, bias
