"""Streams of estimators: what is said behind every frame has the bits of what is said of the sequence so far."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

import seriatim
from seriatim.models import (
    DeepGRUClassifier,
    DeepGRURegressor,
    FrameClassifier,
    FrameRegressor,
    GRUClassifier,
    LSTMClassifier,
    ReservoirClassifier,
)
from seriatim.preprocessing import Center, Deltas, Downsample, Filter, MinMaxScale, Standardize

DIMS = {"gru1": 8, "gru2": 7, "gru3": 6, "fc": 5}
RUN = {"max_epochs": 1, "random_state": 0}
ONE_WAY = {**RUN, "bidirectional": False}
RANDOM = np.random.default_rng(0)
SEQUENCES = [RANDOM.standard_normal((int(n), 3)).astype(np.float32) + i % 3 for i, n in enumerate(range(5, 29))]
LABELS = np.array(list("abc" * 8))
NUMBERS = RANDOM.standard_normal(24)
SETS = (RANDOM.random((24, 3)) < 0.5).astype(int)
COLUMNS = np.column_stack([np.arange(24) % 2, np.arange(24) % 3])

MADE = {
    "gru": (lambda: GRUClassifier(hidden_size=8, **ONE_WAY), LABELS),
    "auto": (lambda: GRUClassifier(bidirectional=False, n_estimators=2, max_epochs=1, random_state=0), LABELS),
    "reservoir": (lambda: ReservoirClassifier(hidden_size=16, bidirectional=False, random_state=0), LABELS),
    "lstm": (lambda: LSTMClassifier(hidden_size=9, scaling=MinMaxScale(), preprocessing=None, **ONE_WAY), LABELS),
    "centred": (lambda: GRUClassifier(hidden_size=5, scaling=Center(), preprocessing=None, **ONE_WAY), LABELS),
    "filter": (lambda: GRUClassifier(hidden_size=8, preprocessing=Filter(4, method="mean"), **ONE_WAY), LABELS),
    "chain": (
        lambda: GRUClassifier(hidden_size=8, preprocessing=make_pipeline(Filter(5), Deltas(2, 1)), **ONE_WAY),
        LABELS,
    ),
    "deepgru": (lambda: DeepGRUClassifier(dims=DIMS, preprocessing=None, **ONE_WAY), LABELS),
    "regressor": (lambda: DeepGRURegressor(dims=DIMS, **ONE_WAY), NUMBERS),
    "sets": (lambda: GRUClassifier(hidden_size=8, **ONE_WAY), SETS),
}


def same(a, b):
    np.testing.assert_array_equal(a, b, strict=True)


def said(model, sequences):
    return model.predict_proba(sequences) if hasattr(model, "predict_proba") else model.predict(sequences)


@pytest.fixture(scope="module", params=MADE)
def model(request):
    make, y = MADE[request.param]
    return make().fit(SEQUENCES, y)


def test_what_is_said_behind_each_frame(model):
    stream = model.stream(4)
    rows, last = stream.push(SEQUENCES[:4]), stream.finish()
    same(last, said(model, SEQUENCES[:4]))
    for sequence, found in zip(SEQUENCES, rows, strict=False):
        assert len(found) == len(sequence)
        assert np.isnan(found[: stream.delay]).all()
        assert np.isfinite(found[stream.delay :]).all()
        if not stream.delay:
            same(found[2], said(model, [sequence[:3]])[0])
    one = model.stream()
    same(np.array([one.step(frame) for frame in SEQUENCES[2]]), rows[2])
    same(one.finish()[0], last[2])
    with pytest.raises(ValueError, match="stream 0 has ended: reset it"):
        one.step(SEQUENCES[2][0])
    one.reset()
    same(one.push(SEQUENCES[3]), rows[3])


def test_cuts_and_states(model):
    whole = model.stream(2).push(SEQUENCES[10:12])
    a, b = SEQUENCES[10:12]
    first = model.stream(2)
    before = first.push([a[:3], b[:0]])
    state = first.state
    first.push([a[3:5], b[:7]])
    second = model.stream(2)
    second.state = state
    behind = second.push([a[3:], b])
    same(np.concatenate([before[0], behind[0]]), whole[0])
    same(behind[1], whole[1])
    second.reset(np.array([True, False]))
    same(second.push([a, b[:0]])[0], whole[0])
    together = model.stream(2).push(np.stack([a[:9], b[:9]], axis=1))
    same(together[:, 0], whole[0][:9])
    same(together[:, 1], whole[1][:9])


def test_what_does_not_fit_changes_nothing(model):
    stream = model.stream(2)
    stream.push([one[:4] for one in SEQUENCES[:2]])
    bad = SEQUENCES[5].copy()
    bad[2, 1] = np.nan
    for call in (
        lambda: stream.step(np.zeros((3, 3))),
        lambda: stream.step(np.zeros(3)),
        lambda: stream.push([SEQUENCES[0]]),
        lambda: stream.push([SEQUENCES[0], bad]),
        lambda: stream.push(np.zeros((4, 2, 2))),
        lambda: stream.reset(np.array([1, 0])),
        lambda: setattr(stream, "state", {}),
        lambda: model.stream(0),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()
    rows = stream.push([SEQUENCES[0][4:], SEQUENCES[1][4:]])
    same(rows[0], model.stream(2).push(SEQUENCES[:2])[0][4:])


def test_a_state_is_a_copy_and_is_read_whole_before_it_counts(model):
    a, b = SEQUENCES[10:12]
    whole = model.stream(2).push([a, b])
    stream = model.stream(2)
    stream.push([a[:4], b[:6]])
    state, other = stream.state, model.stream(2).state
    wrong = [
        {**other, "last": np.zeros((3, 1))},
        {**other, "ended": np.zeros(2)},
        {**other, "networks": None},
        {**other, "arriving": [other["arriving"][0], None]},
        {**other, "arriving": [other["arriving"][0], (np.zeros((2, 9)), 0, 1)]},
        {**other, "arriving": [other["arriving"][0], (None, 3, 1)]},
        {**other, "arriving": [other["arriving"][0], (None, 0.0, 0)]},
        {**other, "networks": [{**one, "frames": np.zeros(5)} for one in other["networks"]]},
    ]
    for one in wrong:
        with pytest.raises(ValueError, match="expected"):
            stream.state = one
    # What was taken belongs to who has taken it.
    taken = stream.state
    for kept, _, _ in taken["arriving"]:
        if kept is not None:
            kept[...] = 77
    taken["last"][...] = 77
    for found, want, cut in zip(stream.push([a[4:], b[6:]]), whole, (4, 6), strict=True):
        same(found, want[cut:])
    again = model.stream(2)
    again.state = state
    for kept, _, _ in state["arriving"]:
        if kept is not None:
            kept[...] = 77
    for found, want, cut in zip(again.push([a[4:], b[6:]]), whole, (4, 6), strict=True):
        same(found, want[cut:])


def test_frames_have_labels_and_numbers():
    y = [np.full(len(one), LABELS[i]) for i, one in enumerate(SEQUENCES)]
    model = FrameClassifier(hidden_size=8, convolution=3, **ONE_WAY).fit(SEQUENCES, y)
    for found, want in zip(model.stream(3).push(SEQUENCES[:3]), model.predict_proba(SEQUENCES[:3]), strict=True):
        same(found, want)
    y = [one[:, 0].astype(np.float64) for one in SEQUENCES]
    numbers = FrameRegressor(hidden_size=8, **ONE_WAY).fit(SEQUENCES, y)
    for found, want in zip(numbers.stream(3).push(SEQUENCES[:3]), numbers.predict(SEQUENCES[:3]), strict=True):
        same(found, want)


def test_columns_of_labels():
    model = GRUClassifier(hidden_size=8, preprocessing=None, **ONE_WAY).fit(SEQUENCES, COLUMNS)
    found, want = model.stream().push(SEQUENCES[4]), model.predict_proba([SEQUENCES[4]])
    assert isinstance(found, list)
    for one, other in zip(found, want, strict=True):
        same(one[-1], other[0])


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"bidirectional": True}, "expected one direction in a stream"),
        ({"scaling": Standardize(over="sequence")}, "Standardize cannot run in a stream"),
        ({"preprocessing": Downsample(2)}, "Downsample cannot run in a stream"),
    ],
)
def test_what_needs_the_whole_sequence_is_refused(given, match):
    model = GRUClassifier(hidden_size=8, **{**ONE_WAY, "reservoir": False, **given}).fit(SEQUENCES, LABELS)
    with pytest.raises(ValueError, match=match):
        model.stream()


def test_a_window_of_attention():
    model = DeepGRUClassifier(dims=DIMS, preprocessing=None, **ONE_WAY).fit(SEQUENCES, LABELS)
    bounded, whole = model.stream(window=4).push(SEQUENCES[-1]), model.stream().push(SEQUENCES[-1])
    same(bounded[:4], whole[:4])
    assert (bounded[4:] != whole[4:]).any()


def test_columns_have_the_names_of_fit():
    pd = pytest.importorskip("pandas")
    tables = [pd.DataFrame(one, columns=list("abc")) for one in SEQUENCES]
    model = GRUClassifier(hidden_size=8, preprocessing=None, **ONE_WAY).fit(tables, LABELS)
    stream = model.stream()
    same(stream.push(tables[0])[-1], said(model, tables[:1])[0])
    stream.reset()
    stream.step(tables[0].iloc[0])
    for call in (
        lambda: stream.push(tables[0][list("cba")]),
        lambda: stream.push([tables[0][list("cba")]]),
        lambda: stream.step(tables[0].iloc[1][list("bac")]),
    ):
        with pytest.raises(ValueError, match=r"expected the columns \['a', 'b', 'c'\], in the order of fit"):
            call()
    stream.push(tables[0].iloc[1:])
    same(stream.finish()[0], said(model, tables[:1])[0])


def test_one_call_at_a_time(model):
    stream = model.stream()
    with stream._lock:
        for call in (
            lambda: stream.step(SEQUENCES[0][0]),
            stream.finish,
            stream.reset,
            lambda: stream.state,
            lambda: setattr(stream, "state", model.stream().state),
        ):
            with pytest.raises(RuntimeError, match="expected one call at a time"):
                call()
    assert len(stream.push(SEQUENCES[0])) == len(SEQUENCES[0])


def test_narrow_weights_are_refused():
    model = GRUClassifier(hidden_size=8, preprocessing=None, **ONE_WAY).fit(SEQUENCES, LABELS)
    with pytest.raises(ValueError, match=r"expected float32 weights in a stream, got those that seriatim.quantize has"):
        seriatim.quantize(model, weights="int8").stream()
