"""GRU against the original's outputs and gradients, and what packing must not change."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from seriatim import _core, nn, pack_padded_sequence, pad_packed_sequence
from seriatim.optim import Adam

GOLDEN = Path(__file__).parents[2] / "fixtures" / "torch_rnn.safetensors"
TENSORS = load_file(GOLDEN)
with safe_open(GOLDEN, "numpy") as _file:
    CASES = {k: v for k, v in json.loads(_file.metadata()["cases"]).items() if v.get("cls") == "GRU"}


def of(case, kind):
    head = f"{case}/{kind}/"
    return {k[len(head) :]: v for k, v in TENSORS.items() if k.startswith(head)}


def close(actual, wanted, tolerance, what):
    bound = tolerance * np.abs(wanted).max() + tolerance
    np.testing.assert_allclose(actual, wanted, rtol=0, atol=bound, err_msg=what)


def make(case):
    about = CASES[case]
    model = nn.GRU(
        about["input_size"],
        about["hidden_size"],
        about.get("num_layers", 1),
        bias=about.get("bias", True),
        batch_first=about.get("batch_first", False),
        bidirectional=about.get("bidirectional", False),
    )
    model.load_state_dict(of(case, "w"))
    return model, about


@pytest.mark.parametrize("case", sorted(CASES))
def test_goldens(case):
    model, about = make(case)
    given, wanted, cotangents, grads = (of(case, k) for k in ("in", "out", "cot", "grad"))
    x, first = given["x"], about.get("batch_first", False)
    lengths = given.get("lengths")
    if lengths is not None:
        sorted_ = about.get("enforce_sorted", True)
        x = pack_padded_sequence(x, lengths, batch_first=first, enforce_sorted=sorted_)
        np.testing.assert_array_equal(x.batch_sizes, wanted["batch_sizes"])
        close(x.data, wanted["packed_x_data"], 0, "packed x")
    y, h_n = model(x, given.get("h0"))
    close(h_n, wanted["hn"], 1e-5, "h_n")
    grad_y = cotangents["y"]
    if lengths is None:
        close(y, wanted["y"], 1e-5, "y")
    else:
        close(y.data, wanted["packed_y_data"], 1e-5, "packed y")
        close(pad_packed_sequence(y, batch_first=first)[0], wanted["y"], 1e-5, "y")
        grad_y = pack_padded_sequence(grad_y, lengths, batch_first=first, enforce_sorted=sorted_)
    grad_x, grad_h0 = model.backward(grad_y, cotangents["hn"])
    if lengths is not None:
        grad_x = pad_packed_sequence(grad_x, batch_first=first)[0]
    close(grad_x, grads["in/x"], 1e-4, "grad x")
    if "in/h0" in grads:
        close(grad_h0, grads["in/h0"], 1e-4, "grad h0")
    for name, parameter in model.named_parameters():
        close(parameter.grad, grads[f"w/{name}"], 1e-4, name)


def test_evaluation_keeps_nothing_and_gives_the_same_bits():
    model = nn.GRU(5, 20, 2, bidirectional=True, rng=0)
    x = np.random.default_rng(0).normal(size=(7, 3, 5))
    trained, _ = model(x)
    evaluated, _ = model.eval()(x)
    np.testing.assert_array_equal(trained, evaluated)
    with pytest.raises(RuntimeError, match="no forward in training mode is open"):
        model.backward(evaluated)


def test_packed_weights_are_kept_until_a_parameter_changes(monkeypatch):
    from seriatim import functional as F

    calls = []
    pack = F.gru_pack
    monkeypatch.setattr(F, "gru_pack", lambda *a, **k: calls.append(1) or pack(*a, **k))
    model, x = nn.GRU(3, 8, rng=0).eval(), np.ones((4, 2, 3))
    first, _ = model(x)
    model(x)
    assert len(calls) == 1
    held = model.weight_hh_l0.data
    held[0, 0] += 1.0
    changed, _ = model(x)
    assert np.abs(changed - first).max() > 0, "a change through a held view is seen"
    held[0, 0] -= 1.0
    np.testing.assert_array_equal(model(x)[0], first)
    del held
    calls.clear()
    model(x)
    model(x)
    assert len(calls) == 1


def test_training_allocates_nothing_large_after_its_first_batches():
    model = nn.GRU(16, 64, 2, rng=0)
    optimizer = Adam(model.parameters())
    x = np.random.default_rng(0).normal(size=(50, 24, 16)).astype(np.float32)

    def step():
        optimizer.zero_grad()
        y, _ = model(x)
        model.backward(y)
        optimizer.step()

    step()
    step()
    before = _core.memory_info()["blocks_allocated"]
    for _ in range(5):
        step()
    assert _core.memory_info()["blocks_allocated"] == before


def test_dropout_between_layers_follows_the_seed():
    x = np.random.default_rng(0).normal(size=(6, 4, 5))
    outputs = [nn.GRU(5, 8, 2, dropout=0.5, rng=3)(x)[0] for _ in range(2)]
    np.testing.assert_array_equal(*outputs)
    model = nn.GRU(5, 8, 2, dropout=0.5, rng=3)
    assert np.abs(model(x)[0] - model(x)[0]).max() > 0
    np.testing.assert_array_equal(model.eval()(x)[0], model(x)[0])


@pytest.mark.parametrize(
    ("x", "h0", "words"),
    [
        (np.zeros((4, 2, 6)), None, r"expected shape \(T, B, 5\)"),
        (np.zeros(5), None, "got"),
        (np.zeros((0, 2, 5)), None, "no empty axis"),
        (np.zeros((4, 2, 5)), np.zeros((1, 3, 8)), r"h0: expected shape \(1, 2, 8\), got \(1, 3, 8\)"),
    ],
)
def test_wrong_shapes(x, h0, words):
    with pytest.raises(ValueError, match=words):
        nn.GRU(5, 8)(x, h0)


@pytest.mark.parametrize("sizes", [(0, 4), (4, 0), (-1, 4), (2.5, 4)])
def test_wrong_sizes(sizes):
    with pytest.raises(ValueError, match="expected a positive integer"):
        nn.GRU(*sizes)
