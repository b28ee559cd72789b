"""What all transformers of sequences share: the forms of X, in and out, and scikit-learn's manners."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from seriatim import functional as F
from seriatim._sklearn import (
    Known,
    Reading,
    Remembers,
    Stored,
    answers,
    check_features,
    check_parameters,
    known_of,
    learns,
    read_sequences,
    read_videos,
    remember,
)
from seriatim._typing import AnyArray, ArrayLike, Integers
from seriatim.preprocessing._frames import are_videos, folded, on_frames
from seriatim.sequences import Sequences
from seriatim.sequences._items import reusable

Self = TypeVar("Self", bound="SequenceTransformer")
Leaf = TypeVar("Leaf")


class Fold(Protocol):
    """Combines what is known of each part in one order, whoever has the parts; all get the result."""

    def __call__(self, leaves: Mapping[int, Leaf], combine: Callable[[Leaf, Leaf], Leaf]) -> Leaf | None:
        """Return None where nobody has a part."""


class _Table(TransformerMixin):  # type: ignore[misc]
    """Gives a 2-D array the container that ``set_output`` asks for."""

    def __init__(self, names: AnyArray) -> None:
        self.names = names

    def transform(self, X: Any) -> Any:
        return X

    def get_feature_names_out(self, input_features: Any = None) -> AnyArray:
        return self.names


class SequenceTransformer(  # type: ignore[call-arg]
    Stored,
    Remembers,
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
    auto_wrap_output_keys=None,
):
    """Base of the transformers: subclasses say what happens to a :class:`seriatim.Sequences`.

    Notes
    -----
    X may be given as a collection of arrays ``(T_i, D)`` or ``(T_i,)`` (a list, a dict, groups of a frame, ...), as
    observations ``(sum T, D)`` with ``lengths``, as an array ``(n, T, D)``, or as :class:`seriatim.Sequences`; what
    comes out has the same form, a list for all collections but dicts. Where lengths have changed and the form has no
    place for that, a ``Sequences`` comes out, which has ``.X`` and ``.lengths``.
    A 2-D array or a data frame without lengths is a single sequence, whose steps are the rows; only where ``fit`` gets
    a y with a label for each row is it one sequence of one step a row, in ``transform`` too. After a ``fit`` on
    univariate sequences it is one of them a row.

    Videos ``(T_i, C, H, W)``, in the same forms, are taken by what is defined for them: changes over time, and scaling,
    whose features are channels. Others refuse them.

    float32 stays float32, and float64 stays float64, so that an offset (a clock, a place on a map) rounds nothing away
    before it is gone; other types become the narrower of the two that holds them. Standardize and MinMaxScale, after
    which nothing can be lost, give float32.
    """

    # What it takes for features in frames of a video; None of what means nothing for them.
    _of_frames: ClassVar[str | None] = None
    # Types that come out as they go in.
    _preserved: ClassVar[tuple[str, ...]] = ("float64", "float32")

    _LENGTHS: ClassVar[dict[str, bool]] = {"lengths": True}
    __metadata_request__fit = _LENGTHS
    __metadata_request__transform = _LENGTHS

    _fitted_attributes: ClassVar[tuple[str, ...]] = (
        "n_features_in_",
        "feature_names_in_",
        "_row_per_sequence",
        "_row_is_series",
        "_row_steps",
        "_frame_shape",
        "_has_offset",
    )

    n_features_in_: int
    # Whether float32 would have lost how sequences vary: what is exported then takes float64.
    _has_offset: bool

    def _span(self) -> tuple[int, int] | None:
        """Return the frames before and behind one that it is made of; None where the whole sequence is looked at."""
        return None

    def _fit(self, sequences: Sequences) -> None:
        """Learn from the training sequences."""

    def _fit_parts(self, parts: Mapping[int, Sequences], fold: Fold) -> None:
        """Learn from parts of the training sequences, of which others may have some.

        A class whose ``_fit`` learns defines this as well. Here is what looks at each part and keeps nothing of it.
        """
        for part in parts.values():
            self._fit(part)

    @classmethod
    def _fits_in_parts(cls) -> bool:
        """Return whether ``_fit_parts`` learns what ``_fit`` does."""
        places = [
            next(i for i, base in enumerate(cls.__mro__) if name in vars(base)) for name in ("_fit", "_fit_parts")
        ]
        if cls.fit is not SequenceTransformer.fit:
            return False
        keeps = set(cls._names_of_state()) - set(SequenceTransformer._names_of_state())
        return places[1] <= places[0] or (not keeps and cls.__module__.startswith("seriatim."))

    def _transform(self, sequences: Sequences) -> Sequences:
        raise NotImplementedError

    def _check_parameters(self) -> None:
        """Refuse parameters that have no meaning; a subclass may add to what ``_parameter_rules`` says."""
        check_parameters(self)

    @learns
    def fit(self: Self, X: Any, y: ArrayLike | None = None, lengths: ArrayLike | None = None) -> Self:
        """Learn what the training sequences say.

        Parameters
        ----------
        X : sequences, in one of the forms of the class's notes
        y : array_like, optional
            Ignored, but for telling what a 2-D X without lengths is: with a label for each row each is a sequence.
        lengths : array_like of int, shape (n,), optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            A parameter or the sequences have no meaning. The transformer is then as it was.
        """
        self._check_parameters()
        name = type(self).__name__
        if are_videos(X, lengths):
            reading = read_videos(X, lengths, name)
            flat = folded(reading.sequences, self._of_frames, name)
        else:
            reading = read_sequences(X, lengths, name, targets=None if y is None else len(np.asarray(y)))
            flat = reading.sequences
        self._fit(flat)
        self._has_offset = _has_offset(flat)
        self.n_features_in_ = int(np.prod(reading.sequences.X.shape[1:]))
        remember(self, reading)
        return self

    def _fit_in_parts(self, parts: Mapping[int, Sequences], fold: Fold) -> None:
        """Do what :meth:`fit` does, for parts of the training sequences."""
        self._check_parameters()
        name = type(self).__name__
        are_frames = {number: are_videos(part, None) for number, part in parts.items()}
        readings = {
            number: (read_videos if are_frames[number] else read_sequences)(part, None, name)
            for number, part in parts.items()
        }
        flat = {
            number: folded(reading.sequences, self._of_frames, name) if are_frames[number] else reading.sequences
            for number, reading in readings.items()
        }
        seen = fold({n: _Seen(reading.known, *_offsets_in(flat[n])) for n, reading in readings.items()}, _seen_together)
        if seen is None:
            raise ValueError(f"X: {name} expected at least one sequence, got none in any part")
        self._fit_parts(flat, fold)
        shape = seen.known.shape
        self._has_offset = _are_many(seen.lost, seen.varying)
        self.n_features_in_ = int(np.prod(shape))
        remember(self, Reading(Sequences(np.zeros((1, *shape), np.float32), [1]), seen.known.rows, "sequences"))

    @answers
    def transform(self, X: Any, lengths: ArrayLike | None = None) -> Any:
        """Transform sequences; they come out in the form in which they are given.

        Parameters
        ----------
        X : sequences, in one of the forms of the class's notes
        lengths : array_like of int, shape (n,), optional

        Returns
        -------
        sequences
            In the form of X.

        Raises
        ------
        ValueError
            The sequences have other features than those of ``fit``, or are none.
        sklearn.exceptions.NotFittedError
        """
        if not hasattr(self, "n_features_in_"):
            check_is_fitted(self, "n_features_in_")
        self._check_parameters()
        name, read = type(self).__name__, read_sequences if self._frame_shape is None else read_videos
        reading = read(X, lengths, name, known=known_of(self))
        check_features(self, reading)
        return self._in_form(reading, on_frames(self._transform, reading.sequences, self._of_frames, name))

    def fit_transform(self, X: Any, y: ArrayLike | None = None, lengths: ArrayLike | None = None) -> Any:
        """Fit and transform the same sequences.

        Parameters
        ----------
        X, y, lengths
            As in :meth:`fit`.

        Returns
        -------
        sequences
            In the form of X.

        Raises
        ------
        ValueError
            As of :meth:`fit`.
        """
        X = reusable(X)
        return self.fit(X, y, lengths=lengths).transform(X, lengths=lengths)

    @answers
    def get_feature_names_out(self, input_features: Any = None) -> AnyArray:
        """Return the names of the features that come out.

        Parameters
        ----------
        input_features : array_like of str, optional
            Names of the features that go in; those of ``fit`` by default.

        Returns
        -------
        ndarray of object, shape (n_features,)

        Raises
        ------
        ValueError
            The names are others than those of ``fit``, or another number of them.
        sklearn.exceptions.NotFittedError
        """
        check_is_fitted(self, "n_features_in_")
        known = getattr(self, "feature_names_in_", None)
        if input_features is not None:
            given = np.asarray(input_features, dtype=object)
            if known is not None and not np.array_equal(given, known):
                raise ValueError("input_features is not equal to feature_names_in_")
            if len(given) != self.n_features_in_:
                raise ValueError(
                    f"input_features should have length equal to number of features ({self.n_features_in_}), "
                    f"got {len(given)}"
                )
            return given
        if known is not None:
            names: AnyArray = known
            return names
        return np.array([f"x{i}" for i in range(self.n_features_in_)], dtype=object)

    def set_output(self: Self, *, transform: str | None = None) -> Self:
        """Choose the container of results that are 2-D tables: 'default', 'pandas', 'polars', or None to leave it.

        Parameters
        ----------
        transform : {'default', 'pandas', 'polars'} or None

        Returns
        -------
        self

        Raises
        ------
        ValueError
            There is no such container.
        """
        if transform is not None:
            _Table(np.array([])).set_output(transform=transform)
            self._output = transform
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = list(self._preserved)
        return tags

    def _more_tags(self) -> dict[str, Any]:
        # scikit-learn before 1.6.
        return {"preserves_dtype": list(self._preserved)}

    def _in_form(self, given: Reading, result: Sequences) -> Any:
        """Return what has become of sequences in the form in which they came."""
        if given.form == "sequences":
            return result
        equal = len(np.unique(result.lengths)) == 1
        if given.form == "dict":
            return dict(zip(given.keys or [], result, strict=True))
        if given.form == "list" or (given.form == "nested" and not equal):
            return list(result)
        if given.form in ("cube", "nested"):
            return result.X.reshape(len(result), -1, *result.X.shape[1:]) if equal else result
        if len(result) == 1 or np.array_equal(given.sequences.lengths, result.lengths):
            return self._as_table(result.X)
        if given.form == "table" and equal:
            return result.X.reshape(len(result), -1, *result.X.shape[1:])
        return result

    def _as_table(self, array: AnyArray) -> Any:
        wanted = getattr(self, "_output", None) or get_config()["transform_output"]
        if wanted == "default" or array.ndim > 2:
            return array
        return _Table(self.get_feature_names_out()).set_output(transform=wanted).transform(array)


def offsets(sequences: Sequences) -> Any:
    """Where sequences begin and the last ends: ``(n + 1,)``."""
    return sequences._starts


# float32 rounds by 2^-24; what is farther from 0 than so many of the units that it varies by loses 1/50,000 of one.
_FAR = 300.0
# Units that float32 has, squares included.
_LEAST_UNIT, _GREATEST_UNIT = 1e-18, 1e18


def loses(mean: AnyArray, unit: AnyArray) -> bool:
    """Return whether float32 would round away what numbers round ``mean`` that vary by about ``unit`` differ by."""
    size = np.abs(unit)
    return bool(np.any((np.abs(mean) > _FAR * size) | (size < _LEAST_UNIT) | (size > _GREATEST_UNIT)))


def _has_offset(sequences: Sequences) -> bool:
    """Return whether float32 would lose how a feature varies within most of the sequences in which it does."""
    return _are_many(*_offsets_in(sequences))


def _offsets_in(sequences: Sequences) -> tuple[Integers, Integers]:
    """Return in how many sequences float32 would lose how a feature varies, and in how many it does, ``(D,)`` each."""
    mean, spread = F.ragged_moments(sequences.X, offsets(sequences))
    varies = spread > 0
    ratio = np.where(varies, np.abs(mean) / np.where(varies, spread, 1), 0)
    small = varies & ((spread < _LEAST_UNIT) | (spread > _GREATEST_UNIT))
    # What was given as float32 has been rounded already.
    lost = small | (ratio > _FAR if sequences.X.dtype == np.float64 else False)
    return lost.sum(axis=0), varies.sum(axis=0)


def _are_many(lost: Integers, varying: Integers) -> bool:
    return bool(np.any(2 * lost > np.maximum(varying, 1)))


class _Seen(NamedTuple):
    """What is remembered of a part whatever the transformer."""

    known: Known
    lost: Integers
    varying: Integers


def _seen_together(a: _Seen, b: _Seen) -> _Seen:
    if a.known != b.known:
        raise ValueError(
            f"X: expected parts whose observations have one shape, got {a.known.shape} and {b.known.shape}"
        )
    return _Seen(a.known, a.lost + b.lost, a.varying + b.varying)
