from collections.abc import Mapping
from typing import Any

import pytest

from er_pipeline.evaluation.report import REMEDIES_SHOWN, report_lines

RUN = {
    "records": 1_200,
    "blocks": 30,
    "potential_comparisons": 4_000,
    "pairs": 3_600,
    "pairs_per_record": 3.0,
    "possible_pairs": 719_400,
    "reduction_ratio": 0.994996,
    "reduction_factor": 199.83,
    "key_coverage": 1.0,
    "block_coverage": 0.95,
    "pair_coverage": 0.9,
    "records_without_key": 0,
    "records_with_a_key_nobody_shares": 120,
    "coverage_lost_to_filtering": 0.05,
    "pairs_avoided_by_the_cap": 9_999,
    "largest_block_share_of_pairs": 0.25,
}
COUNTS = {"blocks": 30, "pairs": 3_600, "pairs_of_it_alone": 3_600, "largest_block": 45}
FOUND = {"true_pairs": 80, "true_pairs_of_it_alone": 70, "pairs_completeness": 0.8}
TRUTH = {
    "pairs_completeness": 0.8,
    "true_pairs_found": 80,
    "true_pairs": 100,
    "pairs_quality": 0.0222,
    "given_pairs_with_unknown_ids": 0,
}


def report(
    run: Mapping[str, Any] | None = None,
    strategies: Mapping[str, Any] | None = None,
    **sections: Any,
) -> list[str]:
    figures = {
        "run": {**RUN, **(run or {})},
        "strategies": strategies or {"city": COUNTS},
        "size_classes": {"2": {"blocks": 29, "pairs": 29}, "10-99": {"blocks": 1, "pairs": 990}},
        **sections,
    }
    return list(report_lines(figures))


def starting(lines: list[str], title: str) -> list[str]:
    return [line for line in lines if line.startswith(title)]


def test_a_report_without_truth_shows_pairs_and_coverage_alone() -> None:
    lines = report()
    assert lines[0] == "[OK] created 30 blocks with 4,000 potential comparisons"
    assert "Candidate pairs:       3,600 (3.0 per record)" in lines
    assert "Reduction ratio:       99.4996%" in lines
    assert "The largest block holds 25.00% of all pairs." in lines
    for title in ("Rejected", "Cut by", "Learned", "Second", "Pairs comp", "Matches", "Estimated"):
        assert starting(lines, title) == []


def test_the_columns_of_a_table_stand_below_each_other() -> None:
    lines = report(strategies={"city": COUNTS, "long_name": {**COUNTS, "pairs": 1_234_567}})
    start = next(i for i, line in enumerate(lines) if line.startswith("strategy"))
    header, *rows = lines[start : start + 3]
    assert [row.split()[:3] for row in rows] == [
        ["city", "30", "3,600"],
        ["long_name", "30", "1,234,567"],
    ]
    for title in ("blocks", "pairs", "unique", "largest"):
        end = header.index(title) + len(title)
        assert all(row[end - 1].isdigit() and row[end : end + 1] in ("", " ") for row in rows)


def test_truth_adds_columns_and_what_is_known_of_the_misses() -> None:
    change = {"mends": True, "finds": 5, "pairs_per_match": 12.5}
    remedies = {f"change {i}": change for i in range(REMEDIES_SHOWN + 1)}
    lines = report(
        strategies={"city": {**COUNTS, **FOUND}},
        truth={**TRUTH, "given_pairs_with_unknown_ids": 2},
        missed={
            "no_key": {"true_pairs": 0, "share_of_true_pairs": 0.0},
            "typo_in_key": {"true_pairs": 20, "share_of_true_pairs": 0.2},
        },
        remedies={"does nothing": {**change, "mends": False}, **remedies},
    )
    (header,) = starting(lines, "strategy")
    assert header.split()[-4:] == ["true", "pairs", "unique", "completeness"]
    assert "Pairs completeness:    80.00% (80 of 100 true pairs are candidates)" in lines
    assert starting(lines, "Not counted:           2 given pairs")
    (cause,) = starting(lines, "typo in key")
    assert cause.split()[-2:] == ["20", "20.00%"]
    assert starting(lines, "no key") == []
    shown = [line for line in lines if "  change " in line]
    assert shown == [f"{5:>10}  {12.5:>10}  change {i}" for i in range(REMEDIES_SHOWN)]
    assert not any("does nothing" in line for line in lines)


@pytest.mark.parametrize(
    ("truth", "of"),
    [({}, "the expected matches (of all pairs made)"), ({"truth": TRUTH}, "the true pairs")],
    ids=["expected", "true"],
)
def test_the_curve_is_drawn_to_scale(truth: dict[str, Any], of: str) -> None:
    curve = {
        "ranked 1.00": {"pairs_per_record": 1.0, "pairs_completeness": 0.5},
        "ranked 3.00": {"pairs_per_record": 3.0, "pairs_completeness": 1.0},
        "city": {"pairs_per_record": 2.0, "pairs_completeness": 0.7},
    }
    lines = report(strategies={"city": {**COUNTS, **FOUND}}, curve=curve, **truth)
    start = lines.index(f"best pairs per record, and their share of {of}")
    bars = [line for line in lines[start:] if line.endswith("#")]
    assert [line.count("#") for line in bars] == [25, 50]
    assert [line.split()[:2] for line in bars] == [["1.00", "50.00%"], ["3.00", "100.00%"]]


def test_a_budget_says_what_it_cut_and_what_more_pairs_would_find() -> None:
    run = {
        "pairs_cut_by_the_budget": 4_000_000,
        "expected_matches_cut": 3.2,
        "expected_matches": 90.4,
        "matches_per_million_more_pairs": 8_000.0,
    }
    lines = report(run)
    (without,) = starting(lines, "Without a shared key:")
    assert without.endswith("; the budget cut the pairs of the others")
    (cut,) = starting(lines, "Cut by the budget:")
    assert cut.endswith("the 4,000,000 pairs of least weight, with about 3 of 90 expected matches;")
    assert lines[lines.index(cut) + 1].endswith("a million more pairs would find about 8,000 more")
    few = report({**run, "pairs_cut_by_the_budget": 400})
    assert any(line.endswith(" all of them would find about 8,000 more") for line in few)
    found = {"city": {**COUNTS, **FOUND}}
    known = report(run, found, truth={**TRUTH, "true_pairs_cut_by_the_budget": 0})
    assert any(line.endswith("of the known matches they hold 0") for line in known)
    assert not any("would find" in line for line in known)


@pytest.mark.parametrize(
    ("run", "end"),
    [
        ({}, ""),
        ({"strategies_beside_learned_rules": 2}, ", as far as no strategy finds them"),
        (
            {
                "held_out_recall": 0.9,
                "held_out_recall_low": 0.8,
                "held_out_recall_high": 0.95,
            },
            "; held-out recall 90.0% (95%: 80.0% to 95.0%)",
        ),
    ],
    ids=["alone", "beside strategies", "measured"],
)
def test_learned_rules_are_shown_with_what_is_known_of_them(run: dict[str, Any], end: str) -> None:
    learned = {"learned_rules": 4, "evidence_found_by_learned_rules": 0.5}
    (line,) = starting(report({**learned, **run}), "Learned rules:")
    start = (
        "Learned rules:         4, which keep 50.0% of the probable matches they were learned from"
    )
    assert line == start + end


def test_matching_shows_f1_only_where_there_is_truth() -> None:
    matching = {
        "matches": 75,
        "threshold": 0.95,
        "entities": 1_100,
        "entities_of_several_records": 70,
        "largest_entity": 4,
    }
    quality = {
        f"match_{name}{at}": 0.5
        for name in ("f1", "precision", "recall")
        for at in ("", "_at_best")
    }
    lines = report(matching=matching)
    assert "Matches:               75 pairs with a probability of at least 0.95" in lines
    assert starting(lines, "At the") == []
    lines = report(matching={**matching, **quality, "best_threshold": 0.123456789})
    at, best = starting(lines, "At the")
    assert at.endswith("F1 50.00%, precision 50.00%, recall 50.00% (at 0.95)")
    assert best.endswith("(at 0.123457)")


def test_the_estimate_of_recall_names_its_sample_and_the_families() -> None:
    recall = {
        "estimated_recall": 0.91,
        "estimated_recall_low": 0.85,
        "estimated_recall_high": 0.96,
        "likely_matches_of_sample": 200.4,
        "records_sampled": 500,
    }
    families = {
        "recall_by_families": 0.9,
        "families_of_evidence": 3,
        "likely_matches_found": 90.0,
        "likely_matches_unseen": 10.0,
    }
    lines = report(recall=recall)
    (line,) = starting(lines, "As the model sees it:")
    assert line.endswith("91.0% (95%: 85.0% to 96.0%) of the 200 pairs that it")
    assert starting(lines, "Capture") == []
    (line,) = starting(report(recall={**recall, **families}), "Capture and recapture:")
    assert line.endswith("90.0% of 100 likely matches: 90 found, the rest")


VIEWS = {
    "whole records, wide": {"recall": 0.9, "recall_low": 0.88, "recall_high": 0.92},
    "agreement of fields": {"recall": 0.95, "recall_low": 0.93, "recall_high": 0.97},
}
INTERVAL = {"recall_low": 0.88, "recall_high": 0.97, "recall_is_known": 1, "records_viewed": 1_000}


def of_views(**others: Any) -> list[str]:
    views = {name: {**view, "likely_matches": 200.4} for name, view in VIEWS.items()}
    return report(
        recall_interval={**INTERVAL, **others.pop("found", {})}, recall_views=views, **others
    )


def test_recall_without_truth_is_an_interval_over_all_views() -> None:
    lines = of_views()
    (line,) = starting(lines, "Recall without truth:")
    assert line.endswith("88.0% to 97.0% of all matches are candidates, as 2 views of")
    (row,) = starting(lines, "whole records, wide")
    assert row.split()[3:] == ["90.0%", "88.0%", "to", "92.0%", "200"]


def test_recall_that_is_not_known_is_not_said_and_the_reasons_are() -> None:
    lines = of_views(
        found={"recall_low": 0.3, "recall_is_known": 0},
        recall_unknown={"views contradict each other: " + "one and another " * 8: {"holds": 1}},
    )
    (line,) = starting(lines, "Recall without truth:")
    assert line.endswith("not known; 30% to 97%, as 2 views of 1,000 sampled records see it:")
    why = lines[lines.index(line) + 1 :]
    assert why[0].startswith("  - views contradict each other: one and")
    assert why[1].startswith("    ")
    assert max(map(len, why)) <= 78


def test_what_cleaning_emptied_stands_in_the_report_with_raw_values() -> None:
    counts = {"values_given": 1_000, "values_emptied": 250, "null_marks": 1_200}
    lines = report(
        emptied={"born": counts}, emptied_examples={"born": {"soon": 200, "12. Foo 1980": 50}}
    )
    (header,) = starting(lines, "cleaning emptied")
    (born,) = starting(lines, "born")
    assert header.split("  ")[-1] == "raw values, for example"
    assert born.split()[:4] == ["born", "250", "25.0%", "1,200"]
    assert born.endswith("'soon' (200), '12. Foo 1980' (50)")
    assert not starting(report(emptied={}, emptied_examples={}), "cleaning emptied")


def test_the_largest_entity_shows_what_it_hangs_on() -> None:
    matching = {
        "matches": 9,
        "threshold": 0.95,
        "entities": 4,
        "entities_of_several_records": 1,
        "largest_entity": 6,
    }
    link = {"match_probability": 0.9512, "records_left": 2.0, "records_right": 4.0}
    lines = report(matching=matching, weakest_links={"r1 and r5": link, "r2 and r3": link})
    start = next(i for i, line in enumerate(lines) if line.startswith("Entities:"))
    assert lines[start + 1 : start + 3] == [
        "The largest hangs on:  r1 and r5 (0.9512), which joins 2 and 4 records",
        "                       r2 and r3 (0.9512), which joins 2 and 4 records",
    ]
