"""No public entry drops a mask or an imaginary part: modules, losses, functions of the kernels, what packs and pads."""

import copy
import itertools
import warnings

import core_arguments
import numpy as np
import pytest
from every_module import MODULES, PACKED
from support import normal

from seriatim import (
    PackedSequence,
    Sequences,
    _core,
    batch_to_time,
    collate_fn,
    convert,
    nn,
    optim,
    pack_padded_sequence,
    pack_sequence,
    pad_sequence,
    preprocessing,
    seq_wise,
    time_to_batch,
)
from seriatim import functional as F
from seriatim.recipes import log_mel

WAYS = ["masked", "a list of masked", "complex"]


def spoilt(array, way):
    """The same numbers, one of them masked, or all of them complex."""
    if way == "complex":
        return array * 1j if array.dtype.kind == "f" else array.astype(complex)
    mask = np.zeros(array.shape, bool)
    mask.reshape(-1)[-1] = True
    masked = np.ma.masked_array(array, mask)
    return list(masked) if way != "masked" and array.ndim > 1 else masked


def variants(value, way):
    """Yield an argument with one of its arrays spoilt."""
    if isinstance(value, PackedSequence):
        return
    if isinstance(value, (tuple, list)):
        for i, one in enumerate(value):
            for other in variants(one, way):
                yield type(value)([*value[:i], other, *value[i + 1 :]])
    elif isinstance(value, np.ndarray) and value.size:
        yield spoilt(value, way)


def refused(call, *arguments, **options):
    """Assert that a call ends in an error, before which NumPy did not warn of what it throws away."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((TypeError, ValueError), match=r"mask|omplex|integers"):
            call(*arguments, **options)


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"by_hand", "explicit", "by_hand_inside", "identity"}))
def test_inputs_and_gradients_of_modules(name):
    for way in WAYS:
        check_module(way, name, *MODULES[name])


def check_module(way, name, make, *inputs):
    for place, value in enumerate(inputs):
        if name == "character_rnn" and place == 1:
            continue
        for other in variants(value, way):
            refused(make(), *inputs[:place], other, *inputs[place + 1 :])
    module = make()
    y = module(*inputs)
    if not isinstance(y, np.ndarray) or name == "embedding":
        return
    before = [np.array(p.grad) if p.grad is not None else None for p in module.parameters()]
    refused(module.backward, spoilt(np.ones_like(y), way))
    for parameter, grad in zip(module.parameters(), before, strict=True):
        assert (parameter.grad is None) == (grad is None) or not parameter.grad.any()


@pytest.mark.parametrize("name", sorted(core_arguments.TABLES))
def test_functions_of_the_kernels(name):
    for way, make in itertools.product(WAYS, core_arguments.GOOD[name]):
        for place, value in enumerate(make()):
            row = core_arguments.TABLES[name]["parameters"][place]
            values = value if isinstance(value, list) else [value]
            if not isinstance(values[0], np.ndarray):
                continue
            if way == "a list of masked" and row["kind"].startswith("written"):
                continue
            arguments = make()
            arguments[place] = [spoilt(values[0], way), *values[1:]] if values is value else spoilt(value, way)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                with pytest.raises((TypeError, ValueError), match=r"mask|omplex|expected a"):
                    getattr(_core, name)(*core_arguments.grouped(name, arguments))


GRU, LINEAR, EMBEDDING = nn.GRU(3, 4, rng=0), nn.Linear(3, 4, rng=0), nn.Embedding(5, 3, rng=0)
TABLE, LOGITS = normal(6, 3), normal(4, 2)
OFFSETS, TURNS = np.array([0, 3, 6]), np.tile(np.eye(3), (2, 1, 1))
DOUBLES = np.random.default_rng(0).normal(size=(6, 3))


def stepped(**change):
    optimizer = optim.Adam(LINEAR.parameters(), lr=0.1)
    state = copy.deepcopy(optimizer.state_dict())
    state["state"] = [
        {key: change["value"] for key in store} or {"exp_avg": change["value"]} for store in state["state"]
    ]
    optimizer.load_state_dict(state)


def memory():
    cell = nn.ConvRNN(3, 4, rng=0)
    cell(normal(2, 2, 3, 6, 6))
    return cell


# Each takes one array; the other is what it takes.
ENTRIES = {
    "Sequences": (lambda x: Sequences(x, [2, 4]), TABLE),
    "Sequences, lengths": (lambda x: Sequences(TABLE, x), np.array([2, 4])),
    "Sequences.from_list": (lambda x: Sequences.from_list([TABLE, x]), TABLE),
    "Sequences.from_padded": (lambda x: Sequences.from_padded(x, [1, 2]), normal(2, 3, 2)),
    "PackedSequence": (lambda x: PackedSequence(x, [3, 3]), TABLE),
    "PackedSequence, batch_sizes": (lambda x: PackedSequence(TABLE, x), np.array([3, 3])),
    "pack_sequence": (lambda x: pack_sequence([x, TABLE[:2]]), TABLE),
    "pad_sequence": (lambda x: pad_sequence([TABLE, x]), TABLE),
    "pack_padded_sequence": (lambda x: pack_padded_sequence(x, [2, 1]), normal(2, 2, 3)),
    "pack_padded_sequence, lengths": (lambda x: pack_padded_sequence(normal(2, 2, 3), x), np.array([2, 1])),
    "collate_fn": (lambda x: collate_fn([(x, 0), (TABLE, 1)]), TABLE),
    "time_to_batch": (time_to_batch, normal(2, 2, 1, 2, 2)),
    "batch_to_time": (lambda x: batch_to_time(x, 2), normal(4, 1)),
    "seq_wise": (lambda x: seq_wise(lambda y: y)(x), normal(2, 2, 1, 2, 2)),
    "F.collate": (lambda x: F.collate([TABLE, x], np.arange(2), "padded"), TABLE),
    "F.collate of tokens": (lambda x: F.collate([x, np.arange(6)], np.arange(2), "padded"), np.arange(6)),
    "F.pack_rows": (lambda x: F.pack_rows(x, np.array([2]), np.array([0])), normal(1, 2, 3)),
    "F.unpack_rows": (lambda x: F.unpack_rows(x, [3, 3], [0, 1, 2], total_length=2), TABLE),
    "F.collate_concatenated": (lambda x: F.collate_concatenated(x, np.array([0]), np.array([2]), "packed"), TABLE),
    "F.interpolate_rows": (lambda x: F.interpolate_rows(x, np.array([0.5])), TABLE),
    "F.interpolate_rows, positions": (lambda x: F.interpolate_rows(TABLE, x), np.array([0.5])),
    "F.ragged_moments, double": (lambda x: F.ragged_moments(x, OFFSETS), DOUBLES),
    "F.ragged_scale, double": (lambda x: F.ragged_scale(x, OFFSETS, DOUBLES[:2], DOUBLES[:2]), DOUBLES),
    "F.ragged_filter, offsets": (lambda x: F.ragged_filter(DOUBLES, x, 3), OFFSETS),
    "F.rotate_points, double": (lambda x: F.rotate_points(x, OFFSETS, TURNS), DOUBLES),
    "F.rotate_points, matrices": (lambda x: F.rotate_points(DOUBLES, OFFSETS, x), TURNS),
    "F.softmax": (F.softmax, TABLE),
    "F.relu": (F.relu, TABLE),
    "Parameter": (nn.Parameter, TABLE),
    "Parameter.data": (lambda x: setattr(nn.Parameter(TABLE), "data", x), TABLE),
    "Parameter.grad": (lambda x: setattr(nn.Parameter(TABLE), "grad", x), TABLE),
    "Parameter.add_grad": (nn.Parameter(TABLE).add_grad, TABLE),
    "register_buffer": (lambda x: nn.Linear(2, 2).register_buffer("b", x), TABLE),
    "load_state_dict": (lambda x: nn.Linear(3, 4).load_state_dict({"weight": x, "bias": np.ones(4)}), normal(4, 3)),
    "Adam.load_state_dict": (lambda x: stepped(value=x), normal(16)),
    "gradcheck": (lambda x: nn.gradcheck(nn.Linear(3, 4), x), TABLE),
    "GRU.backward": (lambda x: (GRU(PACKED), GRU.backward(x)), normal(12, 4)),
    "GRU.backward, state": (lambda x: (GRU(PACKED), GRU.backward(None, x)), normal(1, 4, 4)),
    "Embedding.backward": (lambda x: (EMBEDDING(np.array([0, 1])), EMBEDDING.backward(x)), normal(2, 3)),
    "ConvRNN.reset": (lambda x: memory().reset(x), np.array([1.0, 0])),
    "NLLLoss": (lambda x: nn.NLLLoss()(x, [0, 1, 1, 0]), LOGITS),
    "NLLLoss, weight": (nn.NLLLoss, np.ones(2)),
    "CrossEntropyLoss, target": (lambda x: nn.CrossEntropyLoss()(LOGITS, x), np.array([0, 1, 1, 0])),
    "CrossEntropyLoss, sample_weight": (lambda x: nn.CrossEntropyLoss()(LOGITS, [0, 1, 1, 0], x), np.ones(4)),
    "MSELoss": (lambda x: nn.MSELoss()(LOGITS, x), LOGITS),
    "BCEWithLogitsLoss": (lambda x: nn.BCEWithLogitsLoss()(x, LOGITS), LOGITS),
    "CrossEntropyLoss, probabilities": (lambda x: nn.CrossEntropyLoss()(LOGITS, x), LOGITS),
    "BCELoss, weight": (nn.BCELoss, np.ones(2)),
    "CTCLoss": (lambda x: nn.CTCLoss()(x, [1, 1]), LOGITS),
    "CTCLoss, targets": (lambda x: nn.CTCLoss()(LOGITS, x), np.array([1, 1])),
    "ctc_greedy_decode": (F.ctc_greedy_decode, LOGITS),
    "BCEWithLogitsLoss, weight": (nn.BCEWithLogitsLoss, np.ones(2)),
    "BCEWithLogitsLoss, pos_weight": (lambda x: nn.BCEWithLogitsLoss(pos_weight=x), np.ones(2)),
    "nll_loss_backward": (lambda x: F.nll_loss_backward(F.nll_loss(LOGITS, [0, 1, 1, 0])[1], x), np.ones(1)),
    "point_loss_backward": (lambda x: F.point_loss_backward(F.point_loss("mse", LOGITS, LOGITS)[1], x), np.ones(1)),
    "convert.metavision": (lambda x: convert.metavision({"a": x}), TABLE),
    "convert.canton_gru": (lambda x: convert.canton_gru({"wz": x, "wr": TABLE, "w": TABLE}), TABLE),
    "log_mel": (lambda x: log_mel(x, 8000), normal(4000)),
    "Mix": (lambda x: preprocessing.Mix()(Sequences(TABLE, [3, 3]), np.random.default_rng(0), x), np.array([0, 1])),
}  # fmt: skip


@pytest.mark.parametrize("name", ENTRIES)
def test_other_entries(name):
    call, array = ENTRIES[name]
    for way in WAYS:
        refused(call, spoilt(array, way))


@pytest.mark.parametrize("name", sorted(set(ENTRIES) - {"Adam.load_state_dict", "gradcheck"}))
def test_other_entries_take_what_is_whole(name):
    call, array = ENTRIES[name]
    call(np.ma.masked_array(array, np.zeros(array.shape, bool)))
    swapped = np.asfortranarray(array.astype(array.dtype.newbyteorder(">")))
    swapped.flags.writeable = False
    call(swapped)


FORMS = {
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "other end first": lambda a: a.astype(a.dtype.newbyteorder()),
    "columns first": np.asfortranarray,
    "backwards": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "every second": lambda a: np.repeat(a, 2, -1)[..., ::2],
    "not aligned": lambda a: np.frombuffer(b"-" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape),
}


def changed(value, form):
    if isinstance(value, tuple) and not isinstance(value, PackedSequence):
        return tuple([changed(one, form) for one in value])
    return value._replace(data=form(value.data)) if isinstance(value, PackedSequence) else form(value)


def arrays_of(value):
    if isinstance(value, (tuple, list)) and not isinstance(value, PackedSequence):
        return [leaf for one in value for leaf in arrays_of(one)]
    return [] if value is None else [value.data if isinstance(value, PackedSequence) else value]


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"identity", "flatten"}))
def test_modules_read_memory_of_any_layout(name):
    make, *inputs = MODULES[name]
    wanted = arrays_of(make()(*inputs))
    for what, form in FORMS.items():
        found = arrays_of(make()(*[changed(value, form) for value in inputs]))
        assert [(y.dtype, y.tobytes()) for y in found] == [(y.dtype, y.tobytes()) for y in wanted], what


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.BatchNorm2d(3).eval()(np.zeros((0, 4, 4, 4))), "x: expected shape"),
        (lambda: nn.Conv2d(3, 2, 3)(np.zeros((2, 3, 0, 4))), "x: expected"),
        (lambda: nn.Conv2d(3, 2, 3)(np.zeros((3, 3, 0))), "x: expected"),
        (lambda: pack_padded_sequence(np.zeros((3, 2, 0)), [1, 1]), "expected"),
        (lambda: pack_sequence([np.zeros((2, 0), np.int64)]), "expected shape"),
        (lambda: pad_sequence([np.float32(3)]), "sequences: expected at least one array"),
    ],
)
def test_empty_axes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_no_frames_are_no_rows():
    assert time_to_batch(np.zeros((2, 2, 3, 0, 4)))[0].shape == (4, 3, 0, 4)
