"""Convolutions, pooling, and recurrences whose states are images.

The public names are in :mod:`seriatim.nn`.
"""
