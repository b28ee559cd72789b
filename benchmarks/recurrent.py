"""One recurrent module in seriatim, torch and onnxruntime: the same weights and data."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from seriatim import nn
from seriatim.export import export_onnx
from seriatim.sequences import PackedSequence

GATES = {"GRU": 3, "LSTM": 4, "RNN": 1, "MinGRU": 2, "MinLSTM": 3, "IndRNN": 1}
# Whose state no product meets. Peers have no such cell: torch has it of its operators, onnxruntime of our exporter.
BY_ELEMENTS = ("MinGRU", "MinLSTM", "IndRNN")
# The rows of torch's weights in the order of ONNX's: z r h for GRU, i o f c for LSTM.
ONNX_ORDER = {"GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2), "RNN": (0,)}


@dataclass(frozen=True)
class Shape:
    """A module and a batch; lengths None: all as long as `steps`."""

    kind: str
    batch: int
    steps: int
    inputs: int
    hidden: int
    layers: int = 1
    bidirectional: bool = False
    lengths: tuple[int, ...] | None = None
    layer_norm: bool = False

    @property
    def name(self) -> str:
        """How tables call it."""
        if self.lengths is not None:
            lengths = f"T{min(self.lengths)}-{self.steps}"
            return f"{self.kind} ragged B{self.batch} {lengths} D{self.inputs} H{self.hidden} x2 bi"
        norm = " layer norm" if self.layer_norm else ""
        return f"{self.kind}{norm} B{self.batch} T{self.steps} D{self.inputs} H{self.hidden}"

    @property
    def frames(self) -> int:
        """Real frames."""
        return sum(self.lengths) if self.lengths is not None else self.batch * self.steps

    @property
    def flops(self) -> float:
        """Of a forward pass over the real frames."""
        directions = 2 if self.bidirectional else 1
        width, total = self.inputs, 0
        for _ in range(self.layers):
            state = 0 if self.kind in BY_ELEMENTS else self.hidden
            total += 2 * GATES[self.kind] * self.hidden * (width + state) * directions
            width = directions * self.hidden
        return float(total * self.frames)

    @property
    def step_bytes(self) -> int:
        """Recurrent weights that a step reads, all layers and directions."""
        directions = 2 if self.bidirectional else 1
        if self.kind in BY_ELEMENTS:
            return 4 * self.hidden * self.layers * directions if self.kind == "IndRNN" else 0
        return 4 * GATES[self.kind] * self.hidden**2 * self.layers * directions


def ragged(kind: str) -> Shape:
    """64 sequences, lengths 10 to 400 log-uniform, D40 H256, 2 layers, bidirectional."""
    drawn = np.exp(np.random.default_rng(0).uniform(np.log(10), np.log(400), 64)).astype(int)
    lengths = tuple(sorted(drawn.tolist(), reverse=True))
    return Shape(kind, 64, lengths[0], 40, 256, 2, True, lengths)


def shapes(kind: str) -> list[Shape]:
    """The shapes of the first table."""
    sizes = [(64, 40, 13, 512), (1, 40, 13, 512), (64, 100, 128, 128), (1, 1000, 13, 128), (32, 100, 512, 512)]
    return [Shape(kind, *size) for size in sizes] + [ragged(kind)]


def odd(kind: str) -> list[Shape]:
    """Sizes that no tile divides."""
    return [Shape(kind, batch, 60, 40, hidden) for hidden in (100, 500) for batch in (3, 17)]


def normalized(kind: str) -> list[Shape]:
    """Layer-normalised cells."""
    if kind == "RNN":
        return []
    sizes = [(64, 40, 13, 512), (1, 40, 13, 512), (64, 100, 128, 128)]
    return [Shape(kind, *size, layer_norm=True) for size in sizes]


def sweep(kind: str) -> list[Shape]:
    """One size at a time."""
    found = [Shape(kind, 32, 50, 64, hidden) for hidden in (32, 64, 128, 256, 384, 768)]
    found += [Shape(kind, batch, 50, 64, 256) for batch in (1, 2, 4, 8, 16, 128)]
    return found + [Shape(kind, 8, steps, 64, 256) for steps in (1, 10, 400)]


def onnx_session(shape: Shape, state: dict[str, np.ndarray], threads: int) -> onnxruntime.InferenceSession:
    """The same module for onnxruntime; with lengths as a second input if the shape is ragged."""
    directions = 2 if shape.bidirectional else 1
    nodes, constants, name = [], [], "x"

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def reordered(value: np.ndarray) -> np.ndarray:
        blocks = np.split(value, GATES[shape.kind])
        return np.concatenate([blocks[i] for i in ONNX_ORDER[shape.kind]])

    for layer in range(shape.layers):
        suffixes = [f"_l{layer}", f"_l{layer}_reverse"][:directions]

        def stacked(kind: str, suffixes: list[str] = suffixes) -> np.ndarray:
            return np.stack([reordered(state[kind + suffix]) for suffix in suffixes])

        w, r = constant(f"w{layer}", stacked("weight_ih")), constant(f"r{layer}", stacked("weight_hh"))
        b = constant(f"b{layer}", np.concatenate([stacked("bias_ih"), stacked("bias_hh")], axis=1))
        options = {"hidden_size": shape.hidden, "direction": "bidirectional" if directions == 2 else "forward"}
        if shape.kind == "GRU":
            options["linear_before_reset"] = 1
        lengths = "lengths" if shape.lengths is not None else ""
        nodes.append(helper.make_node(shape.kind, [name, w, r, b, lengths], [f"y{layer}", f"h{layer}"], **options))
        # (T, directions, B, H) -> (T, B, directions * H)
        nodes.append(helper.make_node("Transpose", [f"y{layer}"], [f"t{layer}"], perm=[0, 2, 1, 3]))
        to = constant(f"s{layer}", np.array([shape.steps, shape.batch, directions * shape.hidden], np.int64))
        nodes.append(helper.make_node("Reshape", [f"t{layer}", to], [f"o{layer}"]))
        name = f"o{layer}"
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [shape.steps, shape.batch, shape.inputs])]
    if shape.lengths is not None:
        given.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, [shape.batch]))
    graph = helper.make_graph(
        nodes, "g", given, [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)], constants
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


class ByElements(torch.nn.Module):
    """A cell of BY_ELEMENTS in torch's operators, one layer after another: the loop over time is Python's.

    Its parameters have our names. Ragged batches are packed; every step works on the sequences that are still there.
    """

    def __init__(self, kind: str, inputs: int, hidden: int, layers: int, *, bidirectional: bool) -> None:
        super().__init__()
        self.kind, self.layers, self.suffixes = kind, layers, ("", "_reverse")[: 1 + bidirectional]
        for layer in range(layers):
            for suffix in self.suffixes:
                width = inputs if layer == 0 else hidden * len(self.suffixes)
                rows = GATES[kind] * hidden
                self.register_parameter(f"weight_ih_l{layer}{suffix}", torch.nn.Parameter(torch.empty(rows, width)))
                self.register_parameter(f"bias_ih_l{layer}{suffix}", torch.nn.Parameter(torch.empty(rows)))
                if kind == "IndRNN":
                    self.register_parameter(f"weight_hh_l{layer}{suffix}", torch.nn.Parameter(torch.empty(hidden, 1)))

    def factors(self, gates: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """a and b of ``h' = a h + b`` for all frames."""
        if self.kind == "MinGRU":
            z, n = gates.chunk(2, -1)
            z = torch.sigmoid(z)
            return 1 - z, z * n
        f, i, n = gates.chunk(3, -1)
        f, i = torch.sigmoid(f), torch.sigmoid(i)
        return f / (f + i), i / (f + i) * n

    def direction(self, data: torch.Tensor, sizes: list[int], name: str) -> torch.Tensor:
        """One direction of one layer over packed rows."""
        gates = torch.nn.functional.linear(data, getattr(self, "weight_ih" + name), getattr(self, "bias_ih" + name))
        independent = self.kind == "IndRNN"
        parts = [part.split(sizes) for part in ((gates,) if independent else self.factors(gates))]
        u = getattr(self, "weight_hh" + name)[:, 0] if independent else None
        reverse = name.endswith("_reverse")
        h, outputs = data.new_zeros(sizes[-1] if reverse else sizes[0], gates.shape[1] // GATES[self.kind]), []
        for step in reversed(range(len(sizes))) if reverse else range(len(sizes)):
            if reverse:
                h = torch.nn.functional.pad(h, (0, 0, 0, sizes[step] - len(h)))
            else:
                h = h[: sizes[step]]
            if u is not None:
                h = torch.relu(torch.addcmul(parts[0][step], u, h))
            else:
                h = torch.addcmul(parts[1][step], parts[0][step], h)
            outputs.append(h)
        return torch.cat(outputs[::-1] if reverse else outputs)

    def forward(self, x: torch.Tensor | torch.nn.utils.rnn.PackedSequence) -> tuple[Any, None]:
        """Outputs of all steps, in the form of x; the last states are left out."""
        is_packed = isinstance(x, torch.nn.utils.rnn.PackedSequence)
        sizes = x.batch_sizes.tolist() if is_packed else [x.shape[1]] * x.shape[0]
        data = x.data if is_packed else x.flatten(0, 1)
        for layer in range(self.layers):
            data = torch.cat([self.direction(data, sizes, f"_l{layer}{suffix}") for suffix in self.suffixes], -1)
        return (x._replace(data=data) if is_packed else data.view(*x.shape[:2], -1)), None


def exported_session(module: nn.Module, threads: int) -> onnxruntime.InferenceSession:
    """What our exporter writes of a module, for onnxruntime."""
    with tempfile.TemporaryDirectory() as folder:
        export_onnx(module, f"{folder}/model.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        return onnxruntime.InferenceSession(f"{folder}/model.onnx", options, providers=["CPUExecutionProvider"])


class LayerNormed(torch.nn.Module):
    """One layer-normalised layer in torch's operators: torch has no such module."""

    def __init__(self, kind: str, hidden: int, state: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.kind, self.hidden = kind, hidden
        for name, value in state.items():
            self.register_parameter(name.removesuffix("_l0"), torch.nn.Parameter(torch.from_numpy(value)))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        norm, rows = torch.nn.functional.layer_norm, (GATES[self.kind] * self.hidden,)
        h = c = x.new_zeros(x.shape[1], self.hidden)
        outputs = []
        for a in norm(x @ self.weight_ih.T, rows, self.norm_ih, self.bias_ih):
            s = norm(h @ self.weight_hh.T, rows, self.norm_hh, self.bias_hh)
            if self.kind == "GRU":
                (a_r, a_z, a_n), (s_r, s_z, s_n) = a.chunk(3, 1), s.chunk(3, 1)
                n = torch.tanh(a_n + torch.sigmoid(a_r + s_r) * s_n)
                h = torch.lerp(n, h, torch.sigmoid(a_z + s_z))
            else:
                i, f, g, o = (a + s).chunk(4, 1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(norm(c, (self.hidden,), self.norm_c, self.bias_c))
            outputs.append(h)
        return torch.stack(outputs), h


@dataclass
class Jobs:
    """What is timed, and how far the outputs are apart."""

    forward: dict[str, Callable[[], object]]
    training: dict[str, Callable[[], object]]
    difference: float


def jobs(shape: Shape, threads: int) -> Jobs:
    """Forward and training step of each peer, which has set its threads."""
    random = np.random.default_rng(0)
    options = {"bidirectional": shape.bidirectional}
    own = {"norm": "layer"} if shape.layer_norm else {}
    ours = getattr(nn, shape.kind)(shape.inputs, shape.hidden, shape.layers, rng=0, **options, **own)
    by_elements = shape.kind in BY_ELEMENTS
    state = ours.state_dict()
    if shape.layer_norm:
        theirs = LayerNormed(shape.kind, shape.hidden, state)
    else:
        make = partial(ByElements, shape.kind) if by_elements else getattr(torch.nn, shape.kind)
        theirs = make(shape.inputs, shape.hidden, shape.layers, **options)
        theirs.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})
    padded = random.normal(size=(shape.steps, shape.batch, shape.inputs)).astype(np.float32)
    width = shape.hidden * (2 if shape.bidirectional else 1)
    feed: dict[str, np.ndarray] = {"x": padded}
    if shape.lengths is None:
        x, peer_x = padded, torch.from_numpy(padded)
        grad = random.normal(size=(shape.steps, shape.batch, width)).astype(np.float32)
        peer_grad, learned = torch.from_numpy(grad), torch.from_numpy(padded.copy()).requires_grad_()
        peer_learned = learned
    else:
        lengths = np.array(shape.lengths)
        feed["lengths"] = lengths.astype(np.int32)
        packed = torch.nn.utils.rnn.pack_padded_sequence(torch.from_numpy(padded), torch.from_numpy(lengths))
        x = PackedSequence(packed.data.numpy(), packed.batch_sizes.numpy(), None, None)
        peer_x = packed
        grad = random.normal(size=(shape.frames, width)).astype(np.float32)
        peer_grad, learned = torch.from_numpy(grad), packed.data.clone().requires_grad_()
        peer_learned = packed._replace(data=learned)

    def our_forward() -> np.ndarray:
        y, _ = ours.eval()(x)
        return y.data if isinstance(y, PackedSequence) else y

    def their_forward() -> np.ndarray:
        with torch.inference_mode():
            y, _ = theirs.eval()(peer_x)
            return (y.data if shape.lengths is not None else y).numpy()

    def our_step() -> None:
        ours.train().zero_grad()
        y, _ = ours(x)
        ours.backward(y._replace(data=grad) if isinstance(y, PackedSequence) else grad)
        # As an optimiser step would: the weights have changed, and are packed again.
        for parameter in ours.parameters():
            parameter._touch()

    def their_step() -> None:
        theirs.train().zero_grad()
        learned.grad = None
        y, _ = theirs(peer_learned)
        (y.data if shape.lengths is not None else y).backward(peer_grad)

    forward: dict[str, Callable[[], object]] = {"seriatim": our_forward, "torch": their_forward}
    if not shape.layer_norm:
        session = exported_session(ours, threads) if by_elements else onnx_session(shape, state, threads)
        if by_elements:
            feed["lengths"] = np.array(shape.lengths or [shape.steps] * shape.batch, np.int64)
        forward["onnxruntime"] = lambda: session.run(None, feed)
    difference = float(np.abs(our_forward() - their_forward()).max())
    return Jobs(
        forward,
        {"seriatim": our_step, "torch": their_step},
        difference,
    )
