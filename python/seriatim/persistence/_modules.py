"""Modules as trees, and back.

A node says how a module is made, ``class`` with ``args`` and ``config``, and then what it has beyond that: what has
been changed since. So it is compared with a new one, its *draft*. A part that the constructor makes is described by
what differs from the draft's part, if it can be; any other is a node of its own. What stands at two places is
described at the first, where it gets an ``id``, and the others are ``{"same": id}``.

========== ==========================================================================================================
children   [name, part] in order. A part is a node, ``{"same": id}``, None, or changes of what the constructor made.
parameters [name, array] in order; an array is ``{}`` for what the constructor made, ``{"shape": ..., "dtype": ...}``,
           ``{"same": id}`` or None. ``buffers`` alike.
parts      [name, part] of modules that are attributes without being registered.
attributes values by name; ``without`` names of those that are deleted.
memory     of a cell that keeps one between calls.
========== ==========================================================================================================

A whole, a module that is not a part of another, also has ``state``, the beginning of its tensors' names; ``values``,
the names behind it, if others have some of its values; ``frozen``, names of parameters that require no gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from seriatim.nn import Module, Parameter
from seriatim.nn.base import _init
from seriatim.nn.base._memory import Memory
from seriatim.nn.base._narrow import NarrowParameter
from seriatim.nn.losses._loss import Loss
from seriatim.persistence._compare import attributes, store
from seriatim.persistence._constructors import (
    Arguments,
    arguments_of,
    holds_children,
    is_of_kind,
    is_plain,
    modules_in,
    parameters_of,
)
from seriatim.persistence._drafts import Places, arrays_of, form_of, unique_arrays, zeros_of
from seriatim.persistence._generators import GENERATORS
from seriatim.persistence._registry import is_registered, name_of, not_known

if TYPE_CHECKING:
    from seriatim.persistence._values import Writer


def encode_module(writer: Writer, module: Any, prefix: str, path: str, weights: bool) -> Any:
    """Return the tree of a module; its values go to the tensors, but for ``weights=False``: of a part of a whole."""
    node = _Description(writer, prefix).describe(module, path)
    if weights and isinstance(module, Module):
        _add_values(writer, module, node, prefix, path)
    return node


def _add_values(writer: Writer, module: Module, node: dict[str, Any], prefix: str, path: str) -> None:
    every, valued = list(unique_arrays(module)), writer.drafts.valued
    own = [(name, value) for name, value in every if id(value) not in valued]
    node["state"] = prefix
    if len(own) < len(every):
        node["values"] = [name for name, _ in own]
    frozen = [name for name, value in own if isinstance(value, Parameter) and not value.requires_grad]
    if frozen:
        node["frozen"] = frozen
    for name, value in own:
        valued.add(id(value))
        writer.has_narrow |= isinstance(value, NarrowParameter)
        for tensor, array in arrays_of(name, value):
            if prefix + tensor in writer.tensors:
                raise ValueError(f"{path}.{tensor}: another place has this dotted name as well: rename one of the two")
            writer.tensors[prefix + tensor] = np.asarray(array, order="C")


class _Description:
    """Describes the modules of one whole."""

    def __init__(self, writer: Writer, prefix: str) -> None:
        self._writer, self._drafts, self._prefix = writer, writer.drafts, prefix

    def describe(self, thing: Any, path: str) -> dict[str, Any]:
        """Return the node of a module, or what refers to the one that it has."""
        if self._drafts.knows(thing):
            return self._drafts.same(thing)
        name = name_of(type(thing))
        if name is None:
            raise TypeError(not_known(thing, path))
        if any(one is thing for one in self._drafts.open):
            raise ValueError(f"{path}: is a {name} that contains this place, and a file holds no circle")
        self._drafts.open.append(thing)
        node: dict[str, Any] = {"class": name}
        if is_registered(type(thing)):
            node["home"] = f"{type(thing).__module__}.{type(thing).__qualname__}"
        draft = self._draft(thing, node, path)
        self._drafts.note(thing, node, draft)
        node.update(self._changes(thing, draft, path))
        self._drafts.open.pop()
        return node

    # ---- How it is made

    def _draft(self, thing: Any, node: dict[str, Any], path: str) -> Any:
        """Return a new one, and put the arguments into the node."""
        given, named = arguments_of(thing), {}
        inside = {id(part) for part in thing.modules()} if isinstance(thing, Module) else set()
        for name, value in given.by_name.items():
            # Of what has been replaced since, or was no plain value, the attribute has what it has become.
            stale = isinstance(value, Module) and id(value) not in inside
            if (stale or not (is_plain(value) or any(modules_in(value)))) and _has(thing, name):
                now = getattr(thing, name)
                if now is None or (isinstance(now, Module) if stale else is_plain(now)):
                    named[name] = now
        places = [self._encode(value, path, str(index)) for index, value in enumerate(given.by_place)]
        if places:
            node["args"] = places
        if not any(isinstance(value, Module) for value in named.values()):
            return self._attempt(thing, given, named, node, path)
        before, tensors = self._drafts.state(), dict(self._writer.tensors)
        try:
            return self._attempt(thing, given, named, node, path)
        except TypeError:
            # It takes no such part: it is made of what it was made of, which the new one then replaces.
            self._drafts.restore(before)
            self._writer.tensors = tensors
            return self._attempt(thing, given, {}, node, path)

    def _attempt(self, thing: Any, given: Arguments, named: dict[str, Any], node: dict[str, Any], path: str) -> Any:
        """Return a new one of some arguments as given and others as they are now."""
        current = {**given.by_name, **named}
        node["config"] = {name: self._encode(value, path, name) for name, value in current.items()}
        try:
            draft = self._make(thing, given.by_place, current)
        except MemoryError:
            raise
        except Exception as error:
            raise TypeError(
                f"{path}: {type(thing).__name__}() refuses the arguments that it was made with, so that no file can "
                f"make it: {type(error).__name__}: {error}"
            ) from error
        return self._follow(thing, draft, Arguments(given.by_place, current), node, path)

    def _follow(self, thing: Any, draft: Any, arguments: Arguments, node: dict[str, Any], path: str) -> Any:
        """Return a draft made of arguments that have been set since, if that gives what was set."""
        changed = {
            name: getattr(thing, name)
            for name, value in arguments.by_name.items()
            if is_plain(value) and _has(thing, name) and _has(draft, name) and is_plain(getattr(thing, name))
            if is_of_kind(type(thing), name, getattr(thing, name))  # The bias that was taken out is no flag.
            if self._drafts.differ(getattr(thing, name), getattr(draft, name))
        }
        if not changed:
            return draft
        try:
            other = self._make(thing, arguments.by_place, {**arguments.by_name, **changed})
        except MemoryError:
            raise
        except Exception:
            return draft  # What was set is an attribute like any other.
        if any(self._drafts.differ(value, getattr(other, name)) for name, value in changed.items()):
            return draft
        node["config"].update({name: self._encode(value, path, name) for name, value in changed.items()})
        return other

    def _encode(self, value: Any, path: str, name: str) -> Any:
        place = f"{path}.{name}" if isinstance(value, Module) else f"{path}({name})"
        return self._writer.encode(value, f"{self._prefix}@{place}.", place, weights=False)

    def _make(self, thing: Any, by_place: list[Any], by_name: dict[str, Any]) -> Any:
        args = [self._counterpart(value) for value in by_place]
        kwargs = {name: self._counterpart(value) for name, value in by_name.items()}
        with _init.blank(), self._drafts.generators.kept():
            return type(thing)(*args, **kwargs)

    def _counterpart(self, value: Any) -> Any:
        """Return what a file makes of an argument."""
        if isinstance(value, (Module, Loss)):
            return self._drafts.made[id(value)]
        if isinstance(value, GENERATORS):
            return self._drafts.copy_of(value)
        if isinstance(value, (list, tuple)):
            return type(value)([self._counterpart(one) for one in value])
        if hasattr(value, "items"):
            return {key: self._counterpart(one) for key, one in value.items()}
        return value

    # ---- What has been changed since

    def _changes(self, thing: Any, draft: Any, path: str) -> dict[str, Any]:
        """Return what differs from a draft, and make it so there."""
        changes: dict[str, Any] = {}
        for key in ("parameters", "buffers"):
            changes[key] = self._arrays(store(thing, f"_{key}"), store(draft, f"_{key}"))
        changes["children"] = self._parts(store(thing, "_modules"), store(draft, "_modules"), path)
        mine = attributes(thing)
        parts = {name: value for name, value in mine.items() if isinstance(value, (Module, Loss))}
        made = {name: vars(draft)[name] for name in parts if isinstance(vars(draft).get(name), (Module, Loss))}
        changes["parts"] = self._parts(parts, made, path)
        vars(draft).update(made)
        registered = [name for key in ("_parameters", "_buffers", "_modules") for name in store(thing, key)]
        for name in registered:
            vars(draft).pop(name, None)
        without = [name for name in attributes(draft) if name not in mine]
        for name in without:
            del vars(draft)[name]
        if without:
            changes["without"] = without
        values = {name: mine[name] for name in self._changed(thing, draft)}
        if values:
            changes["attributes"] = self._attributes(values, draft, path)
        memory = mine.get("memory")
        if isinstance(memory, Memory) and memory.kept is not None:
            changes["memory"] = self._writer.encode(memory.kept, f"{self._prefix}@{path}.memory.", f"{path}.memory")
        return changes

    def _changed(self, thing: Any, draft: Any) -> list[str]:
        """Return names of attributes that are not the draft's, modules and memories aside."""
        made = attributes(draft)
        mine = {k: v for k, v in attributes(thing).items() if not isinstance(v, (Module, Loss, Memory))}
        missing = object()
        return [name for name, value in mine.items() if self._drafts.differ(value, made.get(name, missing))]

    def _attributes(self, values: dict[str, Any], draft: Any, path: str) -> dict[str, Any]:
        found = {}
        for name, value in values.items():
            found[name] = self._writer.encode(value, f"{self._prefix}@{path}.{name}.", f"{path}.{name}")
            try:
                setattr(draft, name, value)
            except MemoryError:
                raise
            except Exception as error:
                raise TypeError(
                    f"{path}.{name}: is {value!r}, which is not what the constructor gives and cannot be set: {error}"
                ) from error
        return found

    def _arrays(self, mine: dict[str, Any], made: dict[str, Any]) -> Places:
        """Describe parameters or buffers; the draft's become alike."""
        entries, drafts, now = Places(), self._drafts, {}
        entries.as_made = list(mine) == list(made)
        for name, value in mine.items():
            other: Any = made.get(name)
            entry: dict[str, Any] | None = {}
            if value is None:
                entries.as_made &= other is None
                entry = other = None
            elif drafts.knows(value):
                if drafts.made[id(value)] is not other:
                    entry, other = drafts.same(value), drafts.made[id(value)]
            else:
                if other is None or not drafts.is_free(other) or form_of(other) != form_of(value):
                    entry, other = form_of(value), zeros_of(form_of(value))
                assert entry is not None
                drafts.note(value, entry, other)
            entries.append([name, entry])
            now[name] = other
        made.clear()
        made.update(now)
        return entries

    def _parts(self, mine: dict[str, Any], made: dict[str, Any], path: str) -> Places:
        """Describe modules that are parts of one; the draft's become alike."""
        entries, drafts, now = Places(), self._drafts, {}
        entries.as_made = list(mine) == list(made)
        for name, part in mine.items():
            other: Any = made.get(name)
            entry: dict[str, Any] | None = {}
            if part is None:
                entries.as_made &= other is None
                entry = other = None
            elif drafts.knows(part):
                if drafts.made[id(part)] is not other:
                    entry, other = drafts.same(part), drafts.made[id(part)]
            elif other is not None and drafts.is_free(other) and self._fits(part, other):
                assert entry is not None
                drafts.note(part, entry, other)
                entry.update(self._changes(part, other, f"{path}.{name}"))
            else:
                entry = self.describe(part, f"{path}.{name}")
                other = drafts.made[id(part)]
            entries.append([name, entry])
            now[name] = other
        made.clear()
        made.update(now)
        return entries

    def _fits(self, part: Any, made: Any) -> bool:
        """Return whether what a constructor has made can become the part by what a description says."""
        if type(part) is not type(made):
            return False
        if name_of(type(part)) is None:
            return True  # One of the library's own parts, which no file can name.
        given, other = arguments_of(part), arguments_of(made)
        if not holds_children(type(part)) and not self._alike(given.by_place, other.by_place):
            return False
        if list(given.by_name) != list(other.by_name):
            return False
        if not all(self._alike(value, other.by_name[name]) for name, value in given.by_name.items()):
            return False
        changed = {name: vars(part)[name] for name in self._changed(part, made)}
        settings = parameters_of(type(part))
        return all(any(modules_in(v)) or (is_plain(v) and name not in settings) for name, v in changed.items())

    def _alike(self, one: Any, other: Any) -> bool:
        """Return whether two arguments are alike; what differs in modules is described there."""
        if isinstance(one, (Module, Loss)):
            return type(one) is type(other)
        if isinstance(one, (list, tuple)):
            return type(one) is type(other) and len(one) == len(other) and all(map(self._alike, one, other))
        return not self._drafts.differ(one, other)


def _has(thing: Any, name: str) -> bool:
    try:
        return hasattr(thing, name)
    except MemoryError:
        raise
    except Exception:
        return False  # A property that looks at a part which has been replaced.
