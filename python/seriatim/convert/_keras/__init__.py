"""Recurrent layers of Keras."""

from seriatim.convert._keras._convolutional import keras_conv_lstm
from seriatim.convert._keras._recurrent import keras_gru, keras_lstm, keras_rnn

__all__ = ["keras_conv_lstm", "keras_gru", "keras_lstm", "keras_rnn"]
