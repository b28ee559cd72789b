"""Estimators, transformers and pipelines as trees, and back: the library's own, and scikit-learn's.

Of the library's own the class says what a file keeps. Of scikit-learn's it is the parameters, by ``get_params``, and
everything else that ``__getstate__`` gives, which is what fitting has left: a part can be in a file if all of that can.
What compiled objects hold (trees, k-d trees, losses) cannot: bytes that their code trusts must not come from a file.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from seriatim._config import __version__
from seriatim.persistence._constructors import parameters_of
from seriatim.persistence._names import attribute
from seriatim.persistence._registry import name_of
from seriatim.persistence._scikit_learn import name_of as name_in_scikit_learn

if TYPE_CHECKING:
    from seriatim.persistence._values import Reader, Writer

# What says where a run keeps things, or is made anew by the next one.
LEFT = frozenset(("memory", "_loss_function_"))
# What an estimator of the library goes on training with.
TRAINING = frozenset(("_training",))
# Of points and a metric alone it is made again, the same.
_TREE, _TREES = "_tree", ("KDTree", "BallTree")
_PARTS = ("parameters", "fitted", "attributes")
# Requests of metadata refer to the estimator that they are of.
_REQUESTS = "_metadata_request"


def holds(value: Any) -> bool:
    """Return whether a value is an estimator, or a part of one, of a class that a file can name."""
    return _name(value) is not None and (hasattr(value, "_fitted_state") or not _is_ours(value))


def _name(value: Any) -> str | None:
    cls: Any = type(value)
    return name_of(cls) or name_in_scikit_learn(cls)


def _is_ours(value: Any) -> bool:
    return type(value).__module__.split(".")[0] == "seriatim"


def encode_estimator(writer: Writer, model: Any, prefix: str, path: str) -> dict[str, Any]:
    """Return the tree of an estimator: its parameters, and what fit has left."""
    parts = dict(zip(_PARTS, parts_of(model, writer.left), strict=True))
    if not parts["attributes"]:
        del parts["attributes"]
    node: dict[str, Any] = {"class": _name(model)}
    if not hasattr(model, "_fitted_state"):
        from sklearn import __version__ as version

        node["scikit-learn"] = version
    for part, values in parts.items():
        node[part] = {key: writer.encode(value, f"{prefix}{key}.", f"{path}.{key}") for key, value in values.items()}
    return node


def parts_of(model: Any, left: frozenset[str] = frozenset()) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return what a file keeps of an estimator: parameters, what fit has left, and attributes that a user has set.

    Of scikit-learn's all that is no parameter counts as left by fit; ``left`` is to be left out of that.
    """
    own: Any = {}
    if hasattr(model, "_fitted_state"):
        known = {*model.get_params(deep=False), *model._names_of_state()}
        own = {name: value for name, value in vars(model).items() if name not in known and not name.startswith("_")}
        parameters, state = model._parameters_to_save(), model._fitted_state()
    else:
        is_estimator = hasattr(model, "__sklearn_clone__")
        everything = model.__getstate__() if is_estimator else _attributes(model)
        given = model.get_params(deep=False) if is_estimator else {}
        parameters = {name: None if name in LEFT else value for name, value in given.items()}
        # What is kept as it is under the name of a parameter is that parameter.
        state = {k: v for k, v in everything.items() if k not in given and k not in LEFT and k != "_sklearn_version"}
    if _REQUESTS in state:
        state[_REQUESTS] = _requests(state[_REQUESTS])
    if type(state.get(_TREE)).__name__ in _TREES:
        state[_TREE] = {"made of": "_fit_X", "as": type(state[_TREE]).__name__}
    return dict(parameters), {name: value for name, value in state.items() if name not in left}, own


def _attributes(model: Any) -> dict[str, Any]:
    # A Bunch is a dict, and its items are its attributes.
    return dict(model) if isinstance(model, dict) else vars(model)


def _requests(held: Any) -> dict[str, Any]:
    found = {name: dict(one.requests) for name, one in vars(held).items() if hasattr(one, "requests")}
    return {name: requests for name, requests in found.items() if requests}


def decode_estimator(reader: Reader, cls: Any, node: dict[str, Any]) -> Any:
    """Return the estimator of a tree."""
    if "steps" in node and node["class"] == "Pipeline":
        # So format 2 has pipelines.
        return reader.known_as(node, cls([(name, reader.decode(step)) for name, step in node["steps"]]))
    name = cls.__name__
    parameters, fitted = ({k: reader.decode(v) for k, v in node[part].items()} for part in ("parameters", "fitted"))
    requests = fitted.pop(_REQUESTS, None)
    if hasattr(cls, "_restored"):
        _refuse_unknown(name, parameters, cls)
        _refuse_running(name, parameters, cls._names_unsaved())
        made = cls._restored(parameters, fitted)
        for key, value in _checked(cls, {k: reader.decode(v) for k, v in node.get("attributes", {}).items()}).items():
            if key.startswith("_") or key in cls._names_of_state():
                raise ValueError(f"{name} has an attribute {key!r:.60} in the file, which a user does not set")
            setattr(made, key, value)
    elif hasattr(cls, "__sklearn_clone__"):
        _refuse_unknown(name, parameters, cls)
        _refuse_running(name, parameters, LEFT)
        made = cls(**parameters)
        _plant(made, parameters, fitted)
        # scikit-learn's own way, which warns of another version.
        made.__setstate__({**vars(made), **_checked(cls, fitted), "_sklearn_version": node["scikit-learn"]})
    elif issubclass(cls, dict):
        made = cls(**fitted)
    else:
        made = cls.__new__(cls)
        vars(made).update(_checked(cls, fitted))
    if requests is not None:
        _request(made, requests)
    return reader.known_as(node, made)


def _refuse_unknown(name: str, parameters: dict[str, Any], cls: Any) -> None:
    unknown = sorted(set(parameters) - set(parameters_of(cls)))
    if unknown:
        raise ValueError(
            f"{name} has the parameters {', '.join(unknown)} in the file, which this version does not know (seriatim "
            f"{__version__}): a newer one wrote it, or it was edited by hand"
        )


def _refuse_running(name: str, parameters: dict[str, Any], left: Collection[str]) -> None:
    """Raise for parameters that say where a run keeps things, or what it calls: a file's reader decides that."""
    said = sorted(key for key in left if parameters.get(key) is not None)
    if said:
        raise ValueError(f"{name} has {', '.join(said)} in the file, which say how a run goes: no file can set them")


def _checked(cls: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Return state whose names are attributes of values; raises for those of methods, and of parameters."""
    known = parameters_of(cls) if hasattr(cls, "get_params") else {}
    for name in state:
        if name in known:
            raise ValueError(f"{cls.__name__} has the parameter {name!r:.60} in the file as what fit leaves")
        attribute(cls, name)
    return state


def _plant(made: Any, parameters: dict[str, Any], fitted: dict[str, Any]) -> None:
    """Make the tree of neighbours anew of what it was made of."""
    said = fitted.get(_TREE)
    if isinstance(said, dict):
        import sklearn.neighbors

        if said["as"] not in _TREES:
            raise ValueError(f"{type(made).__name__} has a tree of an unknown kind, {said['as']!r:.60}")
        options = {"metric": fitted["effective_metric_"], **fitted["effective_metric_params_"]}
        fitted[_TREE] = getattr(sklearn.neighbors, said["as"])(fitted["_fit_X"], parameters["leaf_size"], **options)


def _request(made: Any, requests: dict[str, Any]) -> None:
    held = made._get_metadata_request()
    for method, aliases in requests.items():
        one: Any = getattr(held, str(method), None)
        if not hasattr(one, "requests"):
            raise ValueError(f"{type(made).__name__} has requests of metadata for {method!r:.60}, which is no method")
        one.requests.clear()
        one.requests.update(aliases)
    made._metadata_request = held
