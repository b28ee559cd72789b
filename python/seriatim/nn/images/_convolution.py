"""2-D convolution."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from seriatim import functional as F
from seriatim._arrays import as_numbers, of_shape
from seriatim._typing import Array, ArrayLike, Seed
from seriatim.functional._convolution import Geometry, Pair, pair
from seriatim.nn.base import _init
from seriatim.nn.base._calls import ArrayModule
from seriatim.nn.base._guards import guard_of
from seriatim.nn.base._packs import Packs
from seriatim.nn.base._parameter import Parameter, gradient_slots


def _border(
    padding: Pair | str, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> tuple[int, int]:
    if not isinstance(padding, str):
        return pair(padding, "padding", 0)
    if padding == "valid":
        return 0, 0
    spans = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if padding != "same" or stride != (1, 1):
        raise ValueError(
            f"padding: expected numbers, 'valid', or 'same' with stride 1, got {padding!r} with stride {stride}"
        )
    return spans[0] // 2, spans[1] // 2


class Conv2d(ArrayModule):
    """``y[n, k] = bias[k] + sum over c of weight[k, c] * x[n, c]``, torch's cross-correlation.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or pair of int
    stride, dilation : int or pair of int, default 1
    padding : int, pair of int, 'valid' or 'same', default 0
        Zeros around the images. 'same' keeps the size; it needs stride 1, and where ``dilation (kernel - 1)`` is odd,
        one zero more is below, or on the right, as in torch.
    groups : int, default 1
        Output channels of a group read the input channels of the same group.
    bias : bool, default True
    rng : int, Generator or None
        Of the initial values, uniform in ``±1 / sqrt(in_channels / groups * kernel height * kernel width)``.

    Attributes
    ----------
    weight : Parameter, shape (out_channels, in_channels / groups, kernel height, kernel width)
    bias : Parameter, shape (out_channels,), or None

    Raises
    ------
    ValueError
        A size is not positive, ``groups`` divides no channels, or ``padding`` is none of these. From forward: x has
        another shape. From backward: the gradient has another shape than the output.

    Notes
    -----
    Input ``(N, C, height, width)`` or ``(C, height, width)``; output sizes
    ``(size + 2 padding - dilation (kernel - 1) - 1) // stride + 1``. 3x3 and 5x5 kernels of stride and dilation 1
    between eight channels or more are computed by Winograd's transforms: the largest error stays under 1e-5 of the
    largest output. Near an input that is not finite, or more than 128 times what is usual in its image, outputs are
    summed directly, so that it reaches those alone that see it.

    A batch of none is allowed: its gradients are zeros.
    """

    _is_leaf = True
    _fixed = ("groups",)
    _lacks: ClassVar = {"padding_mode": "zeros"}

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        rng: Seed = None,
    ) -> None:
        super().__init__()
        _init.positive(in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"groups: expected a divisor of {in_channels} input and {out_channels} output channels, got {groups}"
            )
        self.groups = groups
        random = _init.generator(rng)
        shape = (out_channels, in_channels // groups, *pair(kernel_size, "kernel_size"))
        fan = shape[1] * shape[2] * shape[3]
        self.weight = Parameter(_init.uniform(random, shape, fan))
        self.register_parameter("bias", Parameter(_init.uniform(random, (out_channels,), fan)) if bias else None)
        self._packs = Packs()
        # In which another module's steps use the weights, where they do: it looks at nothing else.
        self.__dict__["_holder"] = None
        self._settle(pair(stride, "stride"), padding, pair(dilation, "dilation"))

    def _settle(self, stride: tuple[int, int], padding: Pair | str, dilation: tuple[int, int]) -> None:
        """Take the settings that may change, all or, if they do not fit, none."""
        holder, kernel = self.__dict__["_holder"], self.kernel_size
        border = _border(padding, kernel, stride, dilation)
        geometry = F.conv2d_geometry(self.weight.shape, stride, border, dilation, self.groups)
        if holder is not None and geometry != self._geometry:
            raise AttributeError(
                f"Conv2d: expected the stride, padding and dilation that it was made with, got {stride}, {border} and "
                f"{dilation}: a {holder} uses the weights alone, for steps of its own."
            )
        # 'same' stays so when the dilation changes.
        self.__dict__.update(_stride=stride, _padding=border, _dilation=dilation, _wanted=padding, _geometry=geometry)
        self._packs = Packs()

    def _current(self) -> Geometry:
        """Return the geometry, of the weight that there is now."""
        geometry: Geometry = self._geometry
        out, _, *kernel = self.weight.shape
        if geometry[:3] != (out, *kernel):
            self._settle(self._stride, self._wanted, self._dilation)
            geometry = self._geometry
        return geometry

    @property
    def in_channels(self) -> int:
        """Channels of the input: the weight's."""
        return self.weight.shape[1] * self.groups

    @property
    def out_channels(self) -> int:
        """Channels of the output: the weight's."""
        return self.weight.shape[0]

    @property
    def kernel_size(self) -> tuple[int, int]:
        """Height and width of the kernel: the weight's."""
        return self.weight.shape[2], self.weight.shape[3]

    @property
    def stride(self) -> tuple[int, int]:
        """Rows and columns from one window to the next; may be set, as ``padding`` and ``dilation``."""
        found: tuple[int, int] = self._stride
        return found

    @stride.setter
    def stride(self, stride: Pair) -> None:
        self._settle(pair(stride, "stride"), self._wanted, self._dilation)

    @property
    def padding(self) -> tuple[int, int]:
        """Zeros above and below, left and right; see 'same' for one more below and on the right."""
        found: tuple[int, int] = self._padding
        return found

    @padding.setter
    def padding(self, padding: Pair | str) -> None:
        self._settle(self._stride, padding, self._dilation)

    @property
    def dilation(self) -> tuple[int, int]:
        """Rows and columns from one element of the kernel to the next."""
        found: tuple[int, int] = self._dilation
        return found

    @dilation.setter
    def dilation(self, dilation: Pair) -> None:
        self._settle(self._stride, self._wanted, pair(dilation, "dilation"))

    @property
    def _behind(self) -> tuple[int, int]:
        """Zeros that 'same' has below, and on the right, more than above and on the left: 0 or 1."""
        if self._wanted != "same":
            return 0, 0
        (kh, kw), (down, right) = self.kernel_size, self._dilation
        return down * (kh - 1) % 2, right * (kw - 1) % 2

    def trace(self, x: ArrayLike) -> tuple[Array, Any]:
        """Convolve."""
        return self._trace(x, "identity", 0.0)

    def _trace(self, x: ArrayLike, activation: str, slope: float) -> tuple[Array, Any]:
        """Convolve, with an activation that backward knows nothing of."""
        array = as_numbers("x", x)
        if array.ndim not in (3, 4) or array.shape[-3] != self.in_channels:
            raise ValueError(f"x: expected shape (N, {self.in_channels}, height, width), got {array.shape}")
        weight, geometry = self.weight._array, self._current()
        images, (below, right) = array if array.ndim == 4 else array[None], self._behind
        if below or right:
            images = np.pad(images, ((0, 0), (0, 0), (0, below), (0, right)))
        packed = self._packs.get("forward", (self.weight,), lambda: F.conv2d_pack(weight, geometry))
        y, cache = F.conv2d(
            images,
            weight,
            None if self.bias is None else self.bias._array,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            packed=packed,
            activation=activation,
            slope=slope,
        )
        return (y if array.ndim == 4 else y[0]), self.keep((cache, array.shape, y.shape))

    def pullback(self, context: Any, grad_output: ArrayLike, need_input: bool = True) -> Array | None:
        """Return the input's gradient, None without ``need_input``; add to those of weight and bias."""
        cache, shape, out = self.kept(context)
        wanted = out if len(shape) == 4 else out[1:]
        grad = of_shape("grad_output", grad_output, wanted)
        weight, geometry = self.weight._array, cache.geometry
        packed = None
        if need_input:
            # As it was in that forward, whatever has been set since.
            packs = self._packs if geometry == self._geometry else Packs()
            packed = packs.get("backward", (self.weight,), lambda: F.conv2d_pack_backward(weight, geometry))
        with guard_of(self.weight), gradient_slots(self.weight, self.bias) as ((grad_weight, grad_bias), accumulate):
            grad_x, _, _ = F.conv2d_backward(
                grad.reshape(out),
                cache,
                weight,
                packed=packed,
                need_input=need_input,
                need_parameters=False,
                grad_weight=grad_weight,
                grad_bias=grad_bias,
                accumulate=accumulate,
            )
        if grad_x is None:
            return None
        # Without what 'same' had added.
        return np.ascontiguousarray(grad_x[:, :, : shape[-2], : shape[-1]]).reshape(shape)

    def extra_repr(self) -> str:
        """Return the configuration."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        padding = "'same'" if any(self._behind) else self.padding
        text += f", padding={padding}" if padding != (0, 0) else ""
        text += f", dilation={self.dilation}" if self.dilation != (1, 1) else ""
        text += f", groups={self.groups}" if self.groups != 1 else ""
        return text if self.bias is not None else text + ", bias=False"
