"""Losses.

The public names are in :mod:`seriatim.nn`.
"""
