"""GRU, LSTM, RNN and cells by elements: stacks, cells, and what lets them stand in a Sequential.

The public names are in :mod:`seriatim.nn`.
"""
