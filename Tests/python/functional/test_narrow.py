"""Weights in bfloat16 have the bits of float32 weights that were rounded; int8 those of a float64 twin, nearly."""

import numpy as np
import pytest
from reference import recurrent as reference
from support import normal
from support import threads as thread_limit

from seriatim import functional as F

NAMES = ("weight_ih", "weight_hh", "weight_hr")
CELLS = [("gru", 0, ()), ("gru", 0, ("reset_before",)), ("lstm", 0, ()), ("lstm", 3, ("peephole",)), ("rnn", 0, ()),
         ("rnn", 0, ("relu",))]  # fmt: skip


def bits(array):
    return None if array is None else np.ascontiguousarray(array).view(np.uint32)


def alike(one, other):
    assert (one is None) == (other is None)
    np.testing.assert_array_equal(bits(one), bits(other))


def to_bfloat16(array):
    """Round by comparing both neighbours: an oracle that knows no carry."""
    down = (array.view(np.uint32) & 0xFFFF0000).view(np.float32)
    up = ((array.view(np.uint32) & 0xFFFF0000) + np.uint32(0x10000)).view(np.float32)
    below, above = abs(array.astype(float) - down), abs(up - array.astype(float))
    is_even = (down.view(np.uint32) >> 16) % 2 == 0
    return np.where((below < above) | ((below == above) & is_even), down, up)


def test_rounding():
    w = np.array([[1.0, 1.00390625, 1.01171875, -1.00390625, 0.1, -3e38, 0.0, 1e-40]], np.float32)
    np.testing.assert_array_equal(bits(F.narrow(w, "bfloat16").wide()), bits(to_bfloat16(w)))
    many = normal(40, 30) * np.float32(100)
    np.testing.assert_array_equal(F.narrow(many, "bfloat16").wide(), to_bfloat16(many))

    whole = F.narrow([[1.27, -0.634, 0.0], [0, 0, 0], [1e-38, 0, 0]], "int8")
    np.testing.assert_array_equal(whole.codes, [[127, -63, 0], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(whole.scale, [0.01, 1, 1], rtol=1e-6)
    assert abs(F.narrow(many, "int8").wide() - many).max() <= abs(many).max() / 127 / 2 * (1 + 1e-5)


@pytest.mark.parametrize(
    ("weight", "form", "message"),
    [
        ([[1.0, np.nan]], "int8", r"expected finite numbers, got nan at \(0, 1\)"),
        ([[np.inf]], "bfloat16", "finite"),
        ([[3.4e38]], "bfloat16", "up to 3.3895e38"),
        ([1.0, 2.0], "int8", r"expected a matrix, got shape \(2,\)"),
        ([[1.0]], "float16", "expected 'bfloat16' or 'int8', got 'float16'"),
    ],
)
def test_refused(weight, form, message):
    with pytest.raises(ValueError, match=message):
        F.narrow(weight, form)


@pytest.mark.parametrize("rows", [1, 2, 3, 17])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (5, 48), (8, 101), (13, 200)])
def test_linear(rows, inputs, outputs):
    x, weight, bias = normal(rows, inputs), normal(outputs, inputs), normal(outputs)
    half, byte = F.narrow(weight, "bfloat16"), F.narrow(weight, "int8")
    alike(F.linear(x, half, bias)[0], F.linear(x, to_bfloat16(weight), bias)[0])
    y, _ = F.linear(x, byte, bias)
    np.testing.assert_allclose(y, x.astype(float) @ byte.wide().astype(float).T + bias, atol=2e-6 * inputs)
    for row in range(rows):
        alike(F.linear(x[row : row + 1], byte, bias)[0], y[row : row + 1])


def layer(kind, proj, options, inputs, hidden, bias):
    """Parameters as they are, in bfloat16 and in int8, in the order of PARAMETERS."""
    shapes = F.cell(kind, inputs, hidden, proj, options).shapes(bias)
    drawn = {name: normal(*shape) * np.float32(0.4) for name, shape in shapes.items()}
    full = [drawn.get(name) for name in F.PARAMETERS]
    made = {form: [F.narrow(w, form) if name in NAMES and w is not None else w
                   for name, w in zip(F.PARAMETERS, full, strict=True)] for form in ("bfloat16", "int8")}  # fmt: skip
    return made


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch_sizes", [[1] * 5, [3, 2, 1], [40, 40, 17, 1]], ids=str)
@pytest.mark.parametrize(("inputs", "hidden", "bias"), [(3, 5, True), (13, 17, False), (4, 130, True)])
@pytest.mark.parametrize(("kind", "proj", "options"), CELLS)
def test_recurrent(kind, proj, options, inputs, hidden, bias, batch_sizes, threads):
    made = layer(kind, proj, options, inputs, hidden, bias)
    cell = F.cell(kind, inputs, hidden, proj, options)
    sizes, x = np.array(batch_sizes, np.int64), normal(sum(batch_sizes), inputs)
    states = [normal(batch_sizes[0], size) for size in cell.state_sizes]
    given = (states[0], states[1] if len(states) > 1 else None)
    with thread_limit(threads):
        for first, reverse in ((given, False), (F.NO_STATES, True)):
            ours = F.recurrent(
                cell.packed_as("bfloat16"), x, sizes, F.recurrent_pack(cell.packed_as("bfloat16"), made["bfloat16"]),
                first, reverse=reverse,
            )[0]  # fmt: skip
            wide = [w.wide() if isinstance(w, F.Narrow) else w for w in made["bfloat16"]]
            theirs = F.recurrent(cell, x, sizes, F.recurrent_pack(cell, wide), first, reverse=reverse)[0]
            alike(ours[0], theirs[0])
            for one, other in zip(ours[1], theirs[1], strict=True):
                alike(one, other)

            byte = cell.packed_as("int8")
            packed = F.recurrent_pack(byte, made["int8"])
            y = F.recurrent(byte, x, sizes, packed, first, reverse=reverse)[0][0]
            if threads == 1:
                want = twin(cell, reference.STEPS[(kind, *options)], made["int8"], x, sizes, first, reverse)
                np.testing.assert_allclose(y, want, atol=2e-5 * max(1, abs(want).max()))
            # The longest sequence, alone.
            places = np.cumsum([0, *batch_sizes[:-1]])
            alone = F.recurrent(
                byte, x[places], np.ones(len(sizes), np.int64), packed,
                tuple(None if state is None else state[:1] for state in first), reverse=reverse,
            )[0][0]  # fmt: skip
            alike(alone, y[places])


def twin(cell, step, weights, x, sizes, first, reverse):
    """The float64 twin of the weights that int8 stands for."""
    shapes = cell.shapes()
    wide = {
        name: np.zeros(shapes[name]) if w is None and name in shapes
        else None if w is None else (w.wide() if isinstance(w, F.Narrow) else w).astype(float)
        for name, w in zip(F.PARAMETERS, weights, strict=True)
    }  # fmt: skip
    states = [np.zeros((sizes[0], size)) for size in cell.state_sizes]
    given = [zeros if state is None else state for zeros, state in zip(states, first, strict=False)]
    return reference.recurrent(
        step, wide, x.astype(float), sizes, (given[0], given[1] if len(given) > 1 else None), reverse=reverse
    )[0]


def test_what_serves_inference_alone_is_not_trained():
    cell = F.cell("gru", 3, 4, options=["bfloat16"])
    shapes = cell.shapes()
    weights = [normal(*shapes[name]) for name in F.PARAMETERS[:4]]
    packed = F.recurrent_pack(cell, weights)
    x, sizes = normal(2, 3), np.ones(2, np.int64)
    for attempt in (
        lambda: F.recurrent(cell, x, sizes, packed, training=True),
        lambda: F.recurrent_pack_backward(cell, weights),
    ):
        with pytest.raises(ValueError, match="expected float32 weights in training, got bfloat16 or int8"):
            attempt()


def test_cells_that_fit_together():
    weights = [normal(12, 3), normal(12, 4)]
    with pytest.raises(ValueError, match="scales of weight_ih: expected an array, got None"):
        F.recurrent_pack(F.cell("gru", 3, 4, options=["int8"]), weights)
    with pytest.raises(ValueError, match="scales of weight_ih: expected None"):
        F.recurrent_pack(F.cell("gru", 3, 4), [F.narrow(w, "int8") for w in weights])
    for options in (["int8", "bfloat16"], ["int8", "layer_norm"]):
        with pytest.raises(ValueError, match="options and sizes that fit together"):
            F.cell("gru", 3, 4, options=options).shapes()
    with pytest.raises(ValueError, match="options and sizes that fit together"):
        F.cell("min_gru", 3, 4, options=["int8"]).shapes()
