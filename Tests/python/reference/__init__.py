"""Plain NumPy twins of ``seriatim.functional``: float64, one clear loop after another, nothing clever.

Same names and arguments as the functions they are the oracle of, one file a stem. They are written to be checked by eye
against the equations, so they are slow, and they share no code with the package.
"""
