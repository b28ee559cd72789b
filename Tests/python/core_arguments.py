"""Calls every function of `_core` with arguments that fit and with ones that do not; run by test_core_arguments.py.

    python core_arguments.py SEED [ROUNDS]

Prints each call that ends otherwise than it may: by a result that does not depend on the memory round the arguments,
or by an error that names an argument. Arrays lie first just before, then just behind a page that nobody may touch.
Every case is written to stderr first, so that a crash shows the last one. ROUNDS, 40 by default, is how often each
function is called with several arguments that are wrong together: 2000 take some ten minutes.
"""

import ctypes
import itertools
import math
import mmap
import sys
import warnings

import numpy as np

from seriatim import _core
from seriatim import functional as F

TABLES = {table["name"]: table for table in _core.signatures()}
# Rows of a group are one argument, a tuple: cases change single rows, `grouped` makes the arguments of them.
GROUPS: dict[str, list[int | None]] = {}
GROUP_NAMES = {
    name: [row["name"] for row in table["parameters"] if row["kind"] == "group"] for name, table in TABLES.items()
}
for _name, _table in TABLES.items():
    GROUPS[_name], _inside = [], 0
    for _row in _table["parameters"]:
        if _row["kind"] == "group":
            GROUPS[_name].append(_row["limit"])
            _inside = _row["limit"]
        elif _inside:
            _inside -= 1
        else:
            GROUPS[_name].append(None)
    _table["parameters"] = [row for row in _table["parameters"] if row["kind"] != "group"]
ERRORS = (ValueError, TypeError, IndexError, MemoryError, OverflowError)
BEHIND = 64  # elements of a guard on the side that may be touched
ROOM = 1 << 16  # bytes of the largest array between pages that may not


def floats(*shape):
    return (np.arange(math.prod(shape)) % 7 / 4 - 0.7).astype(np.float32).reshape(shape)


def whole(*shape):
    return np.rint(100 * floats(*shape))


def doubles(*shape):
    return floats(*shape).astype(np.float64)


def integers(*values):
    return np.array(values, np.int64)


def grouped(name, values):
    """The arguments of a call from a value for each row; what is left over stays behind."""
    values, arguments = list(values), []
    for size in GROUPS[name]:
        arguments += [tuple(values[:size])] if size else values[:1]
        del values[: size or 1]
    return arguments + values


def recurrent(kind, options, *, proj=0, what="forward"):
    """A value for each row of a function of the recurrent layers."""
    cell = (kind, options, 4, 5, proj)
    _, state, _, size_c, _ = _core.recurrent_describe(cell)
    shapes = F.Cell(*cell).shapes()
    made = whole if options & OPTIONS["int8"] else floats
    weights = [made(*shapes[n]) if n in shapes else None for n in F.PARAMETERS]
    rows = [shapes[n][0] if n in shapes else 0 for n in ("weight_ih", "weight_hh", "weight_hr")]
    scales = [floats(n) if n and options & OPTIONS["int8"] else None for n in rows]
    if what == "pack":
        return [cell, *weights, *scales]
    if what == "pack_backward":
        return [cell, *weights, True]
    c = floats(3, size_c) if size_c else None
    batch = [floats(6, 4), integers(3, 2, 1), floats(3, state), c, True, 0.0, 3, 4]
    packed = _core.recurrent_pack(cell, tuple(weights), tuple(scales))
    if what == "forward":
        return [cell, *batch, packed, (kind, options) not in NARROW, floats(6, state)]
    y, _, _, cache = _core.recurrent_forward(cell, tuple(batch[:5]), tuple(batch[5:]), packed, True, None)
    back = _core.recurrent_pack_backward(cell, tuple(weights), True)
    grads = [floats(6, state), floats(3, state), c]
    return [cell, *batch, back, y, cache, *grads, *weights, True, True, True, floats(6, 4)]


KINDS, OPTIONS, _ = _core.recurrent_names()
RECURRENT = [(kind, 0) for kind in KINDS.values()] + [
    (KINDS[kind], OPTIONS[option])
    for kind, option in (("lstm", "peephole"), ("gru", "layer_norm"), ("lstm", "layer_norm"))
]
NARROW = [
    (KINDS[kind], OPTIONS[form])
    for kind, form in (("gru", "int8"), ("lstm", "int8"), ("rnn", "int8"), ("gru", "bfloat16"))
]
GEOMETRY = (4, 3, 3, 1, 2, 1, 1, 1, 1, 2)
# Of 4 x 6 to 3 x 5: where, and how much of the next is in it.
RESIZED = [np.array([0, 1, 3], np.int32), np.array([0, 1, 2, 4, 5], np.int32), floats(3), floats(5)]
WINDOWS = (2, 3, 2, 2, 2, 2, 0, 0, 1, 1)
CONV = {0: 3, 1: 4, 2: 1}


def conv_forward(kind):
    weight = floats(CONV[kind] * 2, 2, 3, 3)
    gates, state = floats(3, 2, CONV[kind] * 2, 4, 5), floats(2, 2, 4, 5)
    c0 = state if kind == 1 else None
    return [gates, state, c0, _core.conv_recurrent_pack(weight, kind, False), floats(len(weight)), (kind, 3, 0, 4)]


def conv_backward(kind):
    weight = floats(CONV[kind] * 2, 2, 3, 3)
    gates, states, state = floats(3, 2, CONV[kind] * 2, 4, 5), floats(3, 2, 2, 4, 5), floats(2, 2, 4, 5)
    cell = kind == 1
    packed = _core.conv_recurrent_pack(weight, kind, True)
    return [
        states, state, state if cell else None, None if kind == 2 else gates, states, states if cell else None, state,
        state if cell else None, packed, (kind, 3, 0, 4), weight.copy(), floats(len(weight)), True,
    ]  # fmt: skip


def norm_forward(*shape):
    return [floats(*shape), floats(3), floats(3), floats(3), np.ones(3, np.float32), True, 0.1, 1e-5]


def norm_backward(*shape):
    kept = [floats(*shape), floats(*shape), floats(3), floats(3), floats(3), True]
    return [*kept, True, floats(3), floats(3), True, floats(3), floats(3)]


def flat(*places):
    return [floats(37) ** 2 for _ in range(places[0])]


def stream_stage(kind):
    """Return the arguments of a stage: a layer or a map of 4 numbers to 5, or a normalisation of 4."""
    number = ("linear", "batch_norm", "recurrent").index(kind)
    cell, no = (1, 0, 4, 5, 0), (None,) * 4
    if kind == "recurrent":
        packed = _core.recurrent_pack(cell, (floats(20, 4), floats(20, 5)) + (None,) * 8, (None,) * 3)
        return [(5, 0, 4, 5), cell, packed, None, None, *no, 0.0, (0, 0, 0)]
    if kind == "linear":
        return [(1, 0, 4, 5), (0,) * 5, _core.linear_pack(floats(5, 4), None, 0), None, floats(5), *no, 0.0, (0, 0, 0)]
    return [(number + 1, 0, 4, 4), (0,) * 5, None, None, None, floats(4), floats(4), None, floats(4), 1e-5, (0, 0, 0)]


def made_stage():
    """Return a stage that is a layer."""
    return _core.stream_stage(*grouped("stream_stage", stream_stage("recurrent")))


def stream_network():
    """Return a network of one layer."""
    return _core.stream_network((made_stage(),))


def stream_run(streams):
    """Return arguments for frames of some of so many streams, or of whole sequences."""
    network, whole = stream_network(), streams is None
    streams = streams or 2
    sizes = np.array([2, 1])
    _, scratch, _, outputs, _, _ = _core.stream_measure(network, streams, 3, 2, 0, not whole)
    state = floats(streams * 10)
    order = np.array([1, 0]) if streams == 2 else None
    kept = (None, None, None) if whole else (state, np.arange(streams), None)
    batch = (floats(3, 4), sizes, None if whole else order)
    return [network, streams, 0, not whole, *batch, *kept, floats(scratch), floats(3, outputs)]


# Arguments that fit, made anew for each call. A function may have several.
GOOD = {
    "level": [list],
    "levels": [list],
    "caches": [list],
    "set_num_threads": [lambda: [1]],
    "get_num_threads": [list],
    "set_runs_alone": [lambda: [False]],
    "as_floats": [lambda: [floats(3, 4), "x"]],
    "empty": [lambda: [3, 4]],
    "signatures": [list],
    "memory_info": [list],
    "release_memory": [lambda: [0]],
    "refuse_memory": [lambda: [0, 0]],
    "group_limits": [lambda: [""]],
    "linear_pack": [lambda: [floats(5, 4), None, 0], lambda: [whole(5, 4), floats(5), 2]],
    "linear_pack_backward": [lambda: [floats(5, 4)]],
    "linear_forward": [
        lambda: [floats(3, 4), _core.linear_pack(floats(5, 4), None, 0), floats(5), 5, 0],
        lambda: [floats(3, 4), _core.linear_pack(floats(5, 4), None, 1), floats(5), 5, 1],
    ],
    "linear_backward": [
        lambda: [floats(3, 5), floats(3, 4), _core.linear_pack_backward(floats(5, 4)), floats(5, 4), floats(5), True],
    ],
    "attention_forward": [lambda: [floats(3, 5), floats(6, 5), integers(3, 2, 1)]],
    "attention_backward": [lambda: [floats(3, 5), floats(3, 5), floats(6, 5), floats(6), integers(3, 2, 1)]],
    "sequence_pool_forward": [lambda: [floats(6, 5), integers(3, 2, 1), True, True, True]],
    "sequence_pool_backward": [
        lambda: [floats(3, 10), floats(3, 10), floats(6, 5), integers(3, 2, 1), False, True, True]
    ],
    "batch_norm_forward": [lambda: norm_forward(4, 3), lambda: [*norm_forward(4, 3)[:5], False, 0.1, 1e-5]],
    "batch_norm_moments": [lambda: [floats(4, 3)]],
    "batch_norm_backward": [lambda: norm_backward(4, 3)],
    "image_norm_forward": [lambda: norm_forward(2, 3, 5)],
    "image_norm_moments": [lambda: [floats(2, 3, 5)]],
    "image_norm_backward": [lambda: norm_backward(2, 3, 5)],
    "dropout": [lambda: [floats(3, 7), 0.5, 1, 2]],
    "activation_forward": [lambda: [floats(3, 7), 3, 0.5]],
    "activation_backward": [lambda: [floats(3, 7), floats(3, 7), floats(3, 7), 3, 0.5]],
    "softmax_forward": [lambda: [floats(3, 7), True]],
    "softmax_backward": [lambda: [floats(3, 7), floats(3, 7), True]],
    "nll_forward": [
        lambda: [floats(3, 4), integers(0, -9, 1), None, floats(4), floats(3), 0.1, -9.0],
        lambda: [floats(3, 4), None, floats(3, 4), floats(4), floats(3), 0.1, -9.0],
    ],
    "nll_backward": [
        lambda: [floats(3), integers(0, -9, 1), None, floats(4), floats(3), 0.1, -9.0, floats(3), 4],
        lambda: [floats(3), None, floats(3, 4), floats(4), floats(3), 0.1, -9.0, floats(3), 4],
    ],
    "point_loss": [lambda k=k: [floats(9), floats(9), floats(9), 0.5, k] for k in range(8)],
    "ctc_loss": [
        lambda: [
            floats(5, 3),
            integers(2, 2, 1),
            integers(3, 2),
            integers(1, 2, 2),
            integers(0, 1),
            integers(1, 2),
            0,
            2,
        ]
    ],
    "adam_step": [lambda: [*flat(4), (0.1, 1.0, 0.9, 0.99, 1e-8, 0.1, 0.9)]],
    "sgd_step": [lambda: [*flat(3), (0.1, 0.9, 0.1, 0.1), True, False]],
    "rmsprop_step": [lambda: [*flat(5), (0.1, 0.9, 1e-8, 0.1, 0.9)]],
    "average_step": [lambda: [*flat(2), 0.9]],
    "sum_of_squares": [lambda: [floats(9, 5)]],
    "scale": [lambda: [floats(9), 0.5]],
    "collate": [lambda: [[floats(3, 2), floats(5, 2), floats(3, 2)], integers(1, 2, 0), True]],
    "collate_concatenated": [
        lambda packed=packed: [floats(9, 2), integers(0, 5), integers(5, 4), packed] for packed in (True, False)
    ],
    "pack_rows": [lambda: [floats(2, 4, 3), integers(4, 2), integers(1, 0), True]],
    "unpack_rows": [
        lambda first=first: [floats(6, 3), integers(3, 2, 1), integers(2, 0, 1), 4, 0.5, first]
        for first in (True, False)
    ],
    "convolution_pack": [
        lambda transposed=transposed: [floats(4, 3, 3, 3), GEOMETRY, transposed] for transposed in (True, False)
    ],
    "convolution_forward": [
        lambda: [
            floats(2, 6, 7, 9),
            _core.convolution_pack(floats(4, 3, 3, 3), GEOMETRY, False),
            floats(4),
            GEOMETRY,
            2,
            0.1,
        ],
    ],
    "convolution_backward": [
        lambda: [
            floats(2, 4, 7, 5),
            floats(2, 6, 7, 9),
            _core.convolution_pack(floats(4, 3, 3, 3), GEOMETRY, True),
            GEOMETRY,
            floats(4, 3, 3, 3),
            floats(4),
            True,
        ],
    ],
    "conv_recurrent_pack": [lambda kind=kind: [floats(CONV[kind] * 2, 2, 3, 3), kind, True] for kind in CONV],
    "conv_recurrent_forward": [lambda kind=kind: conv_forward(kind) for kind in CONV],
    "conv_recurrent_backward": [lambda kind=kind: conv_backward(kind) for kind in CONV],
    "recurrent_names": [list],
    "recurrent_describe": [lambda: [(1, 0, 4, 5, 2)]],
    "recurrent_pack": [lambda cell=cell: recurrent(*cell, what="pack") for cell in [*RECURRENT, *NARROW]],
    "recurrent_pack_backward": [lambda cell=cell: recurrent(*cell, what="pack_backward") for cell in RECURRENT],
    "recurrent_forward": [lambda cell=cell: recurrent(*cell) for cell in [*RECURRENT, *NARROW]],
    "recurrent_backward": [lambda cell=cell: recurrent(*cell, what="backward") for cell in RECURRENT],
    "stream_stage": [
        lambda: stream_stage("linear"),
        lambda: stream_stage("recurrent"),
        lambda: stream_stage("batch_norm"),
    ],
    "stream_network": [lambda: [(made_stage(),)]],
    "stream_measure": [lambda: [stream_network(), 3, 5, 2, 0, True]],
    "stream_run": [lambda: stream_run(2), lambda: stream_run(3), lambda: stream_run(None)],
    "max_pool_forward": [lambda: [floats(2, 4, 6), WINDOWS, True]],
    "max_pool_backward": [
        lambda: [floats(2, 2, 3), 4, 6, WINDOWS, _core.max_pool_forward(floats(2, 4, 6), WINDOWS, True)[1]]
    ],
    "average_pool_forward": [lambda: [floats(2, 4, 6), WINDOWS, -1.0]],
    "average_pool_backward": [lambda: [floats(2, 2, 3), 4, 6, WINDOWS, 0.0]],
    "adaptive_pool_forward": [lambda: [floats(2, 4, 6), 3, 2]],
    "adaptive_pool_backward": [lambda: [floats(2, 3, 2), 4, 6]],
    "upsample_forward": [lambda: [floats(2, 4, 6), *RESIZED]],
    "upsample_backward": [lambda: [floats(2, 3, 5), 4, 6, *RESIZED]],
    "ragged_moments": [lambda: [floats(6, 3), integers(0, 4, 4, 6), True]],
    "ragged_extrema": [lambda: [floats(6, 3), integers(0, 4, 4, 6)]],
    "ragged_scale": [lambda: [floats(6, 3), integers(0, 4, 6), floats(2, 3), floats(2, 3)]],
    "ragged_moments_double": [lambda: [doubles(6, 3), integers(0, 4, 4, 6), True]],
    "ragged_scale_double": [lambda: [doubles(6, 3), integers(0, 4, 6), doubles(2, 3), doubles(2, 3)]],
    "ragged_filter": [lambda median=median: [floats(6, 3), integers(0, 4, 6), 3, median] for median in (True, False)],
    "ragged_deltas": [lambda: [floats(6, 3), floats(6, 3), integers(0, 4, 6), 2]],
    "rotate_points": [lambda: [floats(6, 3), integers(0, 4, 6), floats(2, 3, 3)]],
    "interpolate_columns": [
        lambda: [floats(6, 3), integers(0, 4, 6), integers(0, 1, 1, 0).reshape(2, 2), floats(2, 2)]
    ],
    "interpolate_rows": [lambda: [floats(6, 3), integers(0, 1, 4), floats(3)]],
}


# ---- What does not fit


def wrong_arrays(array):
    """Arrays of other shapes, layouts and types."""
    for axis, change in itertools.product(range(array.ndim), (-1, 1)):
        shape = list(array.shape)
        shape[axis] += change
        yield f"axis {axis} {change:+}", np.resize(array, shape).astype(array.dtype)
    for axis in range(array.ndim):
        yield f"axis {axis} doubled", np.concatenate([array, array], axis)
    for axis in range(array.ndim):
        shape = list(array.shape)
        shape[axis] = 0
        yield f"axis {axis} empty", np.zeros(shape, array.dtype)
        if array.ndim > 1:
            huge = [1] * array.ndim
            huge[(axis + 1) % array.ndim] = 2**58
            yield f"axis {axis} one, another huge", np.broadcast_to(array.dtype.type(0), huge)
            huge[axis] = 0
            yield f"axis {axis} empty, another huge", np.zeros(huge, array.dtype)
    yield "no axis", array.dtype.type(1)
    yield "one axis more", array[None]
    if array.dtype.kind == "f":
        for value in (np.nan, np.inf, 1e30, 0.5):
            yield f"{value} in it", np.where(np.arange(array.size).reshape(array.shape), array, array.dtype.type(value))
    yield "flat", array.reshape(-1)
    yield "huge", np.broadcast_to(array.dtype.type(0), (2**58,))
    yield "turned round", array.T
    yield "backwards", array[::-1]
    yield "every second", np.repeat(array, 2, -1)[..., ::2]
    yield "rows apart", np.concatenate([array, array], -1)[..., : array.shape[-1]]
    yield "one row", np.broadcast_to(array[:1], array.shape)
    locked = array.copy()
    locked.flags.writeable = False
    yield "read-only", locked
    yield "other end first", array.astype(array.dtype.newbyteorder())
    yield "not aligned", np.frombuffer(b"\0" + array.tobytes(), np.uint8)[1:].view(array.dtype).reshape(array.shape)
    for dtype in (np.float64, np.float16, np.int8, np.uint64, np.complex64, object, "U3", bool, "M8[s]"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield str(dtype), array.astype(np.int64).astype(dtype) if dtype == "M8[s]" else array.astype(dtype)
    yield "nested lists", array.tolist()
    if array.dtype.kind == "i":
        for value in (-1, 2**31, 2**62, -(2**63)):
            for place in (0, array.size - 1):
                changed = array.copy()
                changed.reshape(-1)[place] = value if array.itemsize == 8 or abs(value) < 2**31 else 2**31 - 1
                yield f"{value} at {place}", changed
        yield "all equal", np.full_like(array, 1)


OBJECTS = [
    None,
    "text",
    b"",
    {},
    [[1, 2], [3]],
    object(),
    float("nan"),
    float("inf"),
    -1,
    0,
    2**31,
    2**62,
    2**63,
    2**200,
]
NUMBERS = [-(2**63), -(2**31), 1.5, -1.5, 1e300, np.float32(2), np.array([1, 2]), np.array([]), (), [], True]


def wrong(row, value):
    """Return (what is wrong, the wrong value) for an argument."""
    cases = [(repr(v)[:40], v) for v in OBJECTS]
    if isinstance(value, np.ndarray):
        cases += wrong_arrays(value)
    elif isinstance(value, tuple):
        cases += [("shorter", value[1:]), ("longer", (*value, 1)), ("a list", list(value))]
        for place, other in itertools.product(range(len(value)), [*OBJECTS, *NUMBERS, 2, 7, 2**31 - 1]):
            cases.append((f"{other!r:.40} at {place}", (*value[:place], other, *value[place + 1 :])))
    elif isinstance(value, list):
        cases += [("no sequence", []), ("mixed", [value[0].astype(np.float64), *value[1:]]), ("a tuple", tuple(value))]
        cases += [(f"first: {what}", [other, *value[1:]]) for what, other in wrong_arrays(value[0])]
    else:
        cases += [(repr(v)[:40], v) for v in NUMBERS]
        cases += [(str(v), v) for v in (2, 5, 65)] if row["kind"] in ("size", "choice") else []
    return cases


# ---- Calls


class Rooms:
    """Memory between pages that may not be touched."""

    def __init__(self):
        self.rooms, self.taken = [], 0

    def take(self, dtype):
        """Return a room that no argument of this call is in."""
        if self.taken == len(self.rooms):
            whole = mmap.mmap(-1, ROOM + 2 * mmap.PAGESIZE)
            begin = ctypes.addressof(ctypes.c_char.from_buffer(whole))
            for page in (begin, begin + mmap.PAGESIZE + ROOM):
                assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(page), mmap.PAGESIZE, 0) == 0
            self.rooms.append(np.frombuffer(whole, np.uint8, ROOM, mmap.PAGESIZE))
        self.taken += 1
        return self.rooms[self.taken - 1].view(dtype)


ROOMS = Rooms()


def guarded(value, guard):
    """The same array at the end of a room, or at its beginning if `guard` is below 0, where kernels can read it."""
    if isinstance(value, list):
        return [guarded(v, guard) for v in value]
    if not isinstance(value, np.ndarray):
        return value
    flags, size = value.flags, value.size
    if not flags.c_contiguous or not 0 < value.nbytes <= ROOM - BEHIND * value.itemsize:
        return value
    if value.dtype.kind not in "fi" or not flags.aligned or not value.dtype.isnative:
        return value
    room = ROOMS.take(value.dtype)
    begin, beside = (room.size - size, room.size - size - BEHIND) if guard > 0 else (0, size)
    room[beside : beside + BEHIND] = guard
    view = room[begin : begin + size].reshape(value.shape)
    view[...] = value
    view.flags.writeable = flags.writeable
    return view


def is_touched(view, guard):
    """Whether memory beside a guarded array was written to."""
    room = view.base.view(view.dtype)
    place = (view.ctypes.data - room.ctypes.data) // view.itemsize
    beside = room[place - BEHIND : place] if guard > 0 else room[place + view.size : place + view.size + BEHIND]
    return not (beside == guard).all()


# What they give is nothing to compare, or an address.
OPAQUE = (
    "empty", "memory_info", "release_memory", "refuse_memory", "signatures", "recurrent_names", "stream_stage",
    "stream_network",
)  # fmt: skip


def bits(results):
    found = []
    for result in results if isinstance(results, (tuple, list)) else [results]:
        found.append((result.dtype, result.shape, result.tobytes()) if isinstance(result, np.ndarray) else repr(result))
    return found


def call(name, arguments, guard):
    """Return the bits of results and written arrays, or the error; raises AssertionError for what must not be."""
    ROOMS.taken = 0
    given = [guarded(v, guard) for v in arguments]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = getattr(_core, name)(*grouped(name, given))
    except ERRORS as error:
        names = [row["name"] for row in TABLES[name]["parameters"] + TABLES[name]["results"]]
        names += [f"{name} takes", "sequence ", "scratch", *GROUP_NAMES[name]]
        if not any(str(error).startswith(word) for word in names):
            raise AssertionError(f"names no argument: {error!r}") from error
        return type(error)
    for value in given:
        if isinstance(value, np.ndarray) and isinstance(value.base, np.ndarray) and value.base.nbytes == ROOM:
            assert not is_touched(value, guard), "wrote outside an array"
    if (
        name in ("empty", "memory_info", "release_memory", "refuse_memory", "signatures", "recurrent_names")
        or name in OPAQUE
    ):
        return None
    if name == "recurrent_forward":
        results = results[:3]  # a cache's rows have padding, which nobody writes
    rows = [row for row in TABLES[name]["parameters"] if row["kind"].startswith("written") and row["name"] != "scratch"]
    written = [v for v, row in zip(given, TABLES[name]["parameters"], strict=True) if row in rows]
    return bits(results), bits(written)


def attempt(name, what, arguments):
    """Call twice with other memory round the arguments; return 1 for a call that failed the test."""
    print(name, what, file=sys.stderr, flush=True)
    try:
        first, second = call(name, arguments, 97), call(name, arguments, -123)
        assert first == second, "depends on memory outside its arguments"
        return first
    except Exception as error:
        print(f"{name}, {what}: {error!r:.300}", flush=True)
    finally:
        _core.refuse_memory(0, 0)
    return None


def main(seed, rounds=40):
    rng = np.random.default_rng(seed)
    for name, table in TABLES.items():
        rows = table["parameters"]
        for make in GOOD[name]:
            good = make()
            if isinstance(attempt(name, "all right", make()), type):
                print(f"{name}: refused what is right", flush=True)
            attempt(name, "one argument more", [*good, 1])
            attempt(name, "one argument less", good[:-1])
            for place, row in enumerate(rows):
                for what, value in wrong(row, good[place]):
                    attempt(name, f"{row['name']}: {what}", [*good[:place], value, *good[place + 1 :]])
            # Memory that is written to and read, or written to twice.
            for first, second in itertools.permutations(range(len(rows)), 2):
                arguments = make()
                # Running statistics are only read outside training.
                if any(row["name"] == "training" and not arguments[place] for place, row in enumerate(rows)):
                    continue
                if not rows[first]["kind"].startswith("written") or arguments[first] is None:
                    continue
                if not isinstance(arguments[second], np.ndarray) or arguments[second].shape != arguments[first].shape:
                    continue
                arguments[second] = arguments[first]
                try:
                    getattr(_core, name)(*grouped(name, arguments))
                    print(f"{name}: takes one array for {rows[first]['name']} and {rows[second]['name']}", flush=True)
                except ValueError:
                    pass
            # Two or three that are wrong together, which may fit each other.
            for _ in range(rounds if len(rows) > 1 else 0):
                arguments, what = list(good), []
                for place in rng.choice(len(rows), min(len(rows), rng.integers(2, 4)), replace=False):
                    cases = wrong(rows[place], arguments[place])
                    case, arguments[place] = cases[rng.integers(len(cases))]
                    what.append(f"{rows[place]['name']}: {case}")
                attempt(name, "; ".join(what), arguments)
    print("done", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
