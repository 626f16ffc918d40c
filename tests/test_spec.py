"""What a sweep is, as the journal holds it: read back as it was written, refused if it is not ours, and compared."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from made_up import SPEC, START, source
from sweeps.core.errors import BadInput
from sweeps.store.journal import Journal
from sweeps.store.spec import Source, Spec, Start, differences, validated


def test_spec_and_starts_are_read_back_as_they_were_written(journal):
    spec = SPEC.model_copy(update={"weights": {"vgg11": source("imagenet")}, "seeds": None})
    start = START.model_copy(update={"options": {"approaches": ("a", "b"), "time_budget": 1.5, "smoke": False}})
    journal.begin(spec, start)
    journal.begin(spec, START)
    reader = Journal(journal.folder, write=False)
    assert reader.spec == spec
    assert reader.starts == (start, START)
    assert [type(value) for value in reader.starts[0].options.values()] == [tuple, float, bool]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"colour": "blue"}, r"\(colour: extra inputs are not permitted\)"),
        ({"numbers_version": "new"}, r"\(numbers_version: input should be a valid integer.*\)"),
        ({"dataset": {"source": "x"}}, r"\(dataset.fingerprint: field required\)"),
    ],
)
def test_what_another_version_wrote_is_refused_in_one_sentence(changes, where):
    with pytest.raises(
        BadInput, match=rf"^Expected it as this version writes it; it is damaged or of .* {where}\. Use"
    ):
        validated(Spec, {**SPEC.model_dump(mode="json"), **changes}, "it")


@pytest.mark.parametrize("attribute", ["spec", "starts"])
def test_a_journal_whose_beginning_is_damaged_is_refused_when_it_is_opened(journal, attribute):
    journal.begin(SPEC, START)
    journal.study("sweep").set_user_attr(attribute, [{"half": "a start"}])
    journal.close()
    for write in (False, True):
        with pytest.raises(BadInput, match="damaged or of another version"):
            Journal(journal.folder, write=write)


def test_nobody_changes_them():
    with pytest.raises(ValidationError, match="frozen"):
        SPEC.seeds = 3


def parts(before, now):
    return [(each.part, each.what, each.before, each.now) for each in differences(before, now)]


def test_a_spec_differs_in_nothing_from_itself():
    assert parts(SPEC, SPEC) == []


def test_the_place_of_the_images_is_no_difference_and_their_content_is():
    moved = SPEC.model_copy(update={"dataset": source("/elsewhere.npz")})
    other = SPEC.model_copy(update={"dataset": source("/elsewhere.npz", "feed")})
    assert parts(SPEC, moved) == []
    assert parts(SPEC, other) == [("dataset", "images", "0123456789abcdef", "feed")]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"numbers_version": 3}, "version of the training code"),
        ({"smoke": True}, "--smoke"),
        ({"seeds": 11}, "--seeds"),
        ({"search_seed": 1}, "--search-seed"),
    ],
)
def test_what_numbers_depend_on_is_a_difference(change, what):
    ((part, now),) = change.items()
    expected = [(part, what, str(getattr(SPEC, part)), str(now))]
    assert parts(SPEC, SPEC.model_copy(update=change)) == expected


def test_seeds_count_only_where_both_search():
    assert parts(SPEC, SPEC.model_copy(update={"seeds": None, "search_seed": None})) == []


def test_a_backbone_counts_only_where_both_have_one_and_stays_when_a_start_leaves_it_out():
    chosen, other = (SPEC.model_copy(update={"backbone": name}) for name in ("resnet18", "resnet50"))
    assert parts(SPEC, chosen) == parts(chosen, SPEC) == []
    assert parts(chosen, other) == [("backbone", "--backbone", "resnet18", "resnet50")]
    assert SPEC.with_what_earlier_starts_had(chosen).backbone == "resnet18"


def test_settings_count_in_whatever_order_they_were_given():
    one, same, other = (SPEC.model_copy(update={"settings": each}) for each in (("a=1", "b=2"), ("b=2", "a=1"), ()))
    assert parts(one, same) == []
    assert parts(one, other) == [("settings", "--set", "a=1, b=2", "none")]


@pytest.mark.parametrize(("part", "what"), [("weights", "weights of x"), ("other_datasets", "images of x")])
def test_weights_and_other_data_sets_count_where_the_later_one_has_them(part, what):
    with_one, with_another = (SPEC.model_copy(update={part: {"x": source("x", print_)}}) for print_ in ("1", "2"))
    assert parts(with_one, with_another) == [(part, what, "1", "2")]
    assert parts(SPEC, with_one) == [(part, what, None, "1")]
    assert parts(with_one, SPEC) == []
    assert getattr(SPEC.with_what_earlier_starts_had(with_one), part) == {"x": source("x", "1")}


def with_options(**options):
    return Start(**{**START.model_dump(), "options": options})


def test_a_start_says_what_it_asked_for():
    start = with_options(num_samples=12, confirm_seeds=50, dataset="phantom")
    assert (start.num_samples, start.confirm_seeds) == (12, 50)


@pytest.mark.parametrize("options", [{}, {"confirm_seeds": "fifty"}, {"confirm_seeds": True}, {"confrim_seeds": 5}])
def test_a_start_without_its_fresh_seeds_is_refused(options):
    with pytest.raises(BadInput, match="Expected a whole number as confirm_seeds of a start in the journal"):
        assert with_options(**options).confirm_seeds


def test_the_study_s_numbers_stand_beside_its_images_alone():
    its = SPEC.model_copy(update={"dataset": Source(source="/x/pneumoniamnist.npz", fingerprint="0")})
    assert its.is_of_the_study
    assert its.model_copy(update={"dataset": Source(source="phantom", fingerprint="1")}).is_of_the_study
    by_fingerprint = Source(source="/x/renamed.npz", fingerprint="bb38d5ceb4993e36")
    assert its.model_copy(update={"dataset": by_fingerprint}).is_of_the_study
    for other in (
        {"dataset": Source(source="/home/me/xrays", fingerprint="2")},
        {"dataset": Source(source="/x/pneumoniamnist_64.npz", fingerprint="3")},
        {"metric": "auroc"},
        {"protocol": its.protocol.with_shots(3)},
    ):
        assert not its.model_copy(update=other).is_of_the_study
