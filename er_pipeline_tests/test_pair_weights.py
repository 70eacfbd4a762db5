import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from er_pipeline.blocking.labels.labels import Label, RecordName, journal_of
from er_pipeline.blocking.pairs.unified_pairs import unify_pairs
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.values.key_choices import key_choices
from er_pipeline.blocking.weights import pair_weights
from er_pipeline.blocking.weights.fitted_weights import fit_weights
from er_pipeline.blocking.weights.pair_agreement import read_agreement
from er_pipeline.blocking.weights.pair_evidence import (
    PairWeights,
)
from er_pipeline.blocking.weights.pair_weights import (
    SAMPLED_PAIRS,
    pairs_to_sample,
    read_weights,
    sample_pairs,
    sample_records,
    weigh_pairs,
)
from er_pipeline.flow import flow, open_lake, run
from er_pipeline.terminal.demo import DEMO_DEFS
from er_pipeline_tests.conftest import Dataset, Rows
from er_pipeline_tests.test_pair_evidence import evidence_of

PEOPLE: Rows = [
    {"id": "1", "last": "lee", "city": "york"},
    {"id": "2", "last": "lee", "city": "york"},
    {"id": "3", "last": "lee", "city": "bath"},
    {"id": "4", "last": "may", "city": "bath"},
    {"id": "5", "last": None, "city": None},
]


NOON = "2026-11-03T12:00:00Z"


BY_BOTH: dict[str, Any] = {"strategies": {"last": "last", "city": "city"}}


def test_the_table_says_of_every_field_how_matches_agree(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, **BY_BOTH)
    people.pair()
    rows = people.rows("pair_weights")
    assert [row[:3] for row in rows if row[0] == "last"] == [
        ("last", 0, "nothing"),
        ("last", 1, "last"),
        ("last", 2, "left(last, 5)"),
        ("last", 3, "soundex(first_word(last))"),
    ]
    for field in ("last", "city"):
        assert sum(row[3] for row in rows if row[0] == field) == pytest.approx(1, abs=1e-5)
    assert all(log_m == pytest.approx(math.log(max(m, 1e-4))) for *_, m, log_m, _ in rows)
    facts = people.lake.facts("pair_weights")
    assert facts["sampled_pairs"] == 4  # 12, 13, 23 and 34: all candidates of so few
    assert [list(field.m) for field in read_weights(people.lake).fields] == [
        field["m"] for field in facts["fields"]
    ]


def test_weights_of_other_records_are_refused(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, **BY_BOTH)
    people.make("pair_weights")
    (people.folder / "people.csv").write_text("id,last,city\n9,lee,york\n")
    people.clean()
    with DuckDBEngine() as engine, pytest.raises(LakeError, match="key_codes was made from an old"):
        weigh_pairs(engine, people.lake, people.spec)


@pytest.mark.parametrize("rows", [PEOPLE[:1], PEOPLE[3:]])
def test_without_a_candidate_the_first_guess_stays(
    dataset: Callable[..., Dataset], rows: Rows
) -> None:
    people = dataset(rows, **BY_BOTH)
    assert people.pair()["pairs"] == 0
    assert people.lake.facts("pair_weights")["expected_matches_in_sample"] == 0
    assert [row[3] for row in people.rows("pair_weights", order="field, level")][:2] == [0.1, 0.8]


def test_only_answers_that_are_sure_count(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, **BY_BOTH, labels={})
    answers = {"12": "match", "13": "unsure", "34": "no_match", "23": "no_match"}
    journal_of(people.spec).append(
        [
            Label(RecordName("people", pair[0]), RecordName("people", pair[1]), answer, "eve", NOON)
            for pair, answer in answers.items()
        ]
    )
    people.pair()
    assert people.lake.facts("pair_weights")["labels"] == {"matches": 1, "non_matches": 2}


def test_the_sample_is_of_the_size_wanted_and_the_seeds_own(engine: DuckDBEngine) -> None:
    engine.make_table("key_codes", "select i as record_no from range(1000) as t(i)")

    def sampled(n_pairs: int, seed: str) -> list[int]:
        sample_records(engine, n_pairs, seed, "sampled_records", 500)
        return [no for (no,) in engine.rows("select record_no from sampled_records order by 1")]

    # Of 2,500 pairs every record has five on average: a hundred records have five hundred.
    assert len(sampled(2500, "20")) == 100
    assert sampled(2500, "20") == sampled(2500, "20") != sampled(2500, "21")
    assert sampled(100, "20") == list(range(1000))
    assert len(sampled(10**9, "20")) == 1


def test_fewer_pairs_are_looked_at_where_there_are_more_fields() -> None:
    assert pairs_to_sample(0) == pairs_to_sample(30) == SAMPLED_PAIRS
    assert pairs_to_sample(60) == pairs_to_sample(120) * 2 == SAMPLED_PAIRS / 2


@pytest.mark.parametrize(
    ("mode", "pairs"),
    [("dedupe", [(0, 1), (0, 2), (1, 3)]), ("link", [(0, 2), (1, 3)])],
)
def test_candidates_of_the_sample_are_pairs_each_once(
    engine: DuckDBEngine, mode: str, pairs: list[tuple[int, int]]
) -> None:
    engine.make_table(
        "key_codes", "select i as record_no, i // 2 as source_no from range(4) as t(i)"
    )
    proposals = ["select 0 as a, 1 as b", "select 2 as a, 0 as b union all select 0, 2"]
    proposals.append("select 1 as a, 3 as b union all select 1, 1")
    sample_pairs(engine, proposals, mode, "sampled_pairs")
    assert engine.rows("select left_no, right_no from sampled_pairs order by all") == pairs


class Made(NamedTuple):
    """Made-up people up to their weights: the engine holds sampled_pairs, key_codes and truth."""

    engine: DuckDBEngine
    lake: Lake
    spec: PipelineSpec
    facts: dict[str, Any]


def weigh_made_people(folder: Path, n_records: int, threads: int) -> Made:
    spec = read_spec(DEMO_DEFS, {"sources.0.generate.records": n_records})
    spec = spec.model_copy(update={"matching": None})
    lake = open_lake(folder, spec)
    for table in ("true_pairs", "pair_weights"):
        for _ in run(flow(spec), lake, until=table, threads=threads):
            pass
    engine = DuckDBEngine(threads=threads)
    facts = weigh_pairs(engine, lake, spec)
    lake.open(engine, "true_pairs")
    return Made(engine, lake, spec, facts)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    made = weigh_made_people(tmp_path_factory.mktemp("made"), 10_000, 2)
    yield made
    made.engine.con.close()


def m_of(weights: PairWeights) -> dict[str, tuple[float, ...]]:
    return {field.field: field.m for field in weights.fields}


def test_about_as_many_matches_are_expected_as_there_are(made: Made) -> None:
    (n_true,) = made.engine.row("select count(*) from true_pairs natural join sampled_pairs")
    assert made.facts["sampled_pairs"] > 50 * n_true
    assert 0.75 < made.facts["expected_matches_in_sample"] / n_true < 1.25
    facts = unify_pairs(made.engine, made.lake, made.spec)
    (n_true,) = made.engine.row("select count(*) from true_pairs")
    assert 0.75 < facts["expected_matches"] / n_true < 1.25


def test_m_is_about_the_share_of_the_true_matches_that_agree(made: Made) -> None:
    weights = read_weights(made.lake)
    true = "select left_no, right_no from true_pairs natural join sampled_pairs"
    levels = read_agreement(made.engine, weights.fields, true).levels
    for place, field in enumerate(weights.fields):
        filled = levels[:, place][levels[:, place] >= 0]
        true_m = np.bincount(filled, minlength=len(field.m)) / len(filled)
        assert field.m == pytest.approx(true_m.tolist(), abs=0.1), field.field


def test_a_hundred_labelled_matches_draw_m_towards_them(made: Made) -> None:
    engine, weights = made.engine, read_weights(made.lake)
    code = next(f"code_{field.keys[0]}" for field in weights.fields if field.field == "city")
    # Of all matches the labelled ones are those that have moved.
    engine.make_table(
        "labelled",
        "select t.left_no, t.right_no, true as is_match from true_pairs as t"
        " join key_codes as l on l.record_no = t.left_no"
        " join key_codes as r on r.record_no = t.right_no"
        f" where l.{code} >= 0 and r.{code} >= 0 and l.{code} <> r.{code} order by 1, 2 limit 100",
    )
    assert engine.row("select count(*) from labelled") == (100,)
    labelled, _ = fit_weights(engine, made.spec.key_choices, "sampled_pairs", "labelled")
    before, after = m_of(weights)["city"], m_of(labelled)["city"]
    # By as much as a fifth of so many probable ones would.
    assert before[0] + 0.005 < after[0] < before[0] + 0.03
    assert after[1] < before[1]


def test_a_column_of_noise_changes_next_to_nothing(made: Made) -> None:
    engine, weights = made.engine, read_weights(made.lake)
    choices = (*made.spec.key_choices, *key_choices({"noise": "text"}))
    whole, start, sound = range(len(choices) - 3, len(choices))
    # Records stand in no order, so their number says nothing of the person.
    idf = round(8 * math.log(1000))
    with DuckDBEngine(threads=2) as other:
        made.lake.open(other, "key_codes", "codes")
        other.make_table(
            "key_codes",
            f"select *, record_no % 1000 as code_{whole}, {idf}::tinyint as idf_{whole},"
            f" record_no % 1000 as code_{start}, {idf}::tinyint as idf_{start},"
            f" -record_no - 1 as code_{sound}, 0::tinyint as idf_{sound} from codes",
        )
        for table in ("sampled_pairs", "true_pairs"):
            other.put(table, engine.arrow(f"select left_no, right_no from {table}"))
        other.make_table("labelled", "select *, true as is_match from true_pairs where 1 = 0")
        noisy, _ = fit_weights(other, choices, "sampled_pairs", "labelled")
        assert m_of(noisy)["noise"][0] > 0.97
        for field, m in m_of(weights).items():
            assert m_of(noisy)[field] == pytest.approx(m, abs=0.01)
        true = set(other.rows("from true_pairs")) & set(other.rows("from sampled_pairs"))
        best = []
        for each in (weights, noisy):
            found = evidence_of(other, each, "sampled_pairs")
            best.append(set(sorted(found, key=lambda pair: (-found[pair], pair))[: len(true)]))
    assert len(best[0] & true) > 0.8 * len(true)
    assert abs(len(best[0] & true) - len(best[1] & true)) < 0.005 * len(true)
    assert len(best[0] & best[1]) > 0.99 * len(true)


def test_weights_do_not_depend_on_the_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_weights, "SAMPLED_PAIRS", 5_000)  # of some 20,000
    one, two = (weigh_made_people(tmp_path / str(threads), 2_000, threads) for threads in (1, 2))
    assert 3_000 < one.facts["sampled_pairs"] < 8_000
    assert one.facts == two.facts
    for made in (one, two):
        made.engine.con.close()
