"""Modules: parameters, forward, backward; NumPy arrays in and out.

The names, arguments and parameter names are torch's. There is no tape: ``module.backward(grad)`` mirrors
``module.forward(x)``.
"""

from seriatim.nn._activation import LogSoftmax, ReLU, Softmax
from seriatim.nn._attention import Attention
from seriatim.nn._batch_norm import BatchNorm1d
from seriatim.nn._containers import ModuleList, Sequential
from seriatim.nn._deepgru import DeepGRU
from seriatim.nn._dropout import Dropout
from seriatim.nn._gru import GRU, GRUCell
from seriatim.nn._init import manual_seed
from seriatim.nn._linear import Linear
from seriatim.nn._loss import NLLLoss
from seriatim.nn._lstm import LSTM, LSTMCell
from seriatim.nn._module import Module
from seriatim.nn._parameter import Parameter, flatten
from seriatim.nn._rnn import RNN, RNNCell

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Attention",
    "BatchNorm1d",
    "DeepGRU",
    "Dropout",
    "GRUCell",
    "LSTMCell",
    "Linear",
    "LogSoftmax",
    "Module",
    "ModuleList",
    "NLLLoss",
    "Parameter",
    "RNNCell",
    "ReLU",
    "Sequential",
    "Softmax",
    "flatten",
    "manual_seed",
]
