"""GRU, LSTM, RNN and their cells against the originals' outputs and gradients, and against each other."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file
from support import same, threads

from seriatim import _core, nn, pack_padded_sequence, pad_packed_sequence
from seriatim.optim import Adam

GOLDEN = Path(__file__).parents[3] / "fixtures" / "torch_rnn.safetensors"
TENSORS = load_file(GOLDEN)
with safe_open(GOLDEN, "numpy") as _file:
    CASES = json.loads(_file.metadata()["cases"])
CELLS = {k for k, v in CASES.items() if v["cls"].endswith("Cell")}
STACKS = {"GRU": nn.GRU, "LSTM": nn.LSTM, "RNN": nn.RNN}


def of(case, kind):
    head = f"{case}/{kind}/"
    return {k[len(head) :]: v for k, v in TENSORS.items() if k.startswith(head)}


def close(actual, wanted, tolerance, what):
    bound = tolerance * np.abs(wanted).max() + tolerance
    np.testing.assert_allclose(actual, wanted, rtol=0, atol=bound, err_msg=what)


def states(given, names):
    """One state, a pair, or None where they are not given."""
    if names[0] not in given:
        return None
    return given[names[0]] if len(names) == 1 else tuple(given[n] for n in names)


def listed(found):
    return list(found) if isinstance(found, tuple) else [found]


def make(case):
    about = CASES[case]
    options = {k: about[k] for k in ("proj_size", "nonlinearity") if k in about}
    model = STACKS[about["cls"]](
        about["input_size"],
        about["hidden_size"],
        about["num_layers"],
        bias=about["bias"],
        batch_first=about["batch_first"],
        bidirectional=about["bidirectional"],
        **options,
    )
    model.load_state_dict(of(case, "w"))
    return model, about


@pytest.mark.parametrize("case", sorted(set(CASES) - CELLS))
def test_goldens(case):
    model, about = make(case)
    given, wanted, cotangents, grads = (of(case, k) for k in ("in", "out", "cot", "grad"))
    x, first, lengths = given["x"], about["batch_first"], about["lengths"]
    initial, final = (("h0", "c0"), ("hn", "cn")) if about["cls"] == "LSTM" else (("h0",), ("hn",))
    if lengths is not None:
        x = pack_padded_sequence(x, lengths, batch_first=first, enforce_sorted=about["enforce_sorted"])
        np.testing.assert_array_equal(x.batch_sizes, wanted["batch_sizes"])
        close(x.data, wanted["packed_x_data"], 0, "packed x")
    y, last = model(x, states(given, initial))
    for name, found in zip(final, listed(last), strict=True):
        close(found, wanted[name], 1e-5, name)
    grad_y = cotangents["y"]
    if lengths is None:
        close(y, wanted["y"], 1e-5, "y")
    else:
        close(y.data, wanted["packed_y_data"], 1e-5, "packed y")
        close(pad_packed_sequence(y, batch_first=first)[0], wanted["y"], 1e-5, "y")
        grad_y = pack_padded_sequence(grad_y, lengths, batch_first=first, enforce_sorted=about["enforce_sorted"])
    grad_x, grad_first = model.backward(grad_y, states(cotangents, final))
    if lengths is not None:
        grad_x = pad_packed_sequence(grad_x, batch_first=first)[0]
    close(grad_x, grads["in/x"], 1e-4, "grad x")
    for name, found in zip(initial, listed(grad_first), strict=True):
        if f"in/{name}" in grads:
            close(found, grads[f"in/{name}"], 1e-4, f"grad {name}")
    # torch's names in torch's order: layer by layer, direction by direction.
    ends = [f"l{n}{way}" for n in range(about["num_layers"]) for way in ("", "_reverse")[: 1 + about["bidirectional"]]]
    kinds = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if about["bias"] else [])]
    kinds += ["weight_hr"] if about.get("proj_size") else []
    assert [name for name, _ in model.named_parameters()] == [f"{kind}_{end}" for end in ends for kind in kinds]
    for name, parameter in model.named_parameters():
        close(parameter.grad, grads[f"w/{name}"], 1e-4, name)


@pytest.mark.parametrize("case", sorted(CELLS))
def test_cells(case):
    about, given, wanted = CASES[case], of(case, "in"), of(case, "out")
    cell = {"GRUCell": nn.GRUCell, "LSTMCell": nn.LSTMCell, "RNNCell": nn.RNNCell}[about["cls"]](5, 6)
    cell.load_state_dict(of(case, "w"))
    names = ("h", "c") if about["cls"] == "LSTMCell" else ("h",)
    for name, found in zip(names, listed(cell(given["x"], states(given, names))), strict=True):
        close(found, wanted[name], 1e-5, name)


MAKERS = {
    "GRU": lambda **k: nn.GRU(5, 20, 2, rng=0, **k),
    "GRU, reset before": lambda **k: nn.GRU(5, 20, 2, reset_after=False, rng=0, **k),
    "GRU, layer norm": lambda **k: nn.GRU(5, 20, 2, norm="layer", rng=0, **k),
    "LSTM": lambda **k: nn.LSTM(5, 20, 2, rng=0, **k),
    "LSTM, layer norm": lambda **k: nn.LSTM(5, 20, 2, norm="layer", rng=0, **k),
    "LSTM, projected": lambda **k: nn.LSTM(5, 20, 2, proj_size=7, rng=0, **k),
    "RNN": lambda **k: nn.RNN(5, 20, 2, rng=0, **k),
    "RNN, relu": lambda **k: nn.RNN(5, 20, 2, "relu", rng=0, **k),
    "MinGRU": lambda **k: nn.MinGRU(5, 20, 2, rng=0, **k),
    "MinLSTM": lambda **k: nn.MinLSTM(5, 20, 2, rng=0, **k),
    "IndRNN": lambda **k: nn.IndRNN(5, 20, 2, rng=0, **k),
    "IndRNN, tanh": lambda **k: nn.IndRNN(5, 20, 2, nonlinearity="tanh", rng=0, **k),
}
each = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@each
def test_evaluation_keeps_nothing_and_gives_the_same_bits(make):
    model = make(bidirectional=True)
    x = np.random.default_rng(0).normal(size=(7, 3, 5))
    trained, _ = model(x)
    evaluated, _ = model.eval()(x)
    np.testing.assert_array_equal(trained, evaluated)
    with pytest.raises(RuntimeError, match="no forward in training mode is open"):
        model.backward(evaluated)


@each
def test_layouts_agree(make):
    x = np.random.default_rng(0).normal(size=(7, 3, 5)).astype(np.float32)
    model = make(bidirectional=True).eval()
    y, last = model(x)
    first, last_first = make(bidirectional=True, batch_first=True).eval()(x.transpose(1, 0, 2))
    np.testing.assert_array_equal(first.transpose(1, 0, 2), y)
    same(listed(last), listed(last_first))
    packed, last_packed = model(pack_padded_sequence(x, [7, 7, 7]))
    np.testing.assert_array_equal(pad_packed_sequence(packed)[0], y)
    same(listed(last), listed(last_packed))
    single, last_single = model(x[:, 1])
    np.testing.assert_array_equal(single, y[:, 1])
    same([s[:, 1] for s in listed(last)], listed(last_single))


@each
def test_gradients_by_differences(make):
    rng = np.random.default_rng(0)
    x, model = rng.normal(size=(4, 2, 5)), make(bidirectional=True)
    y, _ = model(x)
    weights = rng.normal(size=y.shape)
    grad_x, _ = model.backward(weights)
    for _ in range(6):
        direction = rng.normal(size=x.shape)
        sides = [float((model.eval()(x + e * direction)[0] * weights).sum()) for e in (2e-3, -2e-3)]
        assert (sides[0] - sides[1]) / 4e-3 == pytest.approx((grad_x * direction).sum(), rel=2e-2, abs=2e-2)


@each
def test_training_allocates_nothing_large_after_its_first_batches(make):
    model = make(bidirectional=True)
    optimizer = Adam(model.parameters())
    x = np.random.default_rng(0).normal(size=(150, 96, 5)).astype(np.float32)

    def step():
        optimizer.zero_grad()
        y, _ = model(x)
        model.backward(y)
        optimizer.step()

    step()
    step()
    before = _core.memory_info()["blocks_allocated"]
    for _ in range(3):
        step()
    assert _core.memory_info()["blocks_allocated"] == before


@each
def test_a_stack_has_the_same_bits_with_any_threads(make):
    x = np.random.default_rng(0).normal(size=(30, 12, 5)).astype(np.float32)
    results = []
    for number in (1, 2, 3):
        with threads(number):
            model = make(bidirectional=True)
            y, _ = model(x)
            grad_x, _ = model.backward(y)
            results.append([y, grad_x, *[p.grad for p in model.parameters()]])
    same(results[0], results[1])
    same(results[0], results[2])


@each
def test_dropout_between_layers_follows_the_seed(make):
    x = np.random.default_rng(0).normal(size=(6, 4, 5))
    same(make(dropout=0.5)(x)[:1], make(dropout=0.5)(x)[:1])
    model = make(dropout=0.5)
    assert np.abs(model(x)[0] - model(x)[0]).max() > 0
    np.testing.assert_array_equal(model.eval()(x)[0], model(x)[0])


CELL_MAKERS = {
    "GRUCell": (lambda: nn.GRUCell(5, 6, rng=0), lambda: nn.GRU(5, 6)),
    "GRUCell, reset before": (
        lambda: nn.GRUCell(5, 6, reset_after=False, rng=0),
        lambda: nn.GRU(5, 6, reset_after=False),
    ),
    "GRUCell, layer norm": (lambda: nn.GRUCell(5, 6, norm="layer", rng=0), lambda: nn.GRU(5, 6, norm="layer")),
    "LSTMCell, layer norm": (lambda: nn.LSTMCell(5, 6, norm="layer", rng=0), lambda: nn.LSTM(5, 6, norm="layer")),
    "LSTMCell": (lambda: nn.LSTMCell(5, 6, rng=0), lambda: nn.LSTM(5, 6)),
    "RNNCell": (lambda: nn.RNNCell(5, 6, rng=0), lambda: nn.RNN(5, 6)),
    "MinGRUCell": (lambda: nn.MinGRUCell(5, 6, rng=0), lambda: nn.MinGRU(5, 6)),
    "MinLSTMCell": (lambda: nn.MinLSTMCell(5, 6, rng=0), lambda: nn.MinLSTM(5, 6)),
    "IndRNNCell": (lambda: nn.IndRNNCell(5, 6, rng=0), lambda: nn.IndRNN(5, 6)),
    "RNNCell, relu": (lambda: nn.RNNCell(5, 6, nonlinearity="relu", rng=0), lambda: nn.RNN(5, 6, 1, "relu")),
}


@pytest.mark.parametrize(("cell", "stack"), CELL_MAKERS.values(), ids=CELL_MAKERS)
@pytest.mark.parametrize("single", [False, True])
def test_a_loop_over_a_cell_is_the_layer(cell, stack, single):
    cell, stack = cell(), stack()
    stack.load_state_dict({f"{name}_l0": p.data for name, p in cell.named_parameters()})
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 5) if single else (4, 3, 5)).astype(np.float32)
    y, _ = stack(x)
    state, outputs = None, []
    for step in x:
        state = cell(step, state)
        outputs.append(listed(state)[0])
    np.testing.assert_array_equal(np.stack(outputs), y)
    grad_y = rng.normal(size=y.shape).astype(np.float32)
    grad_x, _ = stack.backward(grad_y)
    carried, below = None, []
    for step in reversed(range(4)):
        grads = [grad_y[step], None] if isinstance(state, tuple) else [grad_y[step]]
        if carried is not None:
            grads = [g if c is None else c if g is None else g + c for g, c in zip(grads, listed(carried), strict=True)]
        part, carried = cell.backward(*grads)
        below.append(part)
    np.testing.assert_allclose(np.stack(below[::-1]), grad_x, atol=1e-6)
    for name, parameter in cell.named_parameters():
        wanted = dict(stack.named_parameters())[f"{name}_l0"].grad
        np.testing.assert_allclose(parameter.grad, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: nn.LSTM(5, 8)(np.zeros((4, 2, 5)), np.zeros((1, 2, 8))), TypeError, r"hx: expected a pair \(h, c\)"),
        (
            lambda: nn.LSTM(5, 8, proj_size=3)(np.zeros((4, 2, 5)), (np.zeros((1, 2, 8)), np.zeros((1, 2, 8)))),
            ValueError,
            r"h0: expected shape \(1, 2, 3\), got \(1, 2, 8\)",
        ),
        (lambda: nn.LSTM(5, 8, proj_size=8), ValueError, "proj_size: expected 0 or more and less than hidden_size 8"),
        (lambda: nn.RNN(5, 8, nonlinearity="gelu"), ValueError, "nonlinearity: expected 'tanh' or 'relu', got 'gelu'"),
        (lambda: nn.IndRNN(5, 8, nonlinearity="gelu"), ValueError, "expected 'tanh' or 'relu', got 'gelu'"),
        (lambda: nn.MinGRU(5, 8, zoneout=1.0), ValueError, "zoneout: expected a probability from 0 to below 1"),
        (lambda: nn.GRUCell(5, 8)(np.zeros((2, 4))), ValueError, r"x: expected shape \(B, 5\) or \(5,\)"),
        (lambda: nn.GRUCell(5, 8)(np.zeros((2, 5)), np.zeros((3, 8))), ValueError, r"h: expected shape \(2, 8\)"),
        (lambda: nn.GRU(5, 8, norm="batch"), ValueError, "norm: expected None or 'layer', got 'batch'"),
        (
            lambda: nn.GRU(5, 8, norm="layer", reset_after=False),
            ValueError,
            "reset_after: expected True with norm='lay",
        ),
        (lambda: nn.LSTM(5, 8, norm="layer", proj_size=3), ValueError, "proj_size: expected 0 with norm='layer'"),
        (lambda: nn.LSTMCell(5, 8, norm="layer", peephole=True), ValueError, "peephole: expected False with norm='la"),
        (lambda: nn.LSTMCell(5, 0), ValueError, "hidden_size: expected a positive integer, got 0"),
    ],
)
def test_what_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_what_is_printed():
    assert repr(nn.LSTM(5, 8, 2, proj_size=3)) == "LSTM(5, 8, num_layers=2, proj_size=3)"
    assert repr(nn.RNN(5, 8, nonlinearity="relu", bias=False)) == "RNN(5, 8, bias=False, nonlinearity='relu')"
    assert repr(nn.GRUCell(5, 8)) == "GRUCell(5, 8)"
    assert repr(nn.LSTM(5, 8, norm="layer")) == "LSTM(5, 8, norm='layer')"
    assert repr(nn.MinGRU(5, 8, 2, zoneout=0.1)) == "MinGRU(5, 8, num_layers=2, zoneout=0.1)"
    assert repr(nn.IndRNN(5, 8)) == "IndRNN(5, 8)"


def test_units_of_indrnn_remember_for_longer_and_shorter():
    layer = nn.IndRNN(3, 400, 2, bidirectional=True, rng=0)
    for name, parameter in layer.named_parameters():
        if name.startswith("weight_hh"):
            assert parameter.shape == (400, 1)
            assert parameter.data.min() >= 0
            assert np.all(np.histogram(parameter.data, 4, (0, 1))[0] > 60)
        else:
            assert np.abs(parameter.data).max() <= 1 / 20


def test_gains_start_at_one_and_the_rest_as_without_them():
    normalized, plain = nn.LSTM(5, 8, bias=False, norm="layer", rng=0), nn.LSTM(5, 8, bias=False, rng=0)
    state, wanted = normalized.state_dict(), plain.state_dict()
    assert set(state) - set(wanted) == {"norm_ih_l0", "norm_hh_l0", "norm_c_l0"}
    for name, value in state.items():
        np.testing.assert_array_equal(value, wanted.get(name, np.ones_like(value)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.GRU(3, 4, norm="layer", rng=0),
        lambda: nn.LSTM(3, 4, norm="layer", rng=0),
        lambda: nn.LSTM(3, 4, proj_size=2, rng=0),
        lambda: nn.LSTM(3, 4, peephole=True, rng=0),
        lambda: nn.RNN(3, 4, rng=0),
        lambda: nn.IndRNN(3, 4, rng=0),
        lambda: nn.MinGRU(3, 4, rng=0),
    ],
)
def test_any_parameter_may_be_frozen_alone(make):
    x = np.random.default_rng(0).normal(size=(4, 2, 3)).astype(np.float32)
    whole = make()
    whole.backward(np.ones_like(whole(x)[0]))
    for name, _ in whole.named_parameters():
        module = make()
        dict(module.named_parameters())[name].requires_grad = False
        module.backward(np.ones_like(module(x)[0]))
        for (other, parameter), wanted in zip(module.named_parameters(), whole.parameters(), strict=True):
            if other == name:
                assert parameter.grad is None
            else:
                np.testing.assert_array_equal(parameter.grad, wanted.grad)
