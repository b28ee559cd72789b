"""Prediction in batches that are cut by rows: the same bits for any cut, and no more rows than may run together."""

from __future__ import annotations

import numpy as np
import pytest
from samples import DIMS, make, rising

from seriatim import Sequences, _core
from seriatim.models import (
    DeepGRUClassifier,
    DeepGRURegressor,
    GRUClassifier,
    LSTMClassifier,
    ReservoirClassifier,
    ReservoirRegressor,
    VideoClassifier,
)
from seriatim.models._policy import predict_rows
from seriatim.nn import Module

X, Y = rising()
KINDS = [
    DeepGRUClassifier(dims=DIMS, max_epochs=1, n_estimators=2, random_state=0),
    DeepGRURegressor(dims=DIMS, max_epochs=1, bidirectional=True, pooling=("mean", "max"), random_state=0),
    GRUClassifier(hidden_size=3, max_epochs=1, random_state=0),
    LSTMClassifier(hidden_size=17, num_layers=2, max_epochs=1, random_state=0),
    ReservoirClassifier(hidden_size=20, random_state=0),
    ReservoirRegressor(hidden_size=20, random_state=0),
]


def rows_of_calls(module, call):
    """Rows of each batch that a module, or the members of several, are given by a call."""
    seen = []

    def watched(given):
        seen.append(len(given.data))
        return forward(given)

    forward = module.forward
    # A module refuses it where attributes are set: nothing around it would call it.
    module.__dict__["forward"] = watched
    try:
        call()
    finally:
        del module.__dict__["forward"]
    return seen


@pytest.mark.parametrize("model", KINDS, ids=lambda model: type(model).__name__)
def test_any_number_of_rows_gives_the_same_bits(model):
    model.fit(X, Y)
    methods = [name for name in ("predict", "predict_proba", "transform", "attention") if hasattr(model, name)]
    whole = [getattr(model.set_params(predict_rows=10**6), name)(X) for name in methods]
    for rows in (1, 7, 50, "auto"):
        model.set_params(predict_rows=rows)
        for name, wanted in zip(methods, whole, strict=True):
            np.testing.assert_array_equal(getattr(model, name)(X), wanted, err_msg=f"{name}, {rows} rows")


def test_rows_are_followed_also_behind_the_fit():
    model = make(max_epochs=1, predict_rows=40).fit(X, Y)
    assert model.predict_rows_ == 40
    longest = int(X.lengths.max())
    for rows in (40, 25, np.int64(longest)):
        seen = rows_of_calls(model.module_, lambda rows=rows: model.set_params(predict_rows=rows).predict(X))
        assert sum(seen) == len(X.X)
        assert rows - longest < max(seen) <= rows
    # A sequence is never cut.
    assert rows_of_calls(model.module_, lambda: model.set_params(predict_rows=1).predict(X)) == sorted(X.lengths)[::-1]
    for wrong in (0, 2.5, "many"):
        with pytest.raises(ValueError, match="predict_rows: expected an integer of at least 1"):
            model.set_params(predict_rows=wrong).predict(X)
        with pytest.raises(ValueError, match="predict_rows: expected an integer of at least 1"):
            model.fit(X, Y)


def test_auto_follows_trainings_batches():
    def longest(steps, *frame):
        return Sequences(np.zeros((steps, *frame), np.float32), [steps])

    assert predict_rows(longest(1500, 3), 2) == 4096
    assert predict_rows(longest(1500, 3), 64) == 96000
    assert predict_rows(longest(500, 100), 1000) == 41943
    assert predict_rows(longest(10, 3, 8, 8), 4, least=1) == 40
    assert predict_rows(longest(2, 3, 2000, 2000), 4, least=1) == 1
    assert make(max_epochs=1).fit(X, Y).predict_rows_ == 4096


def test_validation_runs_few_sequences_at_a_time():
    seen = []

    def watch(history):
        seen.append(history)

    model = make(max_epochs=1, predict_rows=30, callbacks=[watch])
    largest, trace = [], type(model.fit(X, Y).module_).trace

    class Watched(type(model.module_)):
        def trace(self, x, lengths=None):
            if not self.training:
                largest.append(len(x.data))
            return trace(self, x, lengths)

        def pullback(self, context, grad_output, need_input=False):
            return super().pullback(context, grad_output, need_input)

    model._make_module = lambda shape, n, rng, settled: Watched(shape[0], n, DIMS, rng=rng)
    model.fit(X, Y, validation_data=(X, Y))
    assert sum(largest) == len(X.X)
    assert max(largest) <= 30


def test_a_model_of_a_file_without_the_number_predicts():
    model = make(max_epochs=1).fit(X, Y)
    wanted = model.predict_proba(X)
    del model.predict_rows_, model.predict_rows
    np.testing.assert_array_equal(model.predict_proba(X), wanted)


class _Means(Module):
    """Means of frames, and how many came together."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, frames):
        self.seen.append(len(frames))
        return frames.mean(axis=(2, 3))


def test_frames_of_videos_run_few_at_a_time():
    rng = np.random.default_rng(0)
    videos = [rng.normal(size=(length, 2, 4, 4)).astype(np.float32) for length in (5, 3, 6, 2)]
    model = VideoClassifier(_Means(), 2, hidden_size=2, fc=2, batch_size=2, max_epochs=1, random_state=0)
    model.fit(videos, [0, 1, 0, 1])
    assert model.predict_rows_ == model.module_.frames_at_once == 12
    embedding = model.module_.embedding
    wanted = model.predict_proba(videos)
    embedding.seen.clear()
    np.testing.assert_array_equal(model.set_params(predict_rows=4).predict_proba(videos), wanted)
    assert embedding.seen == [4, 2, 4, 1, 3, 2]


def test_what_is_kept_for_reuse_goes_back():
    model = make(max_epochs=1).fit(X, Y)
    for call in (model.predict, model.attention, model.transform, lambda x: model.fit(x, Y)):
        # Memory that nobody touches.
        blocks = [_core.empty(10 << 20, 1) for _ in range(4)]
        del blocks
        assert _core.memory_info()["bytes_cached"] > 150 << 20
        call(X)
        assert _core.memory_info()["bytes_cached"] <= 64 << 20
