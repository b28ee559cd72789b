"""ConvGRU and ConvLSTM for torch's models, under the originals' names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence

from seriatim.nn.images._conv_cells import odd, per_layer
from seriatim.torch._conv_recurrent_operator import run

# A tensor, or an LSTM's two.
State = Any


class _Cell(torch.nn.Module):  # type: ignore[misc]
    """What layers have in common: one convolution of ``[x, h]`` to all gates."""

    kind = "gru"
    hard = False

    def _joined(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the weight of all gates, and the bias."""
        raise NotImplementedError

    def _run(
        self, x: torch.Tensor, batch_sizes: torch.Tensor, states: Sequence[torch.Tensor] | None, batch: int
    ) -> tuple[torch.Tensor, ...]:
        return run(self.kind, x, batch_sizes, *self._joined(), states, batch=batch, hard=self.hard)


def _sizes(steps: int, batch: int) -> torch.Tensor:
    return torch.full((steps,), batch, dtype=torch.int64, device="cpu")


class ConvGRUCell(_Cell):
    """One step of a convolutional GRU: pytorch_convgru's cell, its state dict and first weights, our kernels.

    Parameters
    ----------
    input_size, hidden_size : int
        Channels.
    kernel_size : int
        Odd.

    Attributes
    ----------
    reset_gate, update_gate, out_gate : torch.nn.Conv2d
        Of ``[x, h]``; only their weights are used.

    Raises
    ------
    ValueError
        ``kernel_size`` is even, or (from a call) a tensor has another shape.

    Notes
    -----
    ``h = cell(x, h)`` with x ``(B, input_size, height, width)`` and h ``(B, hidden_size, height, width)`` or None for
    zeros. See :class:`seriatim.nn.ConvGRUCell` for what it computes.
    """

    def __init__(self, input_size: int, hidden_size: int, kernel_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.kernel_size = odd("kernel_size", kernel_size)
        for name in ("reset_gate", "update_gate", "out_gate"):
            gate = torch.nn.Conv2d(input_size + hidden_size, hidden_size, kernel_size, padding=kernel_size // 2)
            torch.nn.init.orthogonal_(gate.weight)
            torch.nn.init.zeros_(gate.bias)
            self.add_module(name, gate)

    def _joined(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        gates = self.reset_gate, self.update_gate, self.out_gate
        return torch.cat([gate.weight for gate in gates]), torch.cat([gate.bias for gate in gates])

    def forward(self, x: torch.Tensor, h: torch.Tensor | None = None) -> torch.Tensor:
        """Return the new state."""
        _check("x", x, (None, self.input_size, None, None))
        if h is not None:
            _check("h", h, (len(x), self.hidden_size, *x.shape[2:]))
        return self._run(x, _sizes(1, len(x)), None if h is None else (h,), len(x))[1]

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.input_size}, {self.hidden_size}, kernel_size={self.kernel_size}"


class _LSTMLayer(_Cell):
    """One layer of :class:`ConvLSTM`."""

    kind = "lstm"

    def __init__(self, input_size: int, hidden_size: int, kernel_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.kernel_size = odd("kernel_size", kernel_size)
        both = input_size + hidden_size
        self.gates_conv = torch.nn.Conv2d(both, 4 * hidden_size, kernel_size, padding=kernel_size // 2)

    def _joined(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        return self.gates_conv.weight, self.gates_conv.bias


class ConvLSTMCell(_Cell):
    """Metavision's convolutional LSTM with memory, whose input is convolved already: its state dict, our kernels.

    Parameters
    ----------
    hidden_dim : int
    kernel_size : int, default 3
        Odd.
    hard : bool, default False
        Gates and candidates of straight lines.
    separable : bool, default False
        Whether the hidden convolution is a depthwise one and a pointwise one.

    Attributes
    ----------
    conv_h2h : torch.nn.Conv2d, or torch.nn.Sequential of two
        Only the weights are used.

    Raises
    ------
    ValueError
        ``kernel_size`` is even, or (from a call) x has another shape, or one that the memory does not fit.

    Notes
    -----
    Input ``(T, B, 4 * hidden_dim, H, W)``, gates in the order i, f, o, g; output ``(T, B, hidden_dim, H, W)``. The
    memory is kept between calls, without a gradient; :meth:`reset` and :meth:`reset_all` clear it. It is no part of the
    state dict.
    """

    kind = "lstm"

    def __init__(self, hidden_dim: int, kernel_size: int = 3, *, hard: bool = False, separable: bool = False) -> None:
        super().__init__()
        self.hidden_size, self.hard = hidden_dim, bool(hard)
        self.kernel_size = odd("kernel_size", kernel_size)
        pad = kernel_size // 2
        if separable:
            depth = torch.nn.Conv2d(hidden_dim, hidden_dim, kernel_size, padding=pad, groups=hidden_dim)
            self.conv_h2h = torch.nn.Sequential(depth, torch.nn.Conv2d(hidden_dim, 4 * hidden_dim, 1))
        else:
            self.conv_h2h = torch.nn.Conv2d(hidden_dim, 4 * hidden_dim, kernel_size, padding=pad)
        self.memory: tuple[torch.Tensor, torch.Tensor] | None = None

    def _joined(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        if isinstance(self.conv_h2h, torch.nn.Conv2d):
            return self.conv_h2h.weight, self.conv_h2h.bias
        depth, point = self.conv_h2h
        mix = point.weight.flatten(1)
        return point.weight * depth.weight.squeeze(1), mix @ depth.bias + point.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run all steps, from where the last call ended."""
        _check("x", x, (None, None, 4 * self.hidden_size, None, None))
        steps, batch = x.shape[:2]
        if self.memory is not None and self.memory[0].shape != (batch, self.hidden_size, *x.shape[3:]):
            raise ValueError(
                f"x: the memory of the call before has shape {tuple(self.memory[0].shape)}, this input needs "
                f"{(batch, self.hidden_size, *x.shape[3:])}; call reset_all() between inputs of different sizes"
            )
        y, h, c = self._run(x.flatten(0, 1), _sizes(steps, batch), self.memory, batch)
        self.memory = h.detach(), c.detach()
        return y.unflatten(0, (steps, batch))

    def reset(self, mask: torch.Tensor) -> None:
        """Clear the memory of the sequences whose mask, ``(B,)`` or ``(B, 1, 1, 1)``, is 0."""
        if self.memory is not None:
            if mask.numel() != len(self.memory[0]):
                raise ValueError(f"mask: expected {len(self.memory[0])} numbers, got shape {tuple(mask.shape)}")
            kept = mask.reshape(-1, 1, 1, 1) != 0
            self.memory = tuple([torch.where(kept, state, state.new_zeros(())) for state in self.memory])

    def reset_all(self) -> None:
        """Clear the memory."""
        self.memory = None


class _Stack(torch.nn.Module):  # type: ignore[misc]
    """Cells on top of each other."""

    _name: str
    _cell: Any

    def __init__(
        self,
        input_size: int,
        hidden_sizes: int | Sequence[int],
        kernel_sizes: int | Sequence[int],
        n_layers: int,
        *,
        batch_first: bool = False,
    ) -> None:
        super().__init__()
        self.input_size, self.n_layers, self.batch_first = input_size, n_layers, batch_first
        self.hidden_sizes = per_layer("hidden_sizes", hidden_sizes, n_layers)
        self.kernel_sizes = per_layer("kernel_sizes", kernel_sizes, n_layers)
        sizes = [input_size, *self.hidden_sizes]
        for layer, kernel_size in enumerate(self.kernel_sizes):
            self.add_module(f"{self._name}_{layer:02d}", self._cell(sizes[layer], sizes[layer + 1], kernel_size))

    def forward(self, x: torch.Tensor | PackedSequence, hidden: Sequence[State] | None = None) -> Any:
        """Run one step ``(B, C, H, W)``, or all steps of a sequence.

        Parameters
        ----------
        x : Tensor or PackedSequence
        hidden : sequence of states, optional
            A state, or None for zeros, of each layer.

        Returns
        -------
        list of states, or (outputs, list of states) of sequences
        """
        given = [None] * self.n_layers if hidden is None else list(hidden)
        if len(given) != self.n_layers:
            raise ValueError(f"hidden: expected a list of {self.n_layers} states, one a layer, got {len(given)}")
        if isinstance(x, PackedSequence):
            _check("x.data", x.data, (None, self.input_size, None, None))
            data, sizes, order, back = x
            batch = len(order) if order is not None else int(sizes[0])
            y, last = self._layers(data, sizes, given, batch, order, back)
            return PackedSequence(y, sizes, order, back), last
        if x.dim() == 4:
            _check("x", x, (None, self.input_size, None, None))
            return self._layers(x, _sizes(1, len(x)), given, len(x), None, None)[1]
        _check("x", x, (None, None, self.input_size, None, None))
        x = x.transpose(0, 1) if self.batch_first else x
        steps, batch = x.shape[:2]
        y, last = self._layers(x.flatten(0, 1), _sizes(steps, batch), given, batch, None, None)
        y = y.unflatten(0, (steps, batch))
        return (y.transpose(0, 1) if self.batch_first else y), last

    def _layers(
        self,
        y: torch.Tensor,
        sizes: torch.Tensor,
        given: list[State],
        batch: int,
        order: torch.Tensor | None,
        back: torch.Tensor | None,
    ) -> tuple[torch.Tensor, list[State]]:
        found: list[State] = []
        for cell, state in zip(self.children(), given, strict=True):
            states = None if state is None else state if isinstance(state, (tuple, list)) else (state,)
            if states is not None:
                if len(states) != (2 if cell.kind == "lstm" else 1):
                    raise ValueError(f"hidden: expected a pair (h, c) of each layer, got {len(states)} tensors")
                for part in states:
                    _check("hidden", part, (batch, cell.hidden_size, *y.shape[2:]))
                states = states if order is None else tuple([part.index_select(0, order) for part in states])
            y, *last = cell._run(y, sizes, states, batch)
            last = last if back is None else [part.index_select(0, back) for part in last]
            found.append(last[0] if len(last) == 1 else (last[0], last[1]))
        return y, found


def _check(name: str, value: torch.Tensor, wanted: tuple[int | None, ...]) -> None:
    """Raise ValueError for another shape; None is any size."""
    fits = value.dim() == len(wanted) and all([w is None or s == w for s, w in zip(value.shape, wanted, strict=True)])
    if not fits:
        text = ", ".join(["*" if size is None else str(size) for size in wanted])
        raise ValueError(f"{name}: expected shape ({text}), got {tuple(value.shape)}")


class ConvGRU(_Stack):
    """A stack of convolutional GRUs: pytorch_convgru's arguments and state dict, our kernels.

    Parameters
    ----------
    input_size : int
        Channels of the input.
    hidden_sizes, kernel_sizes : int or sequence of int
        One for all layers, or one a layer. Kernels are odd.
    n_layers : int
    batch_first : bool, default False
        Whether sequences come and go as ``(B, T, C, H, W)``.

    Notes
    -----
    ``model(x, hidden=None)`` with one image a sequence, x ``(B, C, H, W)``, returns the list of each layer's new state,
    as the original. With x ``(T, B, C, H, W)``, or a PackedSequence of images, it returns the last layer's outputs and
    the list of final states.
    """

    _name, _cell = "ConvGRUCell", ConvGRUCell


class ConvLSTM(_Stack):
    """A stack of convolutional LSTMs, the state dict of :class:`seriatim.nn.ConvLSTM`, our kernels.

    Parameters
    ----------
    input_size : int
        Channels of the input.
    hidden_sizes, kernel_sizes : int or sequence of int
        One for all layers, or one a layer. Kernels are odd.
    n_layers : int
    batch_first : bool, default False
        Whether sequences come and go as ``(B, T, C, H, W)``.

    Notes
    -----
    As :class:`ConvGRU`, with pairs ``(h, c)`` for states.
    """

    _name, _cell = "ConvLSTMCell", _LSTMLayer
