import pytest
import torch
from torch import nn

from trainables.cnn_attention import POSITIONS as CNN_POSITIONS
from trainables.cnn_attention import CNNAttention, CnnAttentionConfig
from trainables.parts.attention import KINDS, AttentionBlock, AttentionConfig, with_attention
from trainables.parts.networks import Ends, Stage
from trainables.resnet18 import ResNet18Attention, ResNet18AttentionConfig


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("modules", [1, 2, 3])
def test_modules_are_blocks_after_the_stage(modules):
    stage = Stage(module=nn.Conv2d(1, 8, 3, padding=1), channels=8, side=7)
    config = AttentionConfig(kind="channel", residual=True, layer_norm=True)
    found = with_attention(stage, config, modules=modules)
    blocks = [each for each in found.module if isinstance(each, AttentionBlock)]
    assert (len(blocks), found.channels, found.side) == (modules, 8, 7)
    assert len({id(parameter) for each in blocks for parameter in each.parameters()}) == modules * len(
        list(blocks[0].parameters())
    )
    maps = torch.randn(2, 1, 7, 7)
    expected = stage.module(maps)
    for each in blocks:
        expected = each(expected)
    torch.testing.assert_close(found.module(maps), expected)


GREY_OF_TWO = Ends(inputs=1, outputs=1)
TRAINING = {
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "steps": 1,
    "normalisation": "fixed",
    "augmentation": "none",
    "residual": False,
    "layer_norm": True,
}


def blocks_and_maps(network):
    """The attention blocks of a network in order, and the channels and side of the map that each gets."""
    found = []
    blocks = [module for module in network.modules() if isinstance(module, AttentionBlock)]
    for each in blocks:
        each.register_forward_hook(lambda module, inputs, output: found.append(tuple(inputs[0].shape[1:])))
    assert network.eval()(torch.randn(2, 1, 28, 28)).shape == (2,)
    return blocks, found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("batch_norm", "modules"), [(False, 2), (True, 1)])
@pytest.mark.parametrize(
    ("network", "position", "expected"),
    [
        ("starter", "beginning", (16, 26, 26)),
        ("starter", "middle", (16, 12, 12)),
        ("starter", "end", (32, 4, 4)),
        ("custom", "beginning", (16, 14, 14)),
        ("custom", "middle", (32, 7, 7)),
        ("custom", "end", (32, 3, 3)),
    ],
)
def test_attention_in_a_small_network_is_where_the_position_says(
    kind, batch_norm, modules, network, position, expected
):
    assert set(CNN_POSITIONS[network]) == {"beginning", "middle", "end"}
    config = CnnAttentionConfig(
        **TRAINING, kind=kind, network=network, batch_norm=batch_norm, dropout=0.0, position=position, modules=modules
    )
    built = CNNAttention.network(config, GREY_OF_TWO)
    assert blocks_and_maps(built)[1] == [expected] * modules
    assert any(isinstance(module, nn.BatchNorm2d) for module in built.modules()) == batch_norm


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stem", ["7x7", "3x3"])
@pytest.mark.parametrize(
    ("position", "pairs"), [("beginning", [0]), ("middle", [1]), ("end", [3]), ("every", [0, 0, 1, 1, 2, 2, 3, 3])]
)
def test_attention_in_a_resnet18_is_where_the_position_says(kind, stem, position, pairs):
    config = ResNet18AttentionConfig(**TRAINING, kind=kind, shape=f"{stem}-8", position=position)
    # Over a single position there is nothing to attend: with this stem the last pair has no attention.
    if stem == "7x7":
        pairs = [2] if position == "end" else [pair for pair in pairs if pair < 3]
    side_of_pair = {"7x7": [7, 4, 2, 1], "3x3": [14, 7, 4, 2]}[stem]
    _, found = blocks_and_maps(ResNet18Attention.network(config, GREY_OF_TWO))
    assert found == [(8 * 2**pair, side_of_pair[pair], side_of_pair[pair]) for pair in pairs]


@pytest.mark.parametrize(("blocks", "channels"), [(3, 64), (4, 32)])
def test_attention_at_the_end_of_the_custom_network_has_3_by_3_positions(blocks, channels):
    config = CnnAttentionConfig(
        **TRAINING,
        kind="dual",
        positional="learned",
        network="custom",
        blocks=blocks,
        batch_norm=True,
        dropout=0.0,
        position="end",
        modules=1,
    )
    assert blocks_and_maps(CNNAttention.network(config, GREY_OF_TWO))[1] == [(channels, 3, 3)]
