from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.weights.fitted_weights import (
    APART,
    TOGETHER,
    fit_weights,
    sum_evidence,
)
from er_pipeline.blocking.weights.pair_agreement import read_agreement
from er_pipeline.blocking.weights.pair_evidence import PairWeights
from er_pipeline.flow import flow, open_lake, run
from er_pipeline.matching.pair_scorer import model_scorer
from er_pipeline_tests.conftest import Dataset, Rows
from er_pipeline_tests.other_people import HOUSEHOLD_KINDS, write_households

HOUSEHOLDS = 4_000
STRATEGIES: dict[str, Any] = {
    "name": ["surname", "left(given_name, 1)"],
    "birth_date": "birth_date",
    "phone": "phone",
    "email": "email",
    "home": ["street", "house_number", "postcode"],
}


class Households(NamedTuple):
    """Households up to their pairs, all of them weighed."""

    lake: Lake
    spec: PipelineSpec
    facts: Mapping[str, Any]

    def completeness(self, engine: DuckDBEngine, weights: PairWeights, n_pairs: int) -> float:
        """Return the share of the true pairs among the pairs of most evidence."""
        for table in ("key_codes", "unified_pairs", "true_pairs"):
            self.lake.open(engine, table)
        return float(
            engine.row(
                f"""
                select count(t.left_no) / (select count(*) from true_pairs)
                from (
                    select p.left_no, p.right_no from unified_pairs as p
                    join key_codes as l on l.record_no = p.left_no
                    join key_codes as r on r.record_no = p.right_no
                    order by {weights.evidence_sql()} desc, p.left_no, p.right_no limit {n_pairs}
                ) as p left join true_pairs as t using (left_no, right_no)
                """
            )[0]
        )


@pytest.fixture(scope="module")
def households(tmp_path_factory: pytest.TempPathFactory) -> Households:
    folder = tmp_path_factory.mktemp("households")
    path = write_households(folder / "households.csv", HOUSEHOLDS, 20)
    spec = PipelineSpec.model_validate(
        {
            "dataset": "households",
            "sources": [{"path": str(path)}],
            "fields": HOUSEHOLD_KINDS,
            "cleaning": {"phone_region": "AU"},
            "strategies": STRATEGIES,
            "truth": {"cluster_column": "person_id"},
        }
    )
    lake = open_lake(folder / "lake", spec)
    for table in ("true_pairs", "unified_pairs"):
        for _ in run(flow(spec), lake, until=table, threads=2):
            pass
    return Households(lake, spec, lake.facts("pair_weights"))


def weights_of(households: Households) -> PairWeights:
    from er_pipeline.blocking.weights.pair_weights import read_weights

    return read_weights(households.lake)


def test_relatives_are_told_from_matches(households: Households) -> None:
    weights = weights_of(households)
    assert weights.related
    apart = {
        field.field
        for field, relatives in zip(weights.fields, weights.related, strict=True)
        if relatives[0] >= APART and field.m[0] <= TOGETHER
    }
    assert apart >= {"given_name", "birth_date"}
    shared = {field.field: m[0] for field, m in zip(weights.fields, weights.related, strict=True)}
    assert max(shared[name] for name in ("surname", "street", "house_number")) < 0.3


def test_about_as_many_matches_are_expected_as_there_are(households: Households) -> None:
    with DuckDBEngine(threads=2) as engine:
        for table in ("unified_pairs", "true_pairs"):
            households.lake.open(engine, table)
        (n_true,) = engine.row("select count(*) from unified_pairs natural join true_pairs")
    expected = households.lake.facts("unified_pairs")["expected_matches"]
    assert 0.75 < expected / n_true < 1.25


def test_matches_come_before_relatives(households: Households) -> None:
    weights = weights_of(households)
    with DuckDBEngine(threads=2) as engine:
        told = households.completeness(engine, weights, HOUSEHOLDS)
        alike = households.completeness(engine, replace(weights, related=()), HOUSEHOLDS)
    assert told > 0.92
    assert told > alike


def test_what_a_cut_loses_is_told_to_within_a_factor_of_two(households: Households) -> None:
    weights = weights_of(households)
    with DuckDBEngine(threads=2) as engine:
        for table in ("key_codes", "unified_pairs", "true_pairs"):
            households.lake.open(engine, table)
        lost, expected = engine.row(
            f"""
            select count(is_true), sum({weights.probability_sql("evidence")}) from (
                select {weights.evidence_sql()} as evidence, t.left_no as is_true
                from unified_pairs as p
                join key_codes as l on l.record_no = p.left_no
                join key_codes as r on r.record_no = p.right_no
                left join true_pairs as t on t.left_no = p.left_no and t.right_no = p.right_no
                order by evidence desc offset {HOUSEHOLDS // 2}
            )
            """
        )
    assert lost > 30
    assert 0.5 < expected / lost < 2


def test_what_follows_from_another_field_counts_for_little(households: Households) -> None:
    weights = weights_of(households)
    places = {field.field: place for place, field in enumerate(weights.fields)}
    follows = {field.field: dict(field.redundant) for field in weights.fields}
    # Of suburb and postcode one speaks.
    both = follows["suburb"].get(places["postcode"], follows["postcode"].get(places["suburb"], 1.0))
    assert both < 0.2
    assert follows["state"][places["suburb"]] < 0.2
    assert not follows["birth_date"]
    assert not follows["national_id"]
    for field in weights.fields:
        assert [share for _, share in field.redundant] == sorted(s for _, s in field.redundant)


def test_evidence_against_both_classes_is_the_same_in_sql_and_in_em(households: Households) -> None:
    weights = weights_of(households)
    with DuckDBEngine(threads=2) as engine:
        for table in ("key_codes", "unified_pairs"):
            households.lake.open(engine, table)
        pairs = "select left_no, right_no from unified_pairs where (left_no + right_no) % 20 = 0"
        in_sql = [
            evidence
            for (evidence,) in engine.rows(
                f"select {weights.evidence_sql()} from ({pairs}) as p"
                " join key_codes as l on l.record_no = p.left_no"
                " join key_codes as r on r.record_no = p.right_no order by p.left_no, p.right_no"
            )
        ]
        seen = read_agreement(engine, weights.fields, pairs)
    match, related = (
        sum_evidence(seen, weights.fields, [np.array(shares) for shares in m])
        for m in ([field.m for field in weights.fields], weights.related)
    )
    expected = match - np.log1p(np.exp(np.minimum(50, related - weights.prior)))
    assert len(in_sql) > 100
    assert in_sql == pytest.approx(expected.tolist(), abs=5e-3)


def test_people_without_households_are_of_one_class(people: Dataset) -> None:
    facts = people.lake.facts("pair_weights")
    assert facts["related"] == []
    assert {of for *_, of in people.rows("pair_weights", "m, m_related")} == {None}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, people_rows: Rows) -> Dataset:
    people = Dataset(
        tmp_path_factory.mktemp("people"),
        [people_rows],
        fields={
            "first_name": "person_name",
            "last_name": "person_name",
            "email": "email",
            "birth_date": "date",
            "city": "text",
        },
        strategies={"sound": "soundex(last_name)", "birth_date": "birth_date"},
        training_rules={"sound": "soundex(last_name)", "birth_date": "birth_date"},
        matching={"max_u_pairs": 50_000, "min_probability": 0.0},
        truth={"cluster_column": "person_id"},
    )
    people.match()
    return people


@pytest.fixture(scope="module")
def people_rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    from er_pipeline_tests.conftest import made_up_people

    return made_up_people(tmp_path_factory.mktemp("rows"), 1_500)


def fitted(people: Dataset, scores: Callable[[DuckDBEngine], Any]) -> tuple[PairWeights, bool]:
    """Fit weights to all candidates, with scores for them."""
    with DuckDBEngine(threads=2) as engine:
        for table in ("key_codes", "unified_pairs"):
            people.lake.open(engine, table)
        engine.make_table("candidates", "select left_no, right_no from unified_pairs")
        engine.make_table("labelled", "select *, true as is_match from candidates where false")
        weights, estimate = fit_weights(
            engine, people.spec.key_choices, "candidates", "labelled", scores(engine)
        )
    return weights, estimate.taught


def test_the_scores_of_a_model_take_the_place_of_em(people: Dataset) -> None:
    scorer = model_scorer(people.lake, people.spec)
    taught, listened = fitted(people, lambda engine: scorer(engine, "candidates"))
    alone, _ = fitted(people, lambda engine: None)
    assert listened
    assert taught != alone
    # m is what the model's matches agree in.
    stored = dict(
        ((left, right), probability)
        for left, right, probability in people.rows(
            "matches", "left_no, right_no, match_probability"
        )
    )
    with DuckDBEngine(threads=2) as engine:
        for table in ("key_codes", "unified_pairs"):
            people.lake.open(engine, table)
        pairs = engine.rows("select left_no, right_no from unified_pairs order by all")
        levels = read_agreement(
            engine, taught.fields, "select left_no, right_no from unified_pairs"
        ).levels
    probability = np.array([stored[pair] for pair in pairs])
    place = [field.field for field in taught.fields].index("birth_date")
    filled = levels[:, place] >= 0
    whole = probability[filled & (levels[:, place] == 1)].sum() / probability[filled].sum()
    assert taught.fields[place].m[1] == pytest.approx(whole, abs=0.01)


def test_a_model_that_finds_nothing_is_not_listened_to(people: Dataset) -> None:
    def nothing(engine: DuckDBEngine) -> Any:
        return np.zeros(engine.row("select count(*) from candidates")[0])

    weights, listened = fitted(people, nothing)
    assert not listened
    assert weights == fitted(people, lambda engine: None)[0]


def test_scores_are_those_of_the_matches(people: Dataset) -> None:
    scorer = model_scorer(people.lake, people.spec)
    with DuckDBEngine(threads=2) as engine:
        people.lake.open(engine, "unified_pairs")
        engine.make_table(
            "a_few", "select left_no, right_no from unified_pairs where left_no % 7 = 0"
        )
        found = scorer(engine, "a_few")
        names = engine.rows("select left_no, right_no from a_few order by all")
        engine.make_table("nobody", "from a_few where false")
        assert len(scorer(engine, "nobody")) == 0
    stored = {
        (left, right): probability
        for left, right, probability in people.rows(
            "matches", "left_no, right_no, match_probability"
        )
    }
    assert len(names) > 50
    assert found.tolist() == pytest.approx([stored[pair] for pair in names], abs=1e-5)


def test_many_columns_of_noise_do_not_drown_the_rest(tmp_path: Path, people_rows: Rows) -> None:
    draw = Random(3)
    noise = [f"noise_{i}" for i in range(45)]
    rows = [{**row, **{name: f"v{draw.randrange(50)}" for name in noise}} for row in people_rows]
    kinds = {"first_name": "person_name", "last_name": "person_name", "birth_date": "date"}
    people = Dataset(
        tmp_path,
        [rows],
        fields={**kinds, "email": "email", **dict.fromkeys(noise, "text")},
        strategies={"sound": "soundex(last_name)", "birth_date": "birth_date"},
        truth={"cluster_column": "person_id"},
    )
    facts = people.make("pair_weights")
    people.make("unified_pairs")
    people.make("true_pairs")
    with DuckDBEngine(threads=2) as engine:
        for table in ("unified_pairs", "true_pairs"):
            people.lake.open(engine, table)
        (found,) = engine.row(
            "select count(*) from unified_pairs join true_pairs using (left_no, right_no)"
        )
    assert facts["expected_matches_in_sample"] == pytest.approx(found, rel=0.25)
    whole = {field["field"]: field["m"][1] for field in facts["fields"]}
    of_noise = [whole[name] for name in noise if name in whole]  # not all are asked of pairs
    assert min(whole[name] for name in kinds) > 0.5 > max(of_noise)
