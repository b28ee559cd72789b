"""Metavision's (OpenEB's) U-net of images or sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seriatim import functional as F
from seriatim._arrays import as_floats, of_shape
from seriatim._typing import Array, ArrayLike
from seriatim.nn.base._contexts import pull
from seriatim.nn.base._module import Module
from seriatim.nn.base._steps import Resets
from seriatim.nn.containers._list import ModuleList
from seriatim.sequences import PackedSequence


def _check_arrays(*inputs: Any) -> None:
    if any(isinstance(one, PackedSequence) for one in inputs):
        raise TypeError(
            "x: expected images (N, C, H, W) or videos (T, B, C, H, W), got a PackedSequence: pad_packed_sequence pads "
            "it"
        )


class MergeSkip(Module):
    """``x`` at the size of ``skip``, and ``skip`` behind it along the channels.

    Parameters
    ----------
    mode : {'bilinear', 'nearest', 'nearest-exact'}
    align_corners : bool, optional
        As of :class:`Upsample`.

    Raises
    ------
    ValueError
        ``mode`` is another one, or ``align_corners`` does not go with it. From forward: inputs are neither two batches
        of images nor two of sequences, or their numbers differ. From backward: the gradient has another shape than
        the output.

    Notes
    -----
    Inputs ``(N, C, H, W)`` or ``(T, B, C, H, W)``. The gradient is that of both, ``(grad_x, grad_skip)``.
    """

    _fixed = ("mode", "align_corners")

    def __init__(self, mode: str = "bilinear", align_corners: bool | None = None) -> None:
        super().__init__()
        if mode not in ("bilinear", "nearest", "nearest-exact"):
            raise ValueError(f"mode: expected 'bilinear', 'nearest' or 'nearest-exact', got {mode!r}")
        F.upsample(np.zeros((0, 1, 1, 1)), 1, None, mode, align_corners)
        self.mode, self.align_corners = mode, align_corners

    if TYPE_CHECKING:

        def __call__(self, x: ArrayLike, skip: ArrayLike) -> Array: ...

    def trace(self, x: ArrayLike, skip: ArrayLike) -> tuple[Array, Any]:
        """Resize and join."""
        _check_arrays(x, skip)
        small, beside = as_floats("x", x), as_floats("skip", skip)
        if beside.ndim not in (4, 5) or small.shape[:-3] != beside.shape[:-3]:
            raise ValueError(
                "x, skip: expected shapes (N, C, H, W) or (T, B, C, H, W), alike but for channels and size, got "
                f"{small.shape} and {beside.shape}"
            )
        y, cache = F.upsample(
            small.reshape(-1, *small.shape[-3:]), beside.shape[-2:], None, self.mode, self.align_corners
        )
        y = np.concatenate([y.reshape(*small.shape[:-2], *y.shape[-2:]), beside], axis=-3)
        return y, self.keep((y.shape, small.shape, cache))

    def pullback(self, context: Any, grad_output: ArrayLike) -> tuple[Array, Array]:
        """Return the gradients of x and skip."""
        shape, small, cache = self.kept(context)
        grad = of_shape("grad_output", grad_output, shape).astype(np.float32, copy=False)
        of_x, of_skip = np.split(grad, [small[-3]], axis=-3)
        images = of_x.reshape(-1, *of_x.shape[-3:])
        return F.upsample_backward(images, cache).reshape(small), of_skip


class Unet(Resets, Module):
    """Metavision's U-net: encoders of ever smaller images, then decoders of ever larger ones, which see both.

    ::

        x = e0                      y = decoder2(up(d1, e0))
         e1 = encoder0(down(e0))   d1 = decoder1(up(d0, e1))
          e2 = encoder1(down(e1))  d0 = decoder0(e2)

    Parameters
    ----------
    encoders : iterable of Module
    decoders : iterable of Module
        The first is the middle; at most as many others as there are encoders.
    down : Module
        Makes an image smaller: ``VideoSequential(Upsample(scale_factor=0.5, mode="bilinear"))``.
    up : Module
        Takes a decoder's output and what is beside it, and joins them: :class:`MergeSkip`.

    Raises
    ------
    ValueError
        There are no decoders, or too many. From forward: x has another shape than the modules take. From backward:
        the gradient has another shape than the output.

    Notes
    -----
    Images or sequences, as the modules inside take them. :meth:`reset` and :meth:`reset_all` reach every memory
    inside. :func:`unet_layers` makes the encoders and decoders.

    References
    ----------
    Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image segmentation", MICCAI 2015.
    """

    def __init__(self, encoders: Iterable[Module], decoders: Iterable[Module], down: Module, up: Module) -> None:
        super().__init__()
        self.encoders, self.decoders = ModuleList(encoders), ModuleList(decoders)
        if not 1 <= len(self.decoders) <= len(self.encoders) + 1:
            raise ValueError(
                f"decoders: expected a middle and at most one for each of {len(self.encoders)} encoders, got "
                f"{len(self.decoders)}"
            )
        self.up, self.down = up, down

    def trace(self, x: ArrayLike) -> tuple[Any, Any]:
        """Run down and up again."""
        _check_arrays(x)
        levels: list[Any] = [x]
        downs, ups = [], []
        for encoder in self.encoders:
            smaller, of_down = self.down.trace(levels[-1])
            y, of_encoder = encoder.trace(smaller)
            downs.append((of_down, of_encoder))
            levels.append(y)
        y, of_middle = self.decoders[0].trace(levels[-1])
        for place, decoder in enumerate(list(self.decoders)[1:]):
            merged, of_up = self.up.trace(y, levels[-place - 2])
            y, of_decoder = decoder.trace(merged)
            ups.append((of_up, of_decoder))
        return y, self.keep((downs, of_middle, ups))

    def pullback(self, context: Any, grad_output: ArrayLike, need_input: bool = True) -> Any:
        """Run the gradient back, from the last decoder to the first encoder."""
        downs, of_middle, ups = self.kept(context)
        grad: Any = grad_output
        skips: list[Any] = [None] * (len(downs) + 1)
        for place in reversed(range(len(ups))):
            of_up, of_decoder = ups[place]
            grad, skips[-place - 2] = self.up.pullback(of_up, self.decoders[place + 1].pullback(of_decoder, grad))
        grad = self.decoders[0].pullback(of_middle, grad)
        for place in reversed(range(len(downs))):
            of_down, of_encoder = downs[place]
            wanted = need_input or place > 0
            grad = pull(self.encoders[place], of_encoder, grad, wanted or bool(list(self.down.parameters())))
            grad = None if grad is None else pull(self.down, of_down, grad, wanted)
            if wanted and skips[place] is not None:
                grad = grad + skips[place]
        return grad if need_input else None


def unet_layers(
    down_block: Callable[[int, int], Module],
    middle_block: Callable[[int, int], Module],
    up_block: Callable[[int, int], Module],
    input_size: int = 5,
    down_filter_sizes: Sequence[int] = (32, 64),
    middle_filter_size: int = 128,
    up_filter_sizes: Sequence[int] = (64, 32),
) -> tuple[list[Module], list[Module]]:
    """Make a U-net's layers, each with as many input channels as come to it.

    Parameters
    ----------
    down_block, middle_block, up_block : function of in_channels and out_channels
        Makes a layer: ``lambda i, o: nn.ConvRNN(i, o)``.
    input_size : int, default 5
        Channels of the input.
    down_filter_sizes, up_filter_sizes : sequence of int
        Channels of the encoders, and of the decoders behind the middle.
    middle_filter_size : int, default 128

    Returns
    -------
    encoders, decoders : list of Module
        For :class:`Unet`.

    Raises
    ------
    ValueError
        There are more decoders than encoders.
    """
    if len(up_filter_sizes) > len(down_filter_sizes):
        raise ValueError(
            f"up_filter_sizes: expected at most one for each of {len(down_filter_sizes)} encoders, got "
            f"{len(up_filter_sizes)}"
        )
    beside = [input_size, *down_filter_sizes]
    encoders = [down_block(before, after) for before, after in zip(beside, down_filter_sizes, strict=False)]
    decoders, last = [middle_block(beside[-1], middle_filter_size)], middle_filter_size
    for place, channels in enumerate(up_filter_sizes):
        decoders.append(up_block(last + beside[-place - 2], channels))
        last = channels
    return encoders, decoders
