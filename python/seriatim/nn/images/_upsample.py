"""Images of another size."""

from __future__ import annotations

from typing import Any

from seriatim import functional as F
from seriatim._typing import Array, ArrayLike
from seriatim.functional._upsample import upsample_arguments
from seriatim.nn.base._calls import ArrayModule


class Upsample(ArrayModule):
    """Images, or sequences, of another size: larger, or smaller without smoothing before.

    Parameters
    ----------
    size : int or pair of int, optional
        Of the output.
    scale_factor : float or pair of float, optional
        Instead of the size, which is then ``floor(size * scale_factor)``.
    mode : {'nearest', 'nearest-exact', 'linear', 'bilinear'}
        'linear' is for ``(N, C, length)``, 'bilinear' for images, the others for both.
    align_corners : bool, optional
        Of the linear modes: whether the outer pixels' centres, not their edges, lie upon each other. None is False.
    recompute_scale_factor : bool, optional
        Whether places follow from the two sizes, not from ``scale_factor``.

    Raises
    ------
    ValueError
        The arguments do not go together. From forward: x has another shape, or nothing is left of it. From backward:
        the gradient has another shape than the output.

    Notes
    -----
    Input ``(N, C, height, width)`` or ``(N, C, length)``. The rules are torch's, which takes the same input.
    """

    _fixed = ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor")

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        upsample_arguments(size, scale_factor, mode, align_corners, recompute_scale_factor)
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def trace(self, x: ArrayLike) -> tuple[Array, Any]:
        """Resize."""
        y, cache = F.upsample(
            x, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )
        return y, self.keep(cache)

    def pullback(self, context: Any, grad_output: ArrayLike) -> Array:
        """Return the input's gradient."""
        return F.upsample_backward(grad_output, self.kept(context))

    def extra_repr(self) -> str:
        """Return the configuration."""
        given = f"scale_factor={self.scale_factor}" if self.size is None else f"size={self.size}"
        return f"{given}, mode={self.mode!r}"
