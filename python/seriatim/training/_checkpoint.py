"""Checkpoints: the whole state of a training run in one safetensors file, so that it goes on with the same bits.

A file belongs to one training. Its name says which: what is trained on, and the settings, each a digest of the content
(:mod:`_identity`); the last part tells runs of the same training apart. A running training holds its file
(:mod:`_claims`), so that no other takes it up, and one that was killed no longer does. The file is replaced as a whole
after an epoch, so a kill at any moment leaves the last one, and removed when the training is complete.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from seriatim._config import __version__
from seriatim._files import parsed, read_tensors, read_texts, to_bytes
from seriatim._typing import AnyArray
from seriatim._warnings import warn
from seriatim.training import _claims
from seriatim.training._identity import identity, shown

_ARRAYS = "arrays"
# Of the file's own layout.
FORMAT = 3
_logger = logging.getLogger("seriatim")
# Files that a warning of this process has named.
_named: set[str] = set()


@dataclass(frozen=True)
class Origin:
    """What makes a training the one that it is.

    Attributes
    ----------
    name : str
        Of the estimator, for messages.
    data : str
        Digest of what is trained on, and of what training begins from.
    settings : dict of str to (str, str)
        Of each setting a digest and how it is shown.
    seeded : bool
        Whether two runs of the training give the same, so that one's state is as good as the other's.
    """

    name: str
    data: str
    settings: dict[str, tuple[str, str]]
    seeded: bool

    @classmethod
    def of(cls, kind: Any, data: Any, settings: Mapping[str, Any], *, seeded: bool) -> Origin:
        """Return the origin of a training.

        Parameters
        ----------
        kind : type
        data : object
        settings : mapping
        seeded : bool

        Raises
        ------
        TypeError
            Something in it is nothing but an address.
        """
        known = {name: (identity(value, name), shown(value)) for name, value in settings.items()}
        known["seriatim"] = (identity((__version__, FORMAT)), __version__)
        return cls(kind.__name__, identity((kind, data), "the data"), known, seeded)

    @property
    def family(self) -> str:
        """What files of the same training with any settings begin with."""
        return f"training-{self.data[:12]}"

    @property
    def stem(self) -> str:
        """What files of this training begin with."""
        digests = sorted((name, digest) for name, (digest, _) in self.settings.items())
        return f"{self.family}-{identity(digests)[:12]}"

    def differences(self, others: Mapping[str, Any]) -> dict[str, str]:
        """Return, of each setting that is another one now, what it was and is."""
        told = {}
        for name in sorted({*self.settings, *others}):
            was, now = tuple(others.get(name, ("", "not there"))), self.settings.get(name, ("", "not there"))
            if was[0] != now[0]:
                alike = f"{name} ({now[1]}) has another content now"
                told[name] = alike if was[1] == now[1] else f"{name} was {was[1]} and is {now[1]}"
        return told


@dataclass
class Checkpoint:
    """One training's file, from ``with`` to its end: then it is let go of, and stays unless it was removed.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    origin : Origin
    every : int
        Epochs from file to file.

    Attributes
    ----------
    drawn : dict
        What was drawn by chance before the first epoch: a training that goes on has the first run's.
    """

    folder: str | os.PathLike[str]
    origin: Origin
    every: int
    drawn: dict[str, Any] = field(default_factory=dict)
    _claim: _claims.Claim | None = None
    _state: dict[str, Any] | None = None
    _saved: float = 0.0

    def __enter__(self) -> Checkpoint:
        self._saved = time.monotonic()
        for path in self._files(self.origin.stem):
            claim = _claims.take(path, _owner)
            if claim is None:
                continue
            self._claim = claim
            try:
                self._state = _read(claim.path)
            except BaseException:
                if not claim.locked:
                    os.replace(claim.path, path)
                self._release()
                raise
            self.drawn = self._state.pop("drawn")
            if not claim.locked:
                # Who holds it without a lock, the file itself has to say.
                self.save(self._state)
                claim.path.unlink(missing_ok=True)
            return self
        self._tell()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._release()
        self._state = None

    def save(self, state: dict[str, Any]) -> None:
        """Write a nested state of arrays, numbers, strings, lists, dicts and None.

        Parameters
        ----------
        state : dict
        """
        arrays: dict[str, AnyArray] = {}
        described = _take_apart({**state, "drawn": self.drawn}, arrays)
        since, self._saved = self._saved, time.monotonic()
        origin = {"name": self.origin.name, "settings": self.origin.settings}
        texts = {"training": json.dumps(described), "origin": json.dumps(origin)}
        content = to_bytes(arrays, {**texts, "owner": _claims.me(self._saved - since)})
        folder = Path(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        before, path = self._claim, folder / f"{self.origin.stem}-{os.urandom(4).hex()}.safetensors"
        # One that was moved to be taken, or is the parent's of a fork, is not replaced.
        ours = before is not None and before.descriptor is not None and not before.path.name.startswith(".")
        self._claim = _claims.write(before.path if ours and before is not None else path, content)
        if before is not None and before.descriptor is not None:
            os.close(before.descriptor)
            before.descriptor = None

    def load(self) -> dict[str, Any] | None:
        """Return the state that the run before this one saved, None if there is none; once.

        Returns
        -------
        dict or None
        """
        state, self._state = self._state, None
        return state

    @property
    def path(self) -> Path | None:
        """Where the file is; None before the first one is written."""
        return None if self._claim is None else self._claim.path

    def remove(self) -> None:
        """Remove the file, of a training that is complete, and what runs of the same training left that were killed."""
        if self._claim is not None and self._claim.descriptor is not None:
            self._claim.path.unlink(missing_ok=True)
        self._release()
        _claims.clear(Path(self.folder), self.origin.stem + "*")
        for path in self._files(self.origin.stem) if self.origin.seeded else ():
            claim = _claims.take(path, _owner)
            if claim is not None:
                claim.path.unlink(missing_ok=True)
                claim.release()

    def _release(self) -> None:
        if self._claim is not None:
            self._claim.release()
        self._claim = None

    def _files(self, stem: str) -> list[Path]:
        """Return the files of a name, the last written first."""
        found = []
        for path in Path(self.folder).glob(f"{stem}-*.safetensors"):
            try:
                found.append((-path.stat().st_mtime, path))
            except FileNotFoundError:
                # Another training is complete.
                continue
        return [path for _, path in sorted(found)]

    def _tell(self) -> None:
        """Say which settings keep this training from going on from a checkpoint that lies there."""
        for path, others in self._left():
            told = self.origin.differences(others)
            text = (
                f"checkpoint_dir: {path} is of a training of {self.origin.name} on the same data with other settings, "
                f"and is left alone: {'; '.join(told.values())}. This training begins anew."
            )
            _logger.info(text)
            # Members of an ensemble are meant to differ in their seeds.
            if set(told) != {"random_state"} and str(path) not in _named:
                _named.add(str(path))
                warn(text)

    def _left(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Yield files that nobody holds, of the same data and other settings, and these."""
        for path in self._files(self.origin.family):
            if path.name.startswith(self.origin.stem):
                continue
            # Looked at without a lock, which would stand in the way of the training that it is of.
            if _claims.is_held(path, _owner):
                continue
            try:
                settings = parsed(read_texts(path)["origin"])["settings"]
            except (OSError, ValueError, KeyError):
                continue
            if isinstance(settings, dict) and all(isinstance(said, list) for said in settings.values()):
                yield path, settings


def drawn(checkpoint: Checkpoint | None, name: str, value: Any) -> Any:
    """Return what the run that a training goes on with had drawn under a name; else what was drawn now, and keep it."""
    return value if checkpoint is None else checkpoint.drawn.setdefault(name, value)


# ---- Files


def _owner(path: Path) -> str:
    try:
        return read_texts(path)["owner"]
    except (ValueError, KeyError):
        # Reading it says what is wrong.
        return _claims.NOBODY


def _read(path: Path) -> dict[str, Any]:
    try:
        texts, arrays = read_tensors(path, wanted=True)
        state: dict[str, Any] = _put_together(parsed(texts["training"], finite=False), arrays)
        if not isinstance(state["drawn"], dict):
            raise ValueError(f"{path}: what was drawn is {state['drawn']!r:.60}")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{refused(path)} ({error})") from error
    return state


def refused(path: Path | None) -> str:
    """Say that a file is no checkpoint that a training can go on from."""
    return (
        f"{path}: expected a checkpoint of a training, got a file that cannot be read as one: remove it to train from "
        "the beginning"
    )


def _take_apart(value: Any, arrays: dict[str, AnyArray]) -> Any:
    """Return what JSON can hold, and put the arrays aside."""
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        arrays[name] = np.asarray(value, order="C")
        return {_ARRAYS: name}
    if isinstance(value, dict):
        return {key: _take_apart(item, arrays) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_take_apart(item, arrays) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _put_together(value: Any, arrays: dict[str, AnyArray]) -> Any:
    if isinstance(value, dict):
        if set(value) == {_ARRAYS}:
            return arrays[value[_ARRAYS]]
        return {key: _put_together(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_put_together(item, arrays) for item in value]
    return value
