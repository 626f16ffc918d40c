"""What a sweep is and how it was started, as every journal holds it: typed, and validated when it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from sweeps.core.errors import BadInput
from sweeps.core.kinds import TPE
from trainables.parts.protocol import Protocol, study_protocol

# What ranks, by the name that people ask for it with, and the metric of a result that has it. Validation images are as
# many in each class, so their accuracy is the balanced one.
BALANCED_ACCURACY = "balanced_accuracy"
RANKED_BY = {BALANCED_ACCURACY: "accuracy", "auroc": "auroc"}
# What a person calls it.
RANKED_TITLES = {BALANCED_ACCURACY: "accuracy", "auroc": "AUROC"}
# PneumoniaMNIST of 28 pixels, and what is called so: another version of it, or the phantom.
STUDY_FINGERPRINT, STUDY_SOURCES = "bb38d5ceb4993e36", ("pneumoniamnist", "phantom")
# A value of a command-line option, as JSON has it.
OptionValue = str | int | float | bool | tuple[int, ...] | tuple[str, ...] | None


class Stored(BaseModel):
    """Something that is written to a file and validated when it is read back."""

    model_config = ConfigDict(frozen=True, extra="forbid")


AnyStored = TypeVar("AnyStored", bound=Stored)


def validated(kind: type[AnyStored], value: Any, what: str) -> AnyStored:
    """The stored record in `value`.

    Raises:
        BadInput: It lacks something, or holds something that this version does not know.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise BadInput(
            f"Expected {what} as this version writes it; it is damaged or of another version ({where}: "
            f"{first['msg'][:1].lower()}{first['msg'][1:]}). Use the version that wrote it, or begin a new sweep."
        ) from None


class Source(Stored):
    """Where images or weights come from, and the fingerprint of what they are."""

    source: str
    fingerprint: str


# From this share on copies are no odd ones any more, but move the numbers.
SHARE_THAT_COUNTS = 0.01


def with_another_label(count: int) -> str:
    """How many of some images are there with another label, in brackets behind them; empty if none is."""
    return f" ({count} with another label)" if count else ""


class Content(Stored):
    """What was counted in the images that a person should know.

    Attributes:
        test_in_pool: Test images that stand in the pool too.
        test_otherwise_in_pool: Of `test_in_pool`, those that stand in the pool with other labels than theirs alone.
        test_nearly_in_pool: Others that nearly do, as after scaling or compression.
        copies_in_pool: Images of the pool that are copies of others in it.
        copies_otherwise: Of `copies_in_pool`, those with another label than most of the same image.
        blank: Images of one grey value.
        with_two_labels: Images that stand there with another label too.
    """

    test_in_pool: int = 0
    test_otherwise_in_pool: int = 0
    test_nearly_in_pool: int = 0
    copies_in_pool: int = 0
    copies_otherwise: int = 0
    blank: int = 0
    with_two_labels: int = 0

    def by_kind(self) -> dict[str, int]:
        """What was counted, by what a person calls it."""
        return {
            "test images that are in the pool too": self.test_in_pool,
            "test images that nearly are": self.test_nearly_in_pool,
            "copies within the pool": self.copies_in_pool,
            "blank images": self.blank,
            "images that are there with another label too": self.with_two_labels,
        }

    @property
    def effect_of_leaks(self) -> str:
        """What test images that are learned from do to results on the test split."""
        if not self.test_otherwise_in_pool:
            return "too good"
        if self.test_otherwise_in_pool == self.test_in_pool + self.test_nearly_in_pool:
            return "too bad, since labels contradict each other"
        return "too good by those with the same label, and too bad by those with another"

    @property
    def effect_of_copies(self) -> str:
        """What copies within the pool do to accuracies on it."""
        if not self.copies_otherwise:
            return "too high and intervals too narrow"
        if self.copies_otherwise == self.copies_in_pool:
            return "too low, since labels contradict each other"
        return "too high by those with the same label, and too low by those with another"

    def is_leaked(self, test_counts: tuple[int, ...]) -> bool:
        """Whether so much of the test split is in the pool that results on it are not to be believed."""
        return self.test_in_pool + self.test_nearly_in_pool >= SHARE_THAT_COUNTS * sum(test_counts)

    def is_repeated(self, protocol: Protocol) -> bool:
        """Whether so many images of the pool are copies that seeds are scored on what they learn from."""
        return self.copies_in_pool >= SHARE_THAT_COUNTS * sum(protocol.pool)


class Spec(Stored):
    """What every number of a sweep depends on; it stays the same when the sweep is resumed.

    Attributes:
        challenge: Its name.
        numbers_version: Of the training code.
        dataset: The images.
        protocol: Which of the images a seed learns from and is scored on.
        test_counts: Images of each class of the test split.
        test_groups: Of each image of the test split, class by class and in file order otherwise as hits are, a number
            of whom or what it belongs to; empty if each image stands for itself.
        content: What was counted in the images.
        weights: Of every backbone.
        other_datasets: Data sets besides the images, that an approach may learn from.
        precision: What backbones and wide ResNets compute in.
        metric: What ranks configurations and approaches, by its name in `RANKED_BY`.
        smoke: Whether everything is tiny.
        seeds: Search seeds of a configuration; None where nothing is searched.
        search_seed: Start of the search's own randomness; None where nothing is searched.
        backbone: The network of timm that was chosen by name; None if none was.
        settings: What was fixed of the spaces, or made narrower.
    """

    challenge: str
    numbers_version: int
    dataset: Source
    protocol: Protocol
    test_counts: tuple[int, ...]
    test_groups: tuple[int, ...] = ()
    content: Content = Content()
    weights: Mapping[str, Source] = {}
    other_datasets: Mapping[str, Source] = {}
    precision: str
    metric: str = BALANCED_ACCURACY
    smoke: bool
    seeds: int | None = None
    search_seed: int | None = None
    backbone: str | None = None
    settings: tuple[str, ...] = ()

    @property
    def ranked_by(self) -> str:
        """The metric of a result that ranks."""
        return RANKED_BY[self.metric]

    def at_shots(self, shots: int | None) -> Spec:
        """The spec of a sweep that learns from so many images of each class; None is as many as this one."""
        return self if shots is None else self.model_copy(update={"protocol": self.protocol.with_shots(shots)})

    @property
    def is_of_the_study(self) -> bool:
        """Whether numbers can stand beside the study's: accuracies of its images, or of what stands in for them."""
        is_its = self.dataset.fingerprint == STUDY_FINGERPRINT or Path(self.dataset.source).stem in STUDY_SOURCES
        return is_its and self.protocol == study_protocol() and self.ranked_by == "accuracy"

    @property
    def measured(self) -> str:
        """What ranks, as a person calls it."""
        return RANKED_TITLES[self.metric]

    def with_what_earlier_starts_had(self, before: Spec | None) -> Spec:
        """This spec with the weights, data sets and backbone of approaches that this start leaves out."""
        if before is None:
            return self
        return self.model_copy(
            update={
                "weights": {**before.weights, **self.weights},
                "other_datasets": {**before.other_datasets, **self.other_datasets},
                "backbone": self.backbone or before.backbone,
            }
        )


class Start(Stored):
    """One start of a sweep, or one resumption.

    Attributes:
        time_ms: When, since 1970.
        command: What was typed, without passwords.
        git_revision: Of the code, or "unknown".
        versions: Of Python and of the libraries that numbers depend on.
        processor: Of the machine of the driver.
        resume: The command that goes on.
        tracking_uri: MLflow's, without its password.
        options: What a resumed sweep takes from this start, unless it is given anew.
        caveats: What must be said beside every number, by kind.
        notices: What was not found as one would have hoped.
    """

    time_ms: int
    command: str
    git_revision: str
    versions: Mapping[str, str]
    processor: str
    resume: str
    tracking_uri: str
    options: Mapping[str, OptionValue] = {}
    caveats: Mapping[str, str] = {}
    notices: tuple[str, ...] = ()

    @property
    def remembered(self) -> Mapping[str, OptionValue]:
        """Its options; where it began before there was a choice, with what was done then."""
        return {"sampler": TPE, **self.options}

    @property
    def num_samples(self) -> int:
        """Configurations of each approach that this start of a sweep asked for."""
        return self._whole_number("num_samples")

    @property
    def confirm_seeds(self) -> int:
        """Fresh seeds of each winner that this start of a sweep asked for."""
        return self._whole_number("confirm_seeds")

    def _whole_number(self, option: str) -> int:
        value = self.options.get(option)
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadInput(
                f"Expected a whole number as {option} of a start in the journal; got {value!r}. It is damaged, or of "
                "another version: begin a new sweep."
            )
        return value


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Something that two specs do not agree in.

    Attributes:
        part: The field of `Spec`.
        what: It, as a person calls it.
        before: In the first of the two specs; None if it has no such thing.
        now: In the second.
    """

    part: str
    what: str
    before: str | None
    now: str


# What is compared as it is, and what a person calls it.
PLAIN_PARTS = {
    "numbers_version": "version of the training code",
    "precision": "--precision",
    "metric": "--metric",
    "smoke": "--smoke",
    "seeds": "--seeds",
    "search_seed": "--search-seed",
    "backbone": "--backbone",
    "settings": "--set",
}


# The parts of a protocol in the order in which a person would ask for them, and what a person calls each.
PROTOCOL_PARTS = {
    "classes": "classes",
    "pool": "number of images of each class that seeds draw from",
    "groups": "groups (--group-by)",
    "shots": "--shots",
    "validation": "validation images of each class (--validation)",
    "confirmation": "validation images of each class on fresh seeds (--validation)",
}


def _of_protocols(before: Protocol, now: Protocol) -> Difference:
    """The first thing that two protocols differ in."""
    part = next(name for name in PROTOCOL_PARTS if getattr(before, name) != getattr(now, name))

    def told(protocol: Protocol) -> str:
        value = getattr(protocol, part)
        if part == "groups":
            return f"{len(set(value))} of them" if value else "none"
        return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)

    old, new = told(before), told(now)
    # As many groups may be others.
    return Difference(part="protocol", what=PROTOCOL_PARTS[part], before=old, now=new if new != old else "others")


def _told(value: Any) -> str:
    return ", ".join(value) or "none" if isinstance(value, tuple) else str(value)


def _in_order(value: Any) -> Any:
    # Settings mean the same in whatever order they were given.
    return tuple(sorted(value)) if isinstance(value, tuple) else value


def differences(before: Spec, now: Spec) -> Iterator[Difference]:
    """What makes numbers of two specs incomparable, one by one.

    Seeds count only where both search, and a backbone only where both have one. Weights and data sets that only
    `before` has do not count; those that only `now` has are told with None as what was before.
    """
    if before.dataset.fingerprint != now.dataset.fingerprint:
        old, new = before.dataset.fingerprint, now.dataset.fingerprint
        yield Difference(part="dataset", what="images", before=old, now=new)
    if before.protocol != now.protocol:
        yield _of_protocols(before.protocol, now.protocol)
    for part, what in PLAIN_PARTS.items():
        old, new = getattr(before, part), getattr(now, part)
        if None not in (old, new) and _in_order(old) != _in_order(new):
            yield Difference(part=part, what=what, before=_told(old), now=_told(new))
    for part, what in (("weights", "weights of"), ("other_datasets", "images of")):
        known: Mapping[str, Source] = getattr(before, part)
        wanted: Mapping[str, Source] = getattr(now, part)
        for name, source in wanted.items():
            was = known[name].fingerprint if name in known else None
            if was != source.fingerprint:
                yield Difference(part=part, what=f"{what} {name}", before=was, now=source.fingerprint)
