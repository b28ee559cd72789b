"""Every public function and class with integer parameters, called with integers that no size can be.

What takes integers is found by its docstring, in numpydoc's manner, so that whatever is new is called, too: by itself
where the rest has defaults, else with what `WITH` has for it.
"""

from __future__ import annotations

import inspect
import re
import types

import every_module
import numpy as np
from support import normal

from seriatim import PackedSequence, Sequences, models, nn, optim, preprocessing, recipes, sequences
from seriatim import functional as F

ROOMS = (F, nn, optim, preprocessing, models, sequences, recipes)
ABUSE = (-1, 0, 2**31, 2**60, 2**62, 2**63 - 1, 2**64)


def integer_parameters(thing):
    """The names of parameters that are integers, or can be, or several of them: by docstring or by annotation."""
    found = re.search(r"Parameters\n-+\n(.*?)(\n\n[A-Z]\w+\n-+\n|\Z)", inspect.cleandoc(thing.__doc__ or ""), re.S)
    lines = [line.partition(" : ") for line in found[1].splitlines() if not line.startswith(" ")] if found else []
    documented = {
        name.strip(): kind
        for names, _, kind in lines
        for name in names.split(",")
        if re.search(r"\bint\b", kind) and not kind.startswith("ndarray") and "of (" not in kind
    }
    kinds = {
        name: str(parameter.annotation)
        for name, parameter in inspect.signature(thing).parameters.items()
        if re.search(r"\b(int|Pair|Seed|RandomState)\b", str(parameter.annotation))
        and not str(parameter.annotation).startswith(("Callable", "Sequence[tuple"))
    }
    return {name: kind.lower().startswith(("sequence", "array_like")) for name, kind in {**kinds, **documented}.items()}


PUBLIC = {
    f"{room.__name__.split('.')[-1]}.{name}": getattr(room, name)
    for room in ROOMS
    for name in room.__all__
    if inspect.isroutine(thing := getattr(room, name))
    or (inspect.isclass(thing) and not isinstance(thing, types.GenericAlias))
}
CASES = [(name, key) for name, thing in PUBLIC.items() for key in integer_parameters(thing)]

X, SIZES, OFFSETS = normal(6, 3), np.array([3, 2, 1]), np.array([0, 4, 6])
IMAGES, LOGITS, LABELS = normal(2, 3, 6, 6), normal(3, 4), np.array([0, 3, 1])


def interrupt(history):
    """A callback that ends a fit of 2**62 epochs."""
    raise KeyboardInterrupt


def mean_of_pixels(frames):
    return frames.mean(axis=(2, 3))


# What else each function takes.
WITH = {
    "functional.Cell": {"kind": 0, "options": 0, "input_size": 3, "hidden_size": 4},
    "functional.adam_step": {
        **{name: normal(6) ** 2 for name in ("data", "grad", "exp_avg", "exp_avg_sq")}, "lr": 0.1, "beta1": 0.9,
        "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.0, "decoupled": False, "step": 1,
    },
    "functional.adaptive_avg_pool2d": {"x": IMAGES, "output_size": 2},
    "functional.attention": {"query": normal(3, 3), "h": X, "batch_sizes": SIZES},
    "functional.avg_pool2d": {"x": IMAGES, "kernel_size": 2},
    "functional.cell": {"kind": "lstm", "input_size": 3, "hidden_size": 4},
    "functional.conv2d": {"x": IMAGES, "weight": normal(4, 3, 3, 3)},
    "functional.conv2d_geometry": {"weight_shape": (4, 3, 3, 3)},
    "functional.conv_gru": {
        "gates": normal(2, 1, 6, 4, 4), "packed": F.conv_gru_pack(normal(6, 2, 3, 3)), "kernel_size": 3,
    },
    "functional.conv_lstm": {
        "gates": normal(2, 1, 8, 4, 4), "packed": F.conv_lstm_pack(normal(8, 2, 3, 3)), "kernel_size": 3,
    },
    "functional.conv_rnn": {
        "x": normal(2, 1, 2, 4, 4), "packed": F.conv_rnn_pack(normal(2, 2, 3, 3)), "kernel_size": 3,
    },
    "functional.cross_entropy": {"pred": LOGITS, "target": LABELS},
    "functional.label_weight": {"target": LABELS},
    "functional.point_weight": {"shape": (2, 3)},
    "functional.nll_loss": {"log_probs": LOGITS, "target": LABELS},
    "functional.ctc_greedy_decode": {"log_probs": normal(5, 2, 3)},
    "functional.ctc_loss": {
        "log_probs": normal(5, 2, 3), "targets": np.array([[1, 2], [2, 1]]), "input_lengths": np.array([5, 4]),
        "target_lengths": np.array([2, 1]),
    },
    "functional.dropout": {"x": X, "p": 0.5, "seed": 1, "offset": 2},
    "functional.dropout_backward": {"grad_y": X, "p": 0.5, "seed": 1, "offset": 2},
    "functional.empty": {"rows": 3, "columns": 4},
    "functional.gru": {
        "x": X, "batch_sizes": SIZES, "packed": F.gru_pack(normal(12, 3), normal(12, 4), None, None),
        "hidden_size": 4,
    },
    "functional.lstm": {
        "x": X, "batch_sizes": SIZES, "packed": F.lstm_pack(normal(16, 3), normal(16, 4), None, None),
        "hidden_size": 4,
    },
    "functional.rnn": {
        "x": X, "batch_sizes": SIZES, "packed": F.rnn_pack(normal(4, 3), normal(4, 4), None, None), "hidden_size": 4,
    },
    "functional.max_pool2d": {"x": IMAGES, "kernel_size": 2},
    "functional.ragged_deltas": {"X": X, "offsets": OFFSETS},
    "functional.ragged_filter": {"X": X, "offsets": OFFSETS, "width": 3},
    "functional.sequence_pool": {"h": X, "batch_sizes": SIZES},
    "functional.unpack_rows": {"data": X, "batch_sizes": SIZES, "order": np.arange(3), "total_length": 3},
    "functional.upsample": {"x": IMAGES, "size": 4},
    "nn.gradcheck": {"module": nn.Linear(3, 2, rng=0)},
    "nn.reservoir_": {"rnn": nn.RNN(3, 4, rng=0)},
    "nn.unet_layers": dict.fromkeys(
        ("down_block", "middle_block", "up_block"), lambda i, o: nn.Linear(i, o, rng=0)
    ),
    "nn.VGG16": {"num_classes": 2, "channels": (1,) * 5, "fc": 2, "rng": 0},
    "models.VideoClassifier": {"embedding": mean_of_pixels, "embedding_size": 3, "hidden_size": 4, "fc": 4},
    "models.CharacterModel": {"hidden_size": 4, "sequence_length": 4, "batch_size": 2, "max_epochs": 1},
    "optim.StepLR": {"step_size": 2},
    "optim.CosineAnnealingLR": {"T_max": 4},
    "optim.ExponentialLR": {"gamma": 0.9},
    "optim.LambdaLR": {"lr_lambda": lambda epoch: 0.9**epoch},
    "optim.OneCycleLR": {"max_lr": 0.1, "total_steps": 9},
    "sequences.collate_fn": {"batch": [(X, 0), (X[:2], 1)]},
    "recipes.log_mel": {"waveform": normal(400), "rate": 8000},
    "recipes.Orientation": {"sensors": 1},
    "nn.manual_seed": {"seed": 0},
    "sequences.Sequences": {"X": X, "lengths": [4, 2]},
    "sequences.batch_to_time": {"x": X, "n": 2},
    "sequences.pack_padded_sequence": {"x": normal(2, 3, 1), "lengths": [3, 1], "batch_first": True},
    "sequences.unpad_sequence": {"padded_sequences": normal(2, 3, 1), "lengths": [3, 1], "batch_first": True},
    "sequences.pad_packed_sequence": {"sequence": PackedSequence(X, SIZES, None, None)},
}  # fmt: skip

SEQUENCES = Sequences(np.concatenate([normal(n, 3) for n in (5, 4, 6, 5, 4, 6)]), [5, 4, 6, 5, 4, 6])
WIDE = Sequences(np.concatenate([normal(n, 90, seed=n) for n in (5, 4, 6)]), [5, 4, 6])
# Of what has its own features: two bodies of 15 joints, strokes in the plane, bands.
FEATURES = {name: WIDE for name in ("Bodies", "Facing", "Mirror", "Cepstra", "PadEnds")}
FEATURES.update(dict.fromkeys(("EvenStroke", "Slant"), Sequences(normal(6, 2), [4, 2])))
FRAMES = [normal(n, 3, 4, 4) for n in (2, 3, 2, 3)]


def use_loss(name, loss):
    if name == "CTCLoss":
        inputs = WITH["functional.ctc_loss"]
        return loss(inputs["log_probs"], inputs["targets"], inputs["input_lengths"], inputs["target_lengths"])
    return loss(LOGITS, LABELS if name in ("CrossEntropyLoss", "NLLLoss") else LOGITS)


def use_schedule(room, name, changes):
    optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    given = {**WITH.get(f"optim.{name}", {}), **changes}
    if name == "SequentialLR":
        given = {"milestones": [1], **given}
        given["schedulers"] = [optim.StepLR(optimizer, 1), optim.StepLR(optimizer, 1)]
    schedule = getattr(room, name)(optimizer, **given)
    for _ in range(3):
        schedule.step(*[1.0] * (name == "ReduceLROnPlateau"))
    return optimizer.param_groups


def use_estimator(cls, changes, name):
    fast = {"hidden_size": 4, "max_epochs": 1, "batch_size": 2, "n_estimators": 1, "callbacks": [interrupt]}
    fast = {key: value for key, value in fast.items() if key in inspect.signature(cls).parameters}
    if "dims" in inspect.signature(cls).parameters:
        fast["dims"] = {"gru1": 4, "gru2": 3, "gru3": 2, "fc": 5}
    model = cls(**{"random_state": 0, **fast, **WITH.get(name, {}), **changes})
    if name == "models.CharacterModel":
        return model.fit("to be or not to be").sample(3)
    x, y = (FRAMES, [0, 1, 0, 1]) if name == "models.VideoClassifier" else (SEQUENCES, [0, 1, 0, 1, 0, 1])
    if name.startswith("models.Frame"):
        y = np.arange(len(x.X)) % 2
    return model.fit(x, y).predict(x)


def use_module(cls, changes):
    """Call the first of every_module's that is or has a module of the class, which is made with other arguments."""
    entries = [entry for entry in every_module.MODULES.values() if has(entry[0], cls)]
    make, *inputs = next((entry for entry in entries if type(entry[0]()) is cls), entries[0])
    own = cls.__init__

    def changed(self, *args, **kwargs):
        bound = inspect.signature(own).bind(self, *args, **kwargs)
        bound.arguments.update(changes)
        own(*bound.args, **bound.kwargs)

    cls.__init__ = changed
    try:
        module = make()
    finally:
        cls.__init__ = own
    return module(*inputs)


def has(make, cls):
    if make not in KINDS:
        KINDS[make] = {type(module) for module in make().modules()}
    return cls in KINDS[make]


KINDS = {}
# What others are made of, and what stands on an estimator: they do nothing alone.
BASES = ("optim.LRScheduler", "models.EarlyClassifier", "models.EarlyStream", "models.EstimatorStream")


def use(name, changes):
    """Call what has this name with valid arguments, but for the changes, and use what it gives."""
    room, short = name.split(".")
    thing = PUBLIC[name]
    if room == "models":
        return use_estimator(thing, changes, name)
    if room == "optim":
        return use_schedule(optim, short, changes)
    if room == "preprocessing" or (room == "recipes" and inspect.isclass(thing)):
        made = thing(**{**WITH.get(name, {}), **changes})
        if hasattr(made, "fit_transform"):
            return made.fit_transform(FEATURES.get(short, SEQUENCES))
        return made(FEATURES.get(short, SEQUENCES), np.random.default_rng(0))
    if short.endswith("Loss"):
        return use_loss(short, thing(**changes))
    if name == "nn.VGG16":
        return thing(**{**WITH[name], **changes})(normal(1, 3, 32, 32))
    if inspect.isclass(thing) and issubclass(thing, nn.Module):
        return use_module(thing, changes)
    if name == "nn.gradcheck":
        return nn.gradcheck(nn.Linear(3, 2, rng=0), X, **changes)
    return thing(**{**WITH.get(name, {}), **changes})
