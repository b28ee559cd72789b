"""One step as an ONNX file: states that are given back make what the stream makes, frame by frame, in onnxruntime."""

import numpy as np
import pytest

from seriatim import nn
from seriatim.export import export_onnx
from seriatim.models import FrameClassifier, GRUClassifier
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


def test_what_has_no_step_is_refused(tmp_path):
    path = tmp_path / "step.onnx"
    with pytest.raises(ValueError, match="rnn: expected one direction in a step"):
        export_onnx(nn.SequenceRNN(3, 4, 2, bidirectional=True), path, step=True)
    with pytest.raises(ValueError, match="expected one direction in a step"):
        export_onnx(nn.FrameRNN(3, 4, 2, bidirectional=True, convolution=3), path, step=True)
    with pytest.raises(TypeError, match=r"model: expected one of \[.*\] to export a step of, got Linear"):
        export_onnx(nn.Linear(3, 4), path, step=True)
    settings = {"preprocessing": Deltas(), "n_estimators": 1, "reservoir": False}
    model = GRUClassifier(**SETTINGS, **settings).fit(SEQUENCES, LABELS)
    with pytest.raises(ValueError, match="each frame alone in a step, got Deltas"):
        export_onnx(model, path, step=True)
    assert not path.exists()
