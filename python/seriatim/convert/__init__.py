"""Foreign weights as ours: pure functions from a state dict (name -> array) to one that ``load_state_dict`` takes.

torch's GRU, Linear and BatchNorm need no conversion: the names and layouts are torch's, and
``module.load_state_dict`` takes torch's modules, dicts, checkpoints and files of safetensors as they are. So do the
functions here that read torch's models.

What is missing, left over or of another shape is an error that lists it all: arrays are never taken for others.
"""

from seriatim._states import read_safetensors
from seriatim.convert._canton import canton_gru
from seriatim.convert._convolutional import convgru, metavision
from seriatim.convert._deepgru import maghoumi_deepgru, sequentia_deepgru
from seriatim.convert._keras import keras_conv_lstm, keras_gru, keras_lstm, keras_rnn

__all__ = [
    "canton_gru",
    "convgru",
    "keras_conv_lstm",
    "keras_gru",
    "keras_lstm",
    "keras_rnn",
    "maghoumi_deepgru",
    "metavision",
    "read_safetensors",
    "sequentia_deepgru",
]
