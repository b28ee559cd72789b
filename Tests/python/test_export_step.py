"""One step as an ONNX file: states that are given back make what the stream makes, frame by frame, in onnxruntime."""

import json

import numpy as np
import pytest

from seriatim import nn
from seriatim.export import export_onnx
from seriatim.models import FrameClassifier, FrameRegressor, GRUClassifier
from seriatim.nn.containers._ensemble import average
from seriatim.preprocessing import Deltas, MinMaxScale, Standardize

onnxruntime = pytest.importorskip("onnxruntime")

BATCH, STEPS, INPUTS = 3, 9, 5
DIMS = {"gru1": 8, "gru2": 7, "gru3": 6, "fc": 5}
ALL = ("last", "mean", "max", "positive")
MADE = {
    "gru": lambda: nn.GRU(INPUTS, 7, 2, rng=1),
    "gru_before": lambda: nn.GRU(INPUTS, 7, reset_after=False, rng=1),
    "lstm": lambda: nn.LSTM(INPUTS, 9, 2, rng=1),
    "rnn": lambda: nn.RNN(INPUTS, 7, nonlinearity="relu", rng=1),
    "min_gru": lambda: nn.MinGRU(INPUTS, 7, rng=1),
    "min_lstm": lambda: nn.MinLSTM(INPUTS, 7, 2, rng=1),
    "ind_rnn": lambda: nn.IndRNN(INPUTS, 7, rng=1),
    "last": lambda: nn.SequenceRNN(INPUTS, 9, 4, rng=2),
    "pools": lambda: nn.SequenceRNN(INPUTS, 9, 4, rnn="lstm", num_layers=2, pooling=ALL, head="linear", rng=2),
    "frames": lambda: nn.FrameRNN(INPUTS, 9, 4, rng=3),
    "window": lambda: nn.FrameRNN(INPUTS, 9, 4, rnn="lstm", convolution=4, rng=3),
    "window_of_one": lambda: nn.FrameRNN(INPUTS, 9, 4, convolution=1, rng=3),
    "deepgru": lambda: nn.DeepGRU(INPUTS, 4, DIMS, rng=2),
    "deepgru_pools": lambda: nn.DeepGRU(INPUTS, 4, DIMS, pooling=("mean", "max"), rng=2),
}


def opened(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def run(session, x, batch):
    """Return the outputs behind each frame, by name."""
    states, found = {}, []
    for given in session.get_inputs()[1:]:
        shape = [batch if size == "B" else 0 if size == "T" else size for size in given.shape]
        states[given.name] = np.zeros(shape, np.int64 if "int64" in given.type else np.float32)
    names = [output.name for output in session.get_outputs()]
    for frame in x:
        values = dict(zip(names, session.run(None, {"x": frame, **states}), strict=True))
        states = {name: values.pop(f"{name}_n") for name in states}
        found.append(values)
    return found


@pytest.mark.parametrize("name", MADE)
def test_steps_are_those_of_the_stream(name, tmp_path):
    module = MADE[name]().eval()
    export_onnx(module, tmp_path / "step.onnx", step=True)
    x = np.random.default_rng(0).standard_normal((STEPS, BATCH, INPUTS)).astype(np.float32)
    found, stream = run(opened(tmp_path / "step.onnx"), x, BATCH), module.stream(BATCH)
    for frame, values in zip(x, found, strict=True):
        (y,) = values.values()
        np.testing.assert_allclose(y, stream.step(frame), rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("name", MADE)
def test_a_file_goes_on_where_a_stream_is(name, tmp_path):
    module = MADE[name]().eval()
    export_onnx(module, tmp_path / "step.onnx", step=True)
    session, stream = opened(tmp_path / "step.onnx"), module.stream(BATCH)
    *before, frame = np.random.default_rng(0).standard_normal((STEPS, BATCH, INPUTS)).astype(np.float32)
    for one in before:
        stream.step(one)
    states = {given.name: stream.state[given.name] for given in session.get_inputs()[1:]}
    # A stream keeps sums in two units.
    states = {key: value[0] if key.endswith(".sum") else value for key, value in states.items()}
    y, *_ = session.run([session.get_outputs()[-1].name], {"x": frame, **states})
    np.testing.assert_allclose(y, stream.step(frame), rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("head", ["log_softmax", "linear"])
@pytest.mark.parametrize("kind", ["sequences", "frames", "deepgru"])
def test_members_of_an_ensemble_have_states_of_their_own(kind, head, tmp_path):
    members = {
        "sequences": lambda i: nn.SequenceRNN(INPUTS, 4 + i, 3, pooling=ALL, head=head, rng=i),
        "frames": lambda i: nn.FrameRNN(INPUTS, 4, 3, rnn="lstm", convolution=i + 2, head=head, rng=i),
        "deepgru": lambda i: nn.DeepGRU(INPUTS, 3, DIMS, pooling=("max",), head=head, rng=i),
    }
    module = nn.Ensemble(*(members[kind](i) for i in range(2))).eval()
    export_onnx(module, tmp_path / "step.onnx", step=True)
    x = np.random.default_rng(0).standard_normal((STEPS, BATCH, INPUTS)).astype(np.float32)
    found = run(opened(tmp_path / "step.onnx"), x, BATCH)
    streams = [member.stream(BATCH) for member in module]
    for frame, values in zip(x, found, strict=True):
        (y,) = values.values()
        want = average(np.stack([stream.step(frame) for stream in streams]), head == "log_softmax")
        np.testing.assert_allclose(y, want, rtol=1e-4, atol=2e-6)


def test_every_beginning_of_a_sequence(tmp_path):
    """Zeros are not among what is pooled: the greatest of numbers below zero is one of them."""
    module = nn.SequenceRNN(INPUTS, 7, 4, pooling=("max",), rng=0).eval()
    module.rnn.bias_ih_l0.data[14:] = -3.0
    x = np.random.default_rng(0).standard_normal((STEPS, BATCH, INPUTS)).astype(np.float32)
    rows = np.ascontiguousarray(x.swapaxes(0, 1))
    assert module.embed(rows).max() < 0
    export_onnx(module, tmp_path / "step.onnx", step=True)
    for cut, values in enumerate(run(opened(tmp_path / "step.onnx"), x, BATCH), 1):
        np.testing.assert_allclose(values["log_probs"], module(rows[:, :cut]), rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("name", MADE)
def test_the_metadata_have_the_states(name, tmp_path):
    export_onnx(MADE[name]().eval(), tmp_path / "step.onnx", step=True)
    session = opened(tmp_path / "step.onnx")
    states = json.loads(session.get_modelmeta().custom_metadata_map["states"])
    types = {"float32": "tensor(float)", "int64": "tensor(int64)"}
    said = [(state, types[one["dtype"]], one["shape"]) for state, one in states.items()]
    assert said == [(one.name, one.type, one.shape) for one in session.get_inputs()[1:]]
    assert {one["next"] for one in states.values()} < {one.name for one in session.get_outputs()}


SEQUENCES = [np.random.default_rng(n).standard_normal((n + 4, 3)) * 9 + n % 2 for n in range(16)]
LABELS = np.array(["even", "odd"])[np.arange(16) % 2]
SETTINGS = {"hidden_size": 6, "max_epochs": 1, "bidirectional": False, "random_state": 0}


@pytest.mark.parametrize("scaling", [Standardize(), MinMaxScale()])
def test_an_estimator_scales_inside(scaling, tmp_path):
    settings = {"scaling": scaling, "preprocessing": None, "n_estimators": 1, "reservoir": False}
    model = GRUClassifier(**SETTINGS, **settings).fit(SEQUENCES, LABELS)
    export_onnx(model, tmp_path / "step.onnx", step=True, dtype=np.float32)
    x = SEQUENCES[3][:, None].astype(np.float32)
    found = run(opened(tmp_path / "step.onnx"), x, 1)
    want = model.stream().push(x[:, 0])
    np.testing.assert_allclose([values["probabilities"][0] for values in found], want, rtol=1e-4, atol=2e-6)
    assert found[-1]["label"][0] == model.predict([x[:, 0]])[0]


def test_labels_of_frames(tmp_path):
    y = [np.full(len(one), label) for one, label in zip(SEQUENCES, LABELS, strict=True)]
    model = FrameClassifier(**SETTINGS, convolution=2).fit(SEQUENCES, y)
    export_onnx(model, tmp_path / "step.onnx", step=True, dtype=np.float32)
    x = SEQUENCES[5][:, None].astype(np.float32)
    found = run(opened(tmp_path / "step.onnx"), x, 1)
    np.testing.assert_allclose(
        [values["probabilities"][0] for values in found], model.predict_proba([x[:, 0]])[0], rtol=1e-4, atol=2e-6
    )


def test_an_ensemble_of_an_estimator(tmp_path):
    model = GRUClassifier(**SETTINGS, preprocessing=None, n_estimators=2, reservoir=True).fit(SEQUENCES, LABELS)
    export_onnx(model, tmp_path / "step.onnx", step=True, dtype=np.float32)
    x = SEQUENCES[3][:, None].astype(np.float32)
    found = run(opened(tmp_path / "step.onnx"), x, 1)
    want = model.stream().push(x[:, 0])
    np.testing.assert_allclose([values["probabilities"][0] for values in found], want, rtol=1e-4, atol=1e-5)


def test_numbers_of_frames(tmp_path):
    model = FrameRegressor(**SETTINGS).fit(SEQUENCES, [one[:, 0] * 50 for one in SEQUENCES])
    export_onnx(model, tmp_path / "step.onnx", step=True, dtype=np.float32)
    x = SEQUENCES[5][:, None].astype(np.float32)
    found = run(opened(tmp_path / "step.onnx"), x, 1)
    want = model.predict([x[:, 0]])[0]
    np.testing.assert_allclose([values["prediction"][0] for values in found], want, rtol=1e-4, atol=1e-3)


def test_what_has_no_step_is_refused(tmp_path):
    path = tmp_path / "step.onnx"
    with pytest.raises(ValueError, match="rnn: expected one direction in a step"):
        export_onnx(nn.SequenceRNN(3, 4, 2, bidirectional=True), path, step=True)
    with pytest.raises(ValueError, match="expected one direction in a step"):
        export_onnx(nn.FrameRNN(3, 4, 2, bidirectional=True, convolution=3), path, step=True)
    with pytest.raises(ValueError, match="initial_state: expected False with step=True"):
        export_onnx(nn.GRU(3, 4), path, step=True, initial_state=True)
    with pytest.raises(TypeError, match=r"model: expected one of \[.*\] to export a step of, got Linear"):
        export_onnx(nn.Linear(3, 4), path, step=True)
    settings = {"preprocessing": Deltas(), "n_estimators": 1, "reservoir": False}
    model = GRUClassifier(**SETTINGS, **settings).fit(SEQUENCES, LABELS)
    with pytest.raises(ValueError, match="each frame alone in a step, got Deltas"):
        export_onnx(model, path, step=True)
    assert not path.exists()
