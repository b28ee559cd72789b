"""GRUs of canton."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from seriatim._arrays import as_floats
from seriatim._typing import AnyArray, Array, ArrayLike


def canton_gru(state_dict: Mapping[str, ArrayLike]) -> dict[str, AnyArray]:
    """Weights of canton's GRU, dense or convolutional.

    canton multiplies the new candidate by z and applies r before the product, on ``[h, x]``.

    Parameters
    ----------
    state_dict : mapping of name to array_like
        Update gate, reset gate and candidate: dense weights ``(H + I, H)`` or kernels ``(k, k, H + I, H)``, and biases
        ``(H,)`` or none. They are known by canton's names, ``wz``, ``wr`` and ``w``, which may be a part of a longer
        one (``"gru/wz/W"``, ``"wz_b"``); or, as ``numpy.savez`` names what has none, ``arr_0``, ``arr_1``, ..., by the
        number; other names stand in the order of the gates.

    Returns
    -------
    dict
        Of dense weights for a single-layer ``nn.GRU(I, H, reset_after=False)``, of kernels for ``nn.ConvGRUCell``;
        biases of zeros where there is none.

    Raises
    ------
    ValueError
        There are not three weights of one shape, and three biases or none; or some names are canton's and others are
        not.
    """
    arrays = _by_gate({name: np.array(as_floats(name, value)) for name, value in state_dict.items()})
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
        return found
    # Ours keeps the old state by z: the other gate of canton's, which is the sigmoid of minus the sum.
    whole = np.concatenate([r, -z, n], axis=1)
    return {
        "weight_ih_l0": whole[hidden:].T,
        "weight_hh_l0": whole[:hidden].T,
        "bias_ih_l0": np.concatenate([bias_r, -bias_z, bias_n]),
        "bias_hh_l0": np.zeros(3 * hidden, np.float32),
    }


def _by_gate(arrays: dict[str, Array]) -> dict[str, Array]:
    """Return arrays in the order of the gates: by canton's names, by number, or as they are given."""
    places = {name: place for name in arrays if (place := _place(name)) is not None}
    if not places:
        return arrays
    each = [(place, arrays[name].ndim > 1) for name, place in places.items()]
    if len(places) < len(arrays) or len(set(each)) < len(each):
        raise ValueError(
            "not a state dict of canton's GRU: expected a weight, and a bias or none, of each of wz, wr and w, got "
            f"{list(arrays)}"
        )
    return {name: arrays[name] for name in sorted(arrays, key=lambda name: places[name])}


def _place(name: str) -> int | None:
    """Return where a name says that an array stands."""
    parts = re.split(r"[^A-Za-z0-9]+", name)
    gates = [place for place, gate in enumerate(("wz", "wr", "w")) if gate in parts]
    if gates:
        return gates[0]
    numbered = re.fullmatch(r"(?:arr_)?(\d+)", name)
    return int(numbered[1]) if numbered else None
