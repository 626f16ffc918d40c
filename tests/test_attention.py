import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from trainables.parts.attention import (
    AttentionBlock,
    AttentionConfig,
    ChannelAttention,
    DualAttention,
    SelfAttention,
    SpatialAttention,
    keys_of,
    sinusoidal_encoding,
    to_map,
    to_tokens,
)

SIDES = [26, 14, 12, 7, 4, 1]
POSITIONAL = ["none", "learned", "sinusoidal"]
# Of every block, all forms.
VARIANTS = [
    {"kind": "channel"},
    *[{"kind": kind, "positional": positional} for kind in ("spatial", "dual") for positional in POSITIONAL],
    *[{"kind": "self", "heads": heads, "positional": positional} for heads in (1, 4) for positional in POSITIONAL],
]

each_variant = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: "-".join(map(str, variant.values())))
each_side = pytest.mark.parametrize("side", SIDES)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def block(channels=8, side=7, *, residual=False, layer_norm=False, **variant):
    return AttentionBlock(AttentionConfig(residual=residual, layer_norm=layer_norm, **variant), channels, side)


def loud(module):
    """The module with all its weights drawn anew and large, biases too, so that no part of it is without effect."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.7)
    return module


def numpy_of(tensor):
    return tensor.detach().double().numpy()


def softmax(scores):
    powers = [math.exp(score - max(scores)) for score in scores]
    return [power / sum(powers) for power in powers]


def attended(query, keys, values):
    """Scaled dot-product attention of one query."""
    weights = softmax([float(query @ key) / math.sqrt(len(query)) for key in keys])
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


def averaged_squares(tokens, side, factor):
    """`keys_of` of one image's tokens (T, C) by loops, for a side that the factor divides."""
    found = []
    for row, column in itertools.product(range(0, side, factor), repeat=2):
        square = [tokens[(row + down) * side + column + across] for down in range(factor) for across in range(factor)]
        found.append(sum(square) / len(square))
    return np.array(found)


def test_tokens_are_the_positions_row_after_row():
    maps = torch.randn(2, 3, 4, 4)
    tokens = to_tokens(maps)
    for image, row, column in itertools.product(range(2), range(4), range(4)):
        assert torch.equal(tokens[image, 4 * row + column], maps[image, :, row, column])
    assert torch.equal(to_map(tokens, 4), maps)


@each_variant
@each_side
@pytest.mark.parametrize(("residual", "layer_norm"), [(False, False), (True, True)])
def test_keeps_the_shape(variant, side, residual, layer_norm):
    maps = torch.randn(2, 8, side, side)
    found = block(8, side, residual=residual, layer_norm=layer_norm, **variant)(maps)
    assert found.shape == maps.shape
    assert found.isfinite().all()


@each_variant
def test_memory_layout_changes_nothing(variant):
    attend, maps = loud(block(8, 14, **variant)), torch.randn(3, 8, 14, 14)
    last = maps.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(attend(maps), attend(last), rtol=1e-4, atol=1e-5)


@each_variant
@pytest.mark.parametrize("side", [14, 7])
def test_images_of_a_batch_do_not_attend_to_each_other(variant, side):
    attend, maps = loud(block(8, side, layer_norm=True, **variant)), torch.randn(6, 8, side, side)
    together = attend(maps)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(attend(maps[order]), together[order], rtol=1e-4, atol=1e-5)
    for image in range(6):
        torch.testing.assert_close(attend(maps[image : image + 1])[0], together[image], rtol=1e-4, atol=1e-5)
    other = maps.clone()
    other[1:] = 100
    torch.testing.assert_close(attend(other)[0], together[0], rtol=1e-4, atol=1e-5)


@each_variant
def test_scoring_gives_what_training_gives(variant):
    # In eval mode without gradients torch takes another path.
    attend, maps = loud(block(8, 7, layer_norm=True, **variant)), torch.randn(3, 8, 7, 7)
    trained = attend(maps)
    attend.eval()
    with torch.inference_mode():
        torch.testing.assert_close(attend(maps), trained, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "kind", [{"kind": "self", "heads": 1}, {"kind": "self", "heads": 2}, {"kind": "dual"}, {"kind": "channel"}]
)
@pytest.mark.parametrize("positional", POSITIONAL)
@pytest.mark.parametrize("side", [7, 4, 2])
def test_only_an_encoding_tells_attention_where_a_position_is(kind, positional, side):
    attend, maps = loud(block(8, side, positional=positional, **kind)), torch.randn(2, 8, side, side)
    order = torch.randperm(side**2)
    tokens, mixed = to_tokens(attend(maps)), to_map(to_tokens(maps)[:, order], side)
    difference = (to_tokens(attend(mixed)) - tokens[:, order]).abs().max()
    if kind["kind"] == "channel":
        positional = "none"
    if positional == "none":
        assert difference < 1e-5
    else:
        assert difference > 1e-2


@pytest.mark.parametrize("kind", ["self", "dual"])
@each_side
def test_attention_reaches_across_the_map(kind, side):
    attend, tokens = loud(block(8, side, kind=kind)), torch.randn(1, 8, side, side, requires_grad=True)
    attend(tokens)[0, :, -1, -1].sum().backward()
    assert tokens.grad[0, :, 0, 0].abs().min() > 0


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize(("side", "factor"), [(3, 1), (7, 1), (8, 2)])
def test_self_attention_agrees_with_loops(heads, side, factor):
    channels = 8
    attend, tokens = loud(SelfAttention(channels, side, heads=heads)), torch.randn(1, side**2, 8)
    weights = [numpy_of(each) for each in attend.attention.in_proj_weight.chunk(3)]
    biases = [numpy_of(each) for each in attend.attention.in_proj_bias.chunk(3)]
    out = attend.attention.out_proj

    places = numpy_of(tokens[0])
    keys_from = averaged_squares(places, side, factor)
    queries = [weights[0] @ place + biases[0] for place in places]
    keys = [weights[1] @ place + biases[1] for place in keys_from]
    values = [weights[2] @ place + biases[2] for place in keys_from]

    found = numpy_of(attend(tokens)[0])
    size = channels // heads
    for query, result in zip(queries, found, strict=True):
        parts = []
        for head in range(heads):
            own = slice(head * size, (head + 1) * size)
            parts.append(attended(query[own], [key[own] for key in keys], [value[own] for value in values]))
        expected = numpy_of(out.weight) @ np.concatenate(parts) + numpy_of(out.bias)
        assert result == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("channels", [4, 16, 32])
def test_channel_gate_agrees_with_loops(channels):
    attend, tokens = loud(ChannelAttention(channels)), torch.randn(3, 9, channels)
    first, second = (numpy_of(attend.gate[layer].weight) for layer in (0, 2))
    first_bias, second_bias = (numpy_of(attend.gate[layer].bias) for layer in (0, 2))
    assert len(first) == max(channels // 4, 4)
    for image, found in zip(numpy_of(tokens), numpy_of(attend(tokens)), strict=True):
        means = sum(image) / len(image)
        hidden = [max(0.0, float(row @ means) + bias) for row, bias in zip(first, first_bias, strict=True)]
        for channel in range(channels):
            gate = 1 / (1 + math.exp(-float(second[channel] @ hidden) - second_bias[channel]))
            assert found[:, channel] == pytest.approx(image[:, channel] * gate, abs=1e-5)


@pytest.mark.parametrize("side", [1, 4, 9])
def test_spatial_gate_agrees_with_loops(side):
    attend, maps = loud(SpatialAttention(side)), torch.randn(2, 5, side, side)
    kernel, bias = numpy_of(attend.gate[0].weight)[0], float(attend.gate[0].bias.detach())
    found = numpy_of(to_map(attend(to_tokens(maps)), side))
    for image, result in zip(numpy_of(maps), found, strict=True):
        summary = np.stack([image.mean(0), image.max(0)])
        for row, column in itertools.product(range(side), repeat=2):
            total = bias
            for down, across in itertools.product(range(-3, 4), repeat=2):
                if 0 <= row + down < side and 0 <= column + across < side:
                    total += kernel[:, 3 + down, 3 + across] @ summary[:, row + down, column + across]
            gate = 1 / (1 + math.exp(-total))
            assert result[:, row, column] == pytest.approx(image[:, row, column] * gate, abs=1e-5)


@pytest.mark.parametrize("channels", [4, 48])
@pytest.mark.parametrize(("side", "factor"), [(1, 1), (3, 1), (8, 2)])
def test_dual_attention_agrees_with_loops(channels, side, factor):
    attend, tokens = loud(DualAttention(channels, side)), torch.randn(2, side**2, channels)

    def projected(layer, places):
        return [numpy_of(layer(torch.from_numpy(place).float())) for place in places]

    assert attend.query.out_features == attend.key.out_features == max(channels // 8, 4)
    for image, found in zip(numpy_of(tokens), numpy_of(attend(tokens)), strict=True):
        keys_from = averaged_squares(image, side, factor)
        queries, keys = projected(attend.query, image), projected(attend.key, keys_from)
        values = projected(attend.value, keys_from)
        over_positions = np.array([attended(query, keys, values) for query in queries])
        maps = list(image.T)
        over_channels = np.array([attended(one, maps, maps) for one in maps]).T
        assert found == pytest.approx(over_positions + over_channels, abs=1e-4)


class Nothing(nn.Module):
    def forward(self, tokens):
        return torch.zeros_like(tokens)


@each_variant
@pytest.mark.parametrize("layer_norm", [False, True])
def test_residual_adds_the_input_as_it_was(variant, layer_norm):
    maps = 100 * torch.randn(2, 8, 7, 7)
    attend = block(residual=True, layer_norm=layer_norm, **variant)
    without = block(residual=False, layer_norm=layer_norm, **variant)
    without.load_state_dict(attend.state_dict())
    torch.testing.assert_close(attend(maps), maps + without(maps))
    attend.attend = without.attend = Nothing()
    assert torch.equal(attend(maps), maps)
    assert torch.equal(without(maps), torch.zeros_like(maps))


@pytest.mark.parametrize("residual", [False, True])
def test_layer_norm_is_on_attention_s_path_alone_and_over_channels(residual):
    maps = 5 + 3 * torch.randn(2, 8, 3, 3)
    attend = block(8, 3, kind="channel", residual=residual, layer_norm=True)
    attend.attend = nn.Identity()
    found = numpy_of(attend(maps))
    for image, row, column in itertools.product(range(2), range(3), range(3)):
        place = numpy_of(maps[image, :, row, column])
        expected = (place - place.mean()) / math.sqrt(place.var() + 1e-5)
        if residual:
            expected = expected + place
        assert found[image, :, row, column] == pytest.approx(expected, abs=1e-4)


@each_variant
@pytest.mark.parametrize("layer_norm", [False, True])
def test_with_layer_norm_brightness_and_contrast_change_nothing(variant, layer_norm):
    attend, maps = loud(block(layer_norm=layer_norm, **variant)), torch.randn(2, 8, 7, 7)
    same = torch.allclose(attend(40 * maps + 10), attend(maps), atol=1e-2)
    assert same == layer_norm


@pytest.mark.parametrize("channels", [4, 8, 16, 64])
@pytest.mark.parametrize("side", [1, 4, 7])
def test_sinusoidal_encoding_agrees_with_loops(channels, side):
    found = sinusoidal_encoding(side, channels)
    assert found.shape == (side**2, channels)
    quarter = channels // 4
    for row, column in itertools.product(range(side), repeat=2):
        expected = []
        for place in (row, column):
            angles = [place / 10000 ** (number / quarter) for number in range(quarter)]
            expected += [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
        assert found[side * row + column].tolist() == pytest.approx(expected, abs=1e-5)


def test_sinusoidal_encoding_at_known_positions():
    found = sinusoidal_encoding(3, 4)
    assert found[0].tolist() == [0, 1, 0, 1]
    assert found[2].tolist() == pytest.approx([0, 1, math.sin(2), math.cos(2)], abs=1e-6)
    assert found[6].tolist() == pytest.approx([math.sin(2), math.cos(2), 0, 1], abs=1e-6)


@each_side
@pytest.mark.parametrize("channels", [4, 16])
def test_sinusoidal_encoding_is_another_at_every_position(side, channels):
    found = sinusoidal_encoding(side, channels)
    apart = torch.cdist(found, found) + 100 * torch.eye(len(found))
    assert apart.min() > 1e-2


@pytest.mark.parametrize("channels", [1, 2, 6, 10])
def test_sinusoidal_encoding_needs_channels_that_4_divides(channels):
    with pytest.raises(ValueError, match=f"Expected a number of channels that 4 divides; got {channels}"):
        sinusoidal_encoding(7, channels)


@pytest.mark.parametrize(("side", "factor"), [(8, 2), (10, 2), (12, 2), (14, 2), (15, 3), (21, 3), (28, 4)])
def test_keys_of_a_large_map_are_averages_of_squares(side, factor):
    tokens = torch.randn(2, side**2, 3)
    found = numpy_of(keys_of(tokens, side))
    for image, keys in zip(numpy_of(tokens), found, strict=True):
        assert keys == pytest.approx(averaged_squares(image, side, factor), abs=1e-5)


@pytest.mark.parametrize("side", range(1, 8))
def test_keys_of_a_small_map_are_its_positions(side):
    tokens = torch.randn(2, side**2, 3)
    assert torch.equal(keys_of(tokens, side), tokens)


@pytest.mark.parametrize("side", [9, 13, 26])
def test_every_position_is_in_a_key(side):
    tokens = torch.randn(1, side**2, 2, requires_grad=True)
    keys_of(tokens, side).sum().backward()
    assert (tokens.grad > 0).all()


@pytest.mark.parametrize("side", [8, 9, 13, 14, 15, 26, 28, 56])
def test_keys_are_of_at_most_7_by_7_squares(side):
    # A constant stays as it is: every square is an average, not a sum.
    found = keys_of(torch.full((1, side**2, 2), 3.0), side)
    assert math.isqrt(found.shape[1]) ** 2 == found.shape[1] <= 49
    torch.testing.assert_close(found, torch.full_like(found, 3))


def test_unknown_kind_is_an_error_with_the_choices():
    with pytest.raises(
        ValueError, match="Expected a kind of attention from self, channel, spatial, dual; got 'selfish'"
    ):
        block(kind="selfish")


def test_unknown_positional_encoding_is_an_error_with_the_choices():
    with pytest.raises(ValueError, match="Expected a positional encoding from none, learned, sinusoidal; got 'rotary'"):
        block(kind="self", positional="rotary")


@each_variant
def test_every_weight_gets_a_gradient(variant):
    attend = loud(block(layer_norm=True, **variant))
    attend(torch.randn(2, 8, 7, 7)).square().sum().backward()
    for name, parameter in attend.named_parameters():
        assert parameter.grad.abs().max() > 1e-4, name


@pytest.mark.parametrize("kind", ["self", "spatial", "dual"])
@pytest.mark.parametrize("positional", POSITIONAL)
def test_the_learned_encoding_alone_is_trained(kind, positional):
    attend = block(8, 14, kind=kind, positional=positional)
    learned = "place.encoding" in dict(attend.named_parameters())
    assert learned == (positional == "learned")
    if learned:
        attend(torch.randn(2, 8, 14, 14)).square().sum().backward()
        assert attend.place.encoding.grad.abs().amax(1).min() > 0


@pytest.mark.parametrize("kind", ["self", "spatial", "dual"])
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("positional", ["learned", "sinusoidal"])
def test_an_encoding_is_added_to_what_attention_sees_and_not_to_the_residual(kind, layer_norm, positional):
    maps = torch.randn(2, 8, 7, 7)
    attend = loud(block(kind=kind, residual=True, layer_norm=layer_norm, positional=positional))
    seen = attend.norm(to_tokens(maps)) + attend.place.encoding
    torch.testing.assert_close(attend(maps), maps + to_map(attend.attend(seen), 7))
