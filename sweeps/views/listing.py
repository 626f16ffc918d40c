"""What `--list` says of each approach. It imports no library, so that the answer is there at once."""

from __future__ import annotations

from sweeps.core.challenge import Approach, Challenge


def listing(challenge: Challenge) -> str:
    """What each approach is, its published result, and the setting that its search starts from."""
    lines = [challenge.title]
    if any(approach.published for approach in challenge.approaches):
        lines.append(
            "Published numbers are those of the study (Arafe, Gonzalez Pepe and Shende, Concordia University 2022), in "
            "validation accuracy."
        )
    for approach in challenge.approaches:
        lines += [
            "",
            f"{approach.name}{'' if approach.is_default else ' (on demand)'}: {approach.about}",
            f"    study: {_published(approach)}",
            f"    starts from: {_settings(approach)}",
        ]
    return "\n".join(lines)


def _published(approach: Approach) -> str:
    published = approach.published
    if published is None:
        return "none"
    if published.mean_percent is None:
        return f"no published result; {published.note}"
    sd = f" +- {published.sd_percent}" if published.sd_percent is not None else ""
    seeds = f" over {published.seeds} seeds" if published.seeds else ""
    return f"published {published.mean_percent}{sd} %{seeds}; {published.note}"


def _settings(approach: Approach) -> str:
    if approach.start is None:
        return "a configuration that the sampler draws"
    return ", ".join(f"{name}={value}" for name, value in approach.start.items())
