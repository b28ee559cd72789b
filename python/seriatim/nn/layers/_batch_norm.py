"""Batch normalisation."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np

from seriatim import functional as F
from seriatim._arrays import as_numbers, of_shape
from seriatim._typing import Array, ArrayLike
from seriatim.functional._batch_norm import BatchNormCache
from seriatim.functional._stream import Stage, stage
from seriatim.nn.base import _init, _undo
from seriatim.nn.base._calls import ArrayModule
from seriatim.nn.base._guards import guard_of
from seriatim.nn.base._parameter import Parameter, gradient_slots
from seriatim.nn.base._together import Together, together


class _Traced(NamedTuple):
    """The context: of a micro-batch that runs together with others with whom, and how many values all have."""

    cache: BatchNormCache
    part: Together | None = None
    values: float = 0.0


class _BatchNorm(ArrayModule):
    """What batch normalisations share."""

    _is_leaf = True
    _fixed = ("num_features",)

    _shapes: tuple[str, ...]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        _init.positive(num_features=num_features)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.register_parameter("weight", Parameter(_init.ones(num_features)) if affine else None)
        self.register_parameter("bias", Parameter(_init.zeros(num_features)) if affine and bias else None)
        tracked = track_running_stats
        self.register_buffer("running_mean", _init.zeros(num_features) if tracked else None)
        self.register_buffer("running_var", _init.ones(num_features) if tracked else None)
        self.register_buffer("num_batches_tracked", np.array(0, np.int64) if tracked else None)

    @property
    def eps(self) -> float:
        """What is added to the variance; may be set."""
        found: float = self.__dict__["_eps"]
        return found

    @eps.setter
    def eps(self, eps: float) -> None:
        if not (_is_number(eps) and 0 < eps < np.inf):
            raise ValueError(f"eps: expected a positive number, got {eps!r}")
        self.__dict__["_eps"] = float(eps)

    @property
    def momentum(self) -> float | None:
        """How far the running statistics move towards the batch's; may be set."""
        found: float | None = self.__dict__["_momentum"]
        return found

    @momentum.setter
    def momentum(self, momentum: float | None) -> None:
        if momentum is not None and not (_is_number(momentum) and 0 <= momentum <= 1):
            raise ValueError(f"momentum: expected a number from 0 to 1 or None, got {momentum!r}")
        self.__dict__["_momentum"] = None if momentum is None else float(momentum)

    @property
    def affine(self) -> bool:
        """Whether there is a weight, and a bias unless that was left out."""
        return self.weight is not None

    @property
    def track_running_stats(self) -> bool:
        """Whether there are running statistics; without them, evaluation normalises by the batch's own."""
        return self.running_mean is not None

    def trace(self, x: ArrayLike) -> tuple[Array, Any]:
        """Normalise."""
        array = as_numbers("x", x)
        if array.ndim not in [shape.count(",") + 1 for shape in self._shapes] or array.shape[1] != self.num_features:
            shapes = [shape.replace("C", str(self.num_features)) for shape in self._shapes]
            raise ValueError(f"x: expected shape {' or '.join(shapes)}, got {array.shape}")
        training, weight, bias = self.training, self.weight, self.bias
        running = self.running_mean, self.running_var
        is_tracked = running[0] is not None
        batch_statistics = training or not is_tracked
        part, moments = together.get() if training else None, None
        if part is not None:
            moments = part.fold(F.batch_norm_moments(array), F.join_moments)
        elif batch_statistics and array.size == self.num_features:
            raise ValueError(f"x: expected more than one value per feature in training, got shape {array.shape}")
        momentum = 0.0 if self.momentum is None else self.momentum
        update = training and is_tracked and (part is None or part.once(self))
        if update and self.momentum is None:
            momentum = 1 / float((self.num_batches_tracked or 0) + 1)
        statistics = running if update or not batch_statistics else (None, None)
        affine = (None if weight is None else weight._array, None if bias is None else bias._array)
        eps = self.eps
        with guard_of(self) if update else nullcontext():
            if update:
                for buffer in (*statistics, self.num_batches_tracked):
                    _undo.note_values(buffer)
            if moments is None:
                y, cache = F.batch_norm(
                    array, *affine, *statistics, training=batch_statistics, momentum=momentum, eps=eps
                )
            else:
                y, cache = F.batch_norm_part(array, *affine, *statistics, moments=moments, momentum=momentum, eps=eps)
            if update and self.num_batches_tracked is not None:
                self.num_batches_tracked += 1
        return y, self.keep(_Traced(cache) if moments is None else _Traced(cache, part, float(moments[0, 0])))

    def _stream_stages(self, name: str, inputs: int) -> list[Stage]:
        if self.running_mean is None or self.running_var is None:
            raise ValueError(
                f"{type(self).__name__}: expected running statistics in a stream, got track_running_stats=False: there "
                "is no batch to normalise by"
            )
        affine = [None if one is None else one._array.copy() for one in (self.weight, self.bias)]
        norm = (self.running_mean.copy(), self.running_var.copy(), *affine)
        return [stage(name, "batch_norm", self.num_features, norm=norm, number=self.eps)]

    def pullback(self, context: Any, grad_output: ArrayLike) -> Array:
        """Return the input's gradient; add to those of weight and bias."""
        cache, part, values = self.kept(context)
        grad = of_shape("grad_output", grad_output, cache.x.shape)
        if part is not None:
            # Nothing is held while this waits for the other micro-batches.
            own = F.batch_norm_sums(grad, cache)
            total = part.fold(own if grad.size else None, np.add)
            assert total is not None
            grad_x = F.batch_norm_backward(grad, cache, means=(total / values).astype(np.float32))
            for parameter, gradient in zip((self.bias, self.weight), own, strict=True):
                if parameter is not None:
                    parameter.add_grad(gradient)
        else:
            slots = gradient_slots(self.weight, self.bias)
            with guard_of(self.weight), slots as ((grad_weight, grad_bias), accumulate):
                grad_x = F.batch_norm_backward(
                    grad, cache, grad_weight=grad_weight, grad_bias=grad_bias, accumulate=accumulate
                )
        assert grad_x is not None
        return grad_x

    def extra_repr(self) -> str:
        """Return the configuration."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating))


class BatchNorm1d(_BatchNorm):
    """``y = (x - mean) / sqrt(var + eps) * weight + bias`` per feature.

    Parameters
    ----------
    num_features : int
    eps : float > 0, default 1e-5
    momentum : float in [0, 1] or None, default 0.1
        How far the running statistics move towards the batch's; None averages over all batches.
    affine : bool, default True
        Whether there are a weight and a bias.
    track_running_stats : bool, default True
        Without them the batch's own statistics are used in evaluation too.
    bias : bool, default True
        Whether there is a bias where ``affine`` is.

    Attributes
    ----------
    weight, bias : Parameter, shape (num_features,), or None
    running_mean, running_var : ndarray, shape (num_features,), or None
    num_batches_tracked : ndarray of int64, shape (), or None

    Raises
    ------
    ValueError
        ``num_features`` or ``eps`` is not positive, or ``momentum`` not from 0 to 1. From forward: x has another
        shape, or one value per feature in training. From backward: the gradient has another shape than the output.

    Notes
    -----
    Input ``(N, C)`` or ``(N, C, L)``. In training, one value per feature raises ValueError, as in torch.

    References
    ----------
    Ioffe and Szegedy, "Batch normalization", ICML 2015.
    """

    _shapes = ("(N, C)", "(N, C, L)")


class BatchNorm2d(_BatchNorm):
    """``y = (x - mean) / sqrt(var + eps) * weight + bias`` per channel of images.

    Parameters
    ----------
    num_features : int
    eps : float > 0, default 1e-5
    momentum : float in [0, 1] or None, default 0.1
        How far the running statistics move towards the batch's; None averages over all batches.
    affine : bool, default True
        Whether there are a weight and a bias.
    track_running_stats : bool, default True
        Without them the batch's own statistics are used in evaluation too.
    bias : bool, default True
        Whether there is a bias where ``affine`` is.

    Attributes
    ----------
    weight, bias : Parameter, shape (num_features,), or None
    running_mean, running_var : ndarray, shape (num_features,), or None
    num_batches_tracked : ndarray of int64, shape (), or None

    Raises
    ------
    ValueError
        ``num_features`` or ``eps`` is not positive, or ``momentum`` not from 0 to 1. From forward: x has another
        shape, or one value per channel in training. From backward: the gradient has another shape than the output.

    Notes
    -----
    Input ``(N, C, height, width)``. In training, one value per channel raises ValueError, as in torch.

    References
    ----------
    Ioffe and Szegedy, "Batch normalization", ICML 2015.
    """

    _shapes = ("(N, C, H, W)",)
