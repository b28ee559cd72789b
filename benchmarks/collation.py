"""From a list of arrays to a packed batch: beside a copy of the same bytes, and torch's pad_sequence and packing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence as torch_pack
from torch.nn.utils.rnn import pad_sequence as torch_pad

from seriatim import pack_sequence
from seriatim.sequences import Sequences
from seriatim.training import collate


def jobs() -> tuple[dict[str, dict[str, Callable[[], object]]], int]:
    """Return ``{name: {peer: job}}`` and the bytes of all frames."""
    random = np.random.default_rng(0)
    lengths = np.exp(random.uniform(np.log(10), np.log(400), 256)).astype(int)
    arrays = [random.normal(size=(n, 64)).astype(np.float32) for n in lengths]
    joined = np.concatenate(arrays)
    target = np.empty_like(joined)
    container = Sequences(joined, lengths)
    everything = np.arange(len(lengths))
    tensors = [torch.from_numpy(a) for a in arrays]
    sizes = torch.from_numpy(lengths)

    def theirs() -> object:
        return torch_pack(torch_pad(tensors), sizes, enforce_sorted=False)

    return {
        "packing a list of 256 arrays": {
            "seriatim": lambda: pack_sequence(arrays, enforce_sorted=False),
            "torch": theirs,
            "memcpy": lambda: np.copyto(target, joined),
        },
        "packing 256 sequences of a container": {
            "seriatim": lambda: collate(container, everything),
            "torch": theirs,
            "memcpy": lambda: np.copyto(target, joined),
        },
    }, joined.nbytes
