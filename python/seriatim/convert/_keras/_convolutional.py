"""Keras's ConvLSTM2D as ours."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from seriatim._typing import AnyArray, Array
from seriatim.convert._keras._cells import Cell
from seriatim.convert._keras._kinds import CONV_LSTM
from seriatim.convert._keras._recurrent import Layers, Weights
from seriatim.convert._keras._settings import ignored
from seriatim.convert._keras._source import Setting, Source
from seriatim.convert._keras._stack import stack
from seriatim.convert._reader import refuse


def keras_conv_lstm(
    state_dict: Weights,
    *,
    layer: Layers | None = None,
    ignore: str | Collection[str] = (),
    units: int | None = None,
    split: bool = False,
) -> dict[str, AnyArray]:
    """Weights of Keras ConvLSTM2D layers for :class:`seriatim.nn.ConvLSTM`.

    Parameters
    ----------
    state_dict : mapping of name to array_like, layer or model of Keras, its ``weights``, path, or list of arrays
        As for :func:`keras_gru`; ``kernel (kh, kw, I, 4 F)``, ``recurrent_kernel (kh, kw, F, 4 F)``, gates i, f, c, o,
        and ``bias (4 F,)`` or none. Keras's images may be in any ``data_format``: kernels lie alike. Ours are
        ``(T, B, C, H, W)``.
    layer, ignore, units
        As for :func:`keras_gru`; units are Keras's filters. Directions of a ``Bidirectional`` are converted each by
        its name, ``layer="bidirectional/forward_conv_lstm2d"``.
    split : bool, default False
        For one layer whose first convolution is none of ours, with ``padding="valid"`` or strides: the result is for
        ``nn.Sequential(nn.SequenceWise(conv), nn.ConvLSTMCell(F, k))``, where ``conv = nn.Conv2d(I, 4 * F, (kh, kw),
        stride=..., padding=..., dilation=...)`` does what Keras's does to the input and ``k`` is the odd number from
        the larger of kh and kw on.

    Returns
    -------
    dict
        For ``nn.ConvLSTM(I, filters, kernel_sizes, n_layers)``, in which images keep their size, as with Keras's
        ``padding="same"``. Kernels that are even, not square, or dilated are surrounded by zeros to the next square
        one of odd size, which computes the same: ``weight.shape[-1]`` of the result is the size.

    Raises
    ------
    FileNotFoundError, ImportError, TypeError, ValueError
        As for :func:`keras_gru`. With ``split``, there are several layers.

    Warns
    -----
    UserWarning
        The arrays' names are those of Keras 2, whose gates are ``hard_sigmoid`` unless it was told otherwise; ours,
        and Keras 3's, are sigmoids. ``ignore=("recurrent_activation",)`` says that they are, here, too.

    Notes
    -----
    Arrays alone say neither ``padding`` nor ``dilation_rate`` nor activations: "same", 1 and Keras 3's defaults are
    taken for granted. A layer, a model and a file with a model's description say it, and what differs is followed or
    refused.
    """
    ignore = ignored(ignore)
    layers, source = stack(CONV_LSTM, state_dict, layer, ignore, units)
    cells = [next(iter(sides.values())) for sides in layers]
    refuse(CONV_LSTM.source, _both_ways(layers))
    settings = [_setting(cell, source) for cell in cells]
    if not source.plan and "recurrent_activation" not in ignore and any(name.endswith(":0") for name in source.arrays):
        warnings.warn(
            "keras_conv_lstm: the names are Keras 2's, whose ConvLSTM2D has recurrent_activation='hard_sigmoid' unless "
            "it was constructed with 'sigmoid', which ours has: if it was, say so by ignore=('recurrent_activation',); "
            "else results differ",
            stacklevel=2,
        )
    if split:
        if len(cells) > 1:
            refuse(CONV_LSTM.source, [f"split=True is for one layer, got {len(cells)}: choose by layer="])
        return _split(cells[0])
    refuse(
        CONV_LSTM.source, [text for config, cell in zip(settings, cells, strict=True) for text in _other(config, cell)]
    )
    found: dict[str, AnyArray] = {}
    for number, (cell, config) in enumerate(zip(cells, settings, strict=True)):
        kernel = _dilated(cell.arrays["kernel"], _pair(config.get("dilation_rate", 1)))
        recurrent = cell.arrays["recurrent_kernel"]
        size = max(*kernel.shape[:2], *recurrent.shape[:2]) | 1
        both = np.concatenate([_square(kernel, size), _square(recurrent, size)], axis=2)
        name = f"ConvLSTMCell_{number:02d}.gates_conv"
        found[f"{name}.weight"], found[f"{name}.bias"] = _ours(both), _ours(_bias(cell))
    return found


def _both_ways(layers: list[dict[str, Cell]]) -> Iterator[str]:
    for sides in layers:
        if len(sides) > 1:
            first, second = ("/".join(cell.path) for cell in sides.values())
            yield f"ours has no second direction: convert each by itself, layer={first!r} and layer={second!r}"


def _setting(cell: Cell, source: Source) -> dict[str, Any]:
    """Return what the layer was constructed with, {} if that is not known."""
    found: Setting | None = next((each for each in source.plan if each.name == cell.path[: cell.start]), None)
    config = found.config if found else {}
    while isinstance(config.get("layer"), dict):
        config = config["layer"]["config"]
    return config


def _other(config: dict[str, Any], cell: Cell) -> Iterator[str]:
    """Yield what a ConvLSTM of ours does not do with its input."""
    padding, strides = config.get("padding", "same"), _pair(config.get("strides", 1))
    if padding != "same" or strides != (1, 1):
        kh, kw, inputs, wide = cell.arrays["kernel"].shape
        size = max(cell.arrays["recurrent_kernel"].shape[:2]) | 1
        sizes = f"{inputs}, {wide}, ({kh}, {kw}), stride={strides}, dilation={_pair(config.get('dilation_rate', 1))}"
        yield (
            f"{'/'.join(cell.path)}: expected padding='same' and strides (1, 1), got {padding!r} and {strides}; "
            f"split=True converts it for nn.Sequential(nn.SequenceWise(nn.Conv2d({sizes}, padding=...)), "
            f"nn.ConvLSTMCell({wide // 4}, {size}))"
        )


def _pair(value: Any) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, int) else value
    return int(first), int(second)


def _split(cell: Cell) -> dict[str, AnyArray]:
    recurrent = cell.arrays["recurrent_kernel"]
    return {
        "0.module.weight": _ours(cell.arrays["kernel"]),
        "0.module.bias": _ours(_bias(cell)),
        "1.conv_h2h.weight": _ours(_square(recurrent, max(recurrent.shape[:2]) | 1)),
        "1.conv_h2h.bias": np.zeros(recurrent.shape[-1], np.float32),
    }


def _bias(cell: Cell) -> Array:
    wide = cell.arrays["recurrent_kernel"].shape[-1]
    return cell.arrays.get("bias", np.zeros(wide, np.float32))


def _ours(array: Array) -> Array:
    """Return gates i, f, o, g of i, f, c, o; kernels as (out, in, kh, kw)."""
    i, f, g, o = np.split(array, 4, axis=-1)
    turned = np.concatenate([i, f, o, g], axis=-1)
    return turned.transpose(3, 2, 0, 1).copy() if turned.ndim == 4 else turned


def _dilated(kernel: Array, dilation: tuple[int, int]) -> Array:
    """Return a kernel with zeros between its elements."""
    (kh, kw), (down, right) = kernel.shape[:2], dilation
    whole = np.zeros((down * (kh - 1) + 1, right * (kw - 1) + 1, *kernel.shape[2:]), np.float32)
    whole[::down, ::right] = kernel
    return whole


def _square(kernel: Array, size: int) -> Array:
    """Return a kernel with zeros round it; an even one lies further right and down, where Keras pads more."""
    kh, kw = kernel.shape[:2]
    top, left = (size - kh + 1) // 2, (size - kw + 1) // 2
    whole = np.zeros((size, size, *kernel.shape[2:]), np.float32)
    whole[top : top + kh, left : left + kw] = kernel
    return whole
