import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

import er_pipeline.matching.likely_pairs as likely_pairs
import er_pipeline.matching.matches as matches
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.flow import flow
from er_pipeline.matching.matches import MatchesFacts, judge_matches, matches_facts, score_pairs
from er_pipeline.matching.splink_linker import MODEL_FILE
from er_pipeline_tests.conftest import Dataset, Rows, made_up_people

DECLARED: Mapping[str, Any] = {
    "fields": {
        "first_name": "person_name",
        "last_name": "person_name",
        "email": "email",
        "company": "company",
        "birth_date": "date",
        "city": "text",
    },
    "strategies": {
        "sound": ["soundex(last_name)", "left(first_name, 1)"],
        "email": "email",
        "birth_date": "birth_date",
    },
    "training_rules": {"sound": "soundex(last_name)", "birth_date": "birth_date"},
    "matching": {"max_u_pairs": 50_000},
}

# Levels that read other columns, that nothing can be judged of, with frequencies and without.
COMPARISONS: Mapping[str, Any] = {
    "first_name": {"levels": "jaro", "sql": ["first_name_l = last_name_r"]},
    "last_name": {"term_frequency": False, "sql": ["left(last_name_l, 3) = left(last_name_r, 3)"]},
    "email": "levenshtein",
    "company": {"levels": "jaccard", "sql": ["company_l = company_r and city_l = city_r"]},
    "birth_date": {"term_frequency": True},
    "city": "exact",
}


@pytest.fixture(scope="module", autouse=True)
def bounded() -> Iterator[None]:
    """Rule pairs out even where they are too few for it to pay."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matches, "LEAST_PAIRS_PER_RECORD", 0)
        yield


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return made_up_people(tmp_path_factory.mktemp("rows"), 1_500)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, rows: Rows) -> Dataset:
    people = Dataset(tmp_path_factory.mktemp("people"), [rows], **DECLARED)
    people.match()
    return people


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory, rows: Rows) -> Dataset:
    # Ids are texts with quotes and spaces, and every one stands in both sources.
    sides = [
        [{**row, "id": f"O'Neill {i}"} for i, row in enumerate(side)]
        for side in (rows[::2], rows[1::2])
    ]
    declared = {**DECLARED, "comparisons": COMPARISONS}
    linked = Dataset(tmp_path_factory.mktemp("linked"), sides, **declared)
    linked.match()
    return linked


def splink_scores(data: Dataset) -> dict[tuple[int, int], tuple[float, float]]:
    """Score the candidate pairs by Splink alone, in one go: by a rule that equals the pairs."""
    from splink import DuckDBAPI, Linker

    model = json.loads((data.lake.path("em_model") / MODEL_FILE).read_text("utf-8"))
    model |= {
        "link_type": "dedupe_only",
        "blocking_rules_to_generate_predictions": ["list_contains(l.partners, r.record_no)"],
    }
    with DuckDBEngine(threads=2) as engine:
        for table in ("cleaned_records", "unified_pairs"):
            data.lake.open(engine, table)
        engine.make_table(
            "records",
            """
            select r.*, coalesce(p.partners, []) as partners from cleaned_records as r left join (
                select left_no, list(right_no) as partners from unified_pairs group by left_no
            ) as p on p.left_no = r.record_no
            """,
        )
        api = DuckDBAPI(connection=engine.con)
        linker = Linker(api.register("records"), model, log_level="ERROR")
        scored = linker.inference.predict(warning_mode="never")
        return {
            (left, right): (probability, weight)
            for left, right, probability, weight in engine.rows(
                "select record_no_l, record_no_r, match_probability, match_weight"
                f" from {scored.physical_name}"
            )
        }


@pytest.mark.parametrize("data", ["people", "linked"])
def test_every_candidate_is_scored_as_splink_scores_it(
    data: str, request: pytest.FixtureRequest
) -> None:
    dataset: Dataset = request.getfixturevalue(data)
    facts = matches_facts(dataset.lake)
    stored = {
        (left, right): (probability, weight)
        for left, right, probability, weight in dataset.rows(
            "matches", "left_no, right_no, match_probability, match_weight"
        )
    }
    candidates = set(dataset.rows("unified_pairs", "left_no, right_no"))
    expected = splink_scores(dataset)
    assert set(expected) == candidates
    assert facts["candidates"] == facts["scored"] == len(candidates)
    likely = {pair: scores for pair, scores in expected.items() if scores[0] >= 0.01}
    assert 0 < len(likely) < len(candidates)
    assert set(stored) == set(likely)
    for pair, (probability, weight) in stored.items():
        assert probability == pytest.approx(expected[pair][0], rel=1e-9)
        assert weight == pytest.approx(expected[pair][1], rel=1e-5)
    assert facts["stored"] == len(stored)
    assert facts["matches"] == sum(probability >= 0.95 for probability, _ in stored.values())
    assert len(likely) <= facts["compared"] < len(candidates), "some are ruled out"
    assert sum(facts["weights"].values()) == len(stored)
    (verdict,) = judge_matches(facts)
    assert verdict.passed


def test_linked_pairs_cross_sources_and_read_by_their_ids(linked: Dataset, tmp_path: Path) -> None:
    tables = {step.name: step.writes[0] for step in flow(linked.spec)}
    relations = {
        name: f"read_parquet('{linked.lake.path(name)}/*.parquet')" for name in linked.lake.tables()
    }
    with duckdb.connect() as con:
        con.execute("create schema people")
        for name in ("unified_pairs", "matches"):
            view = tables[name].view
            assert view
            con.execute(f"create view people.{name} as {view(relations)}")
        found = con.execute(
            "select count(*), count(*) filter (where left_source = 'source0'"
            " and right_source = 'source1' and left_id like 'O''Neill %'),"
            " count(*) filter (where left_id = right_id) from people.matches"
        ).fetchone()
        strategies = con.execute(
            "select m.strategies = u.strategies, count(*) from people.matches as m"
            " join people.unified_pairs as u using (left_id, right_id) group by all"
        ).fetchall()
        names = con.execute("select distinct unnest(strategies) from people.matches").fetchall()
    n_stored = linked.lake.facts("matches")["stored"]
    assert found is not None
    assert found[:2] == (n_stored, n_stored)
    assert strategies == [(True, n_stored)]
    assert {name for (name,) in names} == {"sound", "email", "birth_date"}


def test_levels_of_a_match_are_those_of_its_values(people: Dataset) -> None:
    fields = list(people.spec.comparison_fields)
    values = ", ".join(f"l.{name}, r.{name}, m.gamma_{name}" for name in fields)
    levels = people.lake.facts("em_model")["levels"]
    with DuckDBEngine(threads=2) as engine:
        for table in ("cleaned_records", "matches"):
            people.lake.open(engine, table)
        read = engine.rows(
            f"select {values} from matches as m"
            " join cleaned_records as l on l.record_no = m.left_no"
            " join cleaned_records as r on r.record_no = m.right_no"
        )
    seen = set()
    for row in read:
        for i, name in enumerate(fields):
            left, right, level = row[3 * i : 3 * i + 3]
            highest = len(levels[name]) - 1
            assert (level == -1) == (left is None or right is None)
            assert (level == highest) == (left is not None and left == right)
            seen.add(min(level, 1))
    assert seen == {-1, 0, 1}


def test_slices_of_any_size_give_the_same_matches(
    people: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = people.rows("matches")
    facts = people.lake.facts("matches")
    n_pairs = facts["candidates"]
    monkeypatch.setattr(likely_pairs, "PAIRS_PER_BATCH", n_pairs // 20)
    monkeypatch.setattr(likely_pairs, "PAIRS_PER_SLICE", facts["compared"] // 4)
    with DuckDBEngine(threads=1) as engine:
        sliced = score_pairs(engine, people.lake, people.spec)
    assert 2 < len(list(people.lake.path("matches").glob("*.parquet"))) <= 5
    assert people.rows("matches") == whole
    assert {**sliced, "weights": None} == {**facts, "weights": None}
    assert {str(weight): n for weight, n in sliced["weights"].items()} == facts["weights"]


def test_no_pair_gives_an_empty_table(tmp_path: Path, rows: Rows) -> None:
    by_email = {row["email"]: row for row in rows[:300] if row["email"]}
    people = Dataset(tmp_path, [[*by_email.values()]], **{**DECLARED, "strategies": {"e": "email"}})
    facts = people.match()
    n_pairs = people.lake.facts("unified_pairs")["pairs"]
    assert facts["candidates"] == facts["scored"] == n_pairs == 0
    assert people.rows("matches") == []


def test_pairs_of_other_records_are_refused(tmp_path: Path, rows: Rows) -> None:
    people = Dataset(tmp_path, [rows[:300]], **DECLARED)
    people.match()
    (tmp_path / "people.csv").write_text(
        "\n".join((tmp_path / "people.csv").read_text("utf-8").splitlines()[:250]), "utf-8"
    )
    people.clean()
    with (
        DuckDBEngine(threads=2) as engine,
        pytest.raises(LakeError, match="unified_pairs is made of people/blocks_sound"),
    ):
        score_pairs(engine, people.lake, people.spec)


NOTHING: MatchesFacts = {
    "candidates": 0,
    "scored": 0,
    "compared": 0,
    "stored": 0,
    "matches": 0,
    "weights": {},
}


def test_a_candidate_without_a_score_stops_the_run() -> None:
    (whole,) = judge_matches({**NOTHING, "candidates": 10, "scored": 10})
    (short,) = judge_matches({**NOTHING, "candidates": 10, "scored": 9})
    assert whole.passed
    assert (short.passed, short.severity) == (False, "error")
    assert short.text.startswith("9 of 10 candidate pairs are scored.")
