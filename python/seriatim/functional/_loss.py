"""What losses share: reductions, weights of samples, and the gradient that backward is given."""

from __future__ import annotations

from seriatim._arrays import as_floats
from seriatim._typing import AnyArray, Array, ArrayLike

REDUCTIONS = ("mean", "sum", "none")


def check_reduction(reduction: str, choices: tuple[str, ...] = REDUCTIONS) -> None:
    """Raise ValueError for a reduction that is none."""
    if reduction not in choices:
        raise ValueError(f"reduction: expected one of {choices}, got {reduction!r}")


def sample_weights(sample_weight: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Return a weight for each loss, or one ``(batch,)`` for each on the first axis."""
    weights = as_floats("sample_weight", sample_weight)
    if weights.shape != shape and weights.shape != shape[:1]:
        wanted = f"{shape[:1]}, one for each of the batch," if shape else "()"
        own = f" or {shape}, one for each loss," if len(shape) > 1 else ""
        raise ValueError(f"sample_weight: expected shape {wanted}{own} got {weights.shape}")
    return weights


def loss_gradient(grad_output: ArrayLike | None, reduction: str, shape: tuple[int, ...]) -> AnyArray:
    """Return the gradient of a loss: a number (1 for None), or of losses that are not reduced one for each.

    Raises
    ------
    ValueError
        It is neither: what would broadcast into another shape is not meant.
    """
    grad = as_floats("grad_output", 1.0 if grad_output is None else grad_output)
    if reduction == "none":
        if grad.ndim and grad.shape != shape:
            raise ValueError(
                f"grad_output: expected a number or shape {shape}, that of the losses, got shape {grad.shape}"
            )
        return grad
    if grad.size != 1:
        raise ValueError(
            f"grad_output: expected a number, the gradient of the one loss that reduction={reduction!r} gives, got "
            f"shape {grad.shape}"
        )
    return grad.reshape(())
