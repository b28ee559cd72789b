"""GRU, LSTM and RNN for torch's models: torch's modules, our kernels."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence

from seriatim.torch._layers import Stack
from seriatim.torch._operators import takes
from seriatim.torch._recurrent_operator import recurrent


class _Twin(torch.nn.RNNBase):  # type: ignore[misc]
    """What the three have in common; in front of torch's class, whose ``forward`` does what we do not."""

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Run the layers: see torch's class.

        Parameters
        ----------
        input : Tensor or PackedSequence
        hx : Tensor, tuple of Tensor or None

        Returns
        -------
        output : Tensor or PackedSequence
        h_n : Tensor, or (h_n, c_n) of an LSTM
        """
        self._update_flat_weights()
        is_packed = isinstance(input, PackedSequence)
        data = input.data if is_packed else input
        states = () if hx is None else tuple(hx) if self.mode == "LSTM" else (hx,)
        if not self._is_ours(data, states, is_packed):
            return super().forward(input, hx)
        if is_packed:
            return self._packed(input, states)
        return self._padded(data, states)

    def _is_ours(self, data: Any, states: tuple[Any, ...], is_packed: bool) -> bool:
        """Return whether our kernels can do what is asked; torch's code says what is wrong with what is wrong."""
        weights = self._flat_weights
        if not all(isinstance(t, torch.Tensor) for t in (data, *states, *weights)):
            return False
        if not takes((data, *states, *weights)) or not data.numel() or data.shape[-1] != self.input_size:
            return False
        dims = data.dim()
        if dims != 2 and (is_packed or dims != 3):
            return False
        if not states:
            return True
        sizes = self._state_sizes()
        return len(states) == len(sizes) and (is_packed or all(s.dim() == dims for s in states))

    def _state_sizes(self) -> tuple[int, ...]:
        size = self.proj_size or self.hidden_size
        return (size, self.hidden_size) if self.mode == "LSTM" else (size,)

    def _packed(self, input: PackedSequence, states: tuple[torch.Tensor, ...]) -> tuple[PackedSequence, Any]:
        data, batch_sizes, order, back = input
        if order is not None:
            states = tuple(state.index_select(1, order) for state in states)
        y, *last = self._run(data, batch_sizes, states, int(batch_sizes[0]))
        if back is not None:
            last = [state.index_select(1, back) for state in last]
        return PackedSequence(y, batch_sizes, order, back), self._given(last)

    def _padded(self, x: torch.Tensor, states: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, Any]:
        is_single = x.dim() == 2
        if is_single:
            x, states = x.unsqueeze(1), tuple(state.unsqueeze(1) for state in states)
        elif self.batch_first:
            x = x.transpose(0, 1)
        steps, batch, _ = x.shape
        batch_sizes = torch.full((steps,), batch, dtype=torch.int64)
        y, *last = self._run(x.reshape(steps * batch, -1), batch_sizes, states, batch)
        y = y.view(steps, batch, -1)
        if is_single:
            return y.squeeze(1), self._given([state.squeeze(1) for state in last])
        return y.transpose(0, 1) if self.batch_first else y, self._given(last)

    def _run(
        self, data: torch.Tensor, batch_sizes: torch.Tensor, states: tuple[torch.Tensor, ...], batch: int
    ) -> tuple[torch.Tensor, ...]:
        directions = 2 if self.bidirectional else 1
        shapes = [(self.num_layers * directions, batch, size) for size in self._state_sizes()]
        states = states or tuple([data.new_zeros(shape) for shape in shapes])
        for state, shape in zip(states, shapes, strict=True):
            self.check_hidden_size(state, shape)
        sizes = self.input_size, self.hidden_size, self.proj_size, self.num_layers
        stack = Stack(self.mode, *sizes, directions, self.bias)
        return recurrent(stack, data, batch_sizes, states, self._flat_weights, self._masks(data, directions))

    def _masks(self, data: torch.Tensor, directions: int) -> list[torch.Tensor]:
        """Draw, as torch does and from its generator, what the outputs between layers are multiplied by."""
        if not self.training or not self.dropout:
            return []
        shape = len(data), directions * (self.proj_size or self.hidden_size)
        if self.dropout == 1:
            return [data.new_zeros(shape)] * (self.num_layers - 1)
        kept = 1 - self.dropout
        return [data.new_empty(shape).bernoulli_(kept).div_(kept) for _ in range(self.num_layers - 1)]

    def _given(self, last: list[torch.Tensor]) -> Any:
        return tuple(last) if self.mode == "LSTM" else last[0]


class GRU(_Twin, torch.nn.GRU):  # type: ignore[misc]
    """A ``torch.nn.GRU`` with seriatim's kernels: same arguments, parameters, state dict, first weights, results."""


class LSTM(_Twin, torch.nn.LSTM):  # type: ignore[misc]
    """A ``torch.nn.LSTM`` with seriatim's kernels: same arguments, parameters, state dict, first weights, results."""


class RNN(_Twin, torch.nn.RNN):  # type: ignore[misc]
    """A ``torch.nn.RNN`` with seriatim's kernels: same arguments, parameters, state dict, first weights, results."""
