"""The sum of large arrays over ranks: each finishes the tree for a slice of the numbers and tells the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from seriatim._typing import AnyArray, Array
from seriatim.distributed._engine import Came, as_bytes
from seriatim.distributed._tree import Node, finish, largest_nodes, middle, own

# Bytes that a rank rather sends whole to all others, in one round, than in slices, in two.
SMALL = 1 << 15

# Sends and receives bytes of ranks under a note of this one: Team's.
Exchange = Callable[[int, Mapping[int, AnyArray], Mapping[int, AnyArray]], dict[int, Came]]


class Sum:
    """How arrays of one size are summed by one rank, and the memory for it, which is taken once."""

    def __init__(self, rank: int, size: int, n_leaves: int, n: int) -> None:
        self.rank, self.n_leaves, self.n = rank, n_leaves, n
        leaves = [own(one, size, n_leaves) for one in range(size)]
        self.nodes = [largest_nodes(some.start, some.stop, n_leaves) for some in leaves]
        self.others = [one for one in range(size) if one != rank]
        self.sliced = 4 * n * (size - 1) > SMALL
        bounds = [one * n // size for one in range(size + 1)]
        self.slices = [slice(*bounds[one : one + 2]) if self.sliced else slice(0, n) for one in range(size)]
        width = self.slices[rank].stop - self.slices[rank].start
        self.received = {one: np.empty((len(self.nodes[one]), width), np.float32) for one in self.others}
        self.packed = np.empty(len(self.nodes[rank]) * n if len(self.nodes[rank]) > 1 else 0, np.float32)

    def run(self, nodes: Mapping[Node, Array], out: Array, exchange: Exchange) -> None:
        """Sum: :meth:`Team.sum_arrays`."""
        self._check(nodes, out)
        if not self.others:
            _keep(nodes.get((0, self.n_leaves)), None, out)
            return
        present = [nodes[node] for node in self.nodes[self.rank] if node in nodes]
        note = sum(1 << place for place, node in enumerate(self.nodes[self.rank]) if node in nodes)
        came = exchange(note, self._pack(present), {one: as_bytes(self.received[one]) for one in self.others})
        mine = self.slices[self.rank]
        self._finish(nodes, {one: came[one].note for one in self.others}, out[mine])
        if self.sliced:
            full = {one: as_bytes(out[self.slices[one]]) for one in self.others}
            exchange(0, dict.fromkeys(self.others, as_bytes(out[mine])), full)

    def _check(self, nodes: Mapping[Node, Array], out: Array) -> None:
        for array in (*nodes.values(), out):
            if array.shape != (self.n,) or array.dtype != np.float32 or not array.flags.c_contiguous:
                raise ValueError(
                    f"all arrays of a sum are {self.n} contiguous numbers of float32, not {array.dtype} of shape "
                    f"{array.shape}"
                )
        strange = nodes.keys() - set(self.nodes[self.rank])
        if strange:
            raise ValueError(f"rank {self.rank} has the nodes {self.nodes[self.rank]}, not {sorted(strange)}")

    def _pack(self, present: list[Array]) -> dict[int, AnyArray]:
        """Return each other rank's slice of the nodes that are there, behind each other."""
        if len(present) == 1:
            return {one: as_bytes(present[0][self.slices[one]]) for one in self.others}
        packed: dict[int, AnyArray] = {}
        place = 0
        for one in self.others:
            begin = place
            # Ranks that get the same get the same memory.
            if not self.sliced and packed:
                packed[one] = packed[self.others[0]]
                continue
            for array in present:
                part = array[self.slices[one]]
                self.packed[place : place + part.size] = part
                place += part.size
            packed[one] = as_bytes(self.packed[begin:place])
        return packed

    def _finish(self, nodes: Mapping[Node, Array], notes: Mapping[int, int], out: Array) -> None:
        """Finish the tree for this rank's slice; what was received is written over."""
        mine = self.slices[self.rank]
        values = {node: (array[mine], False) for node, array in nodes.items()}
        for one, note in notes.items():
            there = [node for place, node in enumerate(self.nodes[one]) if note >> place & 1]
            flat = self.received[one].reshape(-1)
            for row, node in enumerate(there):
                values[node] = (flat[row * out.size : (row + 1) * out.size], True)
        mid = middle(0, self.n_leaves) if self.n_leaves > 1 else 1
        left = finish(values, 0, mid, _combine)
        right = finish(values, mid, self.n_leaves, _combine) if self.n_leaves > 1 else None
        # A node of all leaves is there where one rank has them all.
        whole = values.get((0, self.n_leaves), left)
        _keep(whole and whole[0], right and right[0], out)


def _combine(left: tuple[Array, bool], right: tuple[Array, bool]) -> tuple[Array, bool]:
    """Add two arrays, into one that may be written over if there is one."""
    target = left[0] if left[1] else right[0] if right[1] else None
    return np.add(left[0], right[0], out=target), True


def _keep(left: Array | None, right: Array | None, out: Array) -> None:
    """Write the sum of what is there."""
    if left is not None and right is not None:
        np.add(left, right, out=out)
    elif left is None and right is None:
        out[:] = 0
    else:
        alone = right if left is None else left
        if alone is not out:
            np.copyto(out, alone)  # type: ignore[arg-type]
