"""Modules: parameters, forward, backward; NumPy arrays in and out.

The names, arguments and parameter names are torch's. There is no tape: ``module.backward(grad)`` mirrors
``module.forward(x)``, and :class:`Module` says how both are made of a pair that touches no hidden state.
"""

from seriatim.nn.attention._attention import Attention
from seriatim.nn.attention._pool import AttentionPool, SequenceSoftmax
from seriatim.nn.attention._sequence_pooling import SequencePool
from seriatim.nn.base._gradcheck import gradcheck
from seriatim.nn.base._init import manual_seed
from seriatim.nn.base._module import Module
from seriatim.nn.base._parameter import Parameter, flatten
from seriatim.nn.base._stream import Stream
from seriatim.nn.containers._ensemble import Ensemble
from seriatim.nn.containers._graphs import Concat, Join, Parallel, Residual, Split, Sum
from seriatim.nn.containers._list import ModuleDict, ModuleList
from seriatim.nn.containers._sequential import Sequential
from seriatim.nn.containers._video import SequenceWise, VideoSequential
from seriatim.nn.images._blocks import PreActBlock, ResBlock
from seriatim.nn.images._conv_gru import ConvGRU, ConvGRUCell
from seriatim.nn.images._conv_lstm import ConvLSTM, ConvLSTMCell
from seriatim.nn.images._conv_rnn import ConvLayer, ConvRNN
from seriatim.nn.images._convolution import Conv2d
from seriatim.nn.images._pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from seriatim.nn.images._unet import MergeSkip, Unet, unet_layers
from seriatim.nn.images._upsample import Upsample
from seriatim.nn.layers._activation import ELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from seriatim.nn.layers._batch_norm import BatchNorm1d, BatchNorm2d
from seriatim.nn.layers._dropout import Dropout
from seriatim.nn.layers._embedding import Embedding
from seriatim.nn.layers._frame_window import FrameWindow
from seriatim.nn.layers._linear import Linear
from seriatim.nn.layers._shape import Flatten, Identity
from seriatim.nn.losses._ctc_loss import CTCLoss
from seriatim.nn.losses._label_loss import CrossEntropyLoss, NLLLoss
from seriatim.nn.losses._point_loss import (
    BCELoss,
    BCEWithLogitsLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    SmoothL1Loss,
)
from seriatim.nn.models._character_rnn import CharacterRNN
from seriatim.nn.models._deepgru import DeepGRU
from seriatim.nn.models._frame_rnn import FrameRNN
from seriatim.nn.models._sequence_rnn import SequenceRNN
from seriatim.nn.models._video import VGG16, VideoRNN
from seriatim.nn.recurrent._gru import GRU, GRUCell
from seriatim.nn.recurrent._lstm import LSTM, LSTMCell
from seriatim.nn.recurrent._parts import LastState, Outputs
from seriatim.nn.recurrent._reservoir import reservoir_
from seriatim.nn.recurrent._rnn import RNN, RNNCell
from seriatim.nn.recurrent._scan import IndRNN, IndRNNCell, MinGRU, MinGRUCell, MinLSTM, MinLSTMCell

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "VGG16",
    "AdaptiveAvgPool2d",
    "Attention",
    "AttentionPool",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "CTCLoss",
    "CharacterRNN",
    "Concat",
    "Conv2d",
    "ConvGRU",
    "ConvGRUCell",
    "ConvLSTM",
    "ConvLSTMCell",
    "ConvLayer",
    "ConvRNN",
    "CrossEntropyLoss",
    "DeepGRU",
    "Dropout",
    "Embedding",
    "Ensemble",
    "Flatten",
    "FrameRNN",
    "FrameWindow",
    "GRUCell",
    "HuberLoss",
    "Identity",
    "IndRNN",
    "IndRNNCell",
    "Join",
    "KLDivLoss",
    "L1Loss",
    "LSTMCell",
    "LastState",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "MergeSkip",
    "MinGRU",
    "MinGRUCell",
    "MinLSTM",
    "MinLSTMCell",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "Outputs",
    "Parallel",
    "Parameter",
    "PreActBlock",
    "RNNCell",
    "ReLU",
    "ResBlock",
    "Residual",
    "SequencePool",
    "SequenceRNN",
    "SequenceSoftmax",
    "SequenceWise",
    "Sequential",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Split",
    "Stream",
    "Sum",
    "Tanh",
    "Unet",
    "Upsample",
    "VideoRNN",
    "VideoSequential",
    "flatten",
    "gradcheck",
    "manual_seed",
    "reservoir_",
    "unet_layers",
]


def __dir__() -> list[str]:
    return sorted(__all__)
