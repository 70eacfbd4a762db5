"""How much is found, what a budget would find, what is missed and what would find it."""

import re
from collections.abc import Iterator

from er_pipeline.blocking.tables.pictures import Grid
from er_pipeline.blocking.tables.printable import count_of
from er_pipeline.evaluation.explained_pair import CAUSE_TEXTS
from er_pipeline.evaluation.page.page_parts import (
    Chart,
    Listing,
    Part,
    RunOnPage,
    Section,
    name_pairs,
    percent,
)
from er_pipeline.evaluation.page.vega_charts import bars, curve, intervals

# Missed pairs of each cause, and remedies, that are shown.
EXAMPLES, REMEDIES = 5, 12
RANKED = re.compile(r"^ranked ")
UNION = "all strategies"


def completeness_section(run: RunOnPage) -> Section:
    """Show what share of the matches is found, and what fewer pairs would find."""
    title = "How much is found, and what would a budget find?"
    points = run.figures.get("curve", {})
    truth, views = run.figures.get("truth"), run.figures.get("recall_views", {})
    interval = run.figures.get("recall_interval")
    if not points and not views:
        return Section("Completeness", title, "Not known: there are no good candidate pairs.")
    if truth:
        answer = (
            f"{percent(truth['pairs_completeness'], 2)} of the {truth['true_pairs']:,} true pairs"
            " are candidates."
        )
    elif interval and interval["recall_is_known"]:
        answer = (
            f"Between {percent(interval['recall_low'])} and {percent(interval['recall_high'])} of"
            " all matches are candidates, as views of a sample see it: no truth is declared."
        )
    else:
        answer = "How much is found is not known: no truth is declared, and the views disagree."
    parts: list[Part] = []
    if points:
        of = "share of the true pairs" if truth else "share of the expected matches"
        rows = [
            {
                "name": UNION if name == "union" else name.removeprefix("strategy "),
                "pairs per record": point["pairs_per_record"],
                "completeness": point["pairs_completeness"],
                "is ranked": bool(RANKED.match(name)),
            }
            for name, point in points.items()
            if point["pairs_per_record"] > 0
        ]
        ranked = [row for row in rows if row["is ranked"]]
        chart = curve(
            [_without_mark(row) for row in ranked],
            [_without_mark(row) for row in rows if not row["is ranked"]],
            "pairs per record",
            "completeness",
            ("pairs per record (log)", of),
        )
        about = (
            "The line: the best pairs of all that were made, by weight. A dot: one strategy alone."
        )
        parts.append(Chart("Completeness by pairs per record", chart, about))
    if views:
        drawn = [
            {
                "view": name,
                "at least": view["recall_low"],
                "share found": view["recall"],
                "at most": view["recall_high"],
            }
            for name, view in views.items()
        ]
        picture = intervals(
            drawn, "view", "at least", "share found", "at most", "share of the matches found"
        )
        about = (
            "Each view estimates it from a sample, with its interval of 95%; no truth is needed."
        )
        parts.append(Chart("Recall without truth", picture, about))
        parts += [f"Not known, since {reason}" for reason in run.figures.get("recall_unknown", {})]
    return Section("Completeness", title, answer, parts)


def _without_mark(row: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name != "is ranked"}


def missed_section(run: RunOnPage) -> Section:
    """Show what is missed, by cause and with examples, and the changes that would find it."""
    title = "What is missed, and what would find it?"
    if run.spec.truth is None:
        return Section("Missed", title, "Not known: `truth` is not declared, so no pair is known.")
    if not run.has("missed_matches", "cleaned_records") or "missed" not in run.figures:
        return Section("Missed", title, "Not known: the table missed_matches is not good.")
    missed = {cause: n["true_pairs"] for cause, n in run.figures["missed"].items()}
    total, n_true = sum(missed.values()), run.figures["truth"]["true_pairs"]
    if not total:
        return Section("Missed", title, f"Nothing: all {n_true:,} true pairs are found.")
    remedies = [(change, n) for change, n in run.figures.get("remedies", {}).items() if n["mends"]][
        :REMEDIES
    ]
    answer = f"{total:,} of {count_of(n_true, 'true pair')} are missed"
    if remedies:
        change, n = remedies[0]
        answer += (
            f". The change that mends most: {run.message(change)}, and would find {n['finds']:,}"
        )
    rows = [
        {
            "cause": CAUSE_TEXTS[cause],
            "pairs": n,
            "shown": f"{n:,} ({percent(n / n_true, 2)} of all)",
        }
        for cause, n in missed.items()
        if n
    ]
    chart = bars(rows, "cause", "pairs", "true pairs missed", shown="shown")
    parts: list[Part] = [Chart("Missed pairs by cause", chart)]
    if remedies:
        grid = Grid(
            ("change", "would find", "more pairs", "pairs for each"),
            [
                (
                    run.message(change),
                    f"{n['finds']:,}",
                    f"{n['pairs']:,}",
                    f"{n['pairs_per_match']:,.1f}",
                )
                for change, n in remedies
            ],
        )
        about = (
            "None of these would make a check complain. Those that are the cheapest way to most"
            " pairs come first."
        )
        parts.append(Listing("The cheapest changes", grid, about))
    examples = Grid(("cause", "left", "right", "because", "would be found by"), [*_examples(run)])
    about = "er-pipeline explain says all about one of them."
    parts.append(Listing("Missed pairs, for example", examples, about))
    return Section("Missed", title, answer + ".", parts)


def _examples(run: RunOnPage) -> Iterator[tuple[str, ...]]:
    run.open("missed_matches", "cleaned_records")
    run.engine.make_table(
        "missed_examples",
        f"""
        select * from missed_matches qualify row_number() over (
            partition by cause order by left_no, right_no) <= {EXAMPLES}
        """,
    )
    named = name_pairs(run.engine, "missed_examples")
    for cause, left, right, detail, remedy in run.engine.rows(
        f"select cause, left_source || ':' || left_id, right_source || ':' || right_id, detail,"
        f" remedy from ({named}) order by cause, left_no, right_no"
    ):
        yield CAUSE_TEXTS[cause], left, right, run.message(detail), run.message(remedy)
