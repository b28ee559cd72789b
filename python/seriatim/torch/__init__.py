"""Our kernels inside other people's torch models, on the CPU: twins of torch's modules, and ``patch``.

Not imported by ``import seriatim``; needs torch 2.4 or later, which comes with ``pip install 'seriatim[torch]'``.
"""

from __future__ import annotations

try:
    import torch

    if not hasattr(torch.library, "custom_op"):
        raise ImportError(f"torch is {torch.__version__}")
except ImportError as error:
    raise ImportError(
        f"seriatim.torch: expected torch 2.4 or later, got: {error}; install it by pip install 'seriatim[torch]'"
    ) from error

from seriatim.torch._conv_recurrent import ConvGRU, ConvGRUCell, ConvLSTM, ConvLSTMCell
from seriatim.torch._convolution import Conv2d
from seriatim.torch._deepgru import DeepGRU
from seriatim.torch._module import as_module
from seriatim.torch._patch import Patch, patch
from seriatim.torch._recurrent import GRU, LSTM, RNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Conv2d",
    "ConvGRU",
    "ConvGRUCell",
    "ConvLSTM",
    "ConvLSTMCell",
    "DeepGRU",
    "Patch",
    "as_module",
    "patch",
]
