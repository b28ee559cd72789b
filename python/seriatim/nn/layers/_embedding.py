"""Rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from seriatim._arrays import as_integers, of_shape
from seriatim._typing import Array, ArrayLike, Seed
from seriatim.nn.base import _init
from seriatim.nn.base._guards import guard_of
from seriatim.nn.base._layouts import like, rows_of
from seriatim.nn.base._module import Module
from seriatim.nn.base._parameter import Parameter, gradient_slots
from seriatim.sequences import PackedSequence


class Embedding(Module):
    """``y[i] = weight[x[i]]``.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
    padding_idx : int, optional
        A row that begins as zeros and gets no gradient; negative counts from the end.
    rng : int, Generator or None
        Of the initial values, normal with deviation 1.

    Attributes
    ----------
    weight : Parameter, shape (num_embeddings, embedding_dim)

    Raises
    ------
    ValueError
        A size is not positive, or ``padding_idx`` is no row. From forward: an index is no row. From backward: the
        gradient has another shape than the output.
    TypeError
        From forward: x are no integers.

    Notes
    -----
    Input: integers of any shape, or a PackedSequence of them, which gives one of rows. There is no input gradient:
    backward returns None.
    """

    _is_leaf = True
    _lacks: ClassVar = {"max_norm": None, "norm_type": 2.0, "scale_grad_by_freq": False, "sparse": False}

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, *, rng: Seed = None
    ) -> None:
        super().__init__()
        _init.positive(num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"padding_idx: expected one of the {num_embeddings} rows or None, got {padding_idx}")
        table = _init.generator(rng).standard_normal(_init.possible((num_embeddings, embedding_dim)))
        if padding_idx is not None:
            table[padding_idx] = 0
        self.weight = Parameter(table)
        self.padding_idx = padding_idx

    @property
    def num_embeddings(self) -> int:
        """Rows of the table."""
        return self.weight.shape[0]

    @property
    def embedding_dim(self) -> int:
        """Columns of the table."""
        return self.weight.shape[1]

    @property
    def padding_idx(self) -> int | None:
        """The row that gets no gradient; may be set, which leaves the row's values as they are."""
        found: int | None = self._padding_idx
        return found

    @padding_idx.setter
    def padding_idx(self, index: int | None) -> None:
        count = self.num_embeddings
        if index is not None and not -count <= index < count:
            raise ValueError(f"padding_idx: expected one of the {count} rows or None, got {index}")
        self.__dict__["_padding_idx"] = None if index is None else index % count

    if TYPE_CHECKING:

        @overload
        def __call__(self, x: PackedSequence) -> PackedSequence: ...
        @overload
        def __call__(self, x: ArrayLike) -> Array: ...
        def __call__(self, x: Any) -> Any: ...

    def trace(self, x: ArrayLike | PackedSequence) -> tuple[Any, Any]:
        """Look rows up."""
        index = as_integers("x", x.data if isinstance(x, PackedSequence) else x)
        if index.size and not (index.min() >= 0 and index.max() < self.num_embeddings):
            raise ValueError(
                f"x: expected integers from 0 to {self.num_embeddings - 1}, got {index.min()} to {index.max()}"
            )
        return like(x, np.take(self.weight._array, index, axis=0)), self.keep((index, self.padding_idx))

    def pullback(self, context: Any, grad_output: ArrayLike | PackedSequence) -> None:
        """Add to the gradient of the table; there is none of the input."""
        index, padding_idx = self.kept(context)
        given = rows_of(grad_output, "grad_output")
        grad = of_shape("grad_output", given, (*index.shape, self.embedding_dim)).astype(np.float32, copy=False)
        with guard_of(self.weight), gradient_slots(self.weight) as ((slot,), accumulate):
            if slot is not None:
                kept = slice(None) if padding_idx is None else index.reshape(-1) != padding_idx
                if not accumulate:
                    slot.fill(0)
                np.add.at(slot, index.reshape(-1)[kept], grad.reshape(-1, self.embedding_dim)[kept])

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.num_embeddings}, {self.embedding_dim}"
