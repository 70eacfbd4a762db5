import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.blocks.blocks import build_blocks
from er_pipeline.blocking.blocks.filtered_blocks import filter_blocks
from er_pipeline.blocking.labels.labels import Label, RecordName, journal_of
from er_pipeline.blocking.pairs.unified_pairs import unify_pairs
from er_pipeline.blocking.records.cleaned_records import clean_records
from er_pipeline.blocking.records.key_codes import index_keys
from er_pipeline.blocking.records.true_pairs import number_true_pairs
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.values.key_choices import key_choices
from er_pipeline.blocking.weights import pair_weights
from er_pipeline.blocking.weights.fitted_weights import fit_weights, read_agreement, sum_evidence
from er_pipeline.blocking.weights.pair_evidence import (
    COSINE_WEIGHT,
    LEAST_M_NOTHING,
    FieldEvidence,
    PairWeights,
)
from er_pipeline.blocking.weights.pair_weights import (
    read_weights,
    sample_pairs,
    sample_records,
    weigh_pairs,
)
from er_pipeline.terminal.demo import DEMO_DEFS
from er_pipeline_tests.conftest import Dataset, Rows, put_records

NO_LABELS = {"matches": 0, "non_matches": 0}
EVIDENCE = (
    "select p.left_no, p.right_no, {} as evidence from {} as p"
    " join key_codes as l on l.record_no = p.left_no"
    " join key_codes as r on r.record_no = p.right_no order by 1, 2"
)


def evidence_of(
    engine: DuckDBEngine, weights: PairWeights, pairs: str
) -> dict[tuple[int, int], float]:
    """Weigh the pairs of an engine table by the expression that makes unified_pairs."""
    rows = engine.rows(EVIDENCE.format(weights.evidence_sql(), pairs))
    return {(left, right): evidence for left, right, evidence in rows}


def put_codes(engine: DuckDBEngine, rows: Sequence[tuple[int, ...]]) -> None:
    """Make key_codes of (code_0, idf_0, code_1, idf_1, ...), and all_pairs."""
    n_keys = len(rows[0]) // 2
    names = "".join(f", code_{i}, idf_{i}" for i in range(n_keys))
    values = ", ".join(str((no, *row)) for no, row in enumerate(rows))
    engine.make_table("key_codes", f"select * from (values {values}) as t(record_no{names})")
    engine.make_table(
        "all_pairs",
        "select l.record_no as left_no, r.record_no as right_no"
        " from key_codes as l join key_codes as r on l.record_no < r.record_no",
    )


def test_the_narrowest_shared_key_speaks_and_a_missing_field_is_silent(
    engine: DuckDBEngine,
) -> None:
    # The whole value, then a wider key; idf in eighths of a nat.
    put_codes(
        engine,
        [(7, 16, 3, 8), (7, 16, 3, 8), (8, 16, 3, 8), (9, 12, 4, 4), (-5, 0, -5, 0)],
    )
    name = FieldEvidence("name", (0, 1), (0.1, 0.8, 0.1), ((), ()))
    found = evidence_of(engine, PairWeights((name,), 5, 3.0), "all_pairs")
    assert found[0, 1] == pytest.approx(2 + math.log(0.8), abs=1e-4)
    assert found[0, 2] == pytest.approx(1 + math.log(0.1), abs=1e-4)
    assert found[0, 3] == pytest.approx(math.log(0.1), abs=1e-4)
    assert [found[i, 4] for i in range(4)] == [0, 0, 0, 0]


def test_disagreement_never_counts_for_more_than_its_limit(engine: DuckDBEngine) -> None:
    put_codes(engine, [(1, 8), (2, 8)])
    name = FieldEvidence("name", (0,), (0.0, 1.0), ((),))
    found = evidence_of(engine, PairWeights((name,), 2, 1.0), "all_pairs")
    assert found[0, 1] == pytest.approx(math.log(LEAST_M_NOTHING), abs=1e-4)


@pytest.mark.parametrize(
    ("name_code", "email_says"),
    [
        (1, 0.0),  # both have the name that the address is made of: nothing new
        (-2, 3 + math.log(0.5)),  # no name is known: the address is all there is
        (2, 3 + math.log(0.5)),  # the names differ; what they say against is said once
    ],
)
def test_an_address_made_of_a_name_counts_only_beyond_the_name(
    engine: DuckDBEngine, name_code: int, email_says: float
) -> None:
    # Whole addresses differ, their users agree; the user repeats field 0, the name.
    put_codes(engine, [(1, 32, 1, 40, 5, 24), (name_code, 32, 2, 40, 5, 24)])
    name = FieldEvidence("name", (0,), (0.1, 0.9), ((),))
    email = FieldEvidence("email", (1, 2), (0.1, 0.4, 0.5), ((), (0,)))
    with_email = evidence_of(engine, PairWeights((name, email), 2, 1.0), "all_pairs")
    without = evidence_of(engine, PairWeights((name,), 2, 1.0), "all_pairs")
    assert with_email[0, 1] - without[0, 1] == pytest.approx(email_says, abs=1e-4)


@pytest.mark.parametrize(
    ("first", "last", "says"),
    [
        (2, 1, 6.0 + math.log(0.5)),  # ann lee and lee ann: what the swap says, and no more
        (1, 1, None),  # a name agrees as it stands, so nothing is swapped
        (3, 4, None),  # other names
    ],
)
def test_swapped_names_say_what_they_would_as_they_should_stand(
    engine: DuckDBEngine, first: int, last: int, says: float | None
) -> None:
    # Names, then both in either order.
    both = 9 if says is not None else 8
    put_codes(engine, [(1, 32, 2, 32, 9, 48), (first, 32, last, 32, both, 48)])
    names = tuple(FieldEvidence(name, (i,), (0.1, 0.9), ((),)) for i, name in enumerate("ab"))
    either = FieldEvidence("a and b", (2,), (0.5, 0.5), ((),), swaps=(0, 1))
    found = evidence_of(engine, PairWeights((*names, either), 2, 1.0), "all_pairs")[0, 1]
    plain = evidence_of(engine, PairWeights(names, 2, 1.0), "all_pairs")[0, 1]
    assert found == pytest.approx(plain if says is None else says, abs=1e-3)


def test_a_cosine_counts_for_less_where_the_fields_say_more() -> None:
    weights = [PairWeights((), 100, 10.0, of).cosine_weight for of in (0.0, 8.0, 10.0, 15.0, 30.0)]
    assert weights[0] == weights[1] == weights[2] == COSINE_WEIGHT
    assert weights[2] > weights[3] > weights[4] > 0


def test_the_whole_address_counts_in_full_whatever_the_names_say(engine: DuckDBEngine) -> None:
    put_codes(engine, [(1, 32, 4, 40, 5, 24), (1, 32, 4, 40, 5, 24)])
    name = FieldEvidence("name", (0,), (0.1, 0.9), ((),))
    email = FieldEvidence("email", (1, 2), (0.1, 0.4, 0.5), ((), (0,)))
    found = evidence_of(engine, PairWeights((name, email), 2, 1.0), "all_pairs")
    assert found[0, 1] == pytest.approx(4 + math.log(0.9) + 5 + math.log(0.4), abs=1e-4)


SPEC = PipelineSpec.model_validate(
    {
        "dataset": "people",
        "sources": [{"path": "people.csv"}],
        # The e-mail stands first, so that its turn comes after what it repeats all the same.
        "fields": {
            "email": "email",
            "last": "person_name",
            "first": "person_name",
            "company": "company",
            "born": "date",
        },
        "training_rules": {"rule": "last"},
    }
)
VALUES: dict[str, list[str | None]] = {
    "email": ["bob.lee@acme.com", "bob.lee@acme.de", "blee@acme.com", "ann@web.de", None],
    "last": ["lee", "leigh", "lea", "smith", "bob", None],
    "first": ["bob", "robert", "rob", "ann", "lee", None],
    "company": ["acme", "acme tools", "web", None],
    "born": ["1980-02-11", "1980-02-12", "1981-02-11", "1980-12-01", None],
}


def drawn(n: int, draw: Random) -> list[dict[str, str | None]]:
    return [{field: draw.choice(values) for field, values in VALUES.items()} for _ in range(n)]


def brute_force(
    weights: PairWeights, keys: Sequence[dict[int, str]], left: int, right: int, n_records: int
) -> float:
    """Add the fields up as one would say it; keys: of each key choice, record -> its key."""

    def shared_whole(place: int) -> bool:
        whole = keys[weights.fields[place].keys[0]]
        return left in whole and whole[left] == whole.get(right)

    said: list[float] = []
    for field in weights.fields:
        whole = keys[field.keys[0]]
        shared = [
            place
            for place, key in enumerate(field.keys)
            if left in keys[key] and keys[key][left] == keys[key].get(right)
        ]
        if (
            left not in whole
            or right not in whole
            or (field.swaps and (not shared or any(shared_whole(other) for other in field.swaps)))
        ):
            said.append(0.0)
        elif not shared:
            said.append(math.log(max(field.m[0], LEAST_M_NOTHING)))
        else:
            key_of = keys[field.keys[shared[0]]]
            n_with = Counter(key_of.values())[key_of[left]]
            idf = round(8 * math.log(n_records / n_with)) / 8
            for other, share in field.redundant:
                if shared_whole(other):
                    idf *= share
                    break
            says = idf + math.log(max(field.m[shared[0] + 1], 1e-4))
            if others := field.repeats[shared[0]]:
                says = max(0.0, says - max(0.0, sum(said[other] for other in others)))
            if field.swaps:
                says = max(0.0, says - sum(said[other] for other in field.swaps))
            said.append(says)
    return sum(said)


@settings(max_examples=8, deadline=None)
@given(
    n=st.integers(2, 14), draw=st.randoms(use_true_random=False), concentration=st.floats(0.05, 5)
)
def test_evidence_in_sql_is_that_of_em_and_of_brute_force(
    n: int, draw: Random, concentration: float
) -> None:
    with tempfile.TemporaryDirectory() as folder, DuckDBEngine(threads=2) as engine:
        lake = Lake(Path(folder), "people")
        put_records(engine, lake, SPEC, [drawn(n, draw)])
        index_keys(engine, lake, SPEC)
        engine.read(lake, "key_codes")
        engine.make_table(
            "all_pairs", "select * from (values (0, 1)) as t(left_no, right_no) where 1 = 0"
        )
        for pair in combinations(range(n), 2):
            engine.execute("insert into all_pairs values (?, ?)", pair)
        engine.make_table("labelled", "select *, true as is_match from all_pairs where 1 = 0")
        weights, _ = fit_weights(engine, SPEC.key_choices, "all_pairs", NO_LABELS)
        # What EM finds on so few is dull; any shares will do, also of 0.
        rng = np.random.default_rng(draw.randrange(1 << 30))
        weights = replace(
            weights,
            fields=tuple(
                replace(field, m=tuple(rng.dirichlet([concentration] * len(field.m)).tolist()))
                for field in weights.fields
            ),
        )
        in_sql = evidence_of(engine, weights, "all_pairs")
        seen = read_agreement(engine, weights.fields, "from all_pairs")
        of_em = sum_evidence(seen, weights.fields, [np.array(field.m) for field in weights.fields])
        keys = [
            dict(engine.rows(f"select record_no, block_key from ({keyed})"))
            for keyed in (
                choice.conjunction.keyed_records(engine, "cleaned_records")
                for choice in SPEC.key_choices
            )
        ]
    assert [field.field for field in weights.fields][-2:] == ["email", "last and first"]
    assert list(in_sql.values()) == pytest.approx(of_em.tolist(), abs=1e-3)
    expected = [brute_force(weights, keys, left, right, n) for left, right in in_sql]
    assert list(in_sql.values()) == pytest.approx(expected, abs=1e-3)


PEOPLE: Rows = [
    {"id": "1", "last": "lee", "city": "york"},
    {"id": "2", "last": "lee", "city": "york"},
    {"id": "3", "last": "lee", "city": "bath"},
    {"id": "4", "last": "may", "city": "bath"},
    {"id": "5", "last": None, "city": None},
]
NOON = "2026-11-03T12:00:00Z"
BY_BOTH: dict[str, Any] = {"strategies": {"last": "last", "city": "city"}}


def test_the_table_tells_of_every_field_how_matches_agree(dataset: Callable[..., Dataset]) -> None:
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
    people.filter()
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
    journal_of(people.spec, people.folder).append(
        [
            Label(RecordName("people", pair[0]), RecordName("people", pair[1]), answer, "eve", NOON)
            for pair, answer in answers.items()
        ]
    )
    people.pair()
    assert people.lake.facts("pair_weights")["labels"] == {"matches": 1, "non_matches": 2}


def test_the_sample_is_of_the_size_wanted_and_the_seeds_own(
    engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.make_table("key_codes", "select i as record_no from range(1000) as t(i)")
    monkeypatch.setattr(pair_weights, "SAMPLED_PAIRS", 500)

    def sampled(n_pairs: int, seed: str) -> list[int]:
        sample_records(engine, n_pairs, seed)
        return [no for (no,) in engine.rows("select record_no from sampled_records order by 1")]

    # Of 2,500 pairs every record has five on average: a hundred records have five hundred.
    assert len(sampled(2500, "20")) == 100
    assert sampled(2500, "20") == sampled(2500, "20") != sampled(2500, "21")
    assert sampled(100, "20") == list(range(1000))
    assert len(sampled(10**9, "20")) == 1


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
    sample_pairs(engine, [*proposals, "select 1 as a, 3 as b union all select 1, 1"], mode)
    assert engine.rows("select left_no, right_no from sampled_pairs order by all") == pairs


class Made(NamedTuple):
    """Made-up people up to their weights: the engine holds sampled_pairs, key_codes and truth."""

    engine: DuckDBEngine
    lake: Lake
    spec: PipelineSpec
    facts: dict[str, Any]


def weigh_made_people(folder: Path, n_records: int, threads: int) -> Made:
    spec = read_spec(DEMO_DEFS, {"sources.0.generate.records": n_records})
    lake = Lake(folder, "people")
    with DuckDBEngine(threads=threads) as engine:
        clean_records(engine, lake, spec, DEMO_DEFS.parent)
        number_true_pairs(engine, lake, spec, DEMO_DEFS.parent)
        index_keys(engine, lake, spec)
        for strategy in spec.strategy_conjunctions:
            build_blocks(engine, lake, strategy, spec)
        filter_blocks(engine, lake, spec)
    engine = DuckDBEngine(threads=threads)
    facts = weigh_pairs(engine, lake, spec)
    engine.read(lake, "true_pairs")
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
    labelled, _ = fit_weights(
        engine, made.spec.key_choices, "sampled_pairs", {"matches": 100, "non_matches": 0}
    )
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
        other.read(made.lake, "key_codes", "codes")
        other.make_table(
            "key_codes",
            f"select *, record_no % 1000 as code_{whole}, {idf}::tinyint as idf_{whole},"
            f" record_no % 1000 as code_{start}, {idf}::tinyint as idf_{start},"
            f" -record_no - 1 as code_{sound}, 0::tinyint as idf_{sound} from codes",
        )
        for table in ("sampled_pairs", "true_pairs"):
            pairs = engine.con.sql(f"select left_no, right_no from {table}").to_arrow_table()
            other.con.register(f"{table}_of_made", pairs)
            other.make_table(table, f"select * from {table}_of_made")
        other.make_table("labelled", "select *, true as is_match from true_pairs where 1 = 0")
        noisy, _ = fit_weights(other, choices, "sampled_pairs", NO_LABELS)
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
