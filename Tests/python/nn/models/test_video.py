"""CNN and recurrent net over ragged videos."""

from __future__ import annotations

import numpy as np
import pytest
from support import close, normal

from seriatim import nn, optim, pack_padded_sequence

LENGTHS = [3, 5, 1, 4]


def small_cnn(rng=0):
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1, rng=rng), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1, rng=rng), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 6, rng=rng),
    )  # fmt: skip


def model(**given):
    return nn.VideoRNN(small_cnn(), 6, 5, 3, fc=7, rng=1, **given)


def videos(filling=np.nan):
    x = normal(4, 5, 2, 8, 9)
    for video, length in zip(x, LENGTHS, strict=True):
        video[length:] = filling
    return x


@pytest.mark.parametrize("rnn", ["lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_videos_are_never_mixed_and_keep_their_order(rnn, bidirectional, num_layers):
    net = model(rnn=rnn, bidirectional=bidirectional, num_layers=num_layers).eval()
    x = videos()
    logits = net(x, LENGTHS)
    assert logits.shape == (4, 3)
    assert np.isfinite(logits).all(), "padding was computed"
    for i, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(net(x[i : i + 1, :length]), logits[i : i + 1])
    flat = pack_padded_sequence(x.reshape(4, 5, -1), LENGTHS, batch_first=True, enforce_sorted=False)
    np.testing.assert_array_equal(net(flat._replace(data=flat.data.reshape(-1, 2, 8, 9))), logits)


def test_names():
    names = {name.split(".")[0] for name in model().state_dict()}
    assert names == {"embedding", "rnn", "classifier"}
    assert "classifier.2.weight" in model().state_dict()


@pytest.mark.parametrize("rnn", ["lstm", "gru"])
def test_gradients_by_differences(rnn):
    net = model(rnn=rnn).train()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0
    x, cot = videos(0), normal(4, 3, seed=5)
    net(x, LENGTHS)
    assert net.backward(cot) is None
    rng = np.random.default_rng(0)
    for name, parameter in net.named_parameters():
        found, step = parameter.grad, 1e-2
        direction = rng.choice([-1.0, 1.0], parameter.shape).astype(np.float32)
        values, losses = np.array(parameter.data), []
        for sign in (1, -1):
            parameter.data = values + sign * step * direction
            losses.append(np.sum(net(x, LENGTHS).astype(np.float64) * cot))
            net.train()
        parameter.data = values
        wanted = (losses[0] - losses[1]) / (2 * step)
        ours = np.sum(found * direction, dtype=np.float64)
        assert abs(ours - wanted) < 0.03 * (1 + abs(wanted)), (name, ours, wanted)


def test_a_frozen_embedding_has_no_gradient_no_cache_and_no_dropout():
    cnn = nn.Sequential(small_cnn(), nn.Dropout(0.5, rng=3), nn.Linear(6, 6, rng=4))
    net = nn.VideoRNN(cnn, 6, 5, 3, rng=1).train()
    cnn.requires_grad_(False)
    before = cnn.state_dict()
    x = videos(0)
    first = net(x, LENGTHS)
    assert not any(module._contexts for module in cnn.modules())
    net.backward(np.ones_like(first))
    assert all(parameter.grad is None for parameter in cnn.parameters())
    np.testing.assert_array_equal(net(x, LENGTHS), first)
    for name, value in cnn.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert cnn.training


def test_what_has_no_parameters_is_not_thereby_frozen():
    x = videos(0) + np.float32(5)

    def ran(*layers, frozen=()):
        for index in frozen:
            layers[index].requires_grad_(False)
        net = nn.VideoRNN(nn.Sequential(*layers), 3, 4, 2, rng=1)
        y = net(x)
        net.backward(np.ones_like(y))
        assert not any(module._contexts for module in net.modules())
        return layers, not np.array_equal(net(x), net.train()(x))

    conv, norm = lambda: nn.Conv2d(2, 3, 3, rng=0), lambda: nn.BatchNorm2d(2, affine=False)
    tail = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    for frozen in ((), (1,)):
        # In front of a layer, trained or frozen.
        layers, drops = ran(norm(), conv(), *tail, frozen=frozen)
        assert layers[0].num_batches_tracked == 3
        assert np.all(layers[0].running_mean > 0.5)
        assert not drops
        assert ran(nn.Dropout(0.5, rng=2), conv(), *tail, frozen=frozen)[1]
    # Behind frozen layers, in front of what is trained: of the embedding, or the recurrent net.
    assert ran(conv(), *tail, nn.Dropout(0.5, rng=2), nn.Linear(3, 3, rng=3), frozen=(0,))[1]
    assert ran(conv(), *tail, nn.Dropout(0.5, rng=2), frozen=(0,))[1]
    # Between frozen layers all is as in evaluation, batch norms of either kind.
    norms = nn.BatchNorm2d(3), nn.BatchNorm2d(3, affine=False)
    layers, drops = ran(conv(), *norms, nn.Dropout(0.5, rng=2), nn.Conv2d(3, 3, 1, rng=3), *tail, frozen=(0, 1, 4))
    assert not drops
    assert layers[1].num_batches_tracked == layers[2].num_batches_tracked == 0


def test_layers_unfrozen_later_are_trained_by_the_same_loop():
    net = model()
    net.embedding.requires_grad_(False)
    net.embedding[8].requires_grad_(True)
    x, target = videos(0), np.array([0, 1, 2, 0])
    criterion, optimizer = nn.CrossEntropyLoss(), optim.Adam(net.parameters(), lr=3e-2)
    frozen, trained = np.array(net.embedding[0].weight.data), np.array(net.embedding[8].weight.data)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        losses.append(criterion(net.train()(x, LENGTHS), target))
        net.backward(criterion.backward())
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]
    np.testing.assert_array_equal(net.embedding[0].weight.data, frozen)
    assert not np.array_equal(net.embedding[8].weight.data, trained)
    net.embedding.requires_grad_(True)
    criterion(net(x, LENGTHS), target)
    net.backward(criterion.backward())
    optimizer.step()
    assert not np.array_equal(net.embedding[0].weight.data, frozen)


def test_any_callable_embeds():
    seen = []

    def embedding(frames):
        seen.append(frames.shape)
        return frames.mean(axis=(2, 3))

    net = nn.VideoRNN(embedding, 2, 5, 3)
    logits = net(videos(), LENGTHS)
    assert seen == [(sum(LENGTHS), 2, 8, 9)]
    net.backward(np.ones_like(logits))
    with pytest.raises(ValueError, match=r"embedding: expected output of shape \(13, 4\), got \(13, 2\)"):
        nn.VideoRNN(embedding, 4, 5, 3)(videos(), LENGTHS)


def test_errors():
    with pytest.raises(TypeError, match="embedding: expected a Module or a callable"):
        nn.VideoRNN(3, 4, 5, 3)
    with pytest.raises(ValueError, match="rnn: expected 'lstm' or 'gru'"):
        model(rnn="rnn")
    with pytest.raises(ValueError, match="x: expected a PackedSequence or padded videos"):
        model()(np.zeros((4, 2, 8, 9)))


def test_vgg16_has_torchvisions_order_and_names():
    vgg = nn.VGG16(7, channels=(4, 4, 8, 8, 8), fc=16, rng=0).eval()
    names = [name for name in vgg.state_dict() if name.endswith("weight")]
    places = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    assert names == [f"features.{i}.weight" for i in places] + [f"classifier.{i}.weight" for i in (0, 3, 6)]
    x = normal(2, 3, 40, 33)
    headless = nn.Sequential(vgg.features, vgg.avgpool, nn.Flatten(), nn.Sequential(*list(vgg.classifier)[:-1]))
    close(headless(x) @ vgg.classifier[6].weight.data.T + vgg.classifier[6].bias.data, vgg(x))
    y = vgg.train()(x)
    assert vgg.backward(np.ones_like(y)).shape == x.shape


def test_vgg16_beside_torch():
    torch = pytest.importorskip("torch")
    vgg = nn.VGG16(channels=(8, 16, 16, 32, 32), fc=64, num_classes=11, rng=0).eval()
    layers, before = [], 3
    for width, count in zip((8, 16, 16, 32, 32), (2, 2, 3, 3, 3), strict=True):
        for _ in range(count):
            layers += [torch.nn.Conv2d(before, width, 3, padding=1), torch.nn.ReLU()]
            before = width
        layers.append(torch.nn.MaxPool2d(2, 2))
    theirs = torch.nn.Module()
    theirs.features = torch.nn.Sequential(*layers)
    theirs.classifier = torch.nn.Sequential(
        torch.nn.Linear(32 * 49, 64), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(64, 64), torch.nn.ReLU(),
        torch.nn.Dropout(), torch.nn.Linear(64, 11),
    )  # fmt: skip
    theirs.load_state_dict({k: torch.tensor(v) for k, v in vgg.state_dict().items()})
    theirs.eval()
    x = normal(2, 3, 64, 50)
    with torch.no_grad():
        pooled = torch.nn.functional.adaptive_avg_pool2d(theirs.features(torch.tensor(x)), (7, 7))
        close(vgg(x), theirs.classifier(torch.flatten(pooled, 1)).numpy())


class Session:
    """What onnxruntime's sessions have."""

    class Input:
        name, type = "frames", "tensor(double)"

    def get_inputs(self):
        return [self.Input()]

    def run(self, names, inputs):
        assert inputs["frames"].dtype == np.float64
        return [inputs["frames"].mean(axis=(2, 3)), None]


def test_a_session_embeds():
    net = nn.VideoRNN(Session(), 2, 5, 3, rng=0)
    same = nn.VideoRNN(lambda frames: frames.mean(axis=(2, 3), dtype=np.float64), 2, 5, 3, rng=0)
    np.testing.assert_allclose(net(videos(), LENGTHS), same(videos(), LENGTHS), atol=1e-6)


def test_a_torch_module_embeds_in_evaluation_mode():
    torch = pytest.importorskip("torch")
    cnn = torch.nn.Sequential(torch.nn.BatchNorm2d(2), torch.nn.Dropout(), torch.nn.Flatten()).double()
    cnn[1].eval()
    net = nn.VideoRNN(cnn, 2 * 8 * 9, 5, 3, rng=0)
    first = net(videos(), LENGTHS)
    np.testing.assert_array_equal(net(videos(), LENGTHS), first)
    assert (cnn.training, cnn[0].training, cnn[1].training) == (True, True, False)
    assert cnn[0].num_batches_tracked == 0
