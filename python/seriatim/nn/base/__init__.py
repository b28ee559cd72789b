"""What every module stands on: the pair and its contexts, parameters, layouts, initial values, gradcheck.

The public names are in :mod:`seriatim.nn`.
"""
