"""Operators as plain functions: arrays in, ``(output, cache)`` out, and their gradients.

Every operator has a forward function, whose cache holds what its ``_backward`` needs, and nothing else. A cache is used
up by its backward, which may overwrite it. Inputs are converted to float32 once where they are not, and never modified.
Gradients of parameters are written to arrays the caller gives (``accumulate=True``: added to them), or to new ones.
"""

from seriatim.functional._activation import (
    activation,
    activation_backward,
    log_softmax,
    log_softmax_backward,
    relu,
    relu_backward,
    softmax,
    softmax_backward,
)
from seriatim.functional._attention import attention, attention_backward
from seriatim.functional._batch_norm import batch_norm, batch_norm_backward
from seriatim.functional._collate import collate, collate_concatenated, pack_rows, unpack_rows
from seriatim.functional._conv_recurrent import (
    conv_gru,
    conv_gru_backward,
    conv_gru_pack,
    conv_gru_pack_backward,
    conv_lstm,
    conv_lstm_backward,
    conv_lstm_pack,
    conv_lstm_pack_backward,
    conv_rnn,
    conv_rnn_backward,
    conv_rnn_pack,
    conv_rnn_pack_backward,
)
from seriatim.functional._convolution import (
    conv2d,
    conv2d_backward,
    conv2d_geometry,
    conv2d_pack,
    conv2d_pack_backward,
)
from seriatim.functional._ctc_loss import ctc_greedy_decode, ctc_loss, ctc_loss_backward
from seriatim.functional._dropout import dropout, dropout_backward
from seriatim.functional._gru import gru, gru_backward, gru_pack, gru_pack_backward
from seriatim.functional._label_loss import cross_entropy, cross_entropy_backward, nll_loss, nll_loss_backward
from seriatim.functional._linear import linear, linear_backward, linear_pack, linear_pack_backward
from seriatim.functional._lstm import lstm, lstm_backward, lstm_pack, lstm_pack_backward
from seriatim.functional._memory import empty
from seriatim.functional._narrow import Narrow, narrow
from seriatim.functional._optimizer import adam_step, average_step, rmsprop_step, scale, sgd_step, sum_of_squares
from seriatim.functional._point_loss import point_loss, point_loss_backward
from seriatim.functional._pooling import (
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_backward,
    avg_pool2d,
    avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)
from seriatim.functional._ragged import (
    interpolate_columns,
    interpolate_rows,
    ragged_deltas,
    ragged_extrema,
    ragged_filter,
    ragged_mean,
    ragged_moments,
    ragged_scale,
    rotate_points,
)
from seriatim.functional._recurrent import (
    NO_STATES,
    NO_ZONEOUT,
    PARAMETERS,
    Cell,
    RecurrentCache,
    Zoneout,
    cell,
    recurrent,
    recurrent_backward,
    recurrent_pack,
    recurrent_pack_backward,
)
from seriatim.functional._rnn import rnn, rnn_backward, rnn_pack, rnn_pack_backward
from seriatim.functional._sequence_pooling import sequence_pool, sequence_pool_backward
from seriatim.functional._upsample import upsample, upsample_backward

__all__ = [
    "NO_STATES",
    "NO_ZONEOUT",
    "PARAMETERS",
    "Cell",
    "Narrow",
    "RecurrentCache",
    "Zoneout",
    "activation",
    "activation_backward",
    "adam_step",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_backward",
    "attention",
    "attention_backward",
    "average_step",
    "avg_pool2d",
    "avg_pool2d_backward",
    "batch_norm",
    "batch_norm_backward",
    "cell",
    "collate",
    "collate_concatenated",
    "conv2d",
    "conv2d_backward",
    "conv2d_geometry",
    "conv2d_pack",
    "conv2d_pack_backward",
    "conv_gru",
    "conv_gru_backward",
    "conv_gru_pack",
    "conv_gru_pack_backward",
    "conv_lstm",
    "conv_lstm_backward",
    "conv_lstm_pack",
    "conv_lstm_pack_backward",
    "conv_rnn",
    "conv_rnn_backward",
    "conv_rnn_pack",
    "conv_rnn_pack_backward",
    "cross_entropy",
    "cross_entropy_backward",
    "ctc_greedy_decode",
    "ctc_loss",
    "ctc_loss_backward",
    "dropout",
    "dropout_backward",
    "empty",
    "gru",
    "gru_backward",
    "gru_pack",
    "gru_pack_backward",
    "interpolate_columns",
    "interpolate_rows",
    "linear",
    "linear_backward",
    "linear_pack",
    "linear_pack_backward",
    "log_softmax",
    "log_softmax_backward",
    "lstm",
    "lstm_backward",
    "lstm_pack",
    "lstm_pack_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "narrow",
    "nll_loss",
    "nll_loss_backward",
    "pack_rows",
    "point_loss",
    "point_loss_backward",
    "ragged_deltas",
    "ragged_extrema",
    "ragged_filter",
    "ragged_mean",
    "ragged_moments",
    "ragged_scale",
    "recurrent",
    "recurrent_backward",
    "recurrent_pack",
    "recurrent_pack_backward",
    "relu",
    "relu_backward",
    "rmsprop_step",
    "rnn",
    "rnn_backward",
    "rnn_pack",
    "rnn_pack_backward",
    "rotate_points",
    "scale",
    "sequence_pool",
    "sequence_pool_backward",
    "sgd_step",
    "softmax",
    "softmax_backward",
    "sum_of_squares",
    "unpack_rows",
    "upsample",
    "upsample_backward",
]
