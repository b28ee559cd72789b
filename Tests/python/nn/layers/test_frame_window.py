"""FrameWindow against its twin: past and centred windows, ragged batches, gradients."""

import numpy as np
import pytest
from reference.frame_window import frame_window, frame_window_backward
from support import close, normal, threads

from seriatim import nn, pack_sequence

LENGTHS = [5, 1, 9, 2, 5]


def packed(lengths=LENGTHS, features=3):
    return pack_sequence([normal(n, features, seed=i) for i, n in enumerate(lengths)], enforce_sorted=False)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 12])
@pytest.mark.parametrize("number", [1, 2])
def test_values_and_gradients(frames, centred, number):
    x, window = packed(), nn.FrameWindow(3, 5, frames, centred=centred, rng=1)
    window.linear.bias.data = normal(5, seed=3)
    grad = normal(len(x.data), 5, seed=2)
    with threads(number):
        y = window(x)
        below = window.backward(grad)
    state = window.state_dict()
    wanted, cache = frame_window(x.data, x.batch_sizes, *state.values(), frames, centred)
    close(y.data, wanted)
    grad_x, grad_weight, grad_bias = frame_window_backward(grad, cache)
    close(below.data, grad_x)
    close(window.linear.weight.grad, grad_weight)
    close(window.linear.bias.grad, grad_bias)
    assert 0 < (wanted > 0).mean() < 1
    assert np.array_equal(y.batch_sizes, x.batch_sizes)


@pytest.mark.parametrize("centred", [False, True])
def test_gradients_by_differences(centred):
    window = nn.FrameWindow(3, 4, 3, centred=centred, rng=0)
    # Far from the corner of the ReLU.
    window.linear.bias.data = [9, -9, 7, 8]
    nn.gradcheck(window, packed())


def test_what_is_past_does_not_see_what_comes():
    x, window = packed([6]), nn.FrameWindow(3, 4, 3, rng=0).eval()
    other = x._replace(data=x.data.copy())
    other.data[4:] += 1
    y, changed = window(x).data, window(other).data
    np.testing.assert_array_equal(y[:4], changed[:4])
    assert (y[4:] != changed[4:]).any()
    centred = nn.FrameWindow(3, 4, 3, centred=True, rng=0).eval()
    assert (centred(x).data[3] != centred(other).data[3]).any()
    np.testing.assert_array_equal(centred(x).data[:3], centred(other).data[:3])


def test_packed_rows_and_no_rows():
    x, window = packed(), nn.FrameWindow(3, 4, 2, rng=0)
    np.testing.assert_array_equal(window(x.data, x.batch_sizes), window(x).data)
    nothing = window(np.zeros((0, 3), np.float32), np.zeros(0, np.int64))
    assert nothing.shape == (0, 4)
    assert window.backward(nothing).shape == (0, 3)


def test_refusals():
    for sizes in ((0, 1, 1), (1, 0, 1), (1, 1, 0)):
        with pytest.raises(ValueError, match="expected a positive"):
            nn.FrameWindow(*sizes)
    window = nn.FrameWindow(3, 4, 2)
    with pytest.raises(ValueError, match=r"h: expected rows of shape \(rows, 3\)"):
        window(packed(features=2))
    y = window(packed())
    with pytest.raises(ValueError, match="grad_output: expected packed rows"):
        window.backward(y.data[1:])
