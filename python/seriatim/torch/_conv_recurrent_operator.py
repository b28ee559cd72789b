"""All steps of one layer of ConvGRU or ConvLSTM as a differentiable function, by our kernels or by torch's own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from seriatim import functional as F
from seriatim.functional._conv_recurrent import ConvCache
from seriatim.functional._convolution import Conv2dCache
from seriatim.nn.images._conv_cells import GRUSteps, LSTMSteps
from seriatim.nn.images._videos import Spans, run_spans, run_spans_back
from seriatim.torch._differentiable import Differentiable, Tensors
from seriatim.torch._operators import array, takes, tensor

_KINDS: tuple[tuple[str, Any], ...] = (("gru", GRUSteps), ("lstm", LSTMSteps))


def run(
    kind: str,
    x: torch.Tensor,
    batch_sizes: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    states: Sequence[torch.Tensor] | None,
    *,
    batch: int,
    hard: bool = False,
) -> tuple[torch.Tensor, ...]:
    """Run packed images through a layer.

    Parameters
    ----------
    kind : {'gru', 'lstm'}
    x : Tensor, shape (rows, I, height, width), or (rows, gates * H, height, width) where it is convolved already
    batch_sizes : Tensor of int64, shape (steps,)
    weight : Tensor, shape (gates * H, I + H, k, k), or (gates * H, H, k, k)
        Of the input's channels, then the state's; gates r, z, n, or i, f, o, g.
    bias : Tensor, shape (gates * H,), or None
    states : sequence of Tensor, shape (batch, H, height, width), or None for zeros
        In packed order: h, and c of an LSTM.
    batch : int
    hard : bool, default False

    Returns
    -------
    y : Tensor, shape (rows, H, height, width)
    h_n, and c_n of an LSTM : Tensor, shape (batch, H, height, width)
    """
    code, gates = (0, 3) if kind == "gru" else (1, 4)
    hidden = weight.shape[0] // gates
    given = tuple(states) if states is not None else (None,) * (code + 1)
    if takes([t for t in (x, weight, bias, *given) if t is not None]) and x.numel():
        numbers = code, int(hard), weight.shape[1] - hidden, batch
        return _LAYERS[code]((x, weight, bias, *given, batch_sizes), numbers)
    return _plain(code, hidden, x, batch_sizes, weight, bias, given, batch, hard)


# ---- By our kernels


def _steps(numbers: Sequence[int], weight: Any) -> Any:
    """Return what runs the kernel: a cell without parameters."""
    code, hard, _, _ = numbers
    cell = _KINDS[code][1]()
    cell.hidden_size, cell.kernel_size, cell.hard = len(weight) // cell.gates, weight.shape[2], bool(hard)
    return cell


def _weights(weight: torch.Tensor, channels: int) -> tuple[Any, Any]:
    """Return those of the input, None without such, and those of the state."""
    whole = array(weight)
    parts = np.ascontiguousarray(whole[:, :channels]), np.ascontiguousarray(whole[:, channels:])
    return (parts[0] if channels else None), parts[1]


def _forward(tensors: Any, numbers: Sequence[int], keep: bool) -> list[torch.Tensor]:
    x, weight, bias, *states, batch_sizes = tensors
    cell, (wx, wh) = _steps(numbers, weight), _weights(weight, numbers[2])
    b = None if bias is None else array(bias)
    if wx is None:
        gates = np.array(array(x), order="C")
    else:
        gates, _ = F.conv2d(array(x), wx, b, padding=cell.kernel_size // 2)
        b = None
    batch: Any = SimpleNamespace(batch_sizes=array(batch_sizes), n_sequences=int(numbers[3]))
    first = None if states[0] is None else tuple([array(state.contiguous()) for state in states])
    y, last, spans = run_spans(cell, batch, gates, cell._pack(wh, False), first, b)
    found = [tensor(y), *map(tensor, last)]
    if keep:
        found.append(tensor(gates))
    if keep and cell.states == 2:
        found.append(tensor(np.concatenate([cache.cells.reshape(-1, *y.shape[1:]) for *_, cache in spans.parts])))
    return found


def _spans(cell: Any, sizes: Any, y: Any, gates: Any, cells: Any, first: Any) -> Spans:
    """Return the kernel's caches as they were."""
    cuts = [0, *(np.flatnonzero(np.diff(sizes)) + 1).tolist(), len(sizes)]
    parts: list[tuple[int, int, int, Any]] = []
    row, before = 0, first
    for begin, end in pairwise(cuts):
        steps, batch = end - begin, int(sizes[begin])
        h0, c0 = (None, None) if before is None else (*[s[:batch] for s in before], None)[:2]
        images: Any = [
            None if a is None else a[row : row + steps * batch].reshape(steps, batch, *a.shape[1:])
            for a in (gates, y, cells)
        ]
        settings = (cell.states - 1, cell.kernel_size, int(cell.hard), 0)
        parts.append((row, steps, batch, ConvCache(images[0], images[1], images[2], h0, c0, settings)))
        before = [a[-1] for a in images[1:] if a is not None]
        row += steps * batch
    return Spans(parts, int(sizes[0]))


def _backward(
    grads: Tensors, tensors: Any, kept: Any, numbers: Sequence[int], needs: Sequence[bool], use_up: bool
) -> list[torch.Tensor | None]:
    x, weight, _, *states, batch_sizes = tensors
    cell, (wx, wh), (y, gates, *cells) = _steps(numbers, weight), _weights(weight, numbers[2]), map(array, kept)
    first = None if states[0] is None else [array(state.contiguous()) for state in states]
    used = gates if use_up else gates.copy()
    spans = _spans(cell, array(batch_sizes), y, used, cells[0] if cells else None, first)
    grad_y = np.zeros_like(y) if grads[0] is None else np.ascontiguousarray(array(grads[0]))
    grad_wh = np.empty_like(wh) if needs[1] else None
    grad_b = np.empty(len(wh), np.float32) if needs[2] else None
    later = tuple([None if grad is None else array(grad) for grad in grads[1:]])
    own = {"grad_weight": grad_wh, "grad_bias": grad_b if wx is None else None}
    grad_x: Any
    grad_x, grad_first = run_spans_back(cell, grad_y, later, spans, packed=cell._pack(wh, True), **own)
    grad_x = grad_x.reshape(-1, *grad_x.shape[-3:])
    grad_weight = grad_wh
    if wx is not None:
        grad_wx = np.empty_like(wx) if needs[1] else None
        pad = cell.kernel_size // 2
        cache = Conv2dCache(np.ascontiguousarray(array(x)), F.conv2d_geometry(wx.shape, 1, pad))
        more: Any = {"need_parameters": False, "grad_weight": grad_wx, "grad_bias": grad_b}
        grad_x, _, _ = F.conv2d_backward(grad_x, cache, wx, need_input=needs[0], **more)
        grad_weight = None if grad_wx is None or grad_wh is None else np.concatenate([grad_wx, grad_wh], axis=1)
    found = (grad_x if needs[0] else None, grad_weight, grad_b, *grad_first)
    return [*[None if grad is None else tensor(grad) for grad in found], None]


def _shapes(tensors: Any, numbers: Sequence[int], keep: bool) -> list[tuple[int, ...]]:
    x, weight = tensors[:2]
    code, _, _, batch = numbers
    image, gates = x.shape[2:], weight.shape[0]
    hidden = gates // (3 + code)
    found = [(x.shape[0], hidden, *image), *[(batch, hidden, *image)] * (1 + code)]
    if keep:
        found += [(x.shape[0], gates, *image), *[(x.shape[0], hidden, *image)] * code]
    return found


_LAYERS = tuple(
    [
        Differentiable(f"conv_{kind}", _forward, _backward, _shapes, outputs=2 + code, saved=(0,))
        for code, (kind, _) in enumerate(_KINDS)
    ]
)


# ---- By torch's own


def _plain(
    code: int,
    hidden: int,
    x: torch.Tensor,
    batch_sizes: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    states: Sequence[torch.Tensor | None],
    batch: int,
    hard: bool,
) -> tuple[torch.Tensor, ...]:
    """Do the same with tensors that our kernels do not take: other types and devices, autocast, transforms."""
    conv, pad = torch.nn.functional.conv2d, weight.shape[-1] // 2
    channels = weight.shape[1] - hidden
    wx, wh = weight[:, :channels], weight[:, channels:]
    gates = conv(x, wx, bias, padding=pad) if channels else x if bias is None else x + bias[:, None, None]
    sigmoid = _hard_sigmoid if hard else torch.sigmoid
    tanh = _hard_tanh if hard else torch.tanh
    zeros = gates.new_zeros(batch, hidden, *gates.shape[2:])
    now = [zeros if state is None else state for state in states]
    outputs, row = [], 0
    for size in batch_sizes.tolist():
        given, old = gates[row : row + size], [state[:size] for state in now]
        row += size
        if code == 0:
            rz = sigmoid(given[:, : 2 * hidden] + conv(old[0], wh[: 2 * hidden], padding=pad))
            r, z = rz.chunk(2, 1)
            n = tanh(given[:, 2 * hidden :] + conv(r * old[0], wh[2 * hidden :], padding=pad))
            new = [(1 - z) * old[0] + z * n]
        else:
            i, f, o, g = (given + conv(old[0], wh, padding=pad)).chunk(4, 1)
            cell = sigmoid(f) * old[1] + sigmoid(i) * tanh(g)
            new = [sigmoid(o) * tanh(cell), cell]
        outputs.append(new[0])
        now = [torch.cat([a, state[size:]]) for a, state in zip(new, now, strict=True)]
    return (torch.cat(outputs) if outputs else zeros[:0]), *now


def _hard_sigmoid(x: torch.Tensor) -> torch.Tensor:
    return (0.5 * x + 0.5).clamp(0, 1)


def _hard_tanh(x: torch.Tensor) -> torch.Tensor:
    return x.clamp(-1, 1)
