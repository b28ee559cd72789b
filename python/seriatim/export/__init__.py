"""Models as ONNX files, for programs that have a runtime of ONNX and not this library.

Batch B and steps T are free, floats are float32, but for what is said below. Every model takes ``lengths``, int64 (B,),
each from 1 to T, in any order, and what stands behind a sequence's end does not matter. Inputs and outputs besides:

=================  ===============================================================================================
GRU, LSTM, RNN     ``x`` (T, B, I), or (B, T, I) with ``batch_first``; with ``initial_state`` also ``h0`` (LSTM: and
                   ``c0``), (layers * directions, B, H). ``y``, (T, B, directions * H) or (B, T, ...), has zeros
                   behind each sequence's end; ``h_n`` (``c_n``), like ``h0``, are each sequence's own last states.
DeepGRU,           ``x`` (B, T, D). ``log_probs`` (B, C); with the head 'linear' ``y`` (B, C).
SequenceRNN,
Ensemble of such
FrameRNN,          ``x`` (B, T, D). ``log_probs`` or ``y`` (B, T, C), zeros behind each sequence's end.
Ensemble of such
classifiers        As their modules; also ``probabilities`` (B, C) and ``label`` (B,): strings, or int64. Of labels
                   that are neither strings nor integers it is the index in ``classes_``.
regressors         As their modules; also ``prediction`` (B,) or (B, n_outputs), in the targets' unit.
of frames          As these, with an axis of steps: (B, T, C), (B, T). Behind a sequence's end they say nothing.
=================  ===============================================================================================

With ``step`` there is no axis of steps: ``x`` (B, D), and for each state an input and an output ``name_n``, to give in
with the next frame; zeros before the first. They are those of ``module.stream().state``: ``h``, ``c`` (layers, B, H)
with the part's name in front (``rnn.h``), ``window.last``, ``pool.sum`` (B, H), ``pool.max``, ``pool.count``,
``frames`` int64 (B,), and of DeepGRU ``history`` (B, T, H), which has one frame more each time and begins with T = 0.
A stream's ``pool.sum`` is (2, B, H): its first row goes into a file, and its ``frames`` only if the file has it.
An ensemble's have the member's number in front (``0.rnn.h``). One direction only, and transformers that work on each
frame alone. The metadata's ``states`` has them in JSON: ``{"h": {"next": "h_n", "dtype": "float32", "shape": [1, "B",
64]}}``.

Transformers before or inside an estimator become part of the model: Center, Standardize, MinMaxScale (by the
training set's statistics), LevelAndShape, Deltas, Stack; others have to run before it.

``x`` of an estimator is float64 if float32 would round it by more than 1/50,000 of what it varies by, as it does to
seconds of a clock and to places on a map; it becomes float32 behind the scaling. ``prediction`` is float64 if that is
so of the targets. ``dtype`` says otherwise.

The metadata has ``class_name``, ``seriatim_version`` and, of a classifier, ``classes``: ``classes_`` in JSON.

ONNX leaves open what its recurrent operators write behind a sequence's end. onnxruntime writes zeros, and this is
relied on.
"""

from __future__ import annotations

import importlib
import json
import os
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from seriatim import nn
from seriatim._config import __version__
from seriatim._files import replace_file
from seriatim._typing import AnyArray
from seriatim.export._graph import Graph, emit
from seriatim.export._modules import MODELS
from seriatim.export._preparation import PREPARATIONS, needs_float64
from seriatim.export._step import step as add_step
from seriatim.models._estimator import SequenceEstimator
from seriatim.models._frames import FrameEstimator
from seriatim.preprocessing._base import loses
from seriatim.preprocessing._targets import Labels, StandardizedNumbers

__all__ = ["export_onnx"]


def __dir__() -> list[str]:
    return sorted(__all__)


# The first in which Shape gives part of a shape.
OLDEST_OPSET = 15


def export_onnx(
    model: Any,
    path: str | os.PathLike[str],
    *,
    opset_version: int = 17,
    initial_state: bool = False,
    dtype: DTypeLike | None = None,
    step: bool = False,
) -> None:
    """Write a model to an ONNX file; inputs and outputs are those of the module's notes.

    Parameters
    ----------
    model : nn.GRU, nn.LSTM, nn.RNN, nn.MinGRU, nn.MinLSTM, nn.IndRNN, nn.DeepGRU, nn.SequenceRNN, nn.FrameRNN, or a
        fitted estimator of these, or a Pipeline of one. Exported as in evaluation, whatever its mode is, and left as it
        is.
    path : str or path
        Replaced as a whole once everything is written: a crash leaves the old file.
    opset_version : int, default 17
        From 15 to the newest that the installed onnx knows.
    initial_state : bool, default False
        Whether a recurrent module takes its first states as inputs; else they are zeros.
    dtype : {float32, float64} or None, default None
        Of an estimator's ``x``, and of a regressor's ``prediction``. None: as the notes say.
    step : bool, default False
        Whether the file has one step instead of whole sequences, for frames that arrive one by one: ``x`` (B, D) and
        states in, the output behind this frame and states out.

    Raises
    ------
    ImportError
        onnx is not installed.
    TypeError
        There is no export of the model or of a module inside it.
    ValueError
        The opset is not known, ``dtype`` is another one or of a module, the model takes no states, a transformer cannot
        be part of the model, or ONNX has nothing for its options: an LSTM's ``proj_size``, batch normalisation without
        running statistics.

    Examples
    --------
    >>> import numpy as np, onnxruntime
    >>> from seriatim import nn
    >>> from seriatim.export import export_onnx
    >>> export_onnx(nn.GRU(13, 64, batch_first=True), "gru.onnx")
    >>> session = onnxruntime.InferenceSession("gru.onnx")
    >>> x, lengths = np.zeros((2, 20, 13), np.float32), np.array([7, 20])
    >>> y, h_n = session.run(None, {"x": x, "lengths": lengths})
    >>> y.shape, h_n.shape
    ((2, 20, 64), (1, 2, 64))
    """
    onnx = _onnx(opset_version)
    if step and initial_state:
        raise ValueError("initial_state: expected False with step=True, which always takes its states, got True")
    steps, model = _taken_apart(model)
    module = model if isinstance(model, nn.Module) else _fitted_module(model)
    graph = Graph(onnx, module, steps)
    if dtype is not None and np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype: expected float32, float64 or None, got {dtype!r}")
    if dtype is not None and isinstance(model, nn.Module):
        raise ValueError("dtype: expected None for a module, whose input is float32; it is of an estimator's")
    graph.real = (np.float64 if needs_float64(steps) else np.float32) if dtype is None else np.dtype(dtype).type
    if step:
        add_step(graph, module)
    else:
        emit(graph, MODELS, module, initial_state)
    metadata = {"class_name": type(model).__name__, "seriatim_version": __version__}
    if step:
        metadata.update(step="true", states=json.dumps(graph.states))
    if module is not model:
        if getattr(model, "_label_form", "single") != "single":
            raise ValueError(
                "model: expected a classifier of one label a sequence to export, got one of several; its module_ can "
                "be exported where it is a single network: y are logits"
            )
        targets, axes = model._targets(), ("B", "T") if isinstance(model, FrameEstimator) and not step else ("B",)
        if isinstance(targets, Labels):
            _labels(graph, targets.classes, axes)
            metadata["classes"] = json.dumps(targets.classes.tolist(), default=str)
        else:
            _prediction(graph, targets, dtype, axes)
    content = graph.model(metadata["class_name"], opset_version, metadata).SerializeToString()
    replace_file(path, content)


def _onnx(opset_version: int) -> Any:
    """Return the package if it is there and knows the opset."""
    try:
        onnx: Any = importlib.import_module("onnx")
    except ImportError as error:
        raise ImportError("export_onnx needs onnx: pip install 'seriatim[onnx]'") from error
    newest = onnx.defs.onnx_opset_version()
    if not isinstance(opset_version, int) or not OLDEST_OPSET <= opset_version <= newest:
        raise ValueError(
            f"opset_version: expected an integer from {OLDEST_OPSET} to {newest}, the newest of onnx "
            f"{onnx.__version__}, got {opset_version!r}"
        )
    return onnx


def _fitted_module(model: Any) -> Any:
    from sklearn.utils.validation import check_is_fitted

    # A network that has no export is refused where the others are.
    if not isinstance(model, SequenceEstimator):
        names = sorted(kind.__name__ for kind in MODELS)
        raise TypeError(f"model: expected one of {names} or a fitted estimator of such, got {type(model).__name__}")
    check_is_fitted(model)
    return model.module_


def _taken_apart(model: Any) -> tuple[list[Any], Any]:
    """Return the fitted transformers that run before the network, in order, and the estimator or module itself."""
    from sklearn.pipeline import Pipeline

    def flat(step: Any) -> list[Any]:
        if step is None:
            return []
        return [one for _, inner in step.steps for one in flat(inner)] if isinstance(step, Pipeline) else [step]

    *before, last = flat(model)
    own = last._transformers() if isinstance(last, SequenceEstimator) else ()
    steps = [*before, *[one for step in own for one in flat(step)]]
    for step in steps:
        if type(step) not in PREPARATIONS:
            names = sorted(kind.__name__ for kind in PREPARATIONS)
            raise ValueError(
                f"preprocessing: expected one of {names} to export, got {step!r}; transform sequences before the model"
            )
    return steps, last


def _prediction(graph: Graph, targets: StandardizedNumbers, dtype: DTypeLike | None, axes: tuple[str, ...]) -> None:
    """Add a regressor's numbers in the targets' unit."""
    graph.real = np.float64 if loses(targets.mean, targets.scale) else np.float32
    if dtype is not None:
        graph.real = np.dtype(dtype).type
    y = "y" if graph.real is np.float32 else graph.cast("y", np.float64)
    values = graph.add(
        "Add",
        graph.add("Mul", y, graph.real_constant("scale", targets.scale)),
        graph.real_constant("mean", targets.mean),
    )
    if targets.single:
        graph.output("prediction", graph.add("Squeeze", values, graph.constant("axis", [-1])), graph.real, axes)
    else:
        graph.output("prediction", values, graph.real, (*axes, targets.n_outputs))


def _labels(graph: Graph, classes: AnyArray, axes: tuple[str, ...]) -> None:
    """Add what a classifier gives besides its log-probabilities."""
    graph.output("probabilities", graph.add("Exp", "log_probs"), np.float32, (*axes, len(classes)))
    label, values = graph.add("ArgMax", "log_probs", axis=-1, keepdims=0), classes.tolist()
    # onnx's arrays of strings are of objects.
    kind: Any = object if all(isinstance(value, str) for value in values) else np.int64
    if kind is object or all(type(value) is int and -(2**63) <= value < 2**63 for value in values):
        label = graph.add("Gather", graph.constant("classes", np.array(values, kind)), label)
    graph.output("label", label, kind, axes)
