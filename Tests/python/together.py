"""Micro-batches that run together, for tests: a thread each, which meet at every fold."""

from __future__ import annotations

import threading
from collections import Counter

from seriatim.nn.base._together import together


def tree(leaves, combine):
    """Fold leaves in the fixed tree: the left part is the largest power of two below their number."""
    if len(leaves) == 1:
        return leaves[0]
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = tree(leaves[:middle], combine), tree(leaves[middle:], combine)
    return right if left is None else left if right is None else combine(left, right)


class Part:
    """One of the micro-batches; ``writers`` are the shards that write what all of a process would."""

    def __init__(self, shard, of, leaves, barrier, writers):
        self.shard, self.of = shard, of
        self._leaves, self._barrier, self._writers = leaves, barrier, writers
        self._drawn = Counter()

    def fold(self, leaf, combine):
        self._leaves[self.shard] = leaf
        self._barrier.wait(10)
        root = tree(self._leaves, combine)
        self._barrier.wait(10)
        return root

    def draw(self, module):
        self._drawn[id(module)] += 1
        return self._drawn[id(module)] - 1

    def once(self, owner):
        return self.shard in self._writers


def run(work, of, writers=(0,)):
    """Call ``work(shard)`` for every micro-batch together, and give what each gives; the first error is raised."""
    results, leaves, failed, barrier = [None] * of, [None] * of, [], threading.Barrier(of)

    def one(shard):
        together.set(Part(shard, of, leaves, barrier, writers))
        try:
            results[shard] = work(shard)
        except threading.BrokenBarrierError:
            pass
        except BaseException as error:
            # Those that wait for it, or will, have to know.
            failed.append(error)
            barrier.abort()

    threads = [threading.Thread(target=one, args=(shard,)) for shard in range(of)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return results
