"""What a challenge is: a list of approaches, each with its learner, its space and what is published of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, cast

from search_spaces.published.settings import Published, Setting
from sweeps.core import narrowing
from sweeps.core.errors import BadInput
from trainables.parts.lazy import docstring_of

if TYPE_CHECKING:
    from optuna import Trial

    from trainables.parts.backbones import FeatureSpec
    from trainables.parts.learner import Learner

# What spaces call the place where a backbone is tapped, by names as in `trainables/parts/taps.py`.
TAP = "tap"
# What learners call those that they have.
TAPS = "taps"


class Space(Protocol):
    """A module of `search_spaces`."""

    def suggest(self, trial: Trial) -> None:
        """Suggest every parameter of one configuration."""


class SmallImages:
    """A trial that offers no images above a size to a backbone; of everything else it offers what a trial does."""

    def __init__(self, trial: Trial, most_px: int) -> None:
        self._trial = trial
        self._most_px = most_px

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trial, name)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices, which of taps are those on images that are small enough."""
        from trainables.parts.taps import size_px_of

        offered = [choice for choice in choices if name != TAP or size_px_of(choice) <= self._most_px]
        return self._trial.suggest_categorical(name, offered)


# Shares of the time of a seed that learns from 10 images and is scored on 1000, by seven networks from scratch on one
# machine: what grows with neither, with what it learns from (with 44 they take 2.0 to 2.4 times as long, with 200 7 to
# 15 times), and with what it is scored on (on 100 .7 to .9 times). Heads on features grow less.
OF_NEITHER, OF_LEARNING, OF_SCORING = 0.35, 0.4, 0.25


def relative_time(learned: int, scored: int) -> float:
    """How long a seed takes that learns from and is scored on so many images; 1 is as long as the study's."""
    return OF_NEITHER + OF_LEARNING * learned / 10 + OF_SCORING * scored / 1000


@dataclass(frozen=True, kw_only=True)
class Approach:
    """One row of a challenge's table.

    Attributes:
        name: How people ask for it.
        learner: How it learns from few images.
        space: What is searched.
        seconds_per_seed: Typical time of one seed on one CPU core, on as many images as in the study or as
            `Challenge.with_times_for` was given; the plan's estimate until the sweep has its own.
        published: What the study gives for it, and where its search starts; None leaves the start to the sampler.
        is_baseline: Whether it is the plain one that the others must beat to be worth their training; it is in every
            sweep.
        is_default: Whether it runs when nobody asks for it by name.
        most_px: The largest images that its search offers to a backbone, as taps call their size; None is as large as
            its space has them.
        on_backbone: Of one whose backbone is the user's choice, what makes its learner from the backbone's name; it
            raises ValueError. It runs only with such a choice.
        settings: What a person fixed of its space, or made narrower.
    """

    name: str
    learner: type[Learner]
    space: Space
    seconds_per_seed: float
    published: Published | None = None
    is_baseline: bool = False
    is_default: bool = True
    most_px: int | None = None
    on_backbone: Callable[[str], type[Learner]] | None = None
    settings: tuple[narrowing.Setting, ...] = ()

    @property
    def about(self) -> str:
        """What it is, in one sentence: the first line of the learner's docstring."""
        return docstring_of(self.learner).strip().splitlines()[0]

    def suggest(self, trial: Trial) -> None:
        """Suggest one configuration."""
        if self.settings:
            trial = cast("Trial", narrowing.NarrowedTrial(trial, self.settings))
        self.space.suggest(trial if self.most_px is None else cast("Trial", SmallImages(trial, self.most_px)))

    @property
    def start(self) -> Mapping[str, Any] | None:
        """The configuration that a search begins with; None leaves that to the sampler."""
        params = self.published.params if self.published else None
        return params if params is not None and self._offers(params) else None

    @property
    def starts(self) -> tuple[Mapping[str, Any], ...]:
        """The configurations that a search tries before it asks the sampler, in their order."""
        portfolio = self.published.portfolio if self.published else ()
        return (*([self.start] if self.start is not None else []), *filter(self._offers, portfolio))

    @property
    def features(self) -> tuple[FeatureSpec, ...]:
        """Every table of features that its configurations may need."""
        every = self.learner.may_need.features
        set_px = self._set_px
        if self.most_px is None and not set_px:
            return every
        sizes_px = [
            taken
            for called, taken in self._sizes_px.items()
            if self.most_px is None or called <= self.most_px
            if not set_px or called in set_px
        ]
        return tuple(spec for spec in every if spec.size_px in sizes_px)

    @property
    def _sizes_px(self) -> dict[int, int]:
        """By the size that its taps call it, that of the images that the backbone takes, the smallest first."""
        from trainables.parts.taps import size_px_of

        called = sorted({size_px_of(tap) for tap in getattr(self.learner, TAPS)})
        taken = sorted({spec.size_px for spec in self.learner.may_need.features})
        # Some networks take images of one size only.
        return dict(zip(called, taken * len(called) if len(taken) == 1 else taken, strict=True))

    @property
    def _set_px(self) -> set[int]:
        """The sizes of the taps that a person's setting leaves; empty if none is about taps."""
        from trainables.parts.taps import size_px_of

        taps = [tap for each in self.settings if each.name == TAP for tap in each.values]
        # A setting is read whatever its case; of several taps at once each has its size.
        return {size_px_of(part) for tap in taps for part in tap.lower().split("&")}

    def on_random_weights(self, backbones: Collection[str]) -> Approach:
        """As `Challenge.with_random_weights` has it."""
        found = {spec.backbone for spec in self.features}
        if not hasattr(self.learner, TAPS) or not found or not found <= set(backbones) or self._set_px:
            return self
        cheaper = replace(self, most_px=min(self._sizes_px))
        return self if cheaper.features == self.features else cheaper

    def _offers(self, params: Mapping[str, Any]) -> bool:
        """Whether these parameters are within what is searched."""
        if not narrowing.is_allowed(params, self.settings):
            return False
        if self.most_px is None or TAP not in params:
            return True
        from trainables.parts.taps import size_px_of

        return size_px_of(params[TAP]) <= self.most_px

    @property
    def published_settings(self) -> Mapping[str, Setting]:
        """Every setting that the study publishes, the main one under ""; empty where nothing is published."""
        return self.published.settings() if self.published else {}


def with_published(published: Mapping[str, Published], *approaches: Approach) -> tuple[Approach, ...]:
    """The approaches, each with what is published of it, if anything is."""
    return tuple(replace(approach, published=published.get(approach.name)) for approach in approaches)


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """Approaches that are compared with each other on the same seeds.

    Attributes:
        name: Its command's.
        title: What heads its plan and tables.
        approaches: All that can be asked for.
        is_from_scratch: Whether no approach takes a backbone's weights or other images, so that options about them
            would do nothing.
    """

    name: str
    title: str
    approaches: tuple[Approach, ...]
    is_from_scratch: bool = False

    def with_times_for(self, learned: int, scored: int) -> Challenge:
        """The challenge whose seeds take as long as with so many images to learn from and to be scored on."""
        times = relative_time(learned, scored)
        approaches = [replace(each, seconds_per_seed=each.seconds_per_seed * times) for each in self.approaches]
        return replace(self, approaches=tuple(approaches))

    def with_random_weights(self, backbones: Collection[str]) -> Challenge:
        """The challenge where approaches search cheaply whose backbones are all among these, with random weights.

        They see the smallest images of their space alone, unless a person's setting says which: random weights are not
        shown to be better on larger ones (`benchmarks/random_weights.py`), and most of a sweep's time would go there.
        """
        return replace(self, approaches=tuple(each.on_random_weights(backbones) for each in self.approaches))

    @property
    def on_any_backbone(self) -> tuple[str, ...]:
        """The approaches whose backbone is the user's choice."""
        return tuple(each.name for each in self.approaches if each.on_backbone)

    def with_backbone(self, name: str | None) -> Challenge:
        """The challenge with the backbone of that name under those approaches; None leaves it as it is.

        Raises:
            BadInput: There is no such backbone, or it cannot be used.
        """
        if name is None:
            return self

        def chosen(approach: Approach) -> Approach:
            return replace(approach, learner=approach.on_backbone(name)) if approach.on_backbone else approach

        try:
            return replace(self, approaches=tuple(map(chosen, self.approaches)))
        except ValueError as error:
            raise BadInput(str(error)) from None

    def with_settings(self, texts: Sequence[str], names: Collection[str]) -> Challenge:
        """The challenge whose spaces are fixed or narrowed so; each text is one that `narrowing.Setting` reads.

        Args:
            texts: The settings.
            names: Approaches that run; each setting must make a difference to one of them.

        Raises:
            BadInput: A setting names no parameter of theirs, or leaves nothing of one.
        """
        settings = tuple(narrowing.Setting.read(text) for text in texts)
        approaches = {approach.name: approach for approach in self.approaches}
        known = {each.name: narrowing.parameters(each.suggest) for each in self.named(list(names))}
        met: set[narrowing.Setting] = set()
        for name, parameters in known.items():
            # The baseline that others are compared with changes only if it is meant.
            whose = (name,) if approaches[name].is_baseline else (name, None)
            about = [each for each in settings if each.approach in whose and each.name in parameters]
            try:
                own = narrowing.of_one(about)
                approaches[name] = replace(approaches[name], settings=own)
                left = narrowing.parameters(approaches[name].suggest) if own else []
            except ValueError as error:
                told = ", ".join(setting.text for setting in about)
                raise BadInput(f"Expected --set of {name} to be {error}; got {told}.") from None
            met |= {setting for setting in own if setting.name in left}
        for setting in settings:
            if setting not in met:
                told = "; ".join(f"{name}: {', '.join(own)}" for name, own in known.items())
                raise BadInput(
                    f"Expected --set with a parameter of the approaches ({told}) that their other settings leave to be "
                    f"searched, and of the baseline with its name before it; got {setting.text}."
                )
        return replace(self, approaches=tuple(approaches.values()))

    def compared(self, names: Collection[str]) -> tuple[str, ...]:
        """These names and the plain baseline's, which every sweep compares with, in the challenge's order."""
        return tuple(each.name for each in self.approaches if each.name in names or each.is_baseline)

    def named(self, names: list[str]) -> tuple[Approach, ...]:
        """The approaches of these names, in the challenge's order.

        Raises:
            BadInput: One of them is unknown.
        """
        known = {approach.name: approach for approach in self.approaches}
        for name in names:
            if name not in known:
                raise BadInput(
                    f"Expected --approaches from {', '.join(known)} or all; got {name!r}. "
                    "`--list` shows what each one is."
                )
        return tuple(approach for approach in self.approaches if approach.name in names)
