"""Adaptors for other libraries; each is imported only when it is asked for: ``import seriatim.compat.aeon``."""
