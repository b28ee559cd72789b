"""GRUs of canton."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from seriatim._states import Converted, StateDict, as_floats_of, read_state
from seriatim._typing import AnyArray, Array, ArrayLike


def canton_gru(state_dict: StateDict | Sequence[ArrayLike]) -> dict[str, AnyArray]:
    """Weights of canton's GRU, dense or convolutional.

    canton multiplies the new candidate by z and applies r before the product, on ``[h, x]``.

    Parameters
    ----------
    state_dict : mapping of name to array_like, or sequence of array_like
        Update gate, reset gate and candidate: dense weights ``(H + I, H)`` or kernels ``(k, k, H + I, H)``, and biases
        ``(H,)`` or none. They are known by canton's names, ``wz``, ``wr`` and ``w``, which may be a part of a longer
        one (``"gru/wz/W"``, ``"wz_b"``). Only where there are no names, in a list and in what ``numpy.savez`` makes of
        one (``arr_0``, ``arr_1``, ...), they are in canton's order, ``wz, wr, w``: the weights alone, each with its
        bias behind it, or all biases behind all weights. Or the path of a file.

    Returns
    -------
    dict
        Of dense weights for a single-layer ``nn.GRU(I, H, reset_after=False)``, of kernels for ``nn.ConvGRUCell``;
        canton's published text has no biases: where there is none at all, those of ours are zeros, which
        ``bias=False`` takes, too. As it is returned, ``load_state_dict`` refuses it for ``reset_after=True``.

    Raises
    ------
    ValueError
        There are not three weights of one shape, and three biases or none; or names do not say which is which.
    """
    arrays = _by_gate(state_dict)
    weights, biases = [a for a in arrays.values() if a.ndim > 1], [a for a in arrays.values() if a.ndim <= 1]
    hidden = weights[0].shape[-1] if weights else 0
    fits = len(weights) == 3 and len({w.shape for w in weights}) == 1 and weights[0].ndim in (2, 4)
    if not fits or weights[0].shape[-2] <= hidden or [b.shape for b in biases] not in ([], [(hidden,)] * 3):
        given = ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "none"
        raise ValueError(
            "not a state dict of canton's GRU: expected three weights of one shape, (H + I, H) or (k, k, H + I, H), "
            f"and three biases (H,) or none, got {given}"
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
        return Converted(found, made_up=() if biases else [f"{name}.bias" for name in gates])
    # Ours keeps the old state by z: the other gate of canton's, which is the sigmoid of minus the sum.
    whole = np.concatenate([r, -z, n], axis=1)
    found = {
        "weight_ih_l0": whole[hidden:].T,
        "weight_hh_l0": whole[:hidden].T,
        "bias_ih_l0": np.concatenate([bias_r, -bias_z, bias_n]),
        "bias_hh_l0": np.zeros(3 * hidden, np.float32),
    }
    made_up = () if biases else ("bias_ih_l0", "bias_hh_l0")
    return Converted(found, manner={"reset_after": False}, made_up=made_up)


def _by_gate(given: StateDict | Sequence[ArrayLike]) -> dict[str, Array]:
    """Return arrays in the order of the gates, wz, wr, w: by canton's names, or without any, by their place."""
    if isinstance(given, (list, tuple)) and not all(isinstance(item, tuple) for item in given):
        given = {f"arr_{place}": array for place, array in enumerate(given)}
    arrays = {name: as_floats_of(name, value) for name, value in read_state(given).items()}
    gates = {name: _gate(name) for name in arrays}
    numbers = sorted(int(name[4:]) for name in arrays if re.fullmatch(r"arr_\d+", name))
    if arrays and numbers == list(range(len(arrays))):
        numbered = {f"arr_{number}": arrays[f"arr_{number}"] for number in numbers}
        # 2: a weight, 1: a bias.
        if "".join(str(min(a.ndim, 2)) for a in numbered.values()) in ("222", "212121", "222111"):
            return numbered
    roles = [(gate, arrays[name].ndim > 1) for name, gate in gates.items()]
    if any(gate < 0 for gate in gates.values()) or len(set(roles)) < len(roles):
        raise ValueError(
            "not a state dict of canton's GRU: expected a weight, and a bias or none, of each of wz, wr and w, got "
            f"{list(arrays)}; a list in this order needs no names"
        )
    return {name: arrays[name] for name in sorted(arrays, key=lambda name: gates[name])}


def _gate(name: str) -> int:
    """Return the place of the gate that a name is of; -1 of none."""
    parts = re.split(r"[^A-Za-z0-9]+", name)
    return next((place for place, gate in enumerate(("wz", "wr", "w")) if gate in parts), -1)
