"""Random weights of a recurrent layer that is not trained: an echo-state network's reservoir."""

from __future__ import annotations

import numpy as np

from seriatim._typing import Seed
from seriatim.nn.base import _init
from seriatim.nn.recurrent._rnn import RNN

# The input weights of a unit have a scale of their own: some units are nearly linear, others nearly switches.
_SPREAD_OF_SCALES, _BIAS = 0.7, 0.5


def reservoir_(
    rnn: RNN, spectral_radius: float = 0.9, input_scale: float = 0.5, connections: int = 10, *, rng: Seed = None
) -> RNN:
    """Draw the weights of a plain recurrent layer as a reservoir's; in place, returns the layer.

    Parameters
    ----------
    rnn : RNN
        Every layer and direction is drawn anew.
    spectral_radius : float, default 0.9
        Of the recurrent weights, in the mean: how long the past echoes.
    input_scale : float, default 0.5
        Deviation of a unit's summed input for standardised features that are independent, in the median.
    connections : int, default 10
        Units that each unit listens to.
    rng : int, Generator or None

    Raises
    ------
    ValueError
        ``connections`` is not positive.

    Notes
    -----
    A row of ``W_hh`` has ``k`` normal weights of deviation ``spectral_radius / sqrt(k)``: the circular law puts the
    largest eigenvalues on a circle of that radius. A row of ``W_ih`` has normal weights of deviation ``input_scale
    exp(s) / sqrt(D)``, ``s`` normal with deviation 0.7; biases have deviation 0.5.

    References
    ----------
    Jaeger, "The echo state approach to analysing and training recurrent neural networks", GMD report 148, 2001.
    """
    if connections < 1:
        raise ValueError(f"connections: expected a positive integer, got {connections!r}")
    random = _init.generator(rng)
    hidden, heard = rnn.hidden_size, min(connections, rnn.hidden_size)
    for name, parameter in rnn.named_parameters():
        if name.startswith("weight_hh"):
            weight = np.zeros((hidden, hidden), np.float32)
            for row in weight:
                row[random.choice(hidden, heard, replace=False)] = random.standard_normal(heard)
            parameter.data = weight * np.float32(spectral_radius / np.sqrt(heard))
        elif name.startswith("weight_ih"):
            scales = input_scale * np.exp(random.normal(0, _SPREAD_OF_SCALES, (hidden, 1)))
            features = parameter.shape[1]
            drawn = random.standard_normal((hidden, features)) * scales / np.sqrt(features)
            parameter.data = drawn.astype(np.float32)
        elif name.startswith("bias_ih"):
            parameter.data = random.normal(0, _BIAS, hidden).astype(np.float32)
        else:
            parameter.data = np.zeros(hidden, np.float32)
    return rnn
