"""ONNX's own node tests of LSTM, GRU and RNN, whole: nn's modules with their weights give their outputs."""

import importlib

import numpy as np
import pytest

from seriatim import nn

pytest.importorskip("onnx")

# Of ONNX's blocks to ours: i o f c to i f g o; z r h to r z n.
ORDERS = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
STACKS = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}


@np.errstate(invalid="ignore")
def cases():
    """Every case: what ``expect`` is called with.

    ONNX computes them while it is imported; NumPy's BLAS may raise the flag of an invalid operation for memory beside
    what it multiplies.
    """
    found = []
    for kind in ORDERS:
        module = importlib.import_module(f"onnx.backend.test.case.node.{kind.lower()}")
        original = module.expect
        module.expect = lambda node, inputs, outputs, name: found.append((name, node, inputs, outputs))
        try:
            owner = getattr(module, kind)
            for method in sorted(vars(owner)):
                if method.startswith("export"):
                    getattr(owner, method)()
        finally:
            module.expect = original
    return found


CASES = cases()


def test_there_are_cases_of_each_kind():
    assert {node.op_type for _, node, _, _ in CASES} == set(ORDERS)
    assert any("peephole" in name for name, *_ in CASES)


@pytest.mark.parametrize(("name", "node", "inputs", "outputs"), CASES, ids=[case[0] for case in CASES])
def test_node(name, node, inputs, outputs):
    attributes = {a.name: a.i for a in node.attribute if a.type == a.INT}
    given = dict(zip([i for i in node.input if i], inputs, strict=True))
    names = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
    x, w, r, b, lengths, h0, c0, p = (
        given.get(node.input[k]) if k < len(node.input) and node.input[k] else None for k in range(len(names))
    )
    assert lengths is None or np.all(np.asarray(lengths) == x.shape[attributes.get("layout", 0) == 1])
    order, size = ORDERS[node.op_type], attributes["hidden_size"]
    direction = next((a.s.decode() for a in node.attribute if a.name == "direction"), "forward")
    batch_first = attributes.get("layout", 0) == 1
    options = {"batch_first": batch_first, "bidirectional": direction == "bidirectional"}
    if node.op_type == "LSTM":
        options["peephole"] = p is not None
    if node.op_type == "GRU":
        options["reset_after"] = bool(attributes.get("linear_before_reset", 0))
    module = STACKS[node.op_type](x.shape[-1], size, **options).eval()

    def blocks(array):
        parts = np.split(array, len(order))
        return np.concatenate([parts[place] for place in order])

    state = {}
    for place, suffix in enumerate(("", "_reverse")[: len(w)]):
        # B holds the biases of both products, one behind the other.
        b_ih, b_hh = np.split(np.zeros(2 * len(order) * size) if b is None else b[place], 2)
        state |= {f"weight_ih_l0{suffix}": blocks(w[place]), f"weight_hh_l0{suffix}": blocks(r[place])}
        state |= {f"bias_ih_l0{suffix}": blocks(b_ih), f"bias_hh_l0{suffix}": blocks(b_hh)}
        if p is not None:
            p_i, p_o, p_f = np.split(p[place], 3)
            state[f"weight_ch_l0{suffix}"] = np.concatenate([p_i, p_f, p_o])
    module.load_state_dict(state)
    # The reverse direction alone is the forward one of a sequence turned round; ours stands beside the forward one.
    steps = 1 if batch_first else 0
    turn = (lambda a: np.flip(a, steps)) if direction == "reverse" else (lambda a: a)
    axes = (1, 0, 2) if batch_first else (0, 1, 2)
    states = [None if s is None else np.transpose(s, axes) for s in (h0, c0)]
    if node.op_type == "LSTM":
        y, (h_n, c_n) = module(turn(x), None if states[0] is None else tuple(states))
    else:
        (y, h_n), c_n = module(turn(x), states[0]), None
    # ONNX's y is (T, directions, B, H), or (B, T, directions, H) with batches in front.
    y = turn(y).reshape(*y.shape[:2], len(w), size)
    ours = {"Y": y if batch_first else np.transpose(y, (0, 2, 1, 3)), "Y_h": np.transpose(h_n, axes)}
    if c_n is not None:
        ours["Y_c"] = np.transpose(c_n, axes)
    for place, output in zip([("Y", "Y_h", "Y_c")[k] for k, o in enumerate(node.output) if o], outputs, strict=True):
        np.testing.assert_allclose(ours[place], np.asarray(output), rtol=1e-5, atol=1e-6, err_msg=f"{name}: {place}")
