from sweeps.answer import against_baseline


def row(name, mean=None, low=None, high=None):
    compared = {"baseline": "plain", "n": 50, "mean": mean, "low": low, "high": high}
    return {"approach": name, "against_baseline": None if mean is None else compared}


def test_an_approach_is_better_or_worse_only_if_the_interval_leaves_out_zero():
    found = {
        "approaches": [
            row("best", 0.05, 0.04, 0.06),
            row("hardly", 0.01, -0.001, 0.021),
            row("plain"),
            row("close", -0.01, -0.03, 0.01),
            row("poor", -0.1, -0.12, -0.08),
        ]
    }
    assert against_baseline(found) == [
        "Against plain, in points on the same fresh seeds, with the 95 % interval of each difference:",
        "      better:              best +5.0 (+4.0 to +6.0)",
        "      not shown to differ: hardly +1.0 (-0.1 to +2.1), close -1.0 (-3.0 to +1.0)",
        "      worse:               poor -10.0 (-12.0 to -8.0)",
        "",
    ]


def test_nothing_is_said_where_nothing_is_compared():
    assert against_baseline({"approaches": [row("plain"), row("unconfirmed")]}) == []
