"""Twin of dropout: Philox4x32-10 in Python integers (Salmon, Moraes, Dror and Shaw, SC 2011).

Element i's random word is word ``i % 4`` of the block whose counter is ``i // 4`` and ``offset`` (low words first) and
whose key is ``seed`` (low word first). It is kept where the word is at least ``floor(p * 2**32)``.
"""

from __future__ import annotations

import numpy as np

LOW = 0xFFFFFFFF

# Random123's kat_vectors for philox4x32-10: counter, key, words.
KNOWN_ANSWERS = [
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (LOW, LOW, LOW, LOW),
        (LOW, LOW),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def philox(counter, key):
    """Four words from a counter of four words and a key of two."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        first = 0xD2511F53 * c0
        second = 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (
            (second >> 32) ^ c1 ^ k0,
            second & LOW,
            (first >> 32) ^ c3 ^ k1,
            first & LOW,
        )
        k0 = (k0 + 0x9E3779B9) & LOW
        k1 = (k1 + 0xBB67AE85) & LOW
    return c0, c1, c2, c3


def keep_mask(size, p, seed, offset):
    """Which of ``size`` elements stay."""
    threshold = int(p * 2.0**32)
    keep = np.zeros(size, bool)
    for element in range(size):
        block = element // 4
        words = philox((block & LOW, block >> 32, offset & LOW, offset >> 32), (seed & LOW, seed >> 32))
        keep[element] = words[element % 4] >= threshold
    return keep


def dropout(x, p, seed, offset):
    x = np.asarray(x, np.float64)
    keep = keep_mask(x.size, p, seed, offset).reshape(x.shape)
    return np.where(keep, x / (1 - p), 0.0)


def dropout_backward(grad_y, p, seed, offset):
    return dropout(grad_y, p, seed, offset)
