"""What this machine allows: multiply-adds a second, and bytes a second of weights that are read once."""

from __future__ import annotations

from functools import cache

import numpy as np
from timing import in_turns

import seriatim
from seriatim import functional as F


@cache
def peak(threads: int) -> float:
    """FLOP/s of our tile on factors that stay in the first two caches: close to the hardware's limit."""
    before = seriatim.get_num_threads()
    seriatim.set_num_threads(threads)
    rows, depth, columns = 384, 192, 480
    x = np.ones((rows, depth), np.float32)
    weight = np.ones((columns, depth), np.float32)
    packed = F.linear_pack(weight)

    def many() -> None:
        for _ in range(20):
            F.linear(x, weight, packed=packed)

    seconds = min(in_turns({"a": many}, seconds=0.3)["a"] for _ in range(2)) / 20
    seriatim.set_num_threads(before)
    return 2.0 * rows * depth * columns / seconds


@cache
def bandwidth(megabytes: float, threads: int) -> float:
    """Bytes/s at which a product with one row reads so much weights, again and again, from the cache they fit in."""
    before = seriatim.get_num_threads()
    seriatim.set_num_threads(threads)
    depth = 512
    columns = max(48, round(megabytes * 2**20 / 4 / depth / 96) * 96)
    x = np.ones((1, depth), np.float32)
    weight = np.ones((columns, depth), np.float32)
    packed = F.linear_pack(weight)

    def many() -> None:
        for _ in range(50):
            F.linear(x, weight, packed=packed)

    seconds = in_turns({"a": many}, seconds=0.2)["a"] / 50
    seriatim.set_num_threads(before)
    return 4.0 * depth * columns / seconds
