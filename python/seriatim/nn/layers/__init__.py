"""Layers without time: dense and element by element.

The public names are in :mod:`seriatim.nn`.
"""
