"""Metavision's blocks and U-net: names, equations, memory, training. Gradients are held in test_gradcheck."""

from __future__ import annotations

import numpy as np
import pytest
from support import close, normal

from seriatim import convert, load, nn, optim, save


def layer(inputs, outputs):
    return nn.ConvLayer(inputs, outputs, norm="none", rng=inputs)


def event_to_video(cell="lstm", rng=0):
    """OpenEB's, under its names."""
    random = np.random.default_rng(rng)
    encoders, decoders = nn.unet_layers(
        lambda i, o: nn.ConvRNN(i, o, cell=cell, rng=random),
        lambda i, o: nn.VideoSequential(nn.ResBlock(i, o, rng=random)),
        lambda i, o: nn.ConvRNN(i, o, cell=cell, rng=random),
        2,
        [3, 4],
        5,
        [4, 3],
    )
    down = nn.VideoSequential(nn.Upsample(scale_factor=0.5, mode="bilinear", align_corners=False))
    return nn.Sequential(
        {
            "head": nn.VideoSequential(nn.ConvLayer(1, 2, 5, 1, 2, rng=random)),
            "unet": nn.Unet(encoders, decoders, down, nn.MergeSkip()),
            "predictor": nn.VideoSequential(nn.Conv2d(3, 1, 1, rng=random)),
        }
    )


CLIP = normal(2, 2, 1, 9, 7)


def test_the_u_net_is_its_picture():
    encoders, decoders = nn.unet_layers(layer, layer, layer, 3, [4, 5], 6, [5, 2])
    net = nn.Unet(encoders, decoders, nn.MaxPool2d(2), nn.MergeSkip("nearest")).eval()
    x = normal(2, 3, 12, 10)
    e1 = encoders[0](nn.MaxPool2d(2)(x))
    e2 = encoders[1](nn.MaxPool2d(2)(e1))

    def larger(y, beside):
        return np.concatenate([nn.Upsample(beside.shape[-2:])(y), beside], axis=1)

    d1 = decoders[1](larger(decoders[0](e2), e1))
    np.testing.assert_array_equal(net(x), decoders[2](larger(d1, x)))


def test_names_are_openebs():
    names = list(event_to_video().state_dict())
    for name in (
        "head.0.0.weight",
        "unet.encoders.1.conv_x2h.module.1.running_mean",
        "unet.encoders.0.timepool.conv_h2h.bias",
        "unet.decoders.0.0.conv2.0.weight",
        "unet.decoders.0.0.downsample.1.bias",
        "unet.decoders.2.conv_x2h.module.0.weight",
        "predictor.0.bias",
    ):
        assert name in names
    assert [name for name in nn.PreActBlock(3, 4).state_dict() if name.startswith(("fc", "down"))] == [
        "downsample.0.weight", "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias",
    ]  # fmt: skip
    assert not [name for name in nn.ResBlock(3, 3).state_dict() if name.startswith("down")]
    bare = nn.ResBlock(3, 4, norm="none").state_dict()
    assert list(bare) == ["conv1.0.weight", "conv1.0.bias", "conv2.0.weight", "downsample.0.weight"]


def test_it_trains_and_leaves_and_comes_back(tmp_path):
    net = event_to_video("gru")
    checkpoint = {"state_dict": {f"model.{k}": v for k, v in event_to_video("gru", 1).state_dict().items()}}
    net.load_state_dict(convert.metavision(checkpoint))
    optimizer, criterion, losses = optim.Adam(net.parameters(), lr=3e-2), nn.MSELoss(), []
    for _ in range(6):
        net[1].reset_all()
        optimizer.zero_grad()
        losses.append(criterion(net(CLIP), CLIP))
        net.backward(criterion.backward())
        optimizer.step()
    assert losses[-1] < 0.8 * losses[0]
    net.eval()[1].reset_all()
    wanted = net(CLIP)
    net[1].reset_all()
    save(net, tmp_path / "net.safetensors")
    np.testing.assert_array_equal(load(tmp_path / "net.safetensors")(CLIP), wanted)


def test_memory_is_reset_everywhere_inside():
    net = event_to_video().eval()
    first, second = net(CLIP), net(CLIP)
    assert np.any(first != second)
    net[1].reset_all()
    np.testing.assert_array_equal(net(CLIP), first)
    net[1].reset(np.array([1, 0]))
    third = net(CLIP)
    np.testing.assert_array_equal(third[:, 0], second[:, 0])
    close(third[:, 1], first[:, 1], 1e-6)


def test_gradients_reach_the_input_only_when_wanted():
    encoders, decoders = nn.unet_layers(layer, layer, layer, 1, [2], 2, [1])
    net = nn.Unet(encoders, decoders, nn.ConvLayer(1, 1, stride=2, norm="none", rng=0), nn.MergeSkip())
    x, grad = normal(1, 1, 6, 6), normal(1, 1, 6, 6, seed=1)
    y, context = net.trace(x)
    assert net.pullback(context, grad, need_input=False) is None
    alone = [np.array(p.grad) for p in net.parameters()]
    net.zero_grad()
    y, context = net.trace(x)
    assert net.pullback(context, grad).shape == x.shape == y.shape
    for found, p in zip(alone, net.parameters(), strict=True):
        np.testing.assert_array_equal(found, p.grad)


def test_what_does_not_go_together():
    with pytest.raises(ValueError, match="up_filter_sizes: expected at most one for each of 1 encoders, got 2"):
        nn.unet_layers(layer, layer, layer, 1, [2], 2, [1, 1])
    with pytest.raises(ValueError, match="decoders: expected a middle and at most one for each of 0 encoders, got 2"):
        nn.Unet([], [nn.ReLU(), nn.ReLU()], nn.MaxPool2d(2), nn.MergeSkip())
    with pytest.raises(ValueError, match="decoders: expected a middle"):
        nn.Unet([nn.ReLU()], [], nn.MaxPool2d(2), nn.MergeSkip())
    with pytest.raises(ValueError, match="out_channels: expected a multiple of 4, got 6"):
        nn.PreActBlock(3, 6)
    with pytest.raises(ValueError, match="mode: expected 'bilinear'"):
        nn.MergeSkip("bicubic")
    with pytest.raises(ValueError, match="align_corners: expected None"):
        nn.MergeSkip("nearest", align_corners=True)
    with pytest.raises(ValueError, match=r"x, skip: expected shapes .* got \(2, 1, 3, 3\) and \(3, 1, 6, 6\)"):
        nn.MergeSkip()(np.zeros((2, 1, 3, 3)), np.zeros((3, 1, 6, 6)))
    merge = nn.MergeSkip()
    merge(np.zeros((2, 1, 3, 3)), np.zeros((2, 1, 6, 6)))
    with pytest.raises(ValueError, match=r"grad_output: expected shape \(2, 2, 6, 6\), got \(2, 1, 6, 6\)"):
        merge.backward(np.zeros((2, 1, 6, 6)))
