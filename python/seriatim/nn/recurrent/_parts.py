"""One of the things that a recurrent module gives: what lets it stand in a Sequential."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._arrays import of_shape
from seriatim._typing import Array, ArrayLike
from seriatim.functional._stream import Stage
from seriatim.nn.base._module import Module
from seriatim.nn.base._stages import stages_of
from seriatim.nn.recurrent._stack import RecurrentStack
from seriatim.sequences import PackedSequence


class _Part(Module):
    """A recurrent module of whose outputs one is wanted."""

    _over_time = True

    def __init__(self, module: RecurrentStack) -> None:
        super().__init__()
        if not isinstance(module, RecurrentStack):
            raise TypeError(f"module: expected a stack such as GRU, LSTM or RNN, got {type(module).__name__}")
        self.module = module

    def _layer_that_runs_on(self) -> Module:
        return self.module


class Outputs(_Part):
    """A recurrent module's outputs at every step, without its last states.

    Parameters
    ----------
    module : GRU, LSTM, RNN, MinGRU, MinLSTM or IndRNN

    Raises
    ------
    TypeError
        The module is another one.

    Notes
    -----
    ``y = Outputs(gru)(x)`` is ``y, _ = gru(x)``, and backward takes the gradient of y alone.
    """

    def trace(self, x: ArrayLike | PackedSequence) -> tuple[Any, Any]:
        """Return the outputs of all steps."""
        (y, _), context = self.module.trace(x)
        return y, self.keep(context)

    def _stream_stages(self, name: str, inputs: int) -> list[Stage]:
        return stages_of(self.module, name, inputs)

    def pullback(self, context: Any, grad_output: ArrayLike | PackedSequence) -> Any:
        """Return the gradient of x."""
        grad_x, _ = self.module.pullback(self.kept(context), grad_output)
        return grad_x


class LastState(_Part):
    """Each sequence's last state in a recurrent module's top layer, of both directions side by side.

    Parameters
    ----------
    module : GRU, LSTM, RNN, MinGRU, MinLSTM or IndRNN

    Raises
    ------
    TypeError
        The module is another one.

    Notes
    -----
    ``(B, directions * hidden_size)``, or ``(directions * hidden_size,)`` of a single sequence. The reverse direction's
    is its state at step 0. An LSTM's state c is left out.
    """

    def trace(self, x: ArrayLike | PackedSequence) -> tuple[Array, Any]:
        """Return the top layer's last states."""
        (_, states), context = self.module.trace(x)
        h = states[0] if isinstance(states, tuple) else states
        last = np.concatenate(list(h[-self.module.num_directions :]), axis=-1)
        return last, self.keep((h.shape, isinstance(states, tuple), last.shape, context))

    def pullback(self, context: Any, grad_output: ArrayLike) -> Any:
        """Return the gradient of x."""
        shape, has_cell, wanted, inner = self.kept(context)
        grad, count = of_shape("grad_output", grad_output, wanted), self.module.num_directions
        grad_h = np.zeros(shape, np.float32)
        grad_h[-count:] = np.split(grad, count, axis=-1)
        grad_x, _ = self.module.pullback(inner, None, (grad_h, None) if has_cell else grad_h)
        return grad_x
