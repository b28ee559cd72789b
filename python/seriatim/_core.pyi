"""The compiled kernels. Private: seriatim.functional is the way in.

Written by Bindings/make_stub.py from the tables in Bindings: change those.
"""

from collections.abc import Sequence
from typing import Any

from seriatim._typing import Array, ArrayLike, Doubles, Integers

def level() -> str: ...
def levels() -> list[str]: ...
def set_num_threads(num_threads: int, /) -> None: ...
def get_num_threads() -> int: ...
def set_runs_alone(alone: bool, /) -> None: ...
def caches() -> dict[str, int]: ...
def as_floats(x: ArrayLike, name: str, /) -> Array: ...
def empty(rows: int, columns: int, /) -> Array: ...
def signatures() -> list[dict[str, Any]]: ...
def memory_info() -> dict[str, int]: ...
def release_memory(kept: int, /) -> int: ...
def refuse_memory(answered: int, refused: int, /) -> None: ...
def group_limits(root: str, /) -> dict[str, int]: ...
def linear_pack(weight: ArrayLike, scales: ArrayLike | None, form: int, /) -> Array: ...
def linear_pack_backward(weight: ArrayLike, /) -> Array: ...
def linear_forward(
    x: ArrayLike, packed: ArrayLike, bias: ArrayLike | None, out_features: int, form: int, /
) -> Array: ...
def linear_backward(
    grad_y: ArrayLike, x: ArrayLike, packed: ArrayLike | None, gradients: tuple[Array | None, Array | None, bool], /
) -> Array | None: ...
def attention_forward(query: ArrayLike, h: ArrayLike, batch_sizes: ArrayLike, /) -> tuple[Array, Array]: ...
def attention_backward(
    grad_context: ArrayLike, query: ArrayLike, h: ArrayLike, weights: ArrayLike, batch_sizes: ArrayLike, /
) -> tuple[Array, Array]: ...
def sequence_pool_forward(h: ArrayLike, batch_sizes: ArrayLike, kinds: tuple[bool, bool, bool], /) -> Array: ...
def sequence_pool_backward(
    grad_pooled: ArrayLike, pooled: ArrayLike, h: ArrayLike, batch_sizes: ArrayLike, kinds: tuple[bool, bool, bool], /
) -> Array: ...
def batch_norm_forward(
    x: ArrayLike,
    weight: ArrayLike | None,
    bias: ArrayLike | None,
    running: tuple[Array | None, Array | None],
    training: bool,
    momentum: float,
    eps: float,
    /,
) -> tuple[Array, Array, Array]: ...
def batch_norm_moments(x: ArrayLike, /) -> tuple[Array, Array]: ...
def batch_norm_backward(
    grad_y: ArrayLike,
    kept: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike | None, bool],
    need_input: bool,
    gradients: tuple[Array | None, Array | None, bool],
    means: tuple[ArrayLike | None, ArrayLike | None],
    /,
) -> Array | None: ...
def image_norm_forward(
    x: ArrayLike,
    weight: ArrayLike | None,
    bias: ArrayLike | None,
    running: tuple[Array | None, Array | None],
    training: bool,
    momentum: float,
    eps: float,
    /,
) -> tuple[Array, Array, Array]: ...
def image_norm_moments(x: ArrayLike, /) -> tuple[Array, Array]: ...
def image_norm_backward(
    grad_y: ArrayLike,
    kept: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike | None, bool],
    need_input: bool,
    gradients: tuple[Array | None, Array | None, bool],
    means: tuple[ArrayLike | None, ArrayLike | None],
    /,
) -> Array | None: ...
def dropout(x: ArrayLike, p: float, seed: int, offset: int, /) -> Array: ...
def activation_forward(x: ArrayLike, activation: int, slope: float, /) -> Array: ...
def activation_backward(grad_y: ArrayLike, x: ArrayLike, y: ArrayLike, activation: int, slope: float, /) -> Array: ...
def softmax_forward(x: ArrayLike, logarithm: bool, /) -> Array: ...
def softmax_backward(grad_y: ArrayLike, y: ArrayLike, logarithm: bool, /) -> Array: ...
def nll_forward(
    log_probs: ArrayLike,
    target: ArrayLike | None,
    probabilities: ArrayLike | None,
    weight: ArrayLike | None,
    sample_weight: ArrayLike | None,
    label_smoothing: float,
    ignore_index: float,
    /,
) -> tuple[Array, Array, float, float]: ...
def nll_backward(
    weights: ArrayLike,
    target: ArrayLike | None,
    probabilities: ArrayLike | None,
    weight: ArrayLike | None,
    sample_weight: ArrayLike | None,
    label_smoothing: float,
    ignore_index: float,
    scale: ArrayLike,
    classes: int,
    /,
) -> Array: ...
def point_loss(
    pred: ArrayLike, target: ArrayLike, pos_weight: ArrayLike | None, bound: float, kind: int, /
) -> tuple[Array, Array]: ...
def ctc_loss(
    log_probs: ArrayLike,
    batch_sizes: ArrayLike,
    lengths: ArrayLike,
    targets: ArrayLike,
    starts: ArrayLike,
    counts: ArrayLike,
    blank: int,
    most_labels: int,
    /,
) -> tuple[Array, Array]: ...
def adam_step(
    parameters: Array, exp_avg: Array, exp_avg_sq: Array, gradients: ArrayLike, numbers: tuple[float, ...], /
) -> None: ...
def sgd_step(
    parameters: Array,
    momentum_buffer: Array | None,
    gradients: ArrayLike,
    numbers: tuple[float, ...],
    nesterov: bool,
    is_first: bool,
    /,
) -> None: ...
def rmsprop_step(
    parameters: Array,
    square_avg: Array,
    momentum_buffer: Array | None,
    grad_avg: Array | None,
    gradients: ArrayLike,
    numbers: tuple[float, ...],
    /,
) -> None: ...
def average_step(average: Array, data: ArrayLike, decay: float, /) -> None: ...
def sum_of_squares(x: ArrayLike, /) -> float: ...
def scale(x: Array, factor: float, /) -> None: ...
def collate(sequences: Sequence[ArrayLike], order: ArrayLike, packed: bool, /) -> Array | tuple[Array, Integers]: ...
def collate_concatenated(
    X: ArrayLike, starts: ArrayLike, lengths: ArrayLike, packed: bool, /
) -> Array | tuple[Array, Integers]: ...
def pack_rows(
    input: ArrayLike, lengths: ArrayLike, order: ArrayLike, batch_first: bool, /
) -> tuple[Array, Integers]: ...
def unpack_rows(
    data: ArrayLike,
    batch_sizes: ArrayLike,
    order: ArrayLike,
    total_length: int,
    padding_value: float,
    batch_first: bool,
    /,
) -> Array: ...
def convolution_pack(weight: ArrayLike, geometry: tuple[int, ...], transposed: bool, /) -> Array: ...
def convolution_forward(
    x: ArrayLike, packed: ArrayLike, bias: ArrayLike | None, geometry: tuple[int, ...], activation: int, slope: float, /
) -> Array: ...
def convolution_backward(
    grad_y: ArrayLike,
    x: ArrayLike,
    packed: ArrayLike | None,
    geometry: tuple[int, ...],
    gradients: tuple[Array | None, Array | None, bool],
    /,
) -> Array | None: ...
def conv_recurrent_pack(weight: ArrayLike, kind: int, backward: bool, /) -> Array: ...
def conv_recurrent_forward(
    gates: Array,
    h0: ArrayLike | None,
    c0: ArrayLike | None,
    packed: ArrayLike,
    bias: ArrayLike | None,
    cell: tuple[int, ...],
    /,
) -> tuple[Array | None, Array | None]: ...
def conv_recurrent_backward(
    grads: tuple[ArrayLike, ArrayLike | None, ArrayLike | None],
    kept: tuple[Array | None, ArrayLike, ArrayLike | None, ArrayLike | None, ArrayLike | None],
    packed: ArrayLike,
    cell: tuple[int, ...],
    gradients: tuple[Array | None, Array | None, bool],
    /,
) -> tuple[Array | None, Array, Array | None]: ...
def max_pool_forward(x: ArrayLike, windows: tuple[int, ...], need_index: bool, /) -> tuple[Array, Array | None]: ...
def max_pool_backward(
    grad_y: ArrayLike, height: int, width: int, windows: tuple[int, ...], index: Array, /
) -> Array: ...
def average_pool_forward(x: ArrayLike, windows: tuple[int, ...], divisor: float, /) -> Array: ...
def average_pool_backward(
    grad_y: ArrayLike, height: int, width: int, windows: tuple[int, ...], divisor: float, /
) -> Array: ...
def adaptive_pool_forward(x: ArrayLike, out_height: int, out_width: int, /) -> Array: ...
def adaptive_pool_backward(grad_y: ArrayLike, height: int, width: int, /) -> Array: ...
def upsample_forward(
    x: ArrayLike, rows: Array, columns: Array, row_weights: ArrayLike | None, column_weights: ArrayLike | None, /
) -> Array: ...
def upsample_backward(
    grad_y: ArrayLike,
    height: int,
    width: int,
    rows: Array,
    columns: Array,
    row_weights: ArrayLike | None,
    column_weights: ArrayLike | None,
    /,
) -> Array: ...
def ragged_moments(x: ArrayLike, offsets: ArrayLike, need_spread: bool, /) -> tuple[Array, Array | None]: ...
def ragged_extrema(x: ArrayLike, offsets: ArrayLike, /) -> tuple[Array, Array]: ...
def ragged_scale(x: ArrayLike, offsets: ArrayLike, shift: ArrayLike, scale: ArrayLike, /) -> Array: ...
def ragged_filter(x: ArrayLike, offsets: ArrayLike, width: int, is_median: bool, /) -> Array: ...
def ragged_deltas(y: Array, x: ArrayLike, offsets: ArrayLike, reach: int, /) -> None: ...
def rotate_points(x: ArrayLike, offsets: ArrayLike, matrices: ArrayLike, /) -> Array: ...
def interpolate_columns(x: ArrayLike, offsets: ArrayLike, index: ArrayLike, weight: ArrayLike, /) -> Array: ...
def interpolate_rows(x: ArrayLike, index: ArrayLike, weight: ArrayLike, /) -> Array: ...
def ragged_moments_double(x: ArrayLike, offsets: ArrayLike, need_spread: bool, /) -> tuple[Doubles, Doubles | None]: ...
def ragged_scale_double(x: ArrayLike, offsets: ArrayLike, shift: ArrayLike, scale: ArrayLike, /) -> Doubles: ...
def recurrent_names() -> tuple[dict[str, int], dict[str, int], dict[str, int]]: ...
def recurrent_describe(cell: tuple[int, ...], /) -> tuple[int, int, int, int, int]: ...
def recurrent_pack(
    cell: tuple[int, ...],
    weights: tuple[ArrayLike | None, ...],
    scales: tuple[ArrayLike | None, ArrayLike | None, ArrayLike | None],
    /,
) -> Array: ...
def recurrent_pack_backward(
    cell: tuple[int, ...], weights: tuple[ArrayLike | None, ...], need_input: bool, /
) -> Array: ...
def recurrent_forward(
    cell: tuple[int, ...],
    batch: tuple[ArrayLike, ArrayLike, ArrayLike | None, ArrayLike | None, bool],
    zoneout: tuple[float, int, int],
    packed: ArrayLike,
    training: bool,
    out: Array | None,
    /,
) -> tuple[Array, Array, Array | None, Array | None]: ...
def recurrent_backward(
    cell: tuple[int, ...],
    batch: tuple[ArrayLike, ArrayLike, ArrayLike | None, ArrayLike | None, bool],
    zoneout: tuple[float, int, int],
    packed: ArrayLike,
    kept: tuple[ArrayLike, Array | None],
    grads: tuple[ArrayLike | None, ArrayLike | None, ArrayLike | None],
    gradients: tuple[Array | bool | None, ...],
    needs: tuple[bool, bool, Array | None],
    /,
) -> tuple[Array | None, Array | None, Array | None]: ...
def stream_stage(
    stage: tuple[int, ...],
    cell: tuple[int, ...],
    arrays: tuple[ArrayLike | None, ArrayLike | None, ArrayLike | None],
    norm: tuple[ArrayLike | None, ArrayLike | None, ArrayLike | None, ArrayLike | None],
    number: float,
    places: tuple[int, ...],
    /,
) -> object: ...
def stream_network(stages: tuple[object, ...], /) -> object: ...
def stream_measure(
    network: object, streams: int, rows: int, steps: int, capacity: int, every: bool, /
) -> tuple[int, int, int, int, int, bool]: ...
def stream_run(
    network: object,
    streams: int,
    capacity: int,
    every: bool,
    batch: tuple[ArrayLike, ArrayLike, ArrayLike | None],
    kept: tuple[Array | None, ArrayLike | None, Array | None],
    scratch: Array,
    out: Array,
    /,
) -> None: ...
