"""The ragged container: concatenated observations and lengths, indexed by sequence."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import Any, overload

import numpy as np

from seriatim._arrays import as_lengths, as_numbers
from seriatim._typing import AnyArray, ArrayLike, Integers
from seriatim.sequences._frames import Origin, from_frame, to_frame
from seriatim.sequences._items import read_items, reusable, transposed
from seriatim.sequences._padding import without_padding


class Sequences:
    """A ragged array: ``n`` sequences of observations, concatenated.

    Parameters
    ----------
    X : array_like, shape (sum of lengths, ...)
        Observations of all sequences behind each other; not copied when it is an array.
    lengths : array_like of int, shape (n,), optional
        Lengths of the sequences, each at least 1; one sequence by default. Whole floating-point numbers count.

    Attributes
    ----------
    X, lengths : ndarray
    shape : tuple
        ``(n,)``: scikit-learn counts, splits and indexes sequences.
    keys : list or None
        What each sequence is called, where it comes from a frame, a dict or groups.
    columns : list of str or None
        Names of the features, where they come from a frame; an estimator keeps them as ``feature_names_in_``.

    Raises
    ------
    ValueError
        ``X`` is a single number or has masked values, or ``lengths`` are below 1 or do not add up to the observations
        in X.
    TypeError
        ``lengths`` are not integers along one axis, or X is no array of real numbers.

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

    _origin: Origin | None = None

    def __init__(self, X: Any, lengths: ArrayLike | None = None) -> None:
        array = as_numbers("X", X)
        if array.ndim == 0:
            raise ValueError("X: expected an array of observations, got a single number")
        # A copy: the caller may go on writing to his.
        counts = np.array([len(array)] if lengths is None else as_lengths(lengths), np.int64)
        starts = np.zeros(len(counts) + 1, np.int64)
        np.add.accumulate(counts, out=starts[1:])
        if counts.size and np.minimum.reduce(counts) < 1:
            raise ValueError(
                f"lengths: expected lengths of at least 1, got {counts.min()} for sequence {counts.argmin()}"
                + _hint(counts, len(array))
            )
        if starts[-1] != len(array):
            raise ValueError(
                f"lengths: expected a sum of {len(array)}, the observations in X, got {starts[-1]}"
                + _hint(counts, len(array))
            )
        self.X: AnyArray = array
        self.lengths: Integers = counts
        self._starts: Integers = starts

    @classmethod
    def from_list(cls, sequences: Iterable[Any]) -> Sequences:
        """Concatenate sequences ``(T_i, ...)``.

        Parameters
        ----------
        sequences : iterable of array_like, shape (T_i, ...)
            A list, a generator, a dict (whose keys become ``keys``), the groups of a frame, a column of arrays; of
            arrays, nested lists, tensors, frames or columns.

        Returns
        -------
        Sequences

        Raises
        ------
        ValueError
            Observations differ in shape, or one of the sequences is a single number.
        TypeError
            They are no sequences of real numbers.

        Examples
        --------
        >>> len(Sequences.from_list([[1.0, 2.0, 3.0], [4.0, 5.0]]))
        2
        """
        given = reusable(sequences)
        items = read_items("sequence {}", given)
        arrays = list(as_numbers("sequences", list(given))) if items is None else items.arrays
        if not arrays:
            return cls(np.empty(0), np.empty(0, np.int64))
        for i, a in enumerate(arrays):
            if a.ndim == 0 or a.shape[1:] != arrays[0].shape[1:]:
                trailing = ", ".join(["T", *map(str, arrays[0].shape[1:])])
                hint = transposed([array.shape for array in arrays])
                raise ValueError(f"sequence {i}: expected shape ({trailing}), got {a.shape}{hint}")
        made = cls(np.concatenate(arrays), [len(a) for a in arrays])
        if items is not None and (items.keys is not None or items.columns is not None):
            made._origin = Origin(items.keys, columns=items.columns)
        return made

    @classmethod
    def from_padded(
        cls, x: Any, lengths: ArrayLike | None = None, side: str = "right", mask: ArrayLike | None = None
    ) -> Sequences:
        """Take the sequences out of a padded batch ``(n, T, ...)``; padding is not read.

        Parameters
        ----------
        x : array_like, shape (n, T, ...)
            Without ``lengths`` and ``mask``, steps at the ends that hold nothing but NaN, or are masked, are padding.
        lengths : array_like of int, shape (n,), optional
            Each from 1 to T.
        side : {'right', 'left'}, default 'right'
            Where padding stands: behind the sequences, or in front of them, as Keras's ``pad_sequences`` puts it. NaN
            that stands in front alone is found by itself.
        mask : array_like of bool, shape (n, T), optional
            True where a step is there, as in Keras; a padding mask of torch is ``~mask``. Padding may then be at both
            ends.

        Returns
        -------
        Sequences

        Raises
        ------
        ValueError
            ``x`` has one axis; lengths are not n integers from 1 to T; the mask is of another shape, has holes or none
            of a sequence; lengths, mask and side contradict each other; or nothing says where sequences end although
            they end in zeros.

        Examples
        --------
        >>> Sequences.from_padded([[0, 0, 1, 2], [3, 4, 5, 6]], [2, 4], side="left")[0]
        array([1, 2])
        """
        return cls(*without_padding(x, lengths, side, mask))

    @classmethod
    def from_frame(cls, df: Any, by: Any, columns: Any = None, order: Any = None) -> Sequences:
        """Take sequences out of a long table, one observation a row.

        Parameters
        ----------
        df : DataFrame of pandas or polars
        by : str or list of str
            Columns, or levels of the index, that say which sequence a row is of. Sequences stand in the order in which
            they first appear; rows of one need not stand together.
        columns : str or list of str, optional
            The features, in this order; by default all other columns.
        order : str or list of str, optional
            Columns that sort the rows of a sequence, such as a time; by default they stay in their order.

        Returns
        -------
        Sequences
            Its ``keys`` are the values of ``by``, tuples if these are several columns; its ``columns`` the features.

        Raises
        ------
        ValueError
            A column is not there, or ``by`` or ``order`` has missing values.
        TypeError
            ``df`` is no data frame, or a feature holds no real numbers.

        See Also
        --------
        to_frame : The way back.

        Notes
        -----
        One label for each sequence, in the same order: ``df.groupby(by, sort=False)["label"].first()`` of pandas,
        ``df.group_by(by, maintain_order=True).agg(pl.col("label").first())["label"]`` of polars.

        Examples
        --------
        >>> import pandas as pd
        >>> df = pd.DataFrame({"id": ["b", "a", "b"], "t": [1, 0, 0], "x": [3.0, 1.0, 2.0]})
        >>> s = Sequences.from_frame(df, by="id", order="t")
        >>> s.keys, s[0].ravel()
        (['b', 'a'], array([2., 3.]))
        """
        X, lengths, origin = from_frame(df, by, columns, order)
        made = cls(X, lengths)
        made._origin = origin
        return made

    def to_frame(self) -> Any:
        """Return a long table, one observation a row: the keys' columns, then the features'.

        Returns
        -------
        pandas.DataFrame
            Without keys, sequences are numbered in a column ``sequence``; without names, features are ``x0``, ``x1``.

        Raises
        ------
        ValueError
            Observations have more than one axis.
        """
        return to_frame(self.X, self.lengths, self._origin)

    @property
    def keys(self) -> list[Any] | None:
        """What each sequence is called, None if they have no names."""
        return None if self._origin is None else self._origin.keys

    @property
    def columns(self) -> list[str] | None:
        """Names of the features, None if they have none."""
        return None if self._origin is None else self._origin.columns

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
            return self._like(Sequences(self.X[first : first + lengths.sum()], lengths), chosen)
        # Row numbers of the chosen sequences: each one's start, counted on from where it will stand.
        ends = np.cumsum(lengths)
        rows = np.arange(lengths.sum()) + np.repeat(self.starts[chosen] - (ends - lengths), lengths)
        return self._like(Sequences(self.X[rows], lengths), chosen)

    def _like(self, made: Sequences, chosen: Integers) -> Sequences:
        """Return sequences, made of the chosen ones, with the names of these."""
        made._origin = None if self._origin is None else self._origin[chosen]
        return made

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


def _hint(counts: Integers, rows: int) -> str:
    """Say what numbers that are no lengths look like."""
    if len(counts) > 1 and np.all(np.diff(counts) > 0) and counts[-1] == rows:
        return ": these grow to the end, as if they were the ends: np.diff(ends, prepend=0) are lengths"
    if len(counts) == rows > 1:
        return (
            ": there is one for each row, as if they said which sequence a row is of: X.groupby(ids, sort=False), or "
            "Sequences.from_frame(df, by=), makes sequences of such"
        )
    return ""
