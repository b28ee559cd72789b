"""Twins of collation: rows are moved one by one."""

from __future__ import annotations

import numpy as np


def _collect(sequences, layout):
    """The sequences, in the order of the batch, as packed data and batch_sizes or as a padded batch."""
    lengths = [len(sequence) for sequence in sequences]
    features = sequences[0].shape[1]
    if layout == "padded":
        padded = np.zeros((len(sequences), max(lengths), features))
        for i, sequence in enumerate(sequences):
            padded[i, : lengths[i]] = sequence
        return padded
    rows, batch_sizes = [], []
    for step in range(max(lengths)):
        alive = [sequence[step] for sequence in sequences if step < len(sequence)]
        rows += alive
        batch_sizes.append(len(alive))
    return np.array(rows, np.float64), np.array(batch_sizes, np.int64)


def collate(sequences, order, layout):
    used = [np.asarray(sequences[i], np.float64) for i in order]
    return _collect([s[:, np.newaxis] if s.ndim == 1 else s for s in used], layout)


def collate_concatenated(X, starts, lengths, layout):
    X = np.asarray(X, np.float64)
    return _collect([X[start : start + length] for start, length in zip(starts, lengths, strict=True)], layout)


def pack_rows(padded, lengths, order, *, batch_first=True):
    padded = np.asarray(padded, np.float64)
    if not batch_first:
        padded = padded.swapaxes(0, 1)
    sequences = [padded[i, :length] for i, length in zip(order, lengths, strict=True)]
    return _collect(sequences, "packed")


def unpack_rows(data, batch_sizes, order, *, total_length, padding_value=0.0, batch_first=True):
    data = np.asarray(data, np.float64)
    padded = np.full((batch_sizes[0], total_length, data.shape[1]), padding_value, np.float64)
    row = 0
    for step, size in enumerate(batch_sizes):
        for position in range(size):
            padded[order[position], step] = data[row]
            row += 1
    return padded if batch_first else padded.swapaxes(0, 1)
