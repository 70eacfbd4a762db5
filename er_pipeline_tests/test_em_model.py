from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.blocks.training_facts import training_facts
from er_pipeline.blocking.blocks.training_verdicts import judge_training
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.blocking_report import training_figures
from er_pipeline.matching import em_sessions, mixture
from er_pipeline.matching.mixture import Mixture, Patterns
from er_pipeline.matching.splink_linker import ModelError, read_model
from er_pipeline_tests.conftest import Dataset, Rows, made_up_people

KINDS = {
    "first_name": "person_name",
    "last_name": "person_name",
    "email": "email",
    "company": "company",
    "birth_date": "date",
    "city": "text",
}
PLAIN = {"same_name": ["first_name", "last_name"], "same_birth_date": "birth_date"}
# Neither rule names a column: one is phonetic, with an initial, the other takes prefixes.
DERIVED = {
    "sound": ["soundex(last_name)", "left(first_name, 1)"],
    "prefix": ["left(birth_date, 7)", "left(city, 3)"],
}

FEW = {"max_u_pairs": 50_000}  # enough for a test


def people_with(folder: Path, rows: Rows, **settings: Any) -> Dataset:
    declared = {"fields": KINDS, "strategies": {"last": "last_name"}, "matching": FEW, **settings}
    return Dataset(folder, [rows], **declared)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return made_up_people(tmp_path_factory.mktemp("rows"), 3_000)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, rows: Rows) -> Any:
    folder = tmp_path_factory.mktemp("plain")
    return people_with(folder, rows, training_rules=PLAIN).train()


@pytest.fixture(scope="module")
def derived(tmp_path_factory: pytest.TempPathFactory, rows: Rows) -> Any:
    folder = tmp_path_factory.mktemp("derived")
    truth = {"cluster_column": "person_id"}
    people = people_with(folder, rows, training_rules=DERIVED, truth=truth)
    return people.train()


def test_no_session_trains_what_a_function_of_its_rule_reads(derived: dict[str, Any]) -> None:
    trained = {session["rule"]: session["trained"] for session in derived["sessions"]}
    assert trained == {
        "sound": ["email", "company", "birth_date", "city"],
        "prefix": ["first_name", "last_name", "email", "company"],
    }


def test_derived_rules_find_the_m_that_plain_columns_find(
    plain: dict[str, Any], derived: dict[str, Any]
) -> None:
    for field in ("first_name", "last_name", "email", "company"):
        of_plain, of_derived = (facts["levels"][field] for facts in (plain, derived))
        for left, right in zip(of_plain, of_derived, strict=True):
            assert left["m"] == pytest.approx(right["m"], abs=0.1)
    # Last names agree in all pairs of their own phonetic rule, as first letters do: had they been
    # trained there, m of equal ones would be near 1, of others near 0.
    assert 0.5 < derived["levels"]["last_name"][0]["m"] < 0.9


def test_sessions_run_on_exactly_the_pairs_that_were_counted(
    tmp_path: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    fit = mixture.fit_mixture

    def counted(patterns: Patterns, *others: Any) -> Mixture:
        seen.append(int(patterns.counts.sum()))
        return fit(patterns, *others)

    monkeypatch.setattr(em_sessions, "fit_mixture", counted)
    # The cap takes the larger blocks from both rules.
    people = people_with(tmp_path, rows[:1_000], training_rules=DERIVED, blocks={"max_size": 5})
    facts = people.train()
    assert seen == [session["pairs"] for session in facts["sessions"]]
    assert all(seen)


def true_shares(people: Dataset) -> dict[str, float]:
    """Give the share of true pairs among those of every training rule."""
    people.make("true_pairs")
    with DuckDBEngine(threads=2) as engine:
        for table in ("true_pairs", "em_training_blocks"):
            people.lake.open(engine, table)
        figures = training_figures(engine, people.lake)
    return {rule: counts["match_share"] for rule, counts in figures.items()}


def test_match_shares_and_the_number_of_matches_come_near_the_truth(
    tmp_path: Path, rows: Rows, derived: dict[str, Any]
) -> None:
    people = people_with(
        tmp_path, rows, training_rules=DERIVED, truth={"cluster_column": "person_id"}
    )
    true_pairs = people.make("true_pairs")["true_pairs"]
    people.train()
    shares = true_shares(people)
    expected = dict(people.rows("em_training_rules", "rule, expected_match_share"))
    for session in derived["sessions"]:
        assert session["match_share"] == pytest.approx(shares[session["rule"]], abs=0.05)
        assert expected[session["rule"]] == pytest.approx(shares[session["rule"]], abs=0.1)
    assert derived["expected_matches"] == pytest.approx(true_pairs, rel=0.15)


def test_threads_do_not_change_the_model(tmp_path: Path, rows: Rows) -> None:
    models = []
    for threads in (1, 2):
        folder = tmp_path / str(threads)
        folder.mkdir()
        people = people_with(folder, rows[:800], training_rules=DERIVED, threads=threads)
        people.train()
        models.append((people.lake.path("em_model") / "model.json").read_text("utf-8"))
    assert models[0] == models[1]


def test_another_seed_draws_other_random_pairs(tmp_path: Path, rows: Rows) -> None:
    u = []
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        people = people_with(
            folder,
            rows,
            training_rules=PLAIN,
            learning={"seed": seed},
            matching={"max_u_pairs": 5_000},
        )
        levels = people.train()["levels"]
        u.append([[level["u"] for level in levels[field]] for field in ("first_name", "city")])
    assert u[0] != u[1]


def test_rules_without_a_pair_stop_the_training(tmp_path: Path, rows: Rows) -> None:
    people = people_with(
        tmp_path,
        rows[:50],
        training_rules={"one": ["email", "birth_date"], "two": ["company", "city", "last_name"]},
    )
    facts = people.train()
    assert "no training rule makes a pair" in facts["unusable"]
    assert people.rows("em_model") == []
    with pytest.raises(ModelError, match="nothing is scored: no training rule makes a pair"):
        read_model(people.lake)


def test_rules_that_fix_everything_fail_with_a_reason(tmp_path: Path, rows: Rows) -> None:
    people = people_with(
        tmp_path,
        rows[:300],
        comparisons=["first_name", "last_name"],
        training_rules={"initials": ["left(first_name, 1)", "left(last_name, 1)"]},
    )
    assert "No training rule leaves first_name, last_name free" in people.train()["unusable"]
    facts = training_facts(people.lake)
    failed = [verdict for verdict in judge_training(facts, people.spec) if not verdict.passed]
    assert [verdict.check for verdict in failed] == ["every_comparison_is_free"]
    assert "No training rule leaves first_name, last_name free" in failed[0].text


def test_sources_that_share_ids_are_linked_across_only(tmp_path: Path, rows: Rows) -> None:
    left, right = (
        [{**row, "id": str(i)} for i, row in enumerate(side)] for side in (rows[::2], rows[1::2])
    )
    both = Dataset(
        tmp_path,
        [left, right],
        fields=KINDS,
        strategies={"last": "last_name"},
        matching=FEW,
        training_rules=DERIVED,
        truth={"cluster_column": "person_id"},
    )
    true_pairs = both.make("true_pairs")["true_pairs"]
    facts = both.train()
    shares = true_shares(both)
    for session in facts["sessions"]:
        assert session["match_share"] == pytest.approx(shares[session["rule"]], abs=0.05)
    assert facts["expected_matches"] == pytest.approx(true_pairs, rel=0.2)


def test_a_level_that_nobody_saw_weighs_no_more_than_the_next(tmp_path: Path, rows: Rows) -> None:
    # Companies of one letter, repeated: any two are equal or share nothing.
    plain = [{**row, "company": row["company"] and row["company"][:1] * 12} for row in rows]
    levels = people_with(tmp_path, plain, training_rules=PLAIN).train()["levels"]["company"]
    equal, nearer, near, other = (level["match_weight"] for level in levels)
    assert equal > 0 > other
    assert near == pytest.approx(other, abs=0.01)
    assert nearer == pytest.approx(other, abs=0.01)
