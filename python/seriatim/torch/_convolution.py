"""Conv2d for torch's models: torch's module, our kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from seriatim import functional as F
from seriatim.functional._convolution import Conv2dCache
from seriatim.torch._differentiable import Differentiable, Tensors
from seriatim.torch._operators import array, is_eager, takes, tensor

# Calls with fewer pixels are torch's: to pack the weights takes as long as some hundred pixels of their products.
FEW = 512


class Conv2d(torch.nn.Conv2d):  # type: ignore[misc]
    """A ``torch.nn.Conv2d`` that runs seriatim's kernels: same arguments, parameters, state dict, first weights.

    Images of float32 on the CPU, in torch's default layout, are ours. What is not, and ``padding_mode`` other than
    'zeros', is torch's own code, and so is what is under transforms of ``torch.func``. So is what torch computes
    faster: kernels of 1x1, and calls whose output has fewer than 512 pixels, of all images together.
    """

    def _conv_forward(self, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """Convolve; what torch's class calls for its forward."""
        if self.padding_mode != "zeros" or not _is_ours(input, weight, bias, self.groups):
            return super()._conv_forward(input, weight, bias)
        border, x = self.padding, input if input.dim() == 4 else input.unsqueeze(0)
        if isinstance(border, str):
            left, right, above, below = self._reversed_padding_repeated_twice
            border = above, left
            if (right, below) != (left, above):
                # 'same' with an even kernel has one zero more on the right, or below.
                x = torch.nn.functional.pad(x, (0, right - left, 0, below - above))
        sizes = _sizes(x, weight, self.stride, border, self.dilation)
        if min(sizes) < 1 or (is_eager(x) and len(x) * sizes[0] * sizes[1] < FEW):
            return super()._conv_forward(input, weight, bias)
        (y,) = conv2d((x, weight, bias), (*self.stride, *border, *self.dilation, self.groups))
        return y if input.dim() == 4 else y.squeeze(0)

    def __prepare_scriptable__(self) -> torch.nn.Module:
        """Give ``torch.jit.script`` torch's own module with these parameters: what it makes must not need us."""
        module: torch.nn.Module = torch.nn.Conv2d.__new__(torch.nn.Conv2d)
        module.__dict__.update(self.__dict__)
        return module


def _is_ours(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, groups: int) -> bool:
    """Return whether our kernels can do what is asked; torch's code says what is wrong with what is wrong."""
    if not takes([t for t in (x, weight, bias) if t is not None]):
        return False
    if x.dim() not in (3, 4) or not x.numel() or x.shape[-3] != weight.shape[1] * groups or weight.shape[2:] == (1, 1):
        return False
    # In another layout torch's result has that layout, too.
    last = torch.channels_last
    return not any(t.dim() == 4 and not t.is_contiguous() and t.is_contiguous(memory_format=last) for t in (x, weight))


def _sizes(x: Any, weight: Any, stride: Any, padding: Any, dilation: Any) -> list[int]:
    return [
        (x.shape[2 + axis] + 2 * padding[axis] - dilation[axis] * (weight.shape[2 + axis] - 1) - 1) // stride[axis] + 1
        for axis in range(2)
    ]


# ---- The function


def _geometry(numbers: Sequence[int]) -> dict[str, Any]:
    top, left, above, beside, down, right, groups = (int(n) for n in numbers)
    return {"stride": (top, left), "padding": (above, beside), "dilation": (down, right), "groups": groups}


def _forward(tensors: Tensors, numbers: Sequence[int], keep: bool) -> list[torch.Tensor]:
    x, weight, bias = tensors
    assert x is not None
    assert weight is not None
    y, _ = F.conv2d(array(x), array(weight.contiguous()), None if bias is None else array(bias), **_geometry(numbers))
    return [tensor(y)]


def _backward(
    grads: Tensors, tensors: Tensors, kept: Tensors, numbers: Sequence[int], needs: Sequence[bool], use_up: bool
) -> list[torch.Tensor | None]:
    (grad_y,), (x, weight, _) = grads, tensors
    assert x is not None
    assert weight is not None
    if grad_y is None:
        return [None] * 3
    own = array(weight.contiguous())
    geometry = F.conv2d_geometry(own.shape, **_geometry(numbers))
    grad_weight = np.empty(own.shape, np.float32) if needs[1] else None
    grad_bias = np.empty(len(own), np.float32) if needs[2] else None
    grad_x, _, _ = F.conv2d_backward(
        array(grad_y),
        Conv2dCache(np.ascontiguousarray(array(x)), geometry),
        own,
        need_input=needs[0],
        need_parameters=False,
        grad_weight=grad_weight,
        grad_bias=grad_bias,
    )
    return [None if grad is None else tensor(grad) for grad in (grad_x, grad_weight, grad_bias)]


def _shapes(tensors: Tensors, numbers: Sequence[int], keep: bool) -> list[tuple[int, ...]]:
    x, weight, _ = tensors
    assert x is not None
    assert weight is not None
    return [(x.shape[0], weight.shape[0], *_sizes(x, weight, numbers[:2], numbers[2:4], numbers[4:6]))]


conv2d = Differentiable("conv2d", _forward, _backward, _shapes)
