"""GRU, LSTM and RNN: stacks, cells, and what lets them stand in a Sequential.

The public names are in :mod:`seriatim.nn`.
"""
