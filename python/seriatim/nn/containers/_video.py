"""Modules of images on sequences of images: Metavision's containers."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._arrays import as_numbers
from seriatim._typing import ArrayLike
from seriatim.nn.base._contexts import pull
from seriatim.nn.base._memory_stream import MemoryStream
from seriatim.nn.base._module import Module
from seriatim.nn.base._steps import Steps, read_gradient, runs_over_rows, shapes_of
from seriatim.nn.base._stream import Stream
from seriatim.nn.containers._sequential import Sequential
from seriatim.sequences import PackedSequence


class SequenceWise(Module):
    """A module of frames made one of sequences: time is merged into the batch and split off again.

    Parameters
    ----------
    module : Module
        Takes a batch of frames, ``(N, C, H, W)`` or ``(N, features)``, and gives an array with a row for each, of
        whatever rank, or a tuple or list of such arrays.
    ndims : int, optional
        How many axes a sequence has; an input with one less is a batch of frames. By default sequences are
        ``(T, B, C, H, W)`` and ``(T, B, features)``, and ``(B, C, H, W)`` and ``(B, features)`` are frames.

    Raises
    ------
    ValueError
        ``ndims`` is below 3. From forward: x is no sequence and no batch of frames, or the module gives no row for each
        frame. From backward: the gradient has another shape than the output.

    Notes
    -----
    A sequence's frames go through as one batch, a batch of frames as it is, and of a PackedSequence its data, whose
    output is packed alike. Which of the first two axes is time does not matter. ``backward`` takes a gradient of the
    output's form; None stands for a part of a tuple that has none.
    """

    _over_time = _streams_frames = True

    def __init__(self, module: Module, ndims: int | None = None) -> None:
        super().__init__()
        self.module, self.ndims = module, ndims

    @property
    def ndims(self) -> int | None:
        """How many axes a sequence has; may be set."""
        ndims: int | None = self.__dict__["_ndims"]
        return ndims

    @ndims.setter
    def ndims(self, ndims: int | None) -> None:
        if ndims is not None and not (isinstance(ndims, (int, np.integer)) and ndims >= 3):
            raise ValueError(f"ndims: expected None or at least 3, time, batch and features, got {ndims!r}")
        self.__dict__["_ndims"] = None if ndims is None else int(ndims)

    def _make_stream(self, batch_size: int) -> Stream:
        return MemoryStream(self, batch_size, (3, 1) if self.ndims is None else (self.ndims - 2,))

    def _is_sequence(self, axes: int, shape: tuple[int, ...]) -> bool:
        sequences = (5, 3) if self.ndims is None else (self.ndims,)
        if axes not in sequences and axes + 1 not in sequences:
            wanted = "(T, B, C, H, W) or (T, B, features)" if self.ndims is None else f"with {self.ndims} axes"
            raise ValueError(f"x: expected a sequence {wanted}, or frames with one axis less, got shape {shape}")
        return axes in sequences

    def trace(self, x: ArrayLike | PackedSequence) -> tuple[Any, Any]:
        """Run the module on all frames at once."""
        steps = None
        if isinstance(x, PackedSequence):
            steps = Steps.of(x)
        else:
            x = as_numbers("x", x)
            if self._is_sequence(x.ndim, x.shape):
                steps = Steps.of(x)
        frames: Any = x if steps is None else steps.merge(x)
        if np.ndim(frames) == 2 and runs_over_rows(self.module):
            raise ValueError(
                f"SequenceWise: expected a module of frames, got {type(self.module).__name__} with a recurrent layer, "
                "to which the frames of all sequences are one: give it the sequences, without SequenceWise"
            )
        y, inner = self.module.trace(frames)
        if steps is not None:
            y = steps.split(y, self.module)
        return y, self.keep((steps, shapes_of(y), inner))

    def pullback(self, context: Any, grad_output: Any, need_input: bool = True) -> Any:
        """Run the module's pullback on all frames at once."""
        steps, shapes, inner = self.kept(context)
        grad_output = read_gradient(grad_output, shapes)
        if steps is None:
            return pull(self.module, inner, grad_output, need_input)
        found = pull(self.module, inner, steps.merge(grad_output, "grad_output"), need_input)
        return steps.split(found, self.module)


class VideoSequential(Sequential):
    """Modules one after another on sequences ``(T, B, C, H, W)``.

    Parameters
    ----------
    *modules : Module
        As of :class:`Sequential`.

    Raises
    ------
    ValueError
        From forward: x has another shape, a module gives no row for each frame, or a recurrent layer has
        ``batch_first``. From backward: the gradient has another shape than the output.

    Notes
    -----
    Those that know of time (:class:`ConvRNN`, :class:`SequenceWise`, :class:`ConvGRU`, :class:`GRU`,
    :class:`LastState`, ...) are given sequences. Sequential, Residual, Concat and other containers that have one of
    these inside run their own modules by the same rule, and so do they outside of a VideoSequential when they are given
    videos and have a memory inside. A module of your own with a memory inside is given sequences. Everything else is
    given the frames of all steps as one batch, whatever the axes of a frame: after ``Flatten()`` a Linear runs on
    ``(T * B, features)``. ``SequenceWise`` around a module says that it is one of frames.

    Of a recurrent layer (``nn.GRU``, ``nn.LSTM``, ``ConvGRU``) the outputs of all steps go on, without its states, and
    it begins from zeros with every call: a memory that lasts is ConvRNN's. After ``LastState`` there is no time left,
    and what follows is given ``(B, features)``.

    ``(B, C, H, W)`` is one step, and so is the output. A PackedSequence of frames ``(N, C, H, W)`` gives one. A slice
    is a VideoSequential that shares the modules and their memories. :meth:`reset` and :meth:`reset_all`, which other
    containers have too, reach every memory inside. Memories stay when ``train()`` and ``eval()`` change the mode;
    no gradient flows from one call into the one before.
    """

    _over_time = _streams_parts = True

    def _make_stream(self, batch_size: int) -> Stream:
        return MemoryStream(self, batch_size)

    def trace(self, x: ArrayLike | PackedSequence) -> tuple[Any, Any]:
        """Run the modules one after another; after an error in one, no memory has changed."""
        given: Any = x if isinstance(x, PackedSequence) else as_numbers("x", x)
        axes = given.data.ndim + 1 if isinstance(given, PackedSequence) else given.ndim
        if axes not in (4, 5) or (axes == 4 and isinstance(given, PackedSequence)):
            raise ValueError(f"x: expected shape (T, B, C, H, W), or (B, C, H, W) of one step, got {shapes_of(given)}")
        single = axes == 4
        given = given[None] if single else given
        steps = Steps.of(given)
        y, contexts = self._run_over_time(given, steps)
        single_out = single and steps.holds(y)
        y = _first(y) if single_out else y
        return y, self.keep((single, single_out, shapes_of(y), contexts))

    def pullback(self, context: Any, grad_output: Any, need_input: bool = True) -> Any:
        """Run the gradient through the modules from the last to the first."""
        single, single_out, shapes, contexts = self.kept(context)
        grad_output = read_gradient(grad_output, shapes)
        found = self._pull(contexts, _stepped(grad_output) if single_out else grad_output, need_input)
        return _first(found) if single else found


def _first(y: Any) -> Any:
    """Return the only step."""
    if type(y) in (tuple, list):
        return type(y)(_first(part) for part in y)
    return None if y is None else y[0]


def _stepped(y: Any) -> Any:
    """Return one step as a sequence."""
    if type(y) in (tuple, list) and y is not None:
        return type(y)(_stepped(part) for part in y)
    return None if y is None else as_numbers("grad_output", y)[None]
