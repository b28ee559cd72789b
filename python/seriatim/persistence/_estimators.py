"""Estimators, transformers and pipelines as trees, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seriatim.persistence._values import Reader, Writer


def encode_estimator(writer: Writer, model: Any, prefix: str, path: str, fitted: bool) -> Any:
    """Return the tree of an estimator: its parameters, and what fit has left."""
    from sklearn.pipeline import Pipeline
    from sklearn.utils.validation import check_is_fitted

    name = type(model).__name__
    if isinstance(model, Pipeline):
        steps = [
            [key, writer.encode(step, f"{prefix}{key}.", f"{path}.{key}", fitted=fitted)] for key, step in model.steps
        ]
        return {"class": name, "steps": steps}
    if fitted and hasattr(model, "fit"):
        check_is_fitted(model, "n_features_in_" if hasattr(model, "n_features_in_") else None)
    # A parameter that is an estimator is one to be cloned.
    given, state = model._parameters_to_save(), model._fitted_state()
    return {
        "class": name,
        "parameters": {
            key: writer.encode(value, f"{prefix}{key}.", f"{path}.{key}", fitted=False) for key, value in given.items()
        },
        "fitted": {key: writer.encode(value, f"{prefix}{key}.", f"{path}.{key}") for key, value in state.items()},
    }


def decode_pipeline(reader: Reader, cls: Any, node: dict[str, Any]) -> Any:
    """Return the pipeline of a tree."""
    return cls([(name, reader.decode(step)) for name, step in node["steps"]])


def decode_estimator(reader: Reader, cls: Any, node: dict[str, Any]) -> Any:
    """Return the estimator of a tree."""
    parameters, fitted = ({k: reader.decode(v) for k, v in node[part].items()} for part in ("parameters", "fitted"))
    return cls._restored(parameters, fitted)
