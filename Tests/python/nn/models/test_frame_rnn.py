"""FrameRNN: its layers put together by hand, gradients, layouts and padding."""

import numpy as np
import pytest
from support import normal, same, threads

from seriatim import nn, pack_padded_sequence, pad_packed_sequence

LENGTHS = np.array([2, 5, 1, 4])


def made(**options):
    model = nn.FrameRNN(3, 4, 2, **{"rng": 0, **options})
    if model.window is not None:
        # Far from the corner of the ReLU.
        model.window.linear.bias.data = [9, -9, 7, 8]
    return model


def batch():
    x = normal(4, 5, 3)
    return x, pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)


@pytest.mark.parametrize("rnn", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("convolution", [None, 3])
@pytest.mark.parametrize("head", ["log_softmax", "linear"])
def test_forward_and_backward(rnn, bidirectional, convolution, head):
    options = {"rnn": rnn, "num_layers": 2, "bidirectional": bidirectional, "convolution": convolution, "head": head}
    model, twin = made(**options), made(**options)
    x, packed = batch()
    y, grad = model(packed), packed._replace(data=normal(len(packed.data), 2, seed=1))
    below = model.backward(grad, need_input=True)
    h = packed if twin.window is None else twin.window(packed)
    rows, _ = twin.rnn(h)
    np.testing.assert_array_equal(model.embed(packed).data, rows.data)
    np.testing.assert_array_equal(y.data, twin.classifier(rows.data))
    found, _ = twin.rnn.backward(packed._replace(data=twin.classifier.backward(grad.data)))
    found = found if twin.window is None else twin.window.backward(found)
    np.testing.assert_array_equal(below.data, found.data)
    same([p.grad for p in model.parameters()], [p.grad for p in twin.parameters()])
    # Padded: the same rows, zeros behind the ends, whatever stands there.
    garbage = x.copy()
    garbage[0, 2:] = np.nan
    padded = model.eval()(garbage, LENGTHS)
    np.testing.assert_array_equal(padded, pad_packed_sequence(y, batch_first=True)[0])


@pytest.mark.parametrize("options", [{}, {"convolution": 2}, {"convolution": 3, "bidirectional": True, "rnn": "lstm"}])
def test_gradients_by_differences(options):
    x, packed = batch()
    nn.gradcheck(made(**options), x, LENGTHS)
    nn.gradcheck(made(head="linear", **options), packed)


def test_gradients_of_every_layout_are_the_same_bits():
    x, packed = batch()
    grad = normal(len(packed.data), 2, seed=1)
    padded = pad_packed_sequence(packed._replace(data=grad), batch_first=True)[0]
    found = []
    for args, given in [((packed,), packed._replace(data=grad)), ((packed,), grad), ((x, LENGTHS), padded)]:
        model = made(convolution=2)
        model(*args)
        below = model.backward(given, need_input=True)
        below = pack_padded_sequence(below, LENGTHS, batch_first=True, enforce_sorted=False) if len(args) > 1 else below
        found.append([below.data, *(p.grad for p in model.parameters())])
    same(found[0], found[1])
    same(found[0], found[2])


def test_same_bits_with_one_and_two_threads():
    x, found = normal(30, 40, 3), []
    for number in (1, 2):
        with threads(number):
            model = made(convolution=3, num_layers=2, bidirectional=True)
            y = model(x)
            model.backward(np.ones_like(y))
        found.append([y, *(p.grad for p in model.parameters())])
    same(*found)


@pytest.mark.parametrize("convolution", [None, 3])
def test_what_is_put_out_does_not_see_what_comes(convolution):
    model, x = made(convolution=convolution).eval(), normal(1, 9, 3)
    whole = model(x)
    for steps in (1, 4):
        np.testing.assert_array_equal(model(x[:, :steps]), whole[:, :steps])


def test_an_ensemble_gives_packed_rows():
    _, packed = batch()
    members = [made(rng=seed, convolution=2) for seed in range(3)]
    model = nn.Ensemble(*members).eval()
    y = model(packed)
    assert y.shape == (3, len(packed.data), 2)
    for row, member in zip(y, members, strict=True):
        np.testing.assert_array_equal(row, member(packed).data)


def test_dropout():
    model = made(dropout=0.5, num_layers=2)
    x, _ = batch()
    assert (model(x) != model(x)).any()
    model.dropout = 0.25
    assert (model.classifier[0].p, model.rnn.dropout, model.dropout) == (0.25, 0.25, 0.25)
    with pytest.raises(ValueError, match="dropout"):
        model.dropout = 2


def test_refusals():
    for given in ({"rnn": "min_gru"}, {"head": "softmax"}, {"convolution": 0}):
        with pytest.raises(ValueError, match=next(iter(given))):
            nn.FrameRNN(3, 4, 2, **given)
    x, packed = batch()
    model = made()
    with pytest.raises(ValueError, match=r"x: expected shape \(B, T, 3\)"):
        model(x[0])
    model(packed)
    with pytest.raises(ValueError, match="grad_output: expected the shape of the output"):
        model.backward(np.zeros((3, 2)))
    model(x, LENGTHS)
    with pytest.raises(ValueError, match="grad_output: expected the shape of the output"):
        model.backward(np.zeros((4, 4, 2)))
