"""Attention over the positions or channels of a feature map, as a block to put between two stages of a network.

Shapes: N = images, C = channels, H = W = the map's side, T = H * W positions (the tokens).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, scaled_dot_product_attention

from trainables.parts.networks import Stage

# Larger maps are averaged to at most this side where attention looks for keys and values (spatial reduction, Wang et
# al. 2021). On the 26 x 26 map of `cnn_attention`'s published setting a seed takes 0.7 s so, and 1.8 s with 14.
MOST_KEYS_SIDE = 7

KINDS = ("self", "channel", "spatial", "dual")


@dataclass(frozen=True, kw_only=True)
class AttentionConfig:
    """What an approach with attention chooses; see `AttentionBlock`."""

    kind: str
    residual: bool
    layer_norm: bool
    heads: int = 1
    positional: str = "none"


def to_tokens(map_NCHW: Tensor) -> Tensor:
    """A map's positions as tokens, row after row: (N, C, H, W) -> (N, T, C)."""
    return map_NCHW.flatten(2).transpose(1, 2)


def to_map(tokens_NTC: Tensor, side: int) -> Tensor:
    """The inverse of `to_tokens`."""
    return tokens_NTC.transpose(1, 2).unflatten(2, (side, side))


def keys_of(tokens_NTC: Tensor, side: int) -> Tensor:
    """The tokens, averaged over squares of the map until it has at most `MOST_KEYS_SIDE` positions a side."""
    factor = math.ceil(side / MOST_KEYS_SIDE)
    if factor == 1:
        return tokens_NTC
    # With `ceil_mode` the squares at the border, which may be smaller, count too.
    return to_tokens(avg_pool2d(to_map(tokens_NTC, side), factor, ceil_mode=True))


def sinusoidal_encoding(side: int, channels: int) -> Tensor:
    """Sines and cosines of the row in the first half of the channels and of the column in the second, (T, C).

    Wavelengths run geometrically from 2 pi towards 10000 * 2 pi positions (Vaswani et al. 2017, section 3.5; for two
    dimensions Parmar et al. 2018).

    Raises:
        ValueError: The channels cannot be divided by 4.
    """
    if channels % 4:
        raise ValueError(f"Expected a number of channels that 4 divides; got {channels}.")
    frequencies_F = 10000.0 ** -(torch.arange(channels // 4) / (channels // 4))
    angles_SF = torch.arange(side)[:, None] * frequencies_F
    waves_SD = torch.cat([angles_SF.sin(), angles_SF.cos()], dim=1)
    rows_SSD = waves_SD[:, None].expand(-1, side, -1)
    columns_SSD = waves_SD[None].expand(side, -1, -1)
    return torch.cat([rows_SSD, columns_SSD], dim=2).flatten(0, 1)


class PositionalEncoding(nn.Module):
    """Adds to each token what says where it is: "learned", one vector a position, or "sinusoidal"; both are (T, C).

    Raises:
        ValueError: There is no encoding of that name.
    """

    encoding: Tensor | nn.Parameter

    def __init__(self, channels: int, side: int, positional: str) -> None:
        super().__init__()
        match positional:
            case "learned":
                self.encoding = nn.Parameter(0.02 * torch.randn(side * side, channels))
            case "sinusoidal":
                self.register_buffer("encoding", sinusoidal_encoding(side, channels))
            case unknown:
                raise ValueError(f"Expected a positional encoding from none, learned, sinusoidal; got {unknown!r}.")

    def forward(self, tokens_NTC: Tensor) -> Tensor:
        """(N, T, C) -> (N, T, C)."""
        return tokens_NTC + self.encoding


class SelfAttention(nn.Module):
    """Multi-head self-attention over the positions (Vaswani et al. 2017).

    Keys and values are averages over squares of positions if the map is larger than 7 x 7; see `keys_of`.
    """

    def __init__(self, channels: int, side: int, *, heads: int) -> None:
        super().__init__()
        self.side = side
        self.attention = nn.MultiheadAttention(channels, heads, batch_first=True)

    def forward(self, tokens_NTC: Tensor) -> Tensor:
        """(N, T, C) -> (N, T, C)."""
        keys_NKC = keys_of(tokens_NTC, self.side)
        attended_NTC: Tensor = self.attention(tokens_NTC, keys_NKC, keys_NKC, need_weights=False)[0]
        return attended_NTC


class ChannelAttention(nn.Module):
    """Each channel times a gate of 0 to 1, made from all channels' means (squeeze-and-excitation, Hu et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 4, 4)
        self.gate = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid())

    def forward(self, tokens_NTC: Tensor) -> Tensor:
        """(N, T, C) -> (N, T, C)."""
        gated_NTC: Tensor = tokens_NTC * self.gate(tokens_NTC.mean(1, keepdim=True))
        return gated_NTC


class SpatialAttention(nn.Module):
    """Each position times a gate between 0 and 1 (the spatial part of CBAM, Woo et al. 2018, eq. 3).

    The gate is a 7 x 7 convolution over the mean and the maximum of the channels at each position.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.gate = nn.Sequential(nn.Conv2d(2, 1, 7, padding=3), nn.Sigmoid())

    def forward(self, tokens_NTC: Tensor) -> Tensor:
        """(N, T, C) -> (N, T, C)."""
        summary_NT2 = torch.stack([tokens_NTC.mean(2), tokens_NTC.amax(2)], dim=2)
        gated_NTC: Tensor = tokens_NTC * to_tokens(self.gate(to_map(summary_NT2, self.side)))
        return gated_NTC


class DualAttention(nn.Module):
    """Attention over positions plus attention over channels (Fu et al. 2019; after a backbone Ali et al. 2020).

    Positions: queries and keys of C / 8 dimensions, values of C; keys and values are averaged as in `SelfAttention`.
    Channels: each channel's map is a token, without weights of its own. Both divide products by the square root of
    their length.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.side = side
        inner = max(channels // 8, 4)
        self.query = nn.Linear(channels, inner)
        self.key = nn.Linear(channels, inner, bias=False)  # Softmax would cancel a bias.
        self.value = nn.Linear(channels, channels)

    def forward(self, tokens_NTC: Tensor) -> Tensor:
        """(N, T, C) -> (N, T, C)."""
        keys_NKC = keys_of(tokens_NTC, self.side)
        positions_NTC = scaled_dot_product_attention(self.query(tokens_NTC), self.key(keys_NKC), self.value(keys_NKC))
        maps_NCT = tokens_NTC.transpose(1, 2)
        channels_NCT = scaled_dot_product_attention(maps_NCT, maps_NCT, maps_NCT)
        return positions_NTC + channels_NCT.transpose(1, 2)


class AttentionBlock(nn.Module):
    """Attention of one kind on a feature map: (N, C, H, W) -> (N, C, H, W).

    With `residual` the block's input is added to what comes out of attention; with `layer_norm` the tokens pass a
    LayerNorm before it, on attention's path only ("pre-norm"). Then comes the positional encoding, if any; kind
    "channel" sees means over all positions, so it has none. `heads` are of kind "self".

    Raises:
        ValueError: There is no kind, or no positional encoding, of that name.
    """

    def __init__(self, config: AttentionConfig, channels: int, side: int) -> None:
        super().__init__()
        self.residual = config.residual
        self.norm = nn.LayerNorm(channels) if config.layer_norm else nn.Identity()
        self.attend: nn.Module
        match config.kind:
            case "self":
                self.attend = SelfAttention(channels, side, heads=config.heads)
            case "channel":
                self.attend = ChannelAttention(channels)
            case "spatial":
                self.attend = SpatialAttention(side)
            case "dual":
                self.attend = DualAttention(channels, side)
            case unknown:
                raise ValueError(f"Expected a kind of attention from {', '.join(KINDS)}; got {unknown!r}.")
        self.place: nn.Module = nn.Identity()
        if config.positional != "none" and config.kind != "channel":
            self.place = PositionalEncoding(channels, side, config.positional)

    def forward(self, map_NCHW: Tensor) -> Tensor:
        """Attend, with the input added if `residual`."""
        tokens_NTC = to_tokens(map_NCHW)
        attended_NTC = self.attend(self.place(self.norm(tokens_NTC)))
        if self.residual:
            attended_NTC = tokens_NTC + attended_NTC
        return to_map(attended_NTC, map_NCHW.shape[-1])


def with_attention(stage: Stage, config: AttentionConfig, *, modules: int = 1) -> Stage:
    """The stage followed by this many attention blocks."""
    blocks = [AttentionBlock(config, stage.channels, stage.side) for _ in range(modules)]
    return replace(stage, module=nn.Sequential(stage.module, *blocks))
