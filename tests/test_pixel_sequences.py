import numpy as np
import pytest
import torch
from torch import nn

from trainables.parts.image_sets import PIXELS
from trainables.parts.learner import Support
from trainables.parts.networks import Ends
from trainables.parts.normalisation import fixed, unit
from trainables.parts.streams import Streams
from trainables.pixel_sequences import (
    FeaturesAndPixelsConfig,
    FeatureStart,
    OutputsAsState,
    PixelLSTM,
    PixelRNN,
    PixelSequenceConfig,
    VGG11LSTMHidden,
    VGG11LSTMHidden1000,
    VGG11RNNHidden,
    VGG11RNNHidden1000,
    pixel_network,
    pixel_sequence,
)

SETTING = {
    "normalisation": "fixed",
    "learning_rate": 1e-2,
    "weight_decay": 1e-6,
    "steps": 10,
    "sequence": "rows",
    "hidden_size": 5,
    "layers": 3,
    "readout": "last",
    "dropout": 0.3,
}
D = 12

each_kind = pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM])


def alone(**changes):
    return PixelSequenceConfig(**{**SETTING, **changes})


def started(**changes):
    return FeaturesAndPixelsConfig(**{**SETTING, "tap": "5@128", "scaling": "standardise", **changes})


EACH = {
    "rnn": (PixelRNN, alone()),
    "lstm": (PixelLSTM, alone(sequence="patches", readout="mean")),
    "rnn, started": (VGG11RNNHidden, started(sequence="patches")),
    "lstm, started": (VGG11LSTMHidden, started(readout="mean")),
    # As many units as there are features, which are 1000 where the study's numbers are.
    "rnn, outputs as state": (VGG11RNNHidden1000, started(hidden_size=D, sequence="pieces", steps=2)),
    "lstm, outputs as state": (VGG11LSTMHidden1000, started(hidden_size=D, sequence="pieces", steps=2)),
}


def pixels(count, seed):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8))


def features(count, seed):
    return torch.from_numpy(np.random.default_rng(seed).random((count, D), dtype=np.float32))


def views(approach, count, seed):
    return [pixels(count, seed)] if approach in (PixelRNN, PixelLSTM) else [features(count, seed), pixels(count, seed)]


def fitted(approach, config, seed=0):
    first, *more = views(approach, 10, 0)
    support = Support(images=first, more=tuple(more), labels=torch.tensor([0] * 5 + [1] * 5), classes=2)
    return approach.fit(config, support, Streams(seed))


def recurrent_of(kind, config):
    """A network, torch's own recurrent network with the same weights, and images of -1..1."""
    torch.manual_seed(0)
    network = pixel_network(kind, config, Ends(inputs=1, outputs=1)).eval()
    torchs = kind(network.recurrent.input_size, config.hidden_size, config.layers, batch_first=True)
    torchs.load_state_dict(network.recurrent.state_dict())
    return network, torchs, fixed(unit(pixels(4, 1)))[:, 0]


@pytest.mark.parametrize(("approach", "config"), EACH.values(), ids=EACH)
def test_an_image_s_logit_is_its_own(approach, config):
    images = views(approach, 20, 1)
    classifier, again, other = (fitted(approach, config, seed) for seed in (0, 0, 1))
    together = classifier(*images)
    each = torch.cat([classifier(*(view[i : i + 1] for view in images)) for i in range(20)])
    assert together.shape == (20,)
    assert len(together.unique()) > 1
    torch.testing.assert_close(together, each, rtol=1e-4, atol=1e-5)
    assert torch.equal(together, again(*images))
    assert not torch.equal(together, other(*images))


@pytest.mark.parametrize("approach", [VGG11RNNHidden, VGG11LSTMHidden])
def test_a_started_network_reads_features_and_pixels(approach):
    assert approach.needs(started()).view_names == ("vgg11-128px-half-after-5-cut-0of8-1x1", PIXELS)
    assert all(spec.output.endswith("-1x1") for spec in approach.may_need.features)
    classifier, (table, images) = fitted(approach, started()), views(approach, 20, 1)
    assert not torch.equal(classifier(table, images), classifier(table.flip(0), images))
    assert not torch.equal(classifier(table, images), classifier(table, images.flip(0)))


def test_steps_are_rows_or_patches_row_by_row():
    images_NHW = np.arange(2 * 28 * 28, dtype=np.float32).reshape(2, 28, 28)
    images_N1HW = torch.from_numpy(images_NHW)[:, None]
    assert np.array_equal(pixel_sequence("rows", images_N1HW).numpy(), images_NHW)
    patches = pixel_sequence("patches", images_N1HW).numpy()
    assert patches.shape == (2, 49, 16)
    for y in range(7):
        for x in range(7):
            patch = images_NHW[:, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
            assert np.array_equal(patches[:, 7 * y + x], patch.reshape(2, 16))


def test_pieces_are_the_upscaled_image_s_rows_cut_into_256_steps():
    images_N1HW = unit(pixels(2, 3))
    found = pixel_sequence("pieces", images_N1HW)
    assert found.shape == (2, 256, 196)
    upscaled_NSS = nn.Upsample(scale_factor=8, mode="bilinear")(images_N1HW)[:, 0]
    # 8 pieces are 7 rows of 224 pixels.
    assert torch.equal(found[:, :8].reshape(2, 7, 224), upscaled_NSS[:, :7])
    assert torch.equal(found[:, -1], upscaled_NSS[:, -1, 28:])


@pytest.mark.parametrize("approach", [VGG11RNNHidden1000, VGG11LSTMHidden1000])
def test_at_the_study_s_size_the_1000_outputs_are_asked_for(approach):
    assert approach.needs(started(tap="5@224")).view_names == ("vgg11_logits-224px-half-logits", PIXELS)
    assert {spec.backbone for spec in approach.may_need.features} == {"vgg11_logits"}


@each_kind
def test_outputs_are_every_layer_s_hidden_state_as_they_are(kind):
    config = alone(hidden_size=D)
    network, torchs, images_NHW = recurrent_of(kind, config)
    table_ND = features(4, 2)
    h_LNH = torch.stack([table_ND] * config.layers)
    outputs_NTH, _ = torchs(images_NHW, h_LNH if kind is nn.RNN else (h_LNH, torch.zeros_like(h_LNH)))
    start = OutputsAsState(network, D)
    found = start(torch.cat([table_ND, images_NHW.flatten(1)], 1))
    torch.testing.assert_close(found, network.output(outputs_NTH[:, -1]))
    # Nothing is learned between the outputs and the state.
    assert list(map(id, start.parameters())) == list(map(id, network.parameters()))


def test_outputs_that_are_no_state_are_an_error():
    with pytest.raises(ValueError, match="Expected hidden_size 12, as many units as the backbone has outputs; got 5"):
        fitted(VGG11RNNHidden1000, started())


@each_kind
@pytest.mark.parametrize("readout", ["last", "mean"])
def test_without_features_it_is_torch_s_own_from_zero(kind, readout):
    config = alone(readout=readout)
    network, torchs, images_NHW = recurrent_of(kind, config)
    zero = torch.zeros(config.layers, 4, config.hidden_size)
    outputs_NTH, _ = torchs(images_NHW, zero if kind is nn.RNN else (zero, zero))
    read_NH = outputs_NTH[:, -1] if readout == "last" else outputs_NTH.mean(1)
    torch.testing.assert_close(network(images_NHW[:, None]), network.output(read_NH))


@each_kind
def test_features_are_projected_to_the_state_of_every_layer(kind):
    config = alone()
    network, torchs, images_NHW = recurrent_of(kind, config)
    start, table_ND = FeatureStart(network, D), features(4, 2)
    kinds = 1 if kind is nn.RNN else 2
    weight = start.projection.weight.reshape(kinds, config.layers, config.hidden_size, D)
    states = [torch.stack([table_ND @ weight[k, layer].T for layer in range(config.layers)]) for k in range(kinds)]
    outputs_NTH, _ = torchs(images_NHW, states[0] if kind is nn.RNN else tuple(states))
    found = start(torch.cat([table_ND, images_NHW.flatten(1)], 1))
    torch.testing.assert_close(found, network.output(outputs_NTH[:, -1]))
    found.sum().backward()
    assert (start.projection.weight.grad.abs().sum(1) > 0).all()


@each_kind
def test_features_of_zero_start_from_zero(kind):
    network, _, images_NHW = recurrent_of(kind, alone())
    found = FeatureStart(network, D)(torch.cat([torch.zeros(4, D), images_NHW.flatten(1)], 1))
    torch.testing.assert_close(found, network(images_NHW[:, None]))


@each_kind
def test_dropout_is_for_training_alone(kind):
    network, _, images_NHW = recurrent_of(kind, alone(dropout=0.5))
    assert torch.equal(network(images_NHW[:, None]), network(images_NHW[:, None]))
    network.train()
    assert not torch.equal(network(images_NHW[:, None]), network(images_NHW[:, None]))


@pytest.mark.parametrize(
    ("option", "choices"),
    [("sequence", "a sequence from rows, patches, pieces"), ("readout", "a readout from last, mean")],
)
@pytest.mark.parametrize("approach", [PixelRNN, VGG11LSTMHidden])
def test_unknown_option_is_an_error_with_the_choices(option, choices, approach):
    config = (alone if approach is PixelRNN else started)(**{option: "sideways"})
    with pytest.raises(ValueError, match=f"Expected {choices}; got 'sideways'"):
        fitted(approach, config)


@pytest.mark.parametrize("name", ["rows", "patches", "pieces"])
def test_colours_of_a_step_are_side_by_side(name):
    images_NCHW = unit(pixels(6, 3)).reshape(2, 3, 28, 28)
    each = [pixel_sequence(name, images_NCHW[:, colour : colour + 1]) for colour in range(3)]
    torch.testing.assert_close(pixel_sequence(name, images_NCHW), torch.cat(each, dim=2))
