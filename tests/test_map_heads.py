import numpy as np
import pytest
import torch
from torch import nn

from trainables.map_heads import VGG11CNN, VGG11LSTM, VGG11RNN, MapCnnConfig, MapSequenceConfig, map_sequence
from trainables.parts.learner import Support
from trainables.parts.streams import Streams

TRAINING = {"tap": "5@128", "scaling": "length", "learning_rate": 1e-2, "weight_decay": 1e-6, "steps": 10}
C = 16


def cnn(**changes):
    return MapCnnConfig(**{**TRAINING, "channels": 8, "kernel_size": 3, "layers": 2, "dropout": 0.3, **changes})


def sequence(**changes):
    settings = {"sequence": "positions", "hidden_size": 5, "layers": 2, "readout": "last", "dropout": 0.3}
    return MapSequenceConfig(**{**TRAINING, **settings, **changes})


EACH = {
    "cnn": (VGG11CNN, cnn()),
    "cnn of one 1 x 1": (VGG11CNN, cnn(kernel_size=1, layers=1)),
    "rnn": (VGG11RNN, sequence()),
    "rnn of pieces": (VGG11RNN, sequence(sequence="pieces", readout="mean")),
    "lstm": (VGG11LSTM, sequence(readout="mean")),
    "lstm of pieces": (VGG11LSTM, sequence(sequence="pieces")),
}


def maps(count, seed):
    return torch.from_numpy(np.random.default_rng(seed).random((count, C * 49), dtype=np.float32))


def fitted(approach, config, seed):
    support = Support(images=maps(10, 0), labels=torch.tensor([0] * 5 + [1] * 5), classes=2)
    return approach.fit(config, support, Streams(seed))


@pytest.mark.parametrize(("approach", "config"), EACH.values(), ids=EACH)
def test_an_image_s_logit_is_its_own(approach, config):
    images = maps(20, 1)
    classifier, again, other = (fitted(approach, config, seed) for seed in (0, 0, 1))
    together = classifier(images)
    alone = torch.cat([classifier(image[None]) for image in images])
    assert together.shape == (20,)
    assert len(together.unique()) > 1
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert torch.equal(together, again(images))
    assert not torch.equal(together, other(images))


@pytest.mark.parametrize(("approach", "config"), EACH.values(), ids=EACH)
def test_it_reads_7x7_positions_at_every_tap(approach, config):
    assert approach.needs(config).view_names == ("vgg11-128px-half-after-5-cut-0of8-7x7-enlarged",)
    assert all(spec.output.endswith("-7x7-enlarged") for spec in approach.may_need.features)


def test_positions_come_row_by_row_with_their_channels():
    map_NCYX = np.arange(2 * 3 * 7 * 7).reshape(2, 3, 7, 7)
    found = map_sequence("positions", torch.from_numpy(map_NCYX).flatten(1)).numpy()
    assert found.shape == (2, 49, 3)
    for y in range(7):
        for x in range(7):
            assert np.array_equal(found[:, 7 * y + x], map_NCYX[:, :, y, x])


def test_pieces_of_vgg11_are_256_in_a_row():
    flat_ND = torch.arange(2 * 25088).reshape(2, 25088)
    found = map_sequence("pieces", flat_ND)
    assert found.shape == (2, 256, 98)
    assert torch.equal(found[:, 3], flat_ND[:, 3 * 98 : 4 * 98])


@pytest.mark.parametrize(("kernel_size", "layers"), [(1, 1), (1, 2), (3, 1), (3, 2)])
def test_convolutions_keep_the_positions_and_their_mean_is_classified(kernel_size, layers):
    head = VGG11CNN.head(cnn(kernel_size=kernel_size, layers=layers), C * 49, 3).eval()
    convolutions = [layer for layer in head if isinstance(layer, nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels) for layer in convolutions] == [(C, 8), (8, 8)][:layers]
    flat_ND = maps(4, 2)
    seen = flat_ND.reshape(4, C, 7, 7)
    for layer in convolutions:
        seen = nn.functional.conv2d(seen, layer.weight, layer.bias, padding=kernel_size // 2).relu()
    assert seen.shape[2:] == (7, 7)
    torch.testing.assert_close(head(flat_ND), seen.mean((2, 3)) @ head[-1].weight.T + head[-1].bias)


@pytest.mark.parametrize("approach", [VGG11CNN, VGG11RNN, VGG11LSTM])
def test_dropout_is_for_training_alone(approach):
    config = cnn(dropout=0.5) if approach is VGG11CNN else sequence(dropout=0.5)
    head, images = approach.head(config, C * 49, 1), maps(10, 3)
    assert not torch.equal(head(images), head(images))
    head.eval()
    assert torch.equal(head(images), head(images))


def test_unknown_sequence_is_an_error_with_the_choices():
    with pytest.raises(ValueError, match="Expected a sequence from positions, pieces; got 'rows'"):
        VGG11RNN.head(sequence(sequence="rows"), C * 49, 1)
