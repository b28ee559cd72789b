"""Linear layer."""

from __future__ import annotations

from typing import Any

from seriatim import functional as F
from seriatim._arrays import as_numbers, of_shape
from seriatim._typing import Array, ArrayLike, Seed
from seriatim.functional._narrow import FORMS, Narrow
from seriatim.functional._stream import Stage, stage
from seriatim.nn.base import _init
from seriatim.nn.base._calls import ArrayModule
from seriatim.nn.base._guards import guard_of
from seriatim.nn.base._packs import Packs
from seriatim.nn.base._parameter import Parameter, gradient_slots


class Linear(ArrayModule):
    """``y = x W^T + b``.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool, default True
    rng : int, Generator or None
        Of the initial values, uniform in ``±1 / sqrt(in_features)``.

    Attributes
    ----------
    weight : Parameter, shape (out_features, in_features)
    bias : Parameter, shape (out_features,), or None

    Raises
    ------
    ValueError
        A size is not positive. From forward: x has another last axis. From backward: the gradient has another shape
        than the output.

    Notes
    -----
    Input ``(..., in_features)``, output ``(..., out_features)``. ``grad_x = grad_y W``, ``grad_W = grad_y^T x``,
    ``grad_b = sum grad_y``.
    """

    _is_leaf = True

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *, rng: Seed = None) -> None:
        super().__init__()
        _init.positive(in_features=in_features, out_features=out_features)
        random = _init.generator(rng)
        self.weight = Parameter(_init.uniform(random, (out_features, in_features), in_features))
        drawn = Parameter(_init.uniform(random, (out_features,), in_features)) if bias else None
        self.register_parameter("bias", drawn)
        self._packs = Packs()

    @property
    def in_features(self) -> int:
        """Columns of the weight."""
        return self.weight.shape[1]

    @property
    def out_features(self) -> int:
        """Rows of the weight."""
        return self.weight.shape[0]

    def trace(self, x: ArrayLike) -> tuple[Array, Any]:
        """Multiply."""
        array, bias = as_numbers("x", x), self.bias
        if array.ndim == 0 or array.shape[-1] != (in_features := self.in_features):
            raise ValueError(f"x: expected shape (..., {self.in_features}), got {array.shape}")
        weight, packed = self._packed()
        rows = array.reshape(-1, in_features)
        y, cache = F.linear(rows, weight, None if bias is None else bias._array, packed=packed)
        y = y.reshape(*array.shape[:-1], weight.shape[0])
        return y, self.keep((cache, array.shape))

    def _packed(self) -> tuple[Any, Array]:
        """Return the weight, narrow or not, and its packed copy."""
        parameter = self.weight
        weight = parameter._kept()
        return weight, self._packs.get("forward", (parameter,), lambda: F.linear_pack(weight))

    def _stream_stages(self, name: str, inputs: int) -> list[Stage]:
        weight, packed = self._packed()
        option = FORMS.index(weight.form) if isinstance(weight, Narrow) else 0
        bias = None if self.bias is None else self.bias._array.copy()
        return [stage(name, "linear", self.in_features, self.out_features, option=option, weights=packed, bias=bias)]

    def pullback(self, context: Any, grad_output: ArrayLike, need_input: bool = True) -> Array | None:
        """Return the input's gradient, None without ``need_input``; add to those of weight and bias."""
        cache, shape = self.kept(context)
        parameter = self.weight
        weight = parameter._array
        wanted = (*shape[:-1], len(weight))
        grad_y = of_shape("grad_output", grad_output, wanted).reshape(-1, len(weight))
        packed = None
        if need_input:
            packed = self._packs.get("backward", (parameter,), lambda: F.linear_pack_backward(weight))
        with guard_of(parameter), gradient_slots(parameter, self.bias) as ((grad_weight, grad_bias), accumulate):
            grad_x, _, _ = F.linear_backward(
                grad_y,
                cache,
                weight,
                packed=packed,
                need_input=need_input,
                grad_weight=grad_weight,
                grad_bias=grad_bias,
                accumulate=accumulate,
                need_parameters=False,
            )
        return None if grad_x is None else grad_x.reshape(shape)

    def extra_repr(self) -> str:
        """Return the sizes."""
        sizes = f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        return sizes + self._quantized_repr()
