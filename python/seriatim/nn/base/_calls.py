"""What type checkers are told of a call, of modules of one kind: `Module.__call__` itself says nothing.

A module's call is its ``forward``, which is made of ``trace`` when the class is: a checker does not see it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seriatim._typing import Array, ArrayLike
from seriatim.nn.base._module import Module
from seriatim.sequences import PackedSequence


class ArrayModule(Module):
    """A module that makes one array of another."""

    if TYPE_CHECKING:

        def __call__(self, x: ArrayLike) -> Array: ...


class SequenceModule(Module):
    """A module that makes one row of each sequence of a batch."""

    if TYPE_CHECKING:

        def __call__(self, x: ArrayLike | PackedSequence, lengths: ArrayLike | None = None) -> Array: ...
