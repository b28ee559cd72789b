"""Scaling by each sequence's own statistics or by those of the training set."""

import numpy as np

from seriatim import Sequences
from seriatim import preprocessing as prep


def data(n=6, features=3, seed=0):
    rng = np.random.default_rng(seed)
    return Sequences.from_list([rng.normal(size=(int(k), features)) for k in rng.integers(1, 12, n)])


def test_statistics_are_those_of_the_training_set_or_of_each_sequence():
    train, test = data(seed=1), data(seed=2)
    mean, spread = train.X.mean(axis=0), train.X.std(axis=0)
    np.testing.assert_allclose(prep.Standardize().fit(train).transform(test).X, (test.X - mean) / spread, atol=1e-5)
    np.testing.assert_allclose(prep.Center().fit(train).transform(test).X, test.X - mean, atol=1e-6)
    for x in prep.Standardize("sequence").fit(train).transform(test):
        np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-5)
        assert len(x) == 1 or np.allclose(x.std(axis=0), 1, atol=1e-5)
    low, high = train.X.min(axis=0), train.X.max(axis=0)
    scaled = prep.MinMaxScale((-1, 3)).fit(train).transform(test).X
    np.testing.assert_allclose(scaled, (test.X - low) / (high - low) * 4 - 1, atol=1e-5)


def test_a_part_at_a_time_gives_the_same(monkeypatch):
    s = data()
    given = Sequences(s.X.astype(np.int64), s.lengths)
    whole = prep.Standardize().fit(given).transform(given).X
    for parts in (1, 3, len(given.X)):
        monkeypatch.setattr("seriatim.preprocessing._scaling._MOST_AT_ONCE", parts * 3)
        np.testing.assert_array_equal(prep.Standardize().fit(given).transform(given).X, whole)


def test_what_does_not_vary_is_not_blown_up():
    x = np.full((50, 2), 0.1, np.float32)
    np.testing.assert_allclose(prep.Standardize().fit_transform([x, x])[0], 0, atol=1e-6)
    np.testing.assert_array_equal(prep.MinMaxScale((2, 3)).fit_transform([x, x])[0], 2)
