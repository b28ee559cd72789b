"""Transformers that are fitted on parts: the same bits wherever the parts are, and what fit learns of all together."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from seriatim import preprocessing as pre
from seriatim.distributed import run_threads
from seriatim.preprocessing._parts import fitted_in_parts, whole_only
from seriatim.recipes._skeletons import Facing
from seriatim.recipes._speech import Cepstra
from seriatim.recipes._strokes import EvenStroke
from seriatim.sequences import Sequences

RNG = np.random.default_rng(4)
PARTS = 8
# Parts of very different sizes, one of them of a single observation, one without any.
SIZES = (5, 1, 0, 3, 9, 2, 1, 4)


def data(dtype=np.float64, features=3, factor=1.0):
    lengths = RNG.integers(1, 12, size=sum(SIZES))
    X = RNG.normal(3, 2, size=(lengths.sum(), features)) * factor
    # Sequences that differ by orders of magnitude in the second feature, and a feature that does not vary.
    X[:, 1] *= np.repeat(10.0 ** RNG.integers(-3, 5, size=len(lengths)), lengths)
    X[:, -1] = 7
    return Sequences(X.astype(dtype), lengths)


def parts_of(sequences, sizes=SIZES):
    ends = np.cumsum(sizes)
    return {
        number: sequences[end - size : end] for number, (size, end) in enumerate(zip(sizes, ends, strict=True)) if size
    }


def fit(transformer, parts, ranks):
    """Fit on so many processes; the fitted copies of all."""

    def learn(team):
        own = {number: part for number, part in parts.items() if number in team.own(PARTS)}
        return fitted_in_parts(transformer, own, PARTS, team.fold)

    return run_threads(ranks, learn)


def state(transformer):
    if isinstance(transformer, Pipeline):
        return [value for _, step in transformer.steps if step != "passthrough" for value in state(step)]
    return [value for _, value in sorted(transformer._fitted_state().items())]


CASES = {
    "center": pre.Center(),
    "standardize": pre.Standardize(),
    "own statistics": pre.Standardize(over="sequence"),
    "range": pre.MinMaxScale((-1, 2)),
    "level": pre.LevelAndShape(limit=0.5),
    "no level": pre.LevelAndShape(limit=50),
    "pad": pre.Pad(),
    "pad to": pre.Pad(5),
    "slopes": pre.Deltas(),
    "pipeline": make_pipeline(pre.LevelAndShape(limit=0.5), "passthrough", pre.Standardize()),
    "nested": make_pipeline(make_pipeline(pre.Filter(3), pre.Deltas()), pre.Standardize(), pre.Pad()),
    "cepstra": make_pipeline(pre.Standardize(), Cepstra(2)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES)
def test_parts_are_as_the_whole_and_the_same_bits_anywhere(case, dtype):
    whole = data(dtype)
    transformer = CASES[case]
    wanted = state(transformer.fit(whole))
    found = [state(one) for ranks in (1, 2, 3, 8) for one in fit(transformer, parts_of(whole), ranks)]
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    for ours, theirs in zip(found[0], wanted, strict=True):
        if not isinstance(theirs, np.ndarray) or theirs.dtype.kind == "i":
            np.testing.assert_array_equal(ours, theirs)
        else:
            # A mean may be the roundings of what cancels.
            close = 1e-12 if dtype == np.float64 else 1e-6
            np.testing.assert_allclose(ours, theirs, rtol=close, atol=close)
            assert ours.dtype == theirs.dtype


def test_what_has_no_rounding_is_what_fit_learns():
    whole = data()
    for transformer in (pre.MinMaxScale(), pre.LevelAndShape(limit=0.5), pre.Pad()):
        for ours, theirs in zip(
            state(fit(transformer, parts_of(whole), 2)[0]), state(transformer.fit(whole)), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)


def test_float32_is_scaled_in_float32_and_what_does_not_vary_is_centred_only():
    whole = data(np.float32)
    made = fit(pre.Standardize(), parts_of(whole), 2)[0]
    assert made.scale_[2] == 1
    for array in (made.shift_, made.scale_):
        np.testing.assert_array_equal(array, array.astype(np.float32))
    wanted = pre.Standardize().fit(whole).transform(whole)
    np.testing.assert_allclose(made.transform(whole).X, wanted.X, rtol=1e-5, atol=1e-5)


def test_a_clock_varies_in_float64():
    lengths = np.full(sum(SIZES), 6)
    X = 1.7e9 + RNG.normal(0, 30, size=(lengths.sum(), 1))
    whole = Sequences(X, lengths)
    made = fit(pre.Standardize(), parts_of(whole), 3)[0]
    wanted = pre.Standardize().fit(whole)
    np.testing.assert_allclose(made.scale_, wanted.scale_, rtol=1e-7)
    assert made._has_offset
    # Many small blocks are as one.
    np.testing.assert_allclose(made.transform(whole).X.std(), 1, rtol=1e-6)


def test_videos_are_scaled_by_channels():
    videos = Sequences(RNG.normal(size=(int(sum(SIZES)) * 2, 2, 3, 4)).astype(np.float32), np.full(sum(SIZES), 2))
    made, wanted = fit(pre.Standardize(), parts_of(videos), 2)[0], pre.Standardize().fit(videos)
    assert made.shift_.shape == (2,)
    np.testing.assert_allclose(made.shift_, wanted.shift_, atol=1e-6)
    assert made._frame_shape == wanted._frame_shape
    assert made.transform(videos).X.shape == videos.X.shape


def test_a_large_part_is_read_in_blocks(monkeypatch):
    whole = data()
    wanted = fit(pre.Standardize(), parts_of(whole), 1)[0]
    monkeypatch.setattr("seriatim.preprocessing._scaling._MOST_AT_ONCE", 7)
    found = fit(pre.Standardize(), parts_of(whole), 1)[0]
    np.testing.assert_allclose(found.shift_, wanted.shift_, rtol=1e-12)
    np.testing.assert_allclose(found.scale_, wanted.scale_, rtol=1e-12)


def test_the_transformer_that_is_given_stays_as_it_is():
    given = pre.Standardize()
    made = fit(given, parts_of(data()), 1)[0]
    assert not hasattr(given, "shift_")
    assert made is not given


class Own(pre.SequenceTransformer):
    def _fit(self, sequences):
        self.seen = len(sequences)

    def _transform(self, sequences):
        return sequences


class Changed(pre.Standardize):
    def _fit(self, sequences):
        super()._fit(sequences[:1])


class Stateless(pre.SequenceTransformer):
    def _transform(self, sequences):
        return Sequences(2 * sequences.X, sequences.lengths)


@pytest.mark.parametrize(
    "transformer",
    [
        FunctionTransformer(),
        Own(),
        Changed(),
        make_pipeline(pre.Standardize(), Own()),
        make_pipeline(FunctionTransformer()),
    ],
)
def test_what_needs_the_whole_is_refused_by_name(transformer):
    unfit = whole_only(transformer)
    with pytest.raises(TypeError, match=f"{type(unfit).__name__}: expected transformers of seriatim.preprocessing"):
        fitted_in_parts(transformer, parts_of(data()), PARTS, None)


def every_transformer(cls=pre.SequenceTransformer):
    """All of ours that there are, by name."""
    below = {name: found for one in cls.__subclasses__() for name, found in every_transformer(one).items()}
    return below | ({cls.__name__: cls} if cls.__module__.startswith("seriatim.") else {})


def test_all_of_ours_are_fitted_in_parts():
    found = every_transformer()
    assert {"Cepstra", "EvenStroke", "Facing", "LevelAndShape", "Pad", "Standardize"} <= set(found)
    assert [name for name, cls in found.items() if not cls._fits_in_parts()] == []


def test_what_learns_nothing_needs_no_whole():
    assert whole_only(Stateless()) is None
    assert whole_only(make_pipeline(Facing(), EvenStroke())) is None
    assert fit(Stateless(), parts_of(data()), 3)[2].n_features_in_ == 3


def test_a_part_of_other_features_is_refused():
    parts = {0: data(), 5: data(features=4)}
    with pytest.raises(ValueError, match=r"parts whose observations have one shape, got \(3,\) and \(4,\)"):
        fit(pre.Center(), parts, 1)


def test_parts_of_nothing_are_refused():
    with pytest.raises(ValueError, match="Center expected at least one sequence, got none in any part"):
        fit(pre.Center(), {}, 1)


def test_parameters_are_checked_first():
    with pytest.raises(ValueError, match="feature_range"):
        fit(pre.MinMaxScale((2, 1)), parts_of(data()), 1)
