"""DeepGRU against the same network made of torch's modules in float64, and weights of both originals."""

import numpy as np
import pytest

import seriatim
from seriatim import convert, nn

torch = pytest.importorskip("torch")
DIMS = {"gru1": 9, "gru2": 7, "gru3": 5, "fc": 6}
LENGTHS = [5, 9, 1, 30, 12, 12]


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(len(LENGTHS), 30, 4)).astype(np.float32)
    for row, length in zip(x, LENGTHS, strict=True):
        row[length:] = np.nan
    return x


class Encoder(torch.nn.Module):
    """Five GRU layers over one unpadded sequence after another."""

    def __init__(self):
        super().__init__()
        self.gru1 = torch.nn.GRU(4, DIMS["gru1"], 2)
        self.gru2 = torch.nn.GRU(DIMS["gru1"], DIMS["gru2"], 2)
        self.gru3 = torch.nn.GRU(DIMS["gru2"], DIMS["gru3"])

    def encode(self, sequence):
        h, _ = self.gru1(sequence)
        h, _ = self.gru2(h)
        h, last = self.gru3(h)
        return h, last[0]


def head(out=3):
    size, fc = 2 * DIMS["gru3"], DIMS["fc"]
    return (
        [torch.nn.BatchNorm1d(size), torch.nn.Dropout(), torch.nn.Linear(size, fc)],
        [torch.nn.BatchNorm1d(fc), torch.nn.Dropout(), torch.nn.Linear(fc, out)],
    )


class Sequentia(torch.nn.Module):
    """Sequentia 0.12.1's network and names, its softmax over time."""

    def __init__(self):
        super().__init__()
        block, size, (first, second) = torch.nn.Module, DIMS["gru3"], head()
        self.model = torch.nn.ModuleDict({"enc": block(), "attn": block(), "clf": block()})
        encoder = Encoder()
        self.model["enc"].model = torch.nn.ModuleDict(dict(encoder.named_children()))
        self.model["attn"].model = torch.nn.ModuleDict(
            {"attn_ctx": torch.nn.Linear(size, size, bias=False), "aux_ctx": torch.nn.GRU(size, size)}
        )
        self.model["clf"].model = torch.nn.ModuleDict(
            {"fc1": torch.nn.Sequential(*first), "fc2": torch.nn.Sequential(*second)}
        )

    def forward(self, sequences):
        features = []
        gru = self.model["enc"].model
        for sequence in sequences:
            h, last = Encoder.encode(gru_holder(gru), sequence[:, None])
            scores = (self.model["attn"].model["attn_ctx"](last) * h[:, 0]).sum(1)
            context = (scores.softmax(0)[:, None] * h[:, 0]).sum(0, keepdim=True)
            _, auxiliary = self.model["attn"].model["aux_ctx"](context[None], last[None])
            features.append(torch.cat([context, auxiliary[0]], 1))
        clf = self.model["clf"].model
        return torch.log_softmax(clf["fc2"](torch.relu(clf["fc1"](torch.cat(features)))), 1)


def gru_holder(grus):
    holder = type("Holder", (), {})()
    holder.gru1, holder.gru2, holder.gru3 = grus["gru1"], grus["gru2"], grus["gru3"]
    return holder


class Maghoumi(Encoder):
    """The authors' network and names, without the padding in its softmax."""

    def __init__(self):
        super().__init__()
        size, (first, second) = DIMS["gru3"], head()
        self.attention = torch.nn.Module()
        self.attention.w = torch.nn.Linear(size, size, bias=False)
        self.attention.gru = torch.nn.GRU(size, size)
        self.classifier = torch.nn.Sequential(*first, torch.nn.ReLU(), *second)

    def forward(self, sequences):
        features = []
        for sequence in sequences:
            h, last = self.encode(sequence[:, None])
            scores = (self.attention.w(h[:, 0]) * last).sum(1)
            context = (scores.softmax(0)[:, None] * h[:, 0]).sum(0, keepdim=True)
            _, auxiliary = self.attention.gru(context[None], last[None])
            features.append(torch.cat([auxiliary[0], context], 1))
        return self.classifier(torch.cat(features))


def pair(original, converter):
    """An original in float64, with uncommon statistics, and our network with its weights."""
    torch.manual_seed(0)
    theirs = original().double()
    for name, buffer in theirs.named_buffers():
        if "running" in name:
            buffer.copy_(0.5 + torch.rand_like(buffer))
    for module in theirs.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    ours = nn.DeepGRU(4, 3, DIMS, dropout=0.0)
    state = {
        k: v.numpy().astype(np.float32) if v.is_floating_point() else v.numpy() for k, v in theirs.state_dict().items()
    }
    ours.load_state_dict(converter(state))
    theirs.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})
    sequences = [torch.from_numpy(x[:n].astype(np.float64)) for x, n in zip(data(), LENGTHS, strict=True)]
    return ours, theirs, sequences


@pytest.mark.parametrize(
    ("original", "converter"), [(Sequentia, convert.sequentia_deepgru), (Maghoumi, convert.maghoumi_deepgru)]
)
def test_converted_weights_give_the_corrected_output(original, converter):
    ours, theirs, sequences = pair(original, converter)
    with torch.no_grad():
        want = torch.log_softmax(theirs.eval()(sequences), 1).numpy()
    np.testing.assert_allclose(ours.eval()(data(), LENGTHS), want, atol=5e-6)


def test_gradients_are_those_of_the_original_in_float64():
    ours, theirs, sequences = pair(Sequentia, convert.sequentia_deepgru)
    target = np.array([0, 2, 1, 1, 0, 2])
    criterion = nn.NLLLoss(weight=[1.0, 2.0, 0.5])
    loss = criterion(ours.train()(data(), LENGTHS), target)
    grad_x = ours.backward(criterion.backward(), need_input=True)
    for sequence in sequences:
        sequence.requires_grad_()
    weight = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    their_loss = torch.nn.functional.nll_loss(theirs.train()(sequences), torch.from_numpy(target), weight)
    their_loss.backward()
    assert loss == pytest.approx(their_loss.item(), abs=1e-5)
    wanted = convert.sequentia_deepgru(
        {k: p.grad.numpy() for k, p in theirs.named_parameters()} | {k: b.numpy() for k, b in theirs.named_buffers()}
    )
    for name, parameter in ours.named_parameters():
        want = wanted[name]
        np.testing.assert_allclose(parameter.grad, want, atol=1e-4 * np.abs(want).max() + 1e-5, err_msg=name)
    packed = seriatim.pack_sequence([s.grad.numpy() for s in sequences], enforce_sorted=False)
    np.testing.assert_allclose(grad_x, packed.data, atol=1e-4 * np.abs(packed.data).max() + 1e-6)


@pytest.mark.parametrize("converter", [convert.sequentia_deepgru, convert.maghoumi_deepgru])
def test_converters_name_what_does_not_fit(converter):
    with pytest.raises(ValueError, match="missing"):
        converter({})
    with pytest.raises(ValueError, match=r"extra\.weight: not known"):
        converter({"extra.weight": np.zeros(3)})


def test_a_sequence_has_the_same_bits_alone_in_a_batch_and_in_any_order():
    model, x = nn.DeepGRU(4, 3, DIMS, rng=0).eval(), data()
    together = model(x, LENGTHS)
    order = [3, 0, 5, 1, 4, 2]
    np.testing.assert_array_equal(model(x[order], np.array(LENGTHS)[order]), together[order])
    for i, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(model(x[i : i + 1, :length]), together[i : i + 1])
    packed = seriatim.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    np.testing.assert_array_equal(model(packed), together)


def test_attention_weights():
    model, x = nn.DeepGRU(4, 3, DIMS, rng=0), data()
    weights = model.attention_weights(x, LENGTHS)
    assert weights.shape == (6, 30)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    for row, length in zip(weights, LENGTHS, strict=True):
        assert np.all(row[:length] > 0)
        assert np.all(row[length:] == 0)
    assert model.training, "looking at the weights changes no mode"


def test_looking_at_attention_leaves_an_open_forward_open():
    model, x = nn.DeepGRU(4, 3, DIMS, dropout=0.0, rng=0), data()
    model(x, LENGTHS)
    model.attention_weights(x, LENGTHS)
    model.backward(np.ones((6, 3), np.float32))
    assert all(p.grad is not None for p in model.parameters())


def test_wrong_inputs():
    model = nn.DeepGRU(4, 3, DIMS)
    with pytest.raises(ValueError, match=r"expected shape \(B, T, 4\)"):
        model(np.zeros((2, 5, 3)))
    with pytest.raises(ValueError, match="lengths"):
        model(np.zeros((2, 5, 4)), [5, 6])
    with pytest.raises(ValueError, match="dims: expected keys"):
        nn.DeepGRU(4, 3, {"gru4": 3})
