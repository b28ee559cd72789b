"""Every recurrent cell against its float64 twin: sizes around the register and the tile, ragged, both ways, zoneout.

Outputs are compared number by number; gradients along random directions, with differences of the twin: one for each
parameter, the input and the states.
"""

import numpy as np
import pytest
from reference import recurrent as twin
from support import same, sizes_of, threads

from seriatim import _core
from seriatim import functional as F

CELLS = sorted(twin.STEPS)
RAGGED = [40, 17, 17, 9, 3, 3, 3, 1, 1, 1, 1, 1]


class Case:
    """One layer with a batch, as float32 for the library and as float64 for the twin."""

    def __init__(self, name, lengths, input_size, hidden, proj=0, *, bias=True, seed=0, **options):
        rng = np.random.default_rng(seed)
        self.step, self.options = twin.STEPS[name], options
        self.cell = F.cell(name[0], input_size, hidden, proj, name[1:])
        shapes, scale = self.cell.shapes(bias), min(0.5, 1.5 / np.sqrt(hidden))
        self.weights = {n: rng.uniform(-scale, scale, s).astype(np.float32) for n, s in shapes.items()}
        for name in set(self.weights) & {"norm_ih", "norm_hh", "norm_c"}:
            self.weights[name] += np.float32(1)
        self.sizes, batch = sizes_of(lengths), len(lengths)
        self.x = rng.normal(size=(sum(lengths), input_size)).astype(np.float32)
        self.states = [rng.normal(size=(batch, s)).astype(np.float32) for s in self.cell.state_sizes]
        self.grad_y = rng.normal(size=(sum(lengths), self.cell.state_sizes[0])).astype(np.float32)
        self.grads = [rng.normal(size=s.shape).astype(np.float32) for s in self.states]
        self.rng = rng

    def pair(self, states):
        return (*states, None)[:2]

    def given(self):
        return [self.weights.get(name) for name in F.PARAMETERS]

    def ours(self):
        """Outputs and last states, then the gradients by name."""
        packed = F.recurrent_pack(self.cell, self.given())
        (y, last), cache = F.recurrent(
            self.cell, self.x, self.sizes, packed, self.pair(self.states), training=True, **self.options
        )
        outputs = [np.array(a) for a in (y, *last) if a is not None]
        slots = [None if w is None else np.full(w.shape, 2, np.float32) for w in self.given()]
        back = F.recurrent_pack_backward(self.cell, self.given())
        grad_x, first = F.recurrent_backward(
            cache, back, self.grad_y, self.pair(self.grads), gradients=slots, accumulate=True
        )
        found = {n: s - 2 for n, s in zip(F.PARAMETERS, slots, strict=True) if s is not None}
        return outputs, {**found, "x": grad_x, "h0": first[0], "c0": first[1]}

    def theirs(self, **changed):
        arrays = {**self.weights, "x": self.x, **dict(zip(("h0", "c0"), self.states, strict=False)), **changed}
        arrays = {name: np.float64(a) for name, a in arrays.items()}
        rows = self.cell.shapes()["weight_ih"][0]
        weights = {"bias_ih": np.zeros(rows), "bias_hh": np.zeros(rows), "weight_hr": None, "bias_c": 0.0, **arrays}
        y, h, c = twin.recurrent(
            self.step, weights, arrays["x"], self.sizes, (arrays["h0"], arrays.get("c0")), **self.options
        )
        return [a for a in (y, h, c) if a is not None]

    def loss(self, **changed):
        outputs = self.theirs(**changed)
        return sum((a * np.float64(g)).sum() for a, g in zip(outputs, (self.grad_y, *self.grads), strict=True))

    def check(self):
        outputs, gradients = self.ours()
        for ours, wanted in zip(outputs, self.theirs(), strict=True):
            np.testing.assert_allclose(ours, wanted, rtol=0, atol=2e-5 * (1 + np.abs(wanted).max()))
        arrays = {**self.weights, "x": self.x, **dict(zip(("h0", "c0"), self.states, strict=False))}
        for name, array in arrays.items():
            direction = self.rng.normal(size=array.shape)
            direction /= np.linalg.norm(direction)
            high, low = (self.loss(**{name: array + e * direction}) for e in (1e-5, -1e-5))
            wanted, found = (high - low) / 2e-5, (np.float64(gradients[name]) * direction).sum()
            size = np.linalg.norm(np.float64(gradients[name]))
            assert abs(found - wanted) <= 3e-5 * (1 + size), (name, found, wanted)


@pytest.mark.parametrize("name", CELLS, ids="-".join)
@pytest.mark.parametrize("hidden", [1, 7, 15, 16, 17, 33, 49])
def test_hidden_sizes(name, hidden):
    Case(name, [4, 4, 2, 1], 3, hidden).check()


@pytest.mark.parametrize("name", CELLS, ids="-".join)
@pytest.mark.parametrize("batch", [1, 2, 3, 6, 7, 8, 9, 17])
def test_batches(name, batch):
    Case(name, [3] * batch, 5, 9).check()


@pytest.mark.parametrize("name", CELLS, ids="-".join)
@pytest.mark.parametrize("reverse", [False, True])
def test_ragged(name, reverse):
    Case(name, RAGGED, 4, 10, reverse=reverse).check()


@pytest.mark.parametrize("name", CELLS, ids="-".join)
def test_without_biases(name):
    Case(name, [5, 2], 13, 6, bias=False).check()


@pytest.mark.parametrize("name", [c for c in CELLS if c[0] == "lstm" and "layer_norm" not in c], ids="-".join)
@pytest.mark.parametrize(("hidden", "proj"), [(7, 1), (17, 16), (33, 20)])
def test_projections(name, hidden, proj):
    Case(name, [6, 3, 3], 5, hidden, proj, reverse=hidden == 17).check()


@pytest.mark.parametrize("name", CELLS, ids="-".join)
@pytest.mark.parametrize("reverse", [False, True])
def test_zoneout(name, reverse):
    Case(name, [7, 4, 4, 1], 3, 18, reverse=reverse, zoneout=(0.4, 5, 2**33 + 3)).check()


@pytest.mark.parametrize("name", CELLS, ids="-".join)
def test_zoneout_in_evaluation_keeps_its_rate(name):
    case = Case(name, [5, 3], 3, 7, zoneout=(0.25, 5, 0))
    packed = F.recurrent_pack(case.cell, case.given())
    (y, _), cache = F.recurrent(case.cell, case.x, case.sizes, packed, case.pair(case.states), zoneout=(0.25, 5, 0))
    case.options["training"] = False
    assert cache is None
    np.testing.assert_allclose(y, case.theirs()[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CELLS, ids="-".join)
@pytest.mark.parametrize("zoneout", [(0.0, 0, 0), (0.3, 1, 2)])
def test_same_bits_for_any_number_of_threads(name, zoneout):
    case = Case(name, [30, 20, 20, *[5] * 20], 20, 117, zoneout=zoneout)
    results = []
    for count in (1, 2):
        with threads(count):
            outputs, gradients = case.ours()
            results.append([*outputs, *[g for g in gradients.values() if g is not None]])
    same(*results)


def refused(cell, weights, **changed):
    given = {**weights, **changed}
    with pytest.raises(ValueError) as error:
        F.recurrent_pack(cell, [given.get(name) for name in F.PARAMETERS])
    return str(error.value)


@pytest.mark.parametrize("name", CELLS, ids="-".join)
def test_parameters_are_those_of_the_cell(name):
    case = Case(name, [2, 1], 3, 5)
    assert "weight_ih: expected an array, got None" in refused(case.cell, case.weights, weight_ih=None)
    wide = np.zeros((case.weights["weight_ih"].shape[0] + 1, 3), np.float32)
    assert "weight_ih: expected a float32 array of shape" in refused(case.cell, case.weights, weight_ih=wide)
    if "weight_ch" not in case.weights:
        peepholes = np.zeros(15, np.float32)
        assert "weight_ch: expected None" in refused(case.cell, case.weights, weight_ch=peepholes)


@pytest.mark.parametrize(
    ("kind", "proj", "options"),
    [
        ("gru", 0, ["layer_norm", "reset_before"]),
        ("lstm", 0, ["layer_norm", "peephole"]),
        ("lstm", 3, ["layer_norm"]),
        ("rnn", 0, ["layer_norm"]),
    ],
)
def test_layer_norm_without_other_options(kind, proj, options):
    with pytest.raises(ValueError, match="cell: expected a kind, options and sizes that fit together"):
        F.cell(kind, 4, 5, proj, options).shapes()


def test_sizes_that_do_not_fit_together_are_refused():
    # Once read beyond the end: the number of gates was learned from one array and never held against the other.
    with pytest.raises(ValueError, match="weight_ih"):
        F.gru_pack_backward(np.zeros((6, 4), "f"), np.zeros((6, 8), "f"))
    with pytest.raises(ValueError, match="weight_ih"):
        F.lstm_pack_backward(np.zeros((6, 4), "f"), np.zeros((6, 8), "f"))
    with pytest.raises(ValueError, match="weight_ih"):
        F.rnn_pack_backward(np.zeros((6, 4), "f"), np.zeros((6, 8), "f"))


def test_weights_packed_without_the_input_give_no_gradient_of_it():
    case = Case(("gru",), [4, 2], 3, 5)
    packed = F.recurrent_pack(case.cell, case.given())
    _, cache = F.recurrent(case.cell, case.x, case.sizes, packed, training=True)
    back = F.recurrent_pack_backward(case.cell, case.given(), need_input=False)
    with pytest.raises(ValueError, match="packed: expected"):
        F.recurrent_backward(cache, back, case.grad_y, gradients=(None, None))
    grad_x, _ = F.recurrent_backward(cache, back, case.grad_y, gradients=(None, None), need_input=False)
    assert grad_x is None


@pytest.mark.parametrize(("name", "proj"), [(("gru",), 0), (("lstm",), 3), (("gru", "layer_norm"), 0)])
def test_frozen_parameters_have_no_sums(name, proj):
    case = Case(name, [4, 2], 3, 5, proj)
    packed, back = F.recurrent_pack(case.cell, case.given()), F.recurrent_pack_backward(case.cell, case.given())
    slots = [None if w is None else np.zeros_like(w) for w in case.given()]
    found = []
    for gradients in ((), slots):
        _, cache = F.recurrent(case.cell, case.x, case.sizes, packed, training=True)
        found.append(F.recurrent_backward(cache, back, case.grad_y, gradients=gradients)[0])
    np.testing.assert_array_equal(*found)
    # Of some, all that are no biases: else a sum would have nowhere to go.
    batch, kept = (case.x, case.sizes, None, None, False), (cache.y, cache.gates)
    some = (slots[0], *[None] * (len(slots) - 1), False)
    with pytest.raises(ValueError, match="grad_weight_hh: expected an array, got None"):
        _core.recurrent_backward(
            case.cell, batch, F.NO_ZONEOUT, back, kept, (case.grad_y, None, None), some, (True, True, None)
        )


@pytest.mark.parametrize(
    ("kind", "options", "proj"),
    [
        ("gru", ("relu",), 0),
        ("gru", ("reset_before", "layer_norm"), 0),
        ("gru", (), 2),
        ("lstm", ("reset_before",), 0),
        ("lstm", ("peephole", "layer_norm"), 0),
        ("rnn", ("peephole",), 0),
        ("min_gru", ("relu",), 0),
    ],
)
def test_options_that_a_kind_has_not_are_refused(kind, options, proj):
    with pytest.raises(ValueError, match="cell: expected a kind, options and sizes that fit together"):
        F.cell(kind, 3, 5, proj, options).shapes()
