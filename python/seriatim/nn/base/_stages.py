"""What a module is as stages of a network that runs frame by frame (:mod:`seriatim.functional._stream`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seriatim.functional._stream import Stage
from seriatim.nn.base._narrow import narrow_form


def stages_of(module: Any, name: str = "", inputs: int = 0) -> list[Stage]:
    """Return the stages that run a module frame by frame; TypeError if it has none, or a forward of its own."""
    for owner in type(module).__mro__:
        own = vars(owner).keys()
        if "_stream_stages" in own or owner.__module__.startswith("seriatim."):
            break
        if own & {"trace", "forward"}:
            raise TypeError(
                f"{type(module).__name__}: has no stream, for its forward is its own: run it over the frames so far, "
                "or stream the modules that it is made of"
            )
    form = narrow_form(module.parameters())
    if form is not None:
        raise ValueError(
            f"{type(module).__name__}: expected float32 weights in a stream, got those that seriatim.quantize has made "
            f"{form}: stream the model that was quantised"
        )
    found: list[Stage] = module._stream_stages(name, inputs)
    return found


def one_behind_another(parts: Sequence[tuple[str, Any]], inputs: int = 0) -> list[Stage]:
    """Return the stages of modules that run one after another, by name."""
    stages: list[Stage] = []
    for name, module in parts:
        stages += stages_of(module, name, stages[-1].outputs if stages else inputs)
    return stages


def below(name: str, part: str) -> str:
    """Return what a part of a module of this name is called."""
    return f"{name}.{part}" if name else part
