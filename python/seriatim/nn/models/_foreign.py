"""What embeds frames and is no module of ours: functions, sessions of onnxruntime, torch's modules."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from seriatim._typing import AnyArray, ArrayLike

# What a session's input wants, where it is not float32.
_TYPES = {"tensor(double)": np.float64, "tensor(float16)": np.float16}


def embeds(value: Any) -> bool:
    """Return whether frames can go through: it is a callable or a session of onnxruntime."""
    return callable(value) or _is_session(value)


def _is_session(value: Any) -> bool:
    return hasattr(value, "run") and hasattr(value, "get_inputs")


def caller(embedding: Any) -> Callable[[AnyArray], ArrayLike]:
    """Return a function from frames to rows, as arrays.

    Parameters
    ----------
    embedding : callable or session
        A session has one input and gives its first output. A torch module is called without gradients and in evaluation
        mode, with a tensor of its parameters' type and device; its mode is what it was afterwards.
    """
    torch: Any = sys.modules.get("torch")
    if _is_session(embedding):
        return lambda frames: _run_session(embedding, frames)
    if torch is not None and isinstance(embedding, torch.nn.Module):
        return lambda frames: _run_torch(torch, embedding, frames)
    return embedding  # type: ignore[no-any-return]


def _run_session(session: Any, frames: AnyArray) -> ArrayLike:
    (given,) = session.get_inputs()
    found: AnyArray = session.run(None, {given.name: frames.astype(_TYPES.get(given.type, np.float32), copy=False)})[0]
    return found.astype(np.float32, copy=False)


def _run_torch(torch: Any, module: Any, frames: AnyArray) -> ArrayLike:
    modes = [(part, part.training) for part in module.modules() if part.training]
    example = next(module.parameters(), None)
    tensor = torch.from_numpy(np.array(frames))
    if example is not None:
        tensor = tensor.to(device=example.device, dtype=example.dtype)
    module.eval()
    try:
        with torch.no_grad():
            found: AnyArray = module(tensor).float().cpu().numpy()
    finally:
        for part, mode in modes:
            part.training = mode
    return found
