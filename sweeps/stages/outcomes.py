"""How a trial ends: each way in one table, and the function that decides which of them it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from optuna.trial import Trial, TrialState

from sweeps.stages.tasks import failure
from sweeps.store.trials import RACED, REASON, SAME_RESULTS

# A task whose worker was lost this often, without a seed finished in between, is given up.
MOST_ATTEMPTS = 3


class Back(Enum):
    """Why a task came back from whoever had it."""

    # It ran to its end, was stopped as losing, or gave a failure.
    ENDED = auto()
    # Its worker died.
    LOST = auto()
    # A seed of it took too long, and would again.
    EXPIRED = auto()
    # The driver died, and the next one takes it up.
    TAKEN_UP = auto()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What becomes of a trial whose task came back.

    Attributes:
        state: Optuna's; RUNNING means that the task goes back into the queue.
        is_failure: Whether it counts towards an approach's failures in a row; any other end begins to count anew.
        is_loss: Whether it counts towards the workers lost in a row though no worker was seen to die. A task that came
            back as LOST always counts.
        reason: What a person reads of it; None where there is nothing to explain.
    """

    state: TrialState
    is_failure: bool = False
    is_loss: bool = False
    reason: str | None = None

    @property
    def goes_on(self) -> bool:
        """Whether the trial has not ended."""
        return self.state == TrialState.RUNNING

    def because(self, reason: str) -> Outcome:
        """The same outcome with this reason."""
        return replace(self, reason=reason)


COMPLETE = Outcome(state=TrialState.COMPLETE)
RACED_OUT = Outcome(state=TrialState.PRUNED, reason=f"{RACED}: worse than the best ones so far")
# Optuna's samplers do not look at what failed: told as pruned it would count against the place of what it equals.
NOTHING_NEW = Outcome(state=TrialState.FAIL, reason=SAME_RESULTS)
FAILED = Outcome(state=TrialState.FAIL, is_failure=True)
GIVEN_UP = Outcome(state=TrialState.FAIL, is_failure=True, is_loss=True, reason="its worker was lost")
# No task of it came back: a stage ends it, since its configuration is the winner no more.
SUPERSEDED = Outcome(state=TrialState.FAIL, reason="it is no longer among the best that are asked for")
NOT_UNDECIDED = Outcome(state=TrialState.FAIL, reason="it was told apart from the best without these seeds")
NOT_CONFIRMED = Outcome(state=TrialState.FAIL, reason="its configuration was not confirmed")
NOT_ASKED = Outcome(state=TrialState.FAIL, reason="this number of shots is no longer asked for")
LOST = Outcome(state=TrialState.RUNNING, is_loss=True)
TAKEN_UP = Outcome(state=TrialState.RUNNING)


def outcome_of(
    trial: Trial, back: Back, *, seeds_left: int, attempts: int = 0, raced_out: Outcome | None = None, why: str = ""
) -> Outcome:
    """Decide what becomes of a trial whose task came back. The first that holds counts.

    Args:
        trial: Its seeds and its reason are read from the journal.
        back: Why the task came back.
        seeds_left: How many seeds of the task the journal lacks.
        attempts: How often the task's worker was lost since a seed of it finished, this time included.
        raced_out: How the trial ends since it was stopped at a look; None if it was not.
        why: What is known of a worker's death, or the reason for which a task expired.
    """
    failed, noted = failure(trial), trial.user_attrs.get(REASON)
    if failed:
        return FAILED.because(f"seed {failed.seed}: {failed.error}")
    if back is Back.EXPIRED:
        return FAILED.because(why)
    if noted and not noted.startswith(RACED):
        # Another task of the trial, or a driver that died before it could end the trial, has noted the reason.
        return FAILED.because(noted)
    if raced_out is not None:
        return raced_out
    if not seeds_left:
        return COMPLETE
    if back is Back.TAKEN_UP:
        return TAKEN_UP
    # Also a task that ended for no reason of ours.
    if attempts < MOST_ATTEMPTS:
        return LOST
    return GIVEN_UP.because(f"{GIVEN_UP.reason} {attempts} times{in_brackets(why)}")


def is_given_up(reason: str | None) -> bool:
    """Whether a trial that ended with this reason was given up since its workers were lost."""
    return reason is not None and reason.startswith(GIVEN_UP.reason or "")


def in_brackets(why: str) -> str:
    """What is known of a worker's death, as it follows a sentence."""
    return f" ({why})" if why else ""
