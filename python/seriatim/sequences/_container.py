"""The ragged container: concatenated observations and lengths, indexed by sequence."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from seriatim._arrays import as_lengths, as_numbers
from seriatim._typing import AnyArray, ArrayLike, Integers


class Sequences:
    """A ragged array: ``n`` sequences of observations, concatenated.

    Parameters
    ----------
    X : array_like, shape (sum of lengths, ...)
        Observations of all sequences behind each other; not copied when it is an array.
    lengths : array_like of int, shape (n,), optional
        Lengths of the sequences, each at least 1; one sequence by default.

    Attributes
    ----------
    X, lengths : ndarray
    shape : tuple
        ``(n,)``: scikit-learn counts, splits and indexes sequences.

    Raises
    ------
    ValueError
        ``X`` is a single number, or ``lengths`` are below 1 or do not add up to the observations in X.
    TypeError
        ``lengths`` are not integers along one axis.

    Notes
    -----
    ``s[i]`` with an integer gives one array, a view; a slice, a list of indices or a mask gives a ``Sequences``. So it
    passes through scikit-learn's own splitters, searches and cross-validation, with labels ``(n,)`` beside it.

    Examples
    --------
    >>> s = Sequences(np.arange(5.0), [2, 3])
    >>> s[1]
    array([2., 3., 4.])
    >>> len(s[[1]])
    1
    """

    def __init__(self, X: ArrayLike, lengths: ArrayLike | None = None) -> None:
        array = as_numbers("X", X)
        if array.ndim == 0:
            raise ValueError("X: expected an array of observations, got a single number")
        # A copy: the caller may go on writing to his.
        counts = np.array(as_lengths([len(array)] if lengths is None else lengths))
        if counts.size and counts.min() < 1:
            raise ValueError(
                f"lengths: expected lengths of at least 1, got {counts.min()} for sequence {counts.argmin()}"
            )
        if counts.sum() != len(array):
            raise ValueError(f"lengths: expected a sum of {len(array)}, the observations in X, got {counts.sum()}")
        self.X: AnyArray = array
        self.lengths: Integers = counts
        self._starts: Integers = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    @classmethod
    def from_list(cls, sequences: Sequence[ArrayLike]) -> Sequences:
        """Concatenate a list of arrays ``(T_i, ...)``.

        Parameters
        ----------
        sequences : sequence of array_like, shape (T_i, ...)

        Returns
        -------
        Sequences

        Raises
        ------
        ValueError
            Observations differ in shape, or one of the arrays is a single number.
        """
        arrays = [as_numbers(f"sequence {i}", s) for i, s in enumerate(sequences)]
        if not arrays:
            return cls(np.empty(0), np.empty(0, np.int64))
        for i, a in enumerate(arrays):
            if a.ndim == 0 or a.shape[1:] != arrays[0].shape[1:]:
                trailing = ", ".join(["T", *map(str, arrays[0].shape[1:])])
                raise ValueError(f"sequence {i}: expected shape ({trailing}), got {a.shape}")
        return cls(np.concatenate(arrays), [len(a) for a in arrays])

    @classmethod
    def from_padded(cls, x: ArrayLike, lengths: ArrayLike) -> Sequences:
        """Take the sequences out of a padded batch ``(n, T, ...)``; padding is not read.

        Parameters
        ----------
        x : array_like, shape (n, T, ...)
        lengths : array_like of int, shape (n,)
            Each from 1 to T.

        Returns
        -------
        Sequences

        Raises
        ------
        ValueError
            ``x`` has one axis, or lengths are not n integers from 1 to T.
        """
        array = as_numbers("x", x)
        if array.ndim < 2:
            raise ValueError(f"x: expected shape (n, T, ...), got {array.shape}")
        counts = as_lengths(lengths)
        if counts.shape != (len(array),):
            raise ValueError(f"lengths: expected {len(array)} integers, got shape {counts.shape}")
        if counts.size and (counts.min() < 1 or counts.max() > array.shape[1]):
            raise ValueError(
                f"lengths: expected lengths from 1 to {array.shape[1]}, got {counts.min()} to {counts.max()}"
            )
        return cls(array[np.arange(array.shape[1]) < counts[:, None]], counts)

    @property
    def shape(self) -> tuple[int]:
        """``(n,)``."""
        return (len(self.lengths),)

    @property
    def starts(self) -> Integers:
        """Index of each sequence's first observation."""
        return self._starts[:-1]

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[AnyArray]:
        for start, end in zip(self._starts[:-1], self._starts[1:], strict=True):
            yield self.X[start:end]

    @overload
    def __getitem__(self, index: int | np.integer[Any]) -> AnyArray: ...
    @overload
    def __getitem__(self, index: slice | ArrayLike) -> Sequences: ...
    def __getitem__(self, index: Any) -> AnyArray | Sequences:
        if isinstance(index, (int, np.integer)) or (isinstance(index, np.ndarray) and index.ndim == 0):
            index = operator.index(index)
            if not -len(self) <= index < len(self):
                raise IndexError(f"expected an index below {len(self)}, got {index}")
            i = index % len(self)
            return self.X[self._starts[i] : self._starts[i + 1]]
        chosen = np.arange(len(self))[index]
        if chosen.ndim != 1:
            raise IndexError(f"expected a 1-D index, got shape {chosen.shape}")
        lengths = self.lengths[chosen]
        if isinstance(index, slice) and index.step in (None, 1):
            first = self._starts[chosen[0]] if len(chosen) else 0
            return Sequences(self.X[first : first + lengths.sum()], lengths)
        # Row numbers of the chosen sequences: each one's start, counted on from where it will stand.
        ends = np.cumsum(lengths)
        rows = np.arange(lengths.sum()) + np.repeat(self.starts[chosen] - (ends - lengths), lengths)
        return Sequences(self.X[rows], lengths)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequences):
            return NotImplemented
        return np.array_equal(self.lengths, other.lengths) and np.array_equal(self.X, other.X)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if not len(self):
            return "Sequences(n=0)"
        return (
            f"Sequences(n={len(self)}, lengths {self.lengths.min()} to {self.lengths.max()}, "
            f"observations of shape {self.X.shape[1:]}, {self.X.dtype})"
        )
