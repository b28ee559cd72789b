"""What layers were constructed with, held against what ours compute."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from seriatim.convert._keras._kinds import KINDS, Kind
from seriatim.convert._keras._source import Setting

# What our layers do; a setting that is not given has this value, or does not matter.
_OURS: dict[str, Any] = {
    "activation": "tanh",
    "recurrent_activation": "sigmoid",
    "go_backwards": False,
    "stateful": False,
    "merge_mode": "concat",
}
_WAYS = {
    "go_backwards": "reverse x, and the outputs",
    "stateful": "give the states that a call returns to the next one",
    "merge_mode": "combine y[..., :H] and y[..., H:]",
}
# Layers between those of a stack that change nothing when a network is not being trained.
TRANSPARENT = frozenset(
    ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianDropout", "GaussianNoise")
    + ("AlphaDropout", "ActivityRegularization", "InputLayer")
)


def kind_of_setting(setting: Setting) -> Kind | None:
    """Return what kind of recurrent layer it is, whatever wraps it."""
    names = {kind for kind, _ in inside(setting.kind, setting.config)}
    return next((kind for kind in KINDS if names & kind.classes), None)


def inside(kind: str, config: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a layer and the layers and cells that it wraps."""
    yield kind, config
    for part in ("layer", "backward_layer", "cell"):
        entry = config.get(part)
        if isinstance(entry, dict) and "class_name" in entry:
            yield from inside(entry["class_name"], entry["config"])
    for entry in config.get("cells", ()):
        yield from inside(entry["class_name"], entry["config"])


def ignored(ignore: str | Collection[str]) -> frozenset[str]:
    """Return the settings that are not to be held against ours; a text is one name.

    Raises
    ------
    TypeError
        It is neither a name nor names.
    ValueError
        A name is none of those that are looked at.
    """
    names = [ignore] if isinstance(ignore, str) else ignore
    if not isinstance(names, Iterable) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"ignore: expected names of settings, as ('activation',), got {ignore!r}")
    unknown = [name for name in names if name not in _OURS]
    if unknown:
        raise ValueError(f"ignore: expected of {', '.join(_OURS)}, got {', '.join(map(repr, unknown))}")
    return frozenset(names)


def problems(setting: Setting, kind: Kind, ignore: Collection[str]) -> Iterator[str]:
    """Yield what the layer does otherwise than ours."""
    backward: list[dict[str, Any]] = []
    if setting.kind == "Bidirectional":
        backward = [setting.config[part]["config"] for part in ("backward_layer",) if setting.config.get(part)]
    for _, config in inside(setting.kind, setting.config):
        for key, ours in _OURS.items():
            wanted = True if key == "go_backwards" and config in backward else ours
            found = _plain(key, config[key]) if key in config else wanted
            if found != wanted and key not in ignore:
                way = f"{_WAYS[key]}, and give" if key in _WAYS else "if that is meant, give"
                if key == "activation" and found == "relu" and kind.name == "SimpleRNN":
                    way = "nn.RNN(..., nonlinearity='relu') has it; for that, give"
                yield (
                    f"{'/'.join(setting.name)}: expected {key}={wanted!r}, which ours has, got {found!r}; {way} "
                    f"ignore=({key!r},)"
                )


def _plain(key: str, value: Any) -> Any:
    """Return a value as it is written in Python: functions and objects by their names."""
    if isinstance(value, dict):
        name = value.get("config")
        value = name if isinstance(name, str) else value.get("class_name")
    return "linear" if value is None and "activation" in key else value
