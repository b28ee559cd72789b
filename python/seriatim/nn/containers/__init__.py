"""Modules made of modules: one after another, beside each other, ensembles.

The public names are in :mod:`seriatim.nn`.
"""
