"""SequenceRNN: its layers put together by hand, gradients, order and padding."""

import numpy as np
import pytest
from support import normal

from seriatim import nn, pack_padded_sequence

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


def test_errors():
    for words, given in (("rnn: expected", {"rnn": "cnn"}), ("head: expected", {"head": "softmax"})):
        with pytest.raises(ValueError, match=words):
            nn.SequenceRNN(3, 4, 2, **given)
    with pytest.raises(ValueError, match=r"x: expected shape \(B, T, 3\)"):
        nn.SequenceRNN(3, 4, 2)(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"x\.data: expected shape \(rows, 3\), got \(4, 2\)"):
        nn.SequenceRNN(3, 4, 2)(pack_padded_sequence(np.zeros((2, 2, 2)), [2, 2], batch_first=True))
    with pytest.raises(ValueError, match="head: expected"):
        nn.DeepGRU(3, 4, head="softmax")
