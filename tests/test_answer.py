from sweeps.answer import against_baseline


def pair(better, worse, mean, p_holm):
    ends = {"low": mean - 0.01, "high": mean + 0.01}
    return {"better": better, "worse": worse, "mean": mean, **ends, "p_holm": p_holm, "is_shown": p_holm < 0.05}


def summary(*pairs, baseline="plain"):
    names = ("best", "hardly", "plain", "close", "poor")
    return {"baseline": baseline, "approaches": [{"approach": name} for name in names], "comparisons": list(pairs)}


def test_an_approach_is_better_or_worse_only_if_the_corrected_test_shows_it():
    found = summary(
        pair("plain", "poor", 0.1, 0.001),
        pair("best", "plain", 0.05, 0.01),
        pair("hardly", "plain", 0.011, 0.06),
        pair("plain", "close", 0.01, 0.9),
        pair("best", "poor", 0.15, 0.0001),
    )
    assert against_baseline(found) == [
        "Against plain, in points on the same fresh seeds, with the 95 % interval of each difference;",
        "verdicts are of paired t tests at a level of 5 %, corrected for 5 pairs (Holm):",
        "      better:              best (+5.0, +4.0 to +6.0)",
        "      not shown to differ: hardly (+1.1, +0.1 to +2.1), close (-1.0, -2.0 to +0.0)",
        "      worse:               poor (-10.0, -11.0 to -9.0)",
        "",
    ]


def test_nothing_is_said_where_nothing_is_compared():
    assert against_baseline(summary()) == []
    assert against_baseline(summary(pair("best", "poor", 0.1, 0.01), baseline=None)) == []
