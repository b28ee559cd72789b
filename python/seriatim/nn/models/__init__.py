"""Whole networks.

The public names are in :mod:`seriatim.nn`.
"""
