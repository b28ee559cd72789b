"""seriatim.torch's DeepGRU beside the authors' network in torch's own modules, and beside nn's."""

import copy

import numpy as np
import pytest

from seriatim import convert, nn

torch = pytest.importorskip("torch", "2.4", reason="seriatim.torch needs torch 2.4 or later")
from seriatim.torch import DeepGRU  # noqa: E402
from seriatim.torch import _deepgru as module  # noqa: E402

rnn = torch.nn.utils.rnn
DIMS = {"gru1": 8, "gru2": 6, "gru3": 4, "fc": 5}
LENGTHS = [7, 2, 5, 1, 6]


class TheirAttention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w, self.gru = torch.nn.Linear(4, 4, bias=False), torch.nn.GRU(4, 4, batch_first=True)

    def forward(self, x, h):
        weights = torch.bmm(self.w(x), h.permute(1, 2, 0)).softmax(1)
        context = torch.bmm(x.permute(0, 2, 1), weights).permute(0, 2, 1)
        auxiliary, _ = self.gru(context, h)
        return torch.cat((auxiliary.squeeze(1), context.squeeze(1)), 1)


class Theirs(torch.nn.Module):
    """The authors' module, small, of sequences without padding."""

    def __init__(self):
        super().__init__()
        self.gru1 = torch.nn.GRU(3, 8, 2, batch_first=True)
        self.gru2 = torch.nn.GRU(8, 6, 2, batch_first=True)
        self.gru3 = torch.nn.GRU(6, 4, 1, batch_first=True)
        self.attention = TheirAttention()
        self.classifier = torch.nn.Sequential(
            torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 5), torch.nn.ReLU(),
            torch.nn.BatchNorm1d(5), torch.nn.Dropout(0.5), torch.nn.Linear(5, 2),
        )  # fmt: skip

    def forward(self, x):
        y, h = self.gru3(self.gru2(self.gru1(x)[0])[0])
        return self.classifier(self.attention(y, h[-1:]))


def model(seed=0):
    torch.manual_seed(seed)
    made = DeepGRU(3, 2, DIMS)
    # Statistics as of some training.
    for buffer in made.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return made


def inputs():
    return torch.randn(5, 7, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)


def results(call, *given, wanted, seed=3):
    torch.manual_seed(seed)
    y = call(*given)
    loss = (y * torch.arange(y.numel()).reshape(y.shape).sin()).sum()
    return [y, *torch.autograd.grad(loss, wanted)]


@pytest.mark.parametrize("training", [False, True])
def test_it_is_the_authors(training):
    torch.manual_seed(0)
    theirs = Theirs()
    torch.manual_seed(0)
    ours = DeepGRU(3, 2, DIMS)
    assert list(theirs.state_dict()) == list(ours.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(theirs.parameters(), ours.parameters(), strict=True))
    ours.load_state_dict(model().state_dict())
    theirs.load_state_dict(ours.state_dict())
    x = inputs()
    for made in (theirs.train(training), ours.train(training)):
        made.x = results(made, x, wanted=[x, *made.parameters()])
    tolerance = 1e-2 if training else 1e-5  # Batch norm over five.
    for a, b in zip(theirs.x, ours.x, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)
    for a, b in zip(theirs.buffers(), ours.buffers(), strict=True):
        torch.testing.assert_close(a, b)


def test_ragged_batches_give_what_sequences_give_alone():
    ours, x = model().eval(), inputs()
    ragged = ours(x, torch.tensor(LENGTHS))
    for row, (sequence, n) in zip(ragged, zip(x, LENGTHS, strict=True), strict=True):
        torch.testing.assert_close(row, ours(sequence[None, :n])[0], rtol=1e-5, atol=1e-6)
    packed = rnn.pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
    assert torch.equal(ours(packed), ragged)
    weights = ours.attention_weights(x, LENGTHS)
    torch.testing.assert_close(weights.sum(1), torch.ones(5))
    assert all((row[n:] == 0).all() for row, n in zip(weights, LENGTHS, strict=True))


def test_all_states_load():
    ours, x = model(), inputs()
    own = nn.DeepGRU(3, 2, DIMS)
    own.load_state_dict(convert.maghoumi_deepgru(ours))
    expected = own.eval()(x.detach().numpy(), LENGTHS)
    found = ours.eval()(x, LENGTHS).log_softmax(1).detach()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(
        ours.attention_weights(x, LENGTHS), own.attention_weights(x.detach().numpy(), LENGTHS), atol=1e-6
    )
    state = {name: torch.tensor(value) for name, value in own.state_dict().items()}
    names = {
        "gru": "enc.model.gru", "attention.query": "attn.model.attn_ctx", "attention.gru": "attn.model.aux_ctx",
        "classifier.0": "clf.model.fc1.0", "classifier.2": "clf.model.fc1.2", "classifier.4": "clf.model.fc2.0",
        "classifier.6": "clf.model.fc2.2",
    }  # fmt: skip
    sequentia = {
        next(new + name[len(old) :] for old, new in names.items() if name.startswith(old)): value
        for name, value in state.items()
    }
    for given in (state, sequentia):
        other = model(7).eval()
        other.load_state_dict(given)
        assert torch.equal(other(x, LENGTHS), ours(x, LENGTHS))
        nested = torch.nn.ModuleDict({"net": model(7).eval()})
        nested.load_state_dict({f"net.{name}": value for name, value in given.items()})
        assert torch.equal(nested["net"](x, LENGTHS), ours(x, LENGTHS))
    with pytest.raises(RuntimeError, match="size mismatch"):
        DeepGRU(3, 4, DIMS).load_state_dict(state)
    with pytest.raises(ValueError, match="dims: expected keys out of"):
        DeepGRU(3, 2, {"gru4": 3})
    with pytest.raises(ValueError, match=r"x: expected shape \(B, T, 3\)"):
        ours(x[0])


def test_gradients_copies_types_and_second_derivatives(monkeypatch):
    ours, x = model().eval(), inputs()
    found = results(ours, x, LENGTHS, wanted=[x, *ours.parameters()])
    with monkeypatch.context() as patched:
        patched.setattr(module, "takes", lambda _: False)
        for a, b in zip(found, results(ours, x, LENGTHS, wanted=[x, *ours.parameters()]), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
        weights = ours.attention_weights(x, LENGTHS)
    torch.testing.assert_close(ours.attention_weights(x, LENGTHS), weights)
    twin = copy.deepcopy(ours)
    assert torch.equal(twin(x, LENGTHS), ours(x, LENGTHS))
    torch.testing.assert_close(twin.double()(x.double(), LENGTHS).float(), ours(x, LENGTHS))
    (grad,) = torch.autograd.grad(ours(x, LENGTHS).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="expected one differentiation"):
        grad.square().sum().backward()


@pytest.mark.filterwarnings("ignore:The .grad attribute")
@pytest.mark.parametrize("form", ["padded", "packed"])
def test_compiled_whole(form):
    ours, x = model().eval(), inputs()
    given, leaf = x, x
    if form == "packed":
        given = rnn.pack_padded_sequence(x.detach(), torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
        leaf = given.data.requires_grad_()
    compiled, wanted = torch.compile(ours, fullgraph=True, backend="aot_eager"), [leaf, *ours.parameters()]
    settings = {"allow_rnn": True} if hasattr(torch._dynamo.config, "allow_rnn") else {}
    with torch._dynamo.config.patch(**settings):
        found = results(compiled, given, wanted=wanted)
    for a, b in zip(results(ours, given, wanted=wanted), found, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.filterwarnings("ignore:Input #", "ignore:The .grad attribute")
def test_gradcheck_and_opcheck():
    torch.manual_seed(0)
    query, rows = torch.randn(2, 3, requires_grad=True), torch.randn(5, 3, requires_grad=True)
    sizes, attention = torch.tensor([2, 2, 1]), module._attention
    assert torch.autograd.gradcheck(
        lambda q, h: attention((q, h, sizes), ()), (query, rows), eps=1e-2, atol=2e-2, rtol=1e-2
    )
    checked = torch.library.opcheck(attention._operator, ([query, rows, sizes], [True] * 3, [0], True))
    assert set(checked.values()) == {"SUCCESS"}
