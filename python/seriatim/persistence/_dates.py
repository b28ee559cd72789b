"""Times as nodes, Python's and those of pandas, and back."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seriatim.persistence._values import Reader, Writer

_FIELDS = ("year", "month", "day", "hour", "minute", "second", "microsecond", "fold")


def encode(writer: Writer, value: Any, prefix: str, path: str) -> Any:
    """Return the node of a date, a time or a difference of times; None of anything else, and of places' time zones."""
    kind = type(value)
    if kind.__module__.startswith("pandas.") and kind.__name__ in ("Timestamp", "Timedelta", "NaTType"):
        if kind.__name__ == "NaTType":
            return {"pandas": "NaT"}
        zone = getattr(value, "tzinfo", None)
        if zone is not None and zone is not datetime.timezone.utc:
            return None
        number = int(value.asm8.astype("int64"))
        return {"pandas": kind.__name__, "unit": value.unit, "number": number, "utc": zone is not None}
    if kind is datetime.timedelta:
        return {"timedelta": [value.days, value.seconds, value.microseconds]}
    if kind is datetime.date:
        return {"date": [value.year, value.month, value.day]}
    if kind in (datetime.datetime, datetime.time):
        zone = value.tzinfo
        if zone is not None and type(zone) is not datetime.timezone:
            return None
        offset = None if zone is None else zone.utcoffset(None) / datetime.timedelta(microseconds=1)
        names = _FIELDS if kind is datetime.datetime else _FIELDS[3:]
        return {kind.__name__: [getattr(value, name) for name in names], "offset": offset}
    return None


def _timed(kind: Any, names: tuple[str, ...], values: Any, offset: Any) -> Any:
    zone = None if offset is None else datetime.timezone(datetime.timedelta(microseconds=offset))
    return kind(**dict(zip(names, values, strict=True)), tzinfo=zone)


def _pandas(reader: Reader, node: dict[str, Any]) -> Any:
    try:
        import pandas
    except ImportError:
        raise ValueError("holds times of pandas, which is not installed: pip install pandas") from None
    import numpy as np

    if node["pandas"] == "NaT":
        return pandas.NaT
    is_time = {"Timestamp": True, "Timedelta": False}[node["pandas"]]
    if node["unit"] not in ("s", "ms", "us", "ns"):
        raise ValueError(f"unknown unit of time {node['unit']!r:.60}")
    if not is_time:
        return pandas.Timedelta(np.timedelta64(node["number"], node["unit"]))
    found = pandas.Timestamp(np.datetime64(node["number"], node["unit"]))
    return found.tz_localize(datetime.timezone.utc) if node["utc"] else found


DECODERS: dict[str, Any] = {
    "timedelta": lambda reader, node: datetime.timedelta(*node["timedelta"]),
    "date": lambda reader, node: datetime.date(*node["date"]),
    "datetime": lambda reader, node: _timed(datetime.datetime, _FIELDS, node["datetime"], node["offset"]),
    "time": lambda reader, node: _timed(datetime.time, _FIELDS[3:], node["time"], node["offset"]),
    "pandas": _pandas,
}
