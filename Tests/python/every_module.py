"""Every module of nn, small, with what it is called with."""

from __future__ import annotations

import numpy as np
from support import normal

from seriatim import nn, pack_padded_sequence, pack_sequence

LENGTHS = np.array([2, 5, 1, 4])
PACKED = pack_padded_sequence(normal(4, 5, 3), LENGTHS, batch_first=True, enforce_sorted=False)
SMALL = {"gru1": 4, "gru2": 3, "gru3": 2, "fc": 5}
IMAGES = normal(2, 3, 6, 6)
CLIPS = normal(2, 2, 3, 6, 6)
PACKED_FRAMES = pack_sequence([normal(n, 3, 6, 6) for n in (2, 3, 1)], enforce_sorted=False)


class ByHand(nn.Module):
    """Two branches of a user's, by forward and backward."""

    def __init__(self, forgets=False):
        super().__init__()
        self.body, self.shortcut = nn.Linear(3, 4, rng=0), nn.Linear(3, 4, rng=1)
        self.last = nn.Sequential(nn.Tanh(), nn.Dropout(0.5, rng=2), nn.Linear(4, 2, rng=3))
        self.forgets = forgets

    def forward(self, x):
        return self.last(self.body(x) + self.shortcut(x))

    def backward(self, grad_output):
        grad = self.last.backward(grad_output)
        grad_x = 0 if self.forgets else self.shortcut.backward(grad)
        return grad_x + self.body.backward(grad)


class Explicit(ByHand):
    """The same by the pair."""

    def trace(self, x):
        y, of_body = self.body.trace(x)
        beside, of_shortcut = self.shortcut.trace(x)
        out, of_last = self.last.trace(y + beside)
        return out, self.keep((of_body, of_shortcut, of_last))

    def pullback(self, context, grad_output):
        of_body, of_shortcut, of_last = self.kept(context)
        grad = self.last.pullback(of_last, grad_output)
        return self.shortcut.pullback(of_shortcut, grad) + self.body.pullback(of_body, grad)


def deep(**options):
    return nn.DeepGRU(3, 2, SMALL, rng=0, **options)


def unet():
    encoders, decoders = nn.unet_layers(*[lambda i, o: nn.ConvRNN(i, o, rng=i)] * 3, 3, [2], 3, [2])
    return nn.Unet(encoders, decoders, nn.VideoSequential(nn.AvgPool2d(2)), nn.MergeSkip())


def mean_of_pixels(frames):
    return frames.mean(axis=(2, 3))


# How to make each module, and what it is called with.
MODULES = {
    "relu": (nn.ReLU, normal(2, 3)),
    "leaky_relu": (nn.LeakyReLU, normal(2, 3)),
    "elu": (nn.ELU, normal(2, 3)),
    "sigmoid": (nn.Sigmoid, normal(2, 3)),
    "tanh": (nn.Tanh, normal(2, 3)),
    "softmax": (nn.Softmax, normal(2, 3)),
    "log_softmax": (lambda: nn.LogSoftmax(dim=0), normal(2, 3)),
    "identity": (nn.Identity, normal(2, 3)),
    "flatten": (nn.Flatten, IMAGES),
    "dropout": (lambda: nn.Dropout(0.5, rng=0), normal(2, 3)),
    "linear": (lambda: nn.Linear(3, 4, rng=0), normal(2, 5, 3)),
    "embedding": (lambda: nn.Embedding(5, 3, rng=0), np.array([[1, 2], [4, 1]])),
    "batch_norm1d": (lambda: nn.BatchNorm1d(3), normal(5, 3)),
    "batch_norm2d": (lambda: nn.BatchNorm2d(3), IMAGES),
    "conv2d": (lambda: nn.Conv2d(3, 4, 3, rng=0), IMAGES),
    "max_pool2d": (lambda: nn.MaxPool2d(2), IMAGES),
    "avg_pool2d": (lambda: nn.AvgPool2d(2), IMAGES),
    "adaptive_avg_pool2d": (lambda: nn.AdaptiveAvgPool2d(2), IMAGES),
    "upsample": (lambda: nn.Upsample(scale_factor=1.5, mode="bilinear"), IMAGES),
    "upsample_nearest": (lambda: nn.Upsample(4), normal(2, 3, 7)),
    "res_block": (lambda: nn.ResBlock(3, 4, rng=0), IMAGES),
    "pre_act_block": (lambda: nn.PreActBlock(3, 4, 2, rng=1), IMAGES),
    "merge_skip": (nn.MergeSkip, normal(2, 2, 3, 3), IMAGES),
    "unet": (unet, CLIPS),
    "gru": (lambda: nn.GRU(3, 4, 2, bidirectional=True, dropout=0.5, rng=0), normal(5, 4, 3)),
    "gru_packed": (lambda: nn.GRU(3, 4, rng=0), PACKED),
    "gru_batch_first": (lambda: nn.GRU(3, 4, batch_first=True, rng=0), normal(4, 5, 3), normal(1, 4, 4)),
    "lstm": (lambda: nn.LSTM(3, 4, 2, proj_size=2, rng=0), PACKED, (normal(2, 4, 2), normal(2, 4, 4))),
    "gru_norm": (lambda: nn.GRU(3, 4, bidirectional=True, norm="layer", rng=0), PACKED),
    "lstm_norm": (lambda: nn.LSTM(3, 4, norm="layer", rng=0), PACKED, (normal(1, 4, 4), normal(1, 4, 4))),
    "rnn": (lambda: nn.RNN(3, 4, rng=0), normal(5, 3)),
    "min_gru": (lambda: nn.MinGRU(3, 4, 2, bidirectional=True, rng=0), PACKED),
    "min_lstm": (lambda: nn.MinLSTM(3, 4, batch_first=True, rng=0), normal(4, 5, 3), normal(1, 4, 4)),
    "ind_rnn": (lambda: nn.IndRNN(3, 4, nonlinearity="tanh", rng=0), normal(5, 3)),
    "min_gru_cell": (lambda: nn.MinGRUCell(3, 4, rng=0), normal(2, 3), normal(2, 4)),
    "min_lstm_cell": (lambda: nn.MinLSTMCell(3, 4, rng=0), normal(3)),
    "ind_rnn_cell": (lambda: nn.IndRNNCell(3, 4, nonlinearity="tanh", rng=0), normal(2, 3), normal(2, 4)),
    "gru_cell": (lambda: nn.GRUCell(3, 4, rng=0), normal(2, 3), normal(2, 4)),
    "lstm_cell": (lambda: nn.LSTMCell(3, 4, rng=0), normal(2, 3), (normal(2, 4), normal(2, 4))),
    "rnn_cell": (lambda: nn.RNNCell(3, 4, rng=0), normal(3)),
    "conv_gru_cell": (lambda: nn.ConvGRUCell(3, 4, 3, rng=0), IMAGES, normal(2, 4, 6, 6)),
    "conv_gru": (lambda: nn.ConvGRU(3, [4, 5], 3, 2, rng=0), CLIPS),
    "conv_gru_step": (lambda: nn.ConvGRU(3, [4, 5], 3, 2, rng=0), IMAGES),
    "conv_lstm": (lambda: nn.ConvLSTM(3, [4, 5], 3, 2, rng=0), CLIPS),
    "conv_lstm_cell": (lambda: nn.ConvLSTMCell(2, rng=0), normal(3, 2, 8, 6, 6)),
    "conv_layer": (lambda: nn.ConvLayer(3, 4, rng=0), IMAGES),
    "conv_rnn": (lambda: nn.ConvRNN(3, 4, rng=0), CLIPS),
    "conv_rnn_gru": (lambda: nn.ConvRNN(3, 4, cell="gru", rng=0), CLIPS),
    "conv_rnn_rnn": (lambda: nn.ConvRNN(3, 4, cell="rnn", rng=0), CLIPS),
    "sequence_wise": (lambda: nn.SequenceWise(nn.Conv2d(3, 4, 3, rng=0)), CLIPS),
    "sequence_wise_packed": (lambda: nn.SequenceWise(nn.Linear(3, 4, rng=0)), PACKED),
    "video_sequential": (lambda: nn.VideoSequential(nn.ConvRNN(3, 4, rng=0), nn.MaxPool2d(2)), CLIPS),
    "video_head": (
        lambda: nn.VideoSequential(
            nn.Residual(nn.ConvRNN(3, 3, rng=0)), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.LSTM(3, 2, rng=1), nn.Linear(2, 2, rng=2),
        ),
        CLIPS,
    ),
    "video_step": (lambda: nn.VideoSequential(nn.Conv2d(3, 2, 3, rng=0), nn.Flatten(), nn.BatchNorm1d(32)), IMAGES),
    "video_branches": (lambda: nn.Concat(nn.ConvRNN(3, 2, rng=0), nn.Conv2d(3, 1, 3, padding=1, rng=1)), CLIPS),
    "conv_gru_packed": (lambda: nn.ConvGRU(3, [4, 2], 3, 2, rng=0), PACKED_FRAMES),
    "conv_lstm_batch_first": (lambda: nn.ConvLSTM(3, [4, 2], 3, 2, rng=0, batch_first=True), CLIPS),
    "conv_rnn_packed": (lambda: nn.ConvRNN(3, 2, cell="gru", rng=0), PACKED_FRAMES),
    "conv_layer_softmax": (lambda: nn.ConvLayer(3, 4, activation=nn.Softmax(dim=1), norm="none", rng=0), IMAGES),
    "sequence_wise_flat": (lambda: nn.SequenceWise(nn.Sequential(nn.Flatten(), nn.Linear(108, 2, rng=0))), CLIPS),
    "video_rnn": (lambda: nn.VideoRNN(mean_of_pixels, 3, 4, 2, rng=0), normal(4, 5, 3, 4, 4), LENGTHS),
    "video_rnn_trained": (
        lambda: nn.VideoRNN(nn.Sequential(nn.Conv2d(3, 2, 3, rng=0), nn.Flatten()), 8, 4, 2, rng=0),
        normal(4, 5, 3, 4, 4),
        LENGTHS,
    ),
    "attention": (lambda: nn.Attention(3, rng=0), PACKED.data, normal(4, 3), PACKED.batch_sizes),
    "sequence_pool": (nn.SequencePool, PACKED.data, PACKED.batch_sizes),
    "sequence_pool_packed": (nn.SequencePool, PACKED),
    "sequence_softmax": (nn.SequenceSoftmax, PACKED),
    "attention_pool": (lambda: nn.AttentionPool(3, rng=0), PACKED),
    "deepgru": (deep, normal(4, 5, 3), LENGTHS),
    "deepgru_pooled": (lambda: deep(pooling=("mean",), bidirectional=True), PACKED),
    "sequence_rnn": (lambda: nn.SequenceRNN(3, 4, 2, pooling=("last", "max"), rng=0), normal(4, 5, 3), LENGTHS),
    "frame_rnn": (
        lambda: nn.FrameRNN(3, 4, 2, convolution=3, bidirectional=True, rng=0), normal(4, 5, 3), LENGTHS,
    ),
    "frame_rnn_packed": (lambda: nn.FrameRNN(3, 4, 2, rnn="lstm", convolution=2, rng=1), PACKED),
    "frame_window": (lambda: nn.FrameWindow(3, 4, 2, rng=0), PACKED),
    "character_rnn": (
        lambda: nn.CharacterRNN(5, 4, embedding_size=3, rng=0), np.arange(6), np.array([2, 2, 2]),
    ),
    "ensemble_of_frames": (lambda: nn.Ensemble(*(nn.FrameRNN(3, 4, 2, rng=seed) for seed in range(2))), PACKED),
    "ensemble": (lambda: nn.Ensemble(*(nn.SequenceRNN(3, 4, 2, rng=seed) for seed in range(3))), PACKED),
    "sequential": (lambda: nn.Sequential(nn.Linear(3, 4, rng=0), nn.Identity(), nn.Flatten(0)), normal(2, 3)),
    "residual": (lambda: nn.Residual(nn.Linear(3, 3, rng=0), nn.Tanh()), normal(2, 3)),
    "residual_packed": (lambda: nn.Residual(nn.SequenceWise(nn.Linear(3, 3, rng=0))), PACKED),
    "concat": (lambda: nn.Concat(nn.Linear(3, 4, rng=0), nn.Identity()), normal(2, 3)),
    "sum": (lambda: nn.Sum(nn.Linear(3, 3, rng=0), nn.Tanh(), nn.Identity()), normal(2, 3)),
    "branches": (
        lambda: nn.Sequential(
            nn.Split([1, 2]),
            nn.Parallel(nn.Outputs(nn.GRU(1, 3, rng=0)), nn.SequenceWise(nn.Linear(2, 2, rng=1))),
            nn.Join(),
        ),
        PACKED,
    ),
    "outputs": (lambda: nn.Outputs(nn.LSTM(3, 4, rng=0)), PACKED),
    "last_state": (lambda: nn.LastState(nn.LSTM(3, 4, 2, bidirectional=True, rng=0)), PACKED),
    "by_hand": (ByHand, normal(2, 3)),
    "explicit": (Explicit, normal(2, 3)),
    "by_hand_inside": (lambda: nn.Sequential(nn.Residual(nn.Linear(3, 3, rng=0)), ByHand()), normal(2, 3)),
}  # fmt: skip


def arrays(value):
    """All arrays in what a module takes or gives."""
    if value is None:
        return []
    if hasattr(value, "batch_sizes"):
        return [value.data]
    if isinstance(value, (tuple, list)):
        return [array for part in value for array in arrays(part)]
    return [np.asarray(value)]


def gradient_of(output, wrong=False):
    """A gradient for an output: the arguments of backward. ``wrong``: another shape, or what a function makes of it."""

    def like(value, seed):
        if hasattr(value, "batch_sizes"):
            return value._replace(data=like(value.data, seed))
        if isinstance(value, list):
            return [like(one, seed + 1) for one in value]
        if isinstance(value, tuple):
            return tuple(like(one, seed + 1) for one in value)
        shape = np.shape(value)
        if callable(wrong):
            return wrong(normal(*shape, seed=seed))
        return normal(*((*shape[:-1], shape[-1] + 1) if wrong else shape), seed=seed)

    return like(output, 7)


def backward(module, output, wrong=False):
    grads = gradient_of(output, wrong)
    if isinstance(module, nn.CharacterRNN):
        return module.backward(grads[0])
    return module.backward(*grads) if type(output) is tuple else module.backward(grads)
