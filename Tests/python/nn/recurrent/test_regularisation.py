"""Zoneout, recurrent dropout and peepholes of stacks and cells: gradients, reproducibility, what evaluation does."""

import numpy as np
import pytest

from seriatim import nn

STACKS = [nn.GRU, nn.LSTM, nn.RNN]
CELLS = [nn.GRUCell, nn.LSTMCell, nn.RNNCell]


def first(output):
    return output[0] if isinstance(output, tuple) else output


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("cls", STACKS)
@pytest.mark.parametrize("options", [{"zoneout": 0.3}, {"recurrent_dropout": 0.4}, {"zoneout": 0.2, "dropout": 0.3}])
def test_gradients_along_random_directions(cls, options):
    model = cls(3, 7, 2, bidirectional=True, rng=0, **options)
    x = numbers(6, 4, 3)
    grad = numbers(6, 4, 14, seed=1)

    def loss(x):
        for _, drawn in model._dropouts():
            drawn.calls = 0
        return float((first(model(x)) * np.float64(grad)).sum())

    loss(x)
    grad_x = model.backward(grad)[0]
    found = {name: np.array(p.grad) for name, p in model.named_parameters()}
    for name, parameter in [("x", None), *model.named_parameters()]:
        array = x if parameter is None else parameter.data
        direction = np.random.default_rng(2).normal(size=array.shape).astype(np.float32)
        direction /= np.linalg.norm(direction)
        ends = []
        for step in (2e-2, -2e-2):
            array += np.float32(step) * direction
            ends.append(loss(x))
            array -= np.float32(step) * direction
            model.eval().train()
        wanted = (ends[0] - ends[1]) / 4e-2
        gradient = grad_x if parameter is None else found[name]
        assert abs(float((gradient * direction).sum()) - wanted) < 2e-2 * (1 + abs(wanted)), name


@pytest.mark.parametrize("cls", [*STACKS, *CELLS])
@pytest.mark.parametrize("option", ["zoneout", "recurrent_dropout"])
def test_what_is_drawn_follows_from_the_seed_and_the_call(cls, option):
    x = numbers(*((5, 3, 4) if cls in STACKS else (3, 4)))
    outputs = []
    for _ in range(2):
        model = cls(4, 30, rng=7, **{option: 0.5})
        outputs.append([np.array(first(model(x))) for _ in range(2)])
        model.eval()
    np.testing.assert_array_equal(outputs[0], outputs[1])
    if cls in STACKS or option == "zoneout":
        assert np.abs(outputs[0][0] - outputs[0][1]).max() > 0
    # Drawing takes nothing from a generator that others use, unless it is asked for.
    plain = cls(4, 30, rng=7)
    np.testing.assert_array_equal(plain.state_dict()[next(iter(plain.state_dict()))], _first_parameter(cls, option))


def _first_parameter(cls, option):
    state = cls(4, 30, rng=7, **{option: 0.5}).state_dict()
    return next(iter(state.values()))


@pytest.mark.parametrize("cls", [*STACKS, nn.MinGRU, nn.MinLSTM, nn.IndRNN])
def test_evaluation_mixes_states_in_zoneouts_proportion(cls):
    model = cls(3, 6, rng=0, zoneout=0.25).eval()
    plain = cls(3, 6, rng=0).eval()
    plain.load_state_dict(model.state_dict())
    x = numbers(1, 2, 3)
    # From zeros, the first state is three quarters of a plain one.
    np.testing.assert_allclose(first(model(x)), 0.75 * first(plain(x)), rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(first(model(x)), first(model(x)))


@pytest.mark.parametrize("cls", STACKS)
def test_recurrent_dropout_changes_nothing_in_evaluation(cls):
    model, plain = cls(3, 6, rng=0, recurrent_dropout=0.5).eval(), cls(3, 6, rng=0).eval()
    plain.load_state_dict(model.state_dict())
    x = numbers(5, 2, 3)
    np.testing.assert_array_equal(first(model(x)), first(plain(x)))


@pytest.mark.parametrize("cls", [*STACKS, *CELLS])
@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_rates_that_are_none_are_refused(cls, rate):
    with pytest.raises(ValueError, match="zoneout: expected a probability from 0 to below 1"):
        cls(3, 4, zoneout=rate)
    with pytest.raises(ValueError, match="recurrent_dropout: expected a probability from 0 to below 1"):
        cls(3, 4, recurrent_dropout=rate)


def test_peepholes_at_zero_are_none():
    peephole, plain = nn.LSTM(3, 5, 2, peephole=True, bidirectional=True, rng=0), nn.LSTM(3, 5, 2, bidirectional=True)
    state = peephole.state_dict()
    plain.load_state_dict({name: value for name, value in state.items() if "weight_ch" not in name})
    peephole.load_state_dict({n: np.zeros_like(v) if "weight_ch" in n else v for n, v in state.items()})
    x = numbers(6, 2, 3)
    np.testing.assert_array_equal(peephole(x)[0], plain(x)[0])
    assert "peephole=True" in repr(peephole)
    assert peephole.weight_ch_l1_reverse.shape == (15,)
    peephole.eval(), plain.eval()


def test_a_cell_with_peepholes_is_a_step_of_the_stack():
    cell = nn.LSTMCell(3, 5, peephole=True, rng=0)
    stack = nn.LSTM(3, 5, peephole=True)
    stack.load_state_dict({f"{name}_l0": value for name, value in cell.state_dict().items()})
    x, h, c = numbers(4, 2, 3), np.zeros((2, 5), np.float32), np.zeros((2, 5), np.float32)
    cell.eval()
    for row, wanted in zip(x, stack.eval()(x)[0], strict=True):
        h, c = cell(row, (h, c))
        np.testing.assert_array_equal(h, wanted)
