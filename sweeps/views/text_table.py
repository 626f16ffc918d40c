"""Tables as text: the table of approaches, and columns under their names for any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sweeps.analysis.approach_summary import ApproachSummary, PublishedNumber
from sweeps.analysis.summary import Summary
from sweeps.core.formatting import counted, interval_percent, mean_sd, mean_sd_percent, percent, points

# What the columns of the printed table are, for those who have not read the README.
LEGEND = (
    "confirmed: the best configuration on fresh seeds, with the 95 % interval of its mean, for other draws of labelled "
    "images and other images to validate on, and its interquartile mean",
    "in search: the same configuration on all its search seeds, which chose it; optimism: by how many points choosing "
    "flattered it there, whatever the difficulty of those seeds; empty where it cannot be estimated",
    "test bal. acc.: balanced accuracy of the same models on the test split, which has other images",
    "published: the study's number; our run of it: ours at the setting the search starts from, on the search's seeds",
)
ADJUSTED = "adjusted: the mean corrected for easy or hard seeds, by a control that runs on them and on many others"
# Before the mean of an approach that was measured on the second block.
DECIDED = "*"
OF_THE_DECISION = (
    f"{DECIDED}: measured on a second block of fresh seeds, since the first cannot tell these from the best; the plain "
    "baseline joins them. Rows keep the first block's order, unless the second shows another one to be better"
)
# In the place of the first, where AUROC ranks: it is no share of hits that would tell what the images add.
OF_AUROC = (
    "confirmed: the best configuration on fresh seeds, with the 95 % interval of its mean, for other draws of labelled "
    "images alone, not for other images to validate on, and its interquartile mean"
)
# In the place of the last, where the images are not the study's.
WITHOUT_THE_STUDY = "at the start: the setting the search starts from, on the search's seeds"


def legend(summary: Summary) -> tuple[str, ...]:
    """What the columns of the sweep's table are."""
    first, *others = LEGEND if summary.spec.is_of_the_study else (*LEGEND[:-1], WITHOUT_THE_STUDY)
    return (
        OF_AUROC if summary.spec.ranked_by == "auroc" else first,
        *([ADJUSTED] if any(row.adjusted for row in summary.approaches) else []),
        *others,
        *([OF_THE_DECISION] if any(row.decided for row in summary.approaches) else []),
    )


def printed(summary: Summary) -> str:
    """The table of approaches, best confirmed first; in per cent."""
    rows = printed_rows(summary)
    return aligned(rows, left=[name for name in ("approach", "weights") if name in rows[0]])


def printed_rows(summary: Summary) -> list[dict[str, str]]:
    """The table's cells by column; the column of weights only where an approach has some."""
    has_weights = any(row.weights for row in summary.approaches)
    return [
        {
            "approach": row.approach,
            **({"weights": source_names(row.weights)} if has_weights else {}),
            **_printed_row(
                row,
                not_ranked(summary, row),
                is_of_the_study=summary.spec.is_of_the_study,
                is_adjusted=any(each.adjusted for each in summary.approaches),
            ),
        }
        for row in summary.approaches
    ]


def source_names(sources: Sequence[str]) -> str:
    """Sources of weights; of a file, the folder it is in and its name."""
    return ", ".join("/".join(Path(source).parts[-2:]) for source in sources) or "none"


def not_ranked(summary: Summary, row: ApproachSummary) -> str:
    """Behind what is quoted of an approach, why it is not ranked: " (12 of 50 seeds)", " (failed)"; else empty."""
    incomplete = f" ({summary.seeds_there(row)} seeds)" if row.is_partly_confirmed else ""
    return " (failed)" if row.confirmed_failure else incomplete


def _printed_row(row: ApproachSummary, mark_behind: str, *, is_of_the_study: bool, is_adjusted: bool) -> dict[str, str]:
    confirmed, count = row.quoted, row.configurations
    mark = f"{DECIDED} " if row.decided else ""
    at_start = mean_sd(row.at_published_setting)
    return {
        "confirmed": (mark + mean_sd(confirmed) + mark_behind).strip(),
        "95 % interval": interval_percent(confirmed.low, confirmed.high) if confirmed else "",
        "IQM": percent(confirmed.iqm) if confirmed else "",
        **({"adjusted": percent(row.adjusted.mean) if row.adjusted else ""} if is_adjusted else {}),
        "in search": mean_sd(row.search),
        "optimism": points(row.optimism.mean) if row.optimism else "",
        "test bal. acc.": mean_sd(row.test_accuracy),
        **(
            {"published": published(row.published), "our run of it": at_start}
            if is_of_the_study
            else {"at the start": at_start}
        ),
        "complete/raced/failed": f"{count.complete}/{count.raced_out}/{count.failed}"
        + (f" ({count.repeats} repeated)" if count.repeats else "")
        + (f" (behind after {count.behind_after})" if count.behind_after else ""),
        "seconds/seed": f"{row.seconds_per_seed:.2f}" if row.seconds_per_seed is not None else "",
    }


def repeated(summary: Summary) -> list[str]:
    """Searches whose space gave fewer distinct configurations than were asked for, in a sentence each."""
    asked = summary.starts[-1].num_samples
    counts = {row.approach: row.configurations for row in summary.approaches}
    return [
        f"{name} has {counted(count.begun, 'distinct configuration')} of {asked}: its space seems to have no more."
        for name, count in counts.items()
        if count.is_all and count.begun < asked
    ]


def smaller_searches(summary: Summary) -> list[str]:
    """Which approaches got fewer configurations since they were behind, in a sentence; empty where none did."""
    asked = summary.starts[-1].num_samples
    given = [
        f"{row.approach} {row.configurations.begun} of {asked} (behind after {row.configurations.behind_after})"
        for row in summary.approaches
        if row.configurations.behind_after is not None
    ]
    if not given:
        return []
    return [
        f"Smaller searches (--allocation adaptive): {', '.join(given)}. More configurations might do better: what is "
        "confirmed of these approaches is the best of so few."
    ]


def published(number: PublishedNumber | None) -> str:
    """The study's number, or that it gives none."""
    if number is None or number.mean_percent is None:
        return "none"
    return mean_sd_percent(number.mean_percent, number.sd_percent)


def aligned(rows: Sequence[Mapping[str, str]], left: Sequence[str] = ("approach",), gap: str = " ") -> str:
    """Columns of text under their names, which all rows have: those in `left` to the left, the others to the right."""
    columns = [[name, *(row[name] for row in rows)] for name in rows[0]]
    widths = [max(map(len, column)) for column in columns]
    padded = [
        [cell.ljust(width) if column[0] in left else cell.rjust(width) for cell in column]
        for column, width in zip(columns, widths, strict=True)
    ]
    return "\n".join(gap.join(cells).rstrip() for cells in zip(*padded, strict=True))
