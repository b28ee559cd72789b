"""GRU, LSTM and RNN for torch's models: torch's modules, our kernels."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import PackedSequence

from seriatim.torch._layers import Stack, sizes_of
from seriatim.torch._operators import is_eager, takes, tensor
from seriatim.torch._recurrent_operator import recurrent

# Calls of fewer steps are torch's: to pack the weights takes as long as a few steps with them as they are.
SHORT = 4
States = tuple[torch.Tensor, ...]


class _Twin(torch.nn.RNNBase):  # type: ignore[misc]
    """What the three have in common; in front of torch's class, whose ``forward`` does what we do not."""

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Run the layers: see torch's class.

        Parameters
        ----------
        input : Tensor or PackedSequence
        hx : Tensor, or a pair of them for an LSTM, optional

        Returns
        -------
        output : Tensor or PackedSequence
        h_n : Tensor, or (h_n, c_n) of an LSTM
        """
        stack = self._stack()
        states = _states(hx, len(sizes_of(stack)))
        weights = [getattr(self, name) for name in self._flat_weights_names]
        if states is None or not self._is_ours(input, states, weights, stack):
            # What is wrong with what is wrong is said there as well.
            return super().forward(input, hx)
        run = self._packed if isinstance(input, PackedSequence) else self._padded
        y, last = run(input, states, weights, stack)
        return y, tuple(last) if self.mode == "LSTM" else last[0]

    def _stack(self) -> Stack:
        sizes = self.input_size, self.hidden_size, self.proj_size, self.num_layers
        return Stack(self.mode, *sizes, 2 if self.bidirectional else 1, self.bias)

    def _is_ours(self, input: Any, states: States, weights: list[Any], stack: Stack) -> bool:
        """Return whether the call is right, and one that our kernels do, and that is not too short for them."""
        is_packed = isinstance(input, PackedSequence)
        data = input.data if is_packed else input
        tensors = (data, *states, *weights)
        if not all([isinstance(t, torch.Tensor) for t in tensors]) or not takes(tensors):
            return False
        dims, shape = data.dim(), data.shape
        if (dims != 2 and (is_packed or dims != 3)) or shape[-1] != self.input_size or not data.numel():
            return False
        first = self.batch_first and dims == 3
        steps = len(input.batch_sizes) if is_packed else shape[first]
        if steps < SHORT and is_eager(*tensors):
            return False
        if not states:
            return True
        batch = () if dims == 2 and not is_packed else (_batch(input) if is_packed else shape[1 - first],)
        layers = self.num_layers * stack.directions
        return all([s.shape == (layers, *batch, size) for s, size in zip(states, sizes_of(stack), strict=True)])

    def _packed(
        self, input: PackedSequence, states: States, weights: list[torch.Tensor], stack: Stack
    ) -> tuple[PackedSequence, list[torch.Tensor]]:
        data, batch_sizes, order, back = input
        if order is not None:
            states = tuple([state.index_select(1, order) for state in states])
        masks = self._masks(data, stack)
        y, *last = recurrent(stack, data, batch_sizes, states, weights, masks, _batch(input))
        if back is not None:
            last = [state.index_select(1, back) for state in last]
        return PackedSequence(y, batch_sizes, order, back), last

    def _padded(
        self, x: torch.Tensor, states: States, weights: list[torch.Tensor], stack: Stack
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        is_single = x.dim() == 2
        if is_single:
            x, states = x.unsqueeze(1), tuple([state.unsqueeze(1) for state in states])
        elif self.batch_first:
            x = x.transpose(0, 1)
        steps, batch, _ = x.shape
        rows = x.reshape(steps * batch, -1)
        sizes, masks = _sizes(steps, batch), self._masks(rows, stack)
        y, *last = recurrent(stack, rows, sizes, states, weights, masks, batch)
        y = y.view(steps, batch, -1)
        if is_single:
            return y.squeeze(1), [state.squeeze(1) for state in last]
        return y.transpose(0, 1) if self.batch_first else y, last

    def _masks(self, data: torch.Tensor, stack: Stack) -> list[torch.Tensor]:
        """Draw, as torch does and from its generator, what the outputs between layers are multiplied by."""
        if not self.training or not self.dropout:
            return []
        ones = data.new_ones(data.shape[0], stack.directions * sizes_of(stack)[0])
        return [torch.nn.functional.dropout(ones, self.dropout) for _ in range(self.num_layers - 1)]

    def __prepare_scriptable__(self) -> torch.nn.Module:
        """Give ``torch.jit.script`` torch's own module with these parameters: what it makes must not need us.

        It puts this module into the model that it is given, too.
        """
        kind = {"GRU": torch.nn.GRU, "LSTM": torch.nn.LSTM}.get(self.mode, torch.nn.RNN)
        module: torch.nn.Module = kind.__new__(kind)
        module.__dict__.update(self.__dict__)
        return module


def _states(hx: Any, count: int) -> States | None:
    """Return the states of a call, none for zeros; None if they are no pair where they should be one."""
    if hx is None:
        return ()
    if count == 1:
        return (hx,)
    return tuple(hx) if isinstance(hx, (tuple, list)) and len(hx) == count else None


def _batch(input: PackedSequence) -> int:
    """Return the number of sequences; under torch.compile a shape tells it, a number in a tensor does not."""
    return len(input.sorted_indices) if input.sorted_indices is not None else int(input.batch_sizes[0])


@lru_cache(maxsize=64)
def _kept_sizes(steps: int, batch: int) -> torch.Tensor:
    with torch.inference_mode(False):
        return tensor(np.full(steps, batch, np.int64))


def _sizes(steps: int, batch: int) -> torch.Tensor:
    """Return the batch sizes of sequences of one length; what is traced makes its own."""
    return _kept_sizes(steps, batch) if is_eager() else torch.full((steps,), batch, dtype=torch.int64, device="cpu")


class GRU(_Twin, torch.nn.GRU):  # type: ignore[misc]
    """A ``torch.nn.GRU`` with seriatim's kernels: same arguments, parameters, state dict, first weights, results."""


class LSTM(_Twin, torch.nn.LSTM):  # type: ignore[misc]
    """A ``torch.nn.LSTM`` with seriatim's kernels: same arguments, parameters, state dict, first weights, results."""


class RNN(_Twin, torch.nn.RNN):  # type: ignore[misc]
    """A ``torch.nn.RNN`` with seriatim's kernels: same arguments, parameters, state dict, first weights, results."""
