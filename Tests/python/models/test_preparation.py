"""Transformers and augmentation before the network."""

import numpy as np
import pytest
from samples import make, rising, weights_of
from sklearn.pipeline import make_pipeline

from seriatim import Sequences
from seriatim import preprocessing as prep

X, Y = rising()


def test_augmentation_is_seeded_and_only_for_training():
    augmentation = prep.Compose([prep.Tempo(), prep.Jitter(0.05), prep.Mix(0.3)])
    model, again = (make(augmentation=augmentation, max_epochs=20).fit(X, Y) for _ in range(2))
    np.testing.assert_array_equal(weights_of(model), weights_of(again))
    assert np.abs(weights_of(model) - weights_of(make(max_epochs=20).fit(X, Y))).max() > 1e-3
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X))
    assert model.score(X, Y) > 0.9


def test_preprocessing_comes_after_augmentation_and_in_prediction():
    chain = make_pipeline(prep.Standardize(), prep.Downsample(2), prep.Deltas())
    inside = make(preprocessing=chain, max_epochs=20).fit(X, Y)
    prepared = inside.preprocessing_.transform(X)
    output = inside._outputs(inside.module_, prepared, inside._targets(), 4096)
    np.testing.assert_array_equal(output, inside.predict_log_proba(X))
    np.testing.assert_array_equal(prepared.X, chain.fit_transform(X).X)
    assert inside.score(X, Y) > 0.9
    assert (inside.n_features_in_, inside.module_.n_features) == (2, 4)
    assert inside.attention(X).shape == (60, prepared.lengths.max())
    seen = []

    def watched(sequences, rng, target):
        seen.append(sequences.X.shape[1])
        return sequences

    again = make(preprocessing=chain, augmentation=watched, max_epochs=20).fit(X, Y)
    assert set(seen) == {2}, "augmentation sees what was given"
    assert again.score(X, Y) > 0.9
    validated = make(preprocessing=chain, early_stopping=True, n_iter_no_change=1, tol=1.0).fit(X, Y)
    assert validated.partial_fit(X, Y).predict(X).shape == (60,)

    class Fewer(prep.Center):
        def _transform(self, sequences):
            return sequences[:-1]

    with pytest.raises(ValueError, match="preprocessing: expected it to make a Sequences of"):
        make(preprocessing=Fewer()).fit(X, Y)


def test_an_augmentation_of_ones_own():
    def fewer(sequences, rng, target):
        return sequences[:-1]

    with pytest.raises(ValueError, match="augmentation: expected it to return a Sequences of"):
        make(augmentation=fewer).fit(X, Y)
    with pytest.raises(TypeError, match="augmentation: expected a callable"):
        make(augmentation="jitter").fit(X, Y)

    def doubled(sequences, rng, target):
        return Sequences(sequences.X.astype(np.float64) * 2, sequences.lengths)

    assert np.isfinite(make(augmentation=doubled).fit(X, Y).history_["loss"]).all()
