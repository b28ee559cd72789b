"""What a module was made with and what is set later: followed, as if it had been made so, or refused by name."""

from __future__ import annotations

import copy
import inspect

import numpy as np
import pytest
from every_module import MODULES
from support import normal

from seriatim import nn

# Another value for each argument that a constructor keeps under its name.
OTHERS = {
    "stride": [2, (1, 2)], "padding": [1, (1, 0)], "dilation": [2], "kernel_size": [3, 1], "kernel_sizes": [5],
    "groups": [3], "in_channels": [6], "out_channels": [2], "in_features": [2], "out_features": [2], "bias": [False],
    "num_features": [2], "eps": [0.5], "momentum": [0.5, None], "affine": [False], "track_running_stats": [False],
    "p": [0.25, 0.0], "negative_slope": [0.5], "alpha": [2.0], "dim": [0, 1], "inplace": [True], "start_dim": [0],
    "end_dim": [-2], "ceil_mode": [True], "count_include_pad": [False], "divisor_override": [3], "output_size": [3],
    "num_embeddings": [3], "embedding_dim": [2], "padding_idx": [1, -1], "input_size": [2], "hidden_size": [3],
    "num_layers": [1, 3], "batch_first": [True, False], "dropout": [0.25, 0.0], "bidirectional": [True, False],
    "proj_size": [1], "peephole": [True], "norm": ["layer", None], "zoneout": [0.25], "recurrent_dropout": [0.25],
    "reset_after": [False], "nonlinearity": ["relu", "tanh"], "hidden_sizes": [3], "n_layers": [1], "hard": [True],
    "n_features": [2], "n_classes": [3], "n_outputs": [3], "n_characters": [4], "head": ["identity"],
    "pooling": [("mean",)], "kinds": [("max",)], "cell": ["gru"], "embedding_size": [2], "frames_at_once": [1],
    "sizes": [[2, 1]], "start": [0], "rnn": ["gru"], "ndims": [3, 5],
    "size": [3], "scale_factor": [3.0], "mode": ["nearest-exact"], "align_corners": [True],
    "recompute_scale_factor": [True], "convolution": [4, None], "frames": [3], "centred": [True],
}  # fmt: skip
# Arguments that say nothing of what is computed once the module is there, or are modules.
ASIDE = {
    "self", "rng", "args", "kwargs", "modules", "module", "shortcut", "embedding", "dims", "inner", "forgets",
    "encoders", "decoders", "down", "up",
}  # fmt: skip


def arrays(y):
    if y is None:
        return []
    if hasattr(y, "batch_sizes"):
        return [y.data]
    return [y] if isinstance(y, np.ndarray) else [a for part in y for a in arrays(part)]


def gradient(y):
    """Return a gradient like an output."""
    if hasattr(y, "batch_sizes"):
        return y._replace(data=gradient(y.data))
    if isinstance(y, np.ndarray):
        return np.arange(1, 1 + y.size, dtype=np.float32).reshape(y.shape) / y.size
    return type(y)(gradient(part) for part in y)


def backward(module, context, y):
    grad = gradient(y)
    whole = (
        hasattr(y, "batch_sizes")
        or isinstance(module, (nn.Parallel, nn.Ensemble, nn.Split))
        or not isinstance(y, tuple)
    )
    if isinstance(module, (nn.ConvGRU, nn.ConvLSTM)) and not isinstance(y, tuple):
        whole = True
    found = module.pullback(context, *([grad] if whole else grad))
    return [*arrays(found), *[p.grad for p in module.parameters() if p.grad is not None]]


def refusal(module, argument, value):
    """Set an attribute; return what is said against it."""
    try:
        setattr(module, argument, value)
    except (AttributeError, ValueError, TypeError) as error:
        return str(error)
    return ""


def settings():
    for name, (make, *inputs) in MODULES.items():
        module = make()
        for argument in inspect.signature(type(module).__init__).parameters:
            if argument not in ASIDE and hasattr(module, argument):
                yield pytest.param(make, inputs, argument, id=f"{name}-{argument}")


@pytest.mark.parametrize(("make", "inputs", "argument"), list(settings()))
def test_a_setting_is_followed_or_refused(make, inputs, argument):
    assert argument in OTHERS, "say another value of it in OTHERS"
    for value in OTHERS[argument]:
        module = make()
        before, config = getattr(module, argument), module.extra_repr()
        said = refusal(module, argument, value)
        if said:
            assert argument in said
            assert module.extra_repr() == config
            kept = getattr(module, argument)
            assert kept is before or kept == before
            continue
        args, kwargs = make()._arguments
        bound = inspect.signature(type(module).__init__).bind(module, *args, **kwargs)
        del bound.arguments["self"]
        options = {k: v for k, v in bound.arguments.items() if k not in ("args", "kwargs", "modules")}
        places = bound.arguments.get("modules", ())
        fresh = type(module)(*places, **{**options, argument: value})
        fresh.load_state_dict(module.state_dict())
        for one, other in zip(fresh._dropouts(), module._dropouts(), strict=True):
            one[1].seed = other[1].seed
        results = []
        for made in (module, fresh):
            try:
                y, context = made.trace(*inputs)
                results.append([*arrays(y), *backward(made, context, y)])
            except (ValueError, TypeError) as error:
                results.append(str(error))
        if isinstance(results[1], str):
            assert results[0] == results[1]
            continue
        assert len(results[0]) == len(results[1])
        for one, other in zip(*results, strict=True):
            np.testing.assert_array_equal(one, other)
        assert module.eval().extra_repr() == fresh.eval().extra_repr()
        for one, other in zip(arrays(module(*inputs)), arrays(fresh(*inputs)), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("make", "inputs", "argument"), list(settings()))
def test_what_is_set_between_forward_and_backward_waits_for_the_next(make, inputs, argument):
    for value in OTHERS.get(argument, []):
        module, twin = make(), make()
        y, context = module.trace(*inputs)
        z, same = twin.trace(*inputs)
        if refusal(module, argument, value):
            continue
        for one, other in zip(backward(module, context, y), backward(twin, same, z), strict=True):
            np.testing.assert_array_equal(one, other)


def test_sizes_follow_the_weight_that_is_assigned():
    conv = nn.Conv2d(3, 4, 3, padding=1, rng=0)
    conv(normal(1, 3, 6, 6))
    conv.weight = nn.Parameter(normal(4, 1, 5, 5))
    assert (conv.in_channels, conv.kernel_size) == (1, (5, 5))
    fresh = nn.Conv2d(1, 4, 5, padding=1, rng=0)
    fresh.load_state_dict(conv.state_dict())
    x = normal(2, 1, 6, 6)
    np.testing.assert_array_equal(conv(x), fresh(x))
    grad = normal(2, 4, 4, 4)
    np.testing.assert_array_equal(conv.backward(grad), fresh.backward(grad))
    linear = nn.Linear(3, 2, rng=0)
    linear.weight, linear.bias = nn.Parameter(normal(5, 4)), None
    assert (linear.in_features, linear.out_features) == (4, 5)
    assert linear(normal(2, 4)).shape == (2, 5)
    table = nn.Embedding(3, 2, rng=0)
    table.weight = nn.Parameter(normal(6, 4))
    assert table(np.array([5])).shape == (1, 4)


def test_same_padding_stays_same():
    conv = nn.Conv2d(2, 2, 3, padding="same", rng=0)
    conv.dilation = 3
    assert conv.padding == (3, 3)
    with pytest.raises(ValueError, match="'same' with stride 1"):
        conv.stride = 2
    assert (conv.stride, conv.padding) == ((1, 1), (3, 3))


@pytest.mark.parametrize("make", [
    lambda: nn.ConvGRUCell(2, 2, 3, rng=0).reset_gate, lambda: nn.ConvLSTMCell(2, rng=0).conv_h2h,
    lambda: nn.ConvRNN(2, 2, cell="gru", rng=0).timepool.conv_rz,
    lambda: nn.ConvRNN(2, 2, cell="rnn", rng=0).timepool.conv_h2h,
])  # fmt: skip
def test_a_convolution_whose_weights_alone_are_used_keeps_its_settings(make):
    conv = make()
    conv.stride = 1
    for name, value in (("stride", 2), ("padding", 0), ("dilation", 2)):
        with pytest.raises(AttributeError, match="uses the weights alone"):
            setattr(conv, name, value)


def test_rates_of_a_cell_that_draws_nothing_are_refused():
    cell = nn.GRUCell(3, 4, rng=0)
    cell.zoneout = 0
    with pytest.raises(AttributeError, match="no seed to draw with"):
        cell.recurrent_dropout = 0.5
    for module, name in ((nn.GRU(3, 4), "zoneout"), (nn.GRU(3, 4), "dropout"), (nn.Dropout(), "p")):
        with pytest.raises(ValueError, match=f"{name}: expected a probability"):
            setattr(module, name, 2)


def test_a_copy_keeps_settings():
    conv = nn.Conv2d(3, 4, 3, rng=0)
    conv.stride = 2
    assert copy.deepcopy(conv)(normal(1, 3, 7, 7)).shape == (1, 4, 3, 3)


LACKING = [
    (nn.Conv2d(1, 2, 3, rng=0), "padding_mode", "reflect", "zeros"),
    (nn.Embedding(3, 2, rng=0), "max_norm", 1.0, None),
    (nn.Embedding(3, 2, rng=0), "norm_type", 1.0, 2.0),
    (nn.Embedding(3, 2, rng=0), "scale_grad_by_freq", True, False),
    (nn.Embedding(3, 2, rng=0), "sparse", True, False),
    (nn.MaxPool2d(2), "return_indices", True, False),
    (nn.GRU(2, 3, rng=0), "proj_size", 1, 0),
]


@pytest.mark.parametrize(("module", "name", "value", "same"), LACKING)
def test_settings_of_torchs_that_are_not_here_are_refused(module, name, value, same):
    with pytest.raises(AttributeError, match=rf"{name}: expected {same!r}, got .*torch's is not here"):
        setattr(module, name, value)
    assert name not in vars(module)
    setattr(module, name, same)


def test_no_setting_of_torchs_constructors_is_forgotten():
    torch = pytest.importorskip("torch")
    # Where, and of which type: nothing that one sets on a module; ``inplace`` changes no output.
    aside = {"self", "args", "kwargs", "device", "dtype", "inplace", "_weight", "_freeze"}
    for name in nn.__all__:
        ours, theirs = getattr(nn, name), getattr(torch.nn, name, None)
        if isinstance(ours, type) and issubclass(ours, nn.Module) and theirs is not None:
            here = set(inspect.signature(ours.__init__).parameters)
            lacking = set(inspect.signature(theirs.__init__).parameters) - here - aside
            assert lacking <= set(ours._lacks), name


def test_a_subclass_that_computes_in_its_own_way_may_have_such_a_setting():
    class Reflecting(nn.Conv2d):
        def __init__(self):
            super().__init__(1, 1, 3)
            self.padding_mode = "reflect"

        def forward(self, x):
            return super().forward(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), self.padding_mode))

    assert Reflecting().eval()(np.ones((1, 1, 3, 3))).shape == (1, 1, 3, 3)


@pytest.mark.parametrize("name", ["forward", "backward", "trace", "pullback"])
def test_what_computes_is_the_classs_own(name):
    linear = nn.Linear(2, 2, rng=0)
    with pytest.raises(AttributeError, match=rf"Linear\.{name}: expected the class's own.*Define {name} in a subclass"):
        setattr(linear, name, lambda x: x)


def test_a_weight_that_is_gone_is_named():
    linear = nn.Linear(2, 2, rng=0)
    linear.weight = None
    with pytest.raises(AttributeError, match=r"in_features cannot be told while weight = None: assign Parameters"):
        linear(np.ones((1, 2)))


def test_ndims_and_dim_are_checked():
    wise = nn.SequenceWise(nn.Linear(2, 2, rng=0))
    with pytest.raises(ValueError, match=r"ndims: expected None or at least 3.*got 2"):
        wise.ndims = 2
    assert wise.ndims is None
    criterion = nn.CrossEntropyLoss()
    criterion.dim = "x"
    with pytest.raises(TypeError, match="dim: expected an integer or None, got 'x'"):
        criterion(np.ones((1, 2)), [0])


def test_the_first_argument_may_have_torchs_name():
    x = normal(3, 2)
    linear = nn.Linear(2, 2, rng=0)
    np.testing.assert_array_equal(linear(input=x), linear(x))
    gru = nn.GRU(2, 3, rng=0).eval()
    np.testing.assert_array_equal(gru(input=x)[0], gru(x)[0])
    with pytest.raises(TypeError, match="input"):
        linear(x, input=x)

    class Named(nn.Module):
        def forward(self, x, **options):
            return x, options

    assert Named()(1, input=2) == (1, {"input": 2})
    with pytest.raises(TypeError, match="x"):
        Named()(input=2)
