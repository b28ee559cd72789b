"""SequenceRNN: its layers put together by hand, gradients, order and padding."""

import numpy as np
import pytest
from support import normal

from seriatim import nn, pack_padded_sequence, pad_packed_sequence

LENGTHS = np.array([2, 5, 1, 4])


@pytest.mark.parametrize("rnn", ["gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("head", ["log_softmax", "linear"])
def test_forward_and_backward(rnn, bidirectional, layers, head):
    model = nn.SequenceRNN(3, 4, 2, rnn=rnn, num_layers=layers, bidirectional=bidirectional, head=head, rng=0)
    x = normal(4, 5, 3)
    y = model(x, LENGTHS)
    grad = normal(4, 2, seed=1)
    model.backward(grad)
    packed = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    twin = nn.SequenceRNN(3, 4, 2, rnn=rnn, num_layers=layers, bidirectional=bidirectional, head=head, rng=1)
    twin.load_state_dict(model.state_dict())
    _, states = twin.rnn(packed)
    last = states[0] if rnn == "lstm" else states
    features = np.concatenate(list(last[-(1 + bidirectional) :]), axis=1)
    np.testing.assert_array_equal(model.embed(x, LENGTHS), features)
    np.testing.assert_array_equal(y, twin.classifier(features))
    grad_last = np.zeros_like(last)
    grad_last[-(1 + bidirectional) :] = np.split(twin.classifier.backward(grad), 1 + bidirectional, axis=1)
    twin.rnn.backward(None, (grad_last, None) if rnn == "lstm" else grad_last)
    for (name, ours), theirs in zip(model.named_parameters(), twin.parameters(), strict=True):
        # The order of the rows in a sum may differ.
        np.testing.assert_allclose(ours.grad, theirs.grad, atol=1e-6, err_msg=name)
    model.eval()
    np.testing.assert_array_equal(model(packed), y)
    garbage = x.copy()
    garbage[0, 2:] = np.nan
    np.testing.assert_array_equal(model(garbage, LENGTHS), y)


def gradients_agree(model, x, tolerance=3e-3):
    """Hold backward against differences of the loss that weighs the outputs."""
    weigh = normal(4, model(x, LENGTHS).shape[1], seed=2).astype(np.float64)
    model.backward(np.zeros_like(weigh))
    model.zero_grad()
    model(x, LENGTHS)
    model.backward(weigh)
    for name, parameter in model.named_parameters():
        flat, grad = np.array(parameter.data).reshape(-1), np.array(parameter.grad).reshape(-1)
        for place in range(0, flat.size, max(1, flat.size // 3)):
            found = []
            for step in (1e-3, -1e-3):
                moved = flat.copy()
                moved[place] += step
                parameter.data = moved.reshape(parameter.shape)
                found.append(float((model(x, LENGTHS) * weigh).sum()))
                model.backward(np.zeros_like(weigh))
            parameter.data = flat.reshape(parameter.shape)
            assert (found[0] - found[1]) / 2e-3 == pytest.approx(grad[place], rel=2e-2, abs=tolerance), name


@pytest.mark.parametrize("rnn", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("pooling", [("mean",), ("last", "max"), ("max", "mean", "last")])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_pooling_over_time(rnn, pooling, bidirectional):
    model = nn.SequenceRNN(3, 4, 2, rnn=rnn, pooling=pooling, bidirectional=bidirectional, head="linear", rng=0)
    x = normal(4, 5, 3)
    packed = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    y, states = model.rnn.eval()(packed)
    rows, _ = pad_packed_sequence(y, batch_first=True)
    last = states[0] if rnn == "lstm" else states
    parts = {
        "last": np.concatenate(list(last), axis=1),
        "mean": np.stack([row[:n].mean(axis=0) for row, n in zip(rows, LENGTHS, strict=True)]),
        "max": np.stack([row[:n].max(axis=0) for row, n in zip(rows, LENGTHS, strict=True)]),
    }
    wanted = np.concatenate([parts[name] for name in ("last", "mean", "max") if name in pooling], axis=1)
    assert model.width == wanted.shape[1]
    np.testing.assert_allclose(model.embed(x, LENGTHS), wanted, atol=1e-6)
    gradients_agree(model.train(), x)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", [(), ("mean", "max")])
def test_deepgru_in_both_directions_and_pooled(bidirectional, pooling):
    dims = {"gru1": 4, "gru2": 3, "gru3": 2, "fc": 5}
    model = nn.DeepGRU(3, 2, dims, 0.0, head="linear", bidirectional=bidirectional, pooling=pooling, rng=0)
    x = normal(4, 5, 3)
    sides = 1 + bidirectional
    assert model.width == model.embed(x, LENGTHS).shape[1] == sides * (2 * 2 + len(pooling) * (4 + 3 + 2))
    assert len([name for name in model.state_dict() if "reverse" in name]) == 20 * bidirectional
    # Batch normalisation of four, and rectifiers: differences are coarse.
    gradients_agree(model, x, 5e-2)


def test_errors():
    for words, given in (
        ("rnn: expected", {"rnn": "cnn"}),
        ("head: expected", {"head": "softmax"}),
        ("pooling: expected", {"pooling": ()}),
        ("pooling: expected", {"pooling": "mean"}),
        ("pooling: expected", {"pooling": ("mean", "mean")}),
    ):
        with pytest.raises(ValueError, match=words):
            nn.SequenceRNN(3, 4, 2, **given)
    with pytest.raises(ValueError, match=r"x: expected shape \(B, T, 3\)"):
        nn.SequenceRNN(3, 4, 2)(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"x\.data: expected shape \(rows, 3\), got \(4, 2\)"):
        nn.SequenceRNN(3, 4, 2)(pack_padded_sequence(np.zeros((2, 2, 2)), [2, 2], batch_first=True))
    with pytest.raises(ValueError, match="head: expected"):
        nn.DeepGRU(3, 4, head="softmax")
