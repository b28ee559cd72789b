"""What makes one row of a sequence: attention and pooling over its steps.

The public names are in :mod:`seriatim.nn`.
"""
