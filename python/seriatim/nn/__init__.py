"""Modules: parameters, forward, backward; NumPy arrays in and out.

The names, arguments and parameter names are torch's. There is no tape: ``module.backward(grad)`` mirrors
``module.forward(x)``, and :class:`Module` says how both are made of a pair that touches no hidden state.
"""

from seriatim.nn._activation import ELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from seriatim.nn._attention import Attention
from seriatim.nn._attention_pooling import AttentionPool, SequenceSoftmax
from seriatim.nn._batch_norm import BatchNorm1d, BatchNorm2d
from seriatim.nn._character_rnn import CharacterRNN
from seriatim.nn._containers import ModuleList, Sequential
from seriatim.nn._conv_gru import ConvGRU, ConvGRUCell
from seriatim.nn._conv_lstm import ConvLSTM, ConvLSTMCell
from seriatim.nn._conv_rnn import ConvLayer, ConvRNN, SequenceWise, VideoSequential
from seriatim.nn._convolution import Conv2d
from seriatim.nn._deepgru import DeepGRU
from seriatim.nn._dropout import Dropout
from seriatim.nn._embedding import Embedding
from seriatim.nn._ensemble import Ensemble
from seriatim.nn._gradcheck import gradcheck
from seriatim.nn._graphs import Concat, Join, Parallel, Residual, Split, Sum
from seriatim.nn._gru import GRU, GRUCell
from seriatim.nn._init import manual_seed
from seriatim.nn._linear import Linear
from seriatim.nn._loss import BCEWithLogitsLoss, CrossEntropyLoss, MSELoss, NLLLoss
from seriatim.nn._lstm import LSTM, LSTMCell
from seriatim.nn._module import Module
from seriatim.nn._parameter import Parameter, flatten
from seriatim.nn._pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from seriatim.nn._recurrent_parts import LastState, Outputs
from seriatim.nn._reservoir import reservoir_
from seriatim.nn._rnn import RNN, RNNCell
from seriatim.nn._sequence_pooling import SequencePool
from seriatim.nn._sequence_rnn import SequenceRNN
from seriatim.nn._shape import Flatten, Identity
from seriatim.nn._video import VGG16, VideoRNN

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
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
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
    "GRUCell",
    "Identity",
    "Join",
    "LSTMCell",
    "LastState",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "ModuleList",
    "NLLLoss",
    "Outputs",
    "Parallel",
    "Parameter",
    "RNNCell",
    "ReLU",
    "Residual",
    "SequencePool",
    "SequenceRNN",
    "SequenceSoftmax",
    "SequenceWise",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Split",
    "Sum",
    "Tanh",
    "VideoRNN",
    "VideoSequential",
    "flatten",
    "gradcheck",
    "manual_seed",
    "reservoir_",
]
