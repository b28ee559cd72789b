"""The one order in which numbers of many shards are summed, whoever holds them.

The tree over leaves [lo, hi): one leaf is itself; else the left side has the largest power of two of leaves below
hi - lo, and the right side the rest. A leaf may be missing (None): then the other side goes up as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

from seriatim._typing import Array

T = TypeVar("T")
Node = tuple[int, int]


def middle(lo: int, hi: int) -> int:
    """Return where the right side of the tree over leaves [lo, hi) begins; they are two at least."""
    return lo + (1 << ((hi - lo - 1).bit_length() - 1))


def own(rank: int, size: int, n_leaves: int) -> range:
    """Return the leaves of a rank: contiguous, and of all ranks as equal in number as can be."""
    return range(rank * n_leaves // size, (rank + 1) * n_leaves // size)


def largest_nodes(first: int, last: int, n_leaves: int) -> list[Node]:
    """Return the largest nodes of the tree that have leaves of [first, last) alone, from left to right."""

    def below(lo: int, hi: int) -> list[Node]:
        if hi <= first or last <= lo:
            return []
        if first <= lo and hi <= last:
            return [(lo, hi)]
        mid = middle(lo, hi)
        return below(lo, mid) + below(mid, hi)

    return below(0, n_leaves)


def finish(nodes: Mapping[Node, T | None], lo: int, hi: int, combine: Callable[[T, T], T]) -> T | None:
    """Return the value of the node [lo, hi) from those of nodes below it; what is not among them is missing."""
    if (lo, hi) in nodes:
        return nodes[lo, hi]
    if hi - lo < 2:
        return None
    mid = middle(lo, hi)
    left, right = finish(nodes, lo, mid, combine), finish(nodes, mid, hi, combine)
    if left is None or right is None:
        return right if left is None else left
    return combine(left, right)


def fold(
    leaves: Mapping[int, T | None], first: int, last: int, n_leaves: int, combine: Callable[[T, T], T]
) -> dict[Node, T]:
    """Return the values of the largest nodes over leaves of [first, last), without those that are missing wholly."""
    single: dict[Node, T | None] = {(leaf, leaf + 1): value for leaf, value in leaves.items()}
    values = {node: finish(single, *node, combine) for node in largest_nodes(first, last, n_leaves)}
    return {node: value for node, value in values.items() if value is not None}


class TreeSum:
    """Sums of float32 arrays in the tree's order, as they come; memory is taken once and used again.

    Parameters
    ----------
    n_leaves : int
        Leaves of the whole tree.
    first, last : int
        The leaves that may come here, [first, last).
    size : int
        Numbers of each array.

    Raises
    ------
    ValueError
        By the constructor for leaves that the tree has not; by ``add`` for a leaf that is not of these or not behind
        the one before, and for an array of another size or type.
    """

    def __init__(self, n_leaves: int, first: int, last: int, size: int) -> None:
        if not 0 <= first <= last <= n_leaves:
            raise ValueError(f"leaves {first} to {last} are not of a tree over {n_leaves}")
        self.n_leaves, self.first, self.last, self.size = n_leaves, first, last, size
        # The node above each node, up to the largest that have these leaves alone.
        self._above: dict[Node, Node] = {}
        for node in largest_nodes(first, last, n_leaves):
            self._climb(*node)
        self._spare: list[Array] = []
        self._sums: list[tuple[int, int, Array]] = []
        self._next = first

    def _climb(self, lo: int, hi: int) -> None:
        if hi - lo > 1:
            mid = middle(lo, hi)
            self._above[lo, mid] = self._above[mid, hi] = (lo, hi)
            self._climb(lo, mid)
            self._climb(mid, hi)

    def add(self, leaf: int, array: Array) -> None:
        """Take a leaf, behind those that came before; the array is read now and not kept."""
        if not self._next <= leaf < self.last:
            raise ValueError(f"leaf {leaf} comes where one of {self._next} to {self.last - 1} may")
        if array.shape != (self.size,) or array.dtype != np.float32:
            raise ValueError(f"a leaf is {self.size} numbers of float32, not {array.dtype} of shape {array.shape}")
        self._close(leaf)
        self._next = leaf + 1
        self._rise(leaf, leaf + 1, array, leaf + 1, borrowed=True)

    def _close(self, done: int) -> None:
        """Let the last sum up as far as leaves below `done` reach: those that have not come are missing."""
        if self._sums:
            self._rise(*self._sums.pop(), done, borrowed=False)

    def _rise(self, lo: int, hi: int, mine: Array, done: int, *, borrowed: bool) -> None:
        """Keep a node's sum at the highest node that it completes, added to its left sides."""
        while (above := self._above.get((lo, hi))) is not None and above[1] <= done:
            if self._sums and self._sums[-1][0] >= above[0]:
                left = self._sums.pop()[2]
                np.add(left, mine, out=left)
                if not borrowed:
                    self._spare.append(mine)
                mine, borrowed = left, False
            lo, hi = above
        if borrowed:
            kept = self._spare.pop() if self._spare else np.empty(self.size, np.float32)
            np.copyto(kept, mine)
            mine = kept
        self._sums.append((lo, hi, mine))

    def nodes(self) -> dict[Node, Array]:
        """Return the sums of the largest nodes over these leaves, without those that are missing wholly.

        The arrays are this object's memory: the next ``add`` or ``reset`` may change them.
        """
        self._close(self.last)
        self._next = self.last
        return {(lo, hi): array for lo, hi, array in self._sums}

    def reset(self) -> None:
        """Begin anew, with the memory there is."""
        self._spare += [array for _, _, array in self._sums]
        self._sums.clear()
        self._next = self.first
