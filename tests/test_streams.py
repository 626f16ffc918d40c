import pytest
import torch

from trainables.parts.streams import Streams


def draws(streams, name):
    return torch.rand(1000, generator=streams.generator(name))


def test_same_seed_and_name_give_the_same_numbers():
    assert Streams(3).integer("layers") == Streams(3).integer("layers")
    assert torch.equal(draws(Streams(3), "layers"), draws(Streams(3), "layers"))


def test_streams_are_as_they_ever_were():
    assert Streams(0).integer("layers") == 12869271667218206629


def test_no_two_seeds_or_names_share_a_stream():
    names = ["layers", "dropout", "augmentation", "pairs", "a", "b", ""]
    numbers = [Streams(seed).integer(name) for seed in range(200) for name in names]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("other", [(3, "dropout"), (4, "layers")])
def test_streams_are_uncorrelated(other):
    seed, name = other
    both = torch.stack([draws(Streams(3), "layers"), draws(Streams(seed), name)])
    assert abs(torch.corrcoef(both)[0, 1]) < 0.1


def test_another_stream_moves_none():
    alone = draws(Streams(3), "layers")
    streams = Streams(3)
    draws(streams, "new")
    with streams.torch_default("newer"):
        torch.rand(5)
        assert torch.equal(draws(streams, "layers"), alone)


def test_a_part_has_streams_of_its_own():
    parent = Streams(3)
    parts = [parent, parent.within("a"), parent.within("b"), parent.within(""), parent.within("a").within("")]
    parts += [parent.within("a").within("b"), parent.within("b").within("a"), parent.within("a").within("a")]
    parts += [Streams(4).within("a"), Streams(4)]
    numbers = [part.integer(name) for part in parts for name in ("layers", "dropout", "a", "b", "")]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("path", [("a",), ("a", "b"), ("member 0",)])
def test_a_part_s_streams_are_reproducible(path):
    def part(seed=3):
        streams = Streams(seed)
        for name in path:
            streams = streams.within(name)
        return streams

    assert torch.equal(draws(part(), "layers"), draws(part(), "layers"))
    assert not torch.equal(draws(part(), "layers"), draws(part(4), "layers"))
    with part().torch_default("layers"):
        assert torch.equal(torch.rand(1000), draws(part(), "layers"))
    assert part().seed == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Streams(3), Streams(3).within("a")),
        (Streams(3).within("a"), Streams(3).within("b")),
        (Streams(3).within("a"), Streams(4).within("a")),
        (Streams(3).within("a").within("b"), Streams(3).within("b").within("a")),
    ],
    ids=["parent", "sibling", "seed", "order"],
)
def test_a_part_s_streams_are_uncorrelated_with_others(one, other):
    both = torch.stack([draws(one, "layers"), draws(other, "layers")])
    assert abs(torch.corrcoef(both)[0, 1]) < 0.1


def test_a_part_moves_no_stream_of_its_whole_or_of_another_part():
    streams = Streams(3)
    whole, part = draws(streams, "layers"), draws(streams.within("b"), "layers")
    first = streams.within("a")
    draws(first, "layers")
    first.within("deeper").integer("layers")
    assert torch.equal(draws(streams, "layers"), whole)
    assert torch.equal(draws(streams.within("b"), "layers"), part)


def test_torch_default_is_the_named_stream():
    with Streams(3).torch_default("layers"):
        assert torch.equal(torch.rand(1000), draws(Streams(3), "layers"))


def test_torch_default_restores_the_global_generator():
    before = torch.get_rng_state()
    with Streams(3).torch_default("layers"):
        torch.rand(5)
    assert torch.equal(torch.get_rng_state(), before)


def test_torch_default_restores_the_global_generator_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), Streams(3).torch_default("layers"):
        torch.rand(1 // 0)
    assert torch.equal(torch.get_rng_state(), before)
