"""Ragged data: the container, packed batches, collation.

Sequences differ in length; nothing here pads unless asked to, and what stands in padding is never read.
"""

from seriatim.sequences._apply import batch_to_time, elementwise_apply, seq_wise, time_to_batch
from seriatim.sequences._collate import collate_fn
from seriatim.sequences._container import Sequences
from seriatim.sequences._packed import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
    unpad_sequence,
)

__all__ = [
    "PackedSequence",
    "Sequences",
    "batch_to_time",
    "collate_fn",
    "elementwise_apply",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "seq_wise",
    "time_to_batch",
    "unpack_sequence",
    "unpad_sequence",
]
