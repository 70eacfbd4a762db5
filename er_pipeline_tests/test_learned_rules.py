from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from er_pipeline.blocking.blocks.blocks import build_blocks
from er_pipeline.blocking.blocks.filtered_blocks import filter_blocks
from er_pipeline.blocking.labels.labels import Journal, Label, RecordName, read_labels
from er_pipeline.blocking.learning import learned_rules
from er_pipeline.blocking.learning.conjunctions import Evidence, Rule, Search
from er_pipeline.blocking.learning.learned_blocks import build_learned_blocks
from er_pipeline.blocking.learning.learned_rules import learn_rules, rule_name
from er_pipeline.blocking.pairs.unified_pairs import unify_pairs
from er_pipeline.blocking.records.cleaned_records import clean_records
from er_pipeline.blocking.records.key_codes import index_keys
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.weights.pair_weights import weigh_pairs
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.other_people import (
    LARGE_CLUSTER_KINDS,
    WIDE_KINDS,
    write_large_clusters,
    write_wide,
)

KINDS = {
    "first_name": "person_name",
    "last_name": "person_name",
    "email": "email",
    "company": "company",
    "phone": "phone",
    "birth_date": "date",
    "city": "text",
}
NOISE = list(WIDE_KINDS)[5:]
Pair = tuple[int, int]


@dataclass
class Made:
    """A dataset whose records are cleaned and whose keys are numbered, once for many settings."""

    folder: Path
    settings: Mapping[str, Any]

    @property
    def lake(self) -> Lake:
        return Lake(self.folder / "lake", "people")

    def spec(self, **more: Any) -> PipelineSpec:
        return PipelineSpec.model_validate({**self.settings, "strategies": "auto", **more})

    def prepare(self) -> "Made":
        with DuckDBEngine(threads=1) as engine:
            clean_records(engine, self.lake, self.spec(), self.folder)
        with DuckDBEngine(threads=1) as engine:
            index_keys(engine, self.lake, self.spec())
        return self

    def learn(self, threads: int = 1, **more: Any) -> dict[str, Any]:
        with DuckDBEngine(threads=threads) as engine:
            return learn_rules(engine, self.lake, self.spec(**more))

    def pair(self, **more: Any) -> tuple[float, float]:
        """Run the steps from the rules to the pairs; give completeness and pairs per record."""
        spec = self.spec(**more)
        steps: list[Callable[..., Any]] = [filter_blocks, weigh_pairs, unify_pairs]
        if spec.learns:
            steps = [learn_rules, build_learned_blocks, *steps]
        for strategy in spec.strategy_conjunctions:
            with DuckDBEngine(threads=1) as engine:
                build_blocks(engine, self.lake, strategy, spec)
        for step in steps:
            with DuckDBEngine(threads=1) as engine:
                step(engine, self.lake, spec)
        return self.completeness("select left_no, right_no from unified_pairs", "unified_pairs")

    def completeness(self, pairs: str, table: str) -> tuple[float, float]:
        """Give the share of the true pairs among some, which read a table, and their number."""
        with DuckDBEngine(threads=1) as engine:
            engine.read(self.lake, table)
            engine.read(self.lake, "cleaned_records")
            found, n_pairs, n_records = engine.row(
                f"""
                select count(*) filter (where l.true_cluster = r.true_cluster), count(*),
                    (select count(*) from cleaned_records)
                from ({pairs}) as p
                join cleaned_records as l on l.record_no = p.left_no
                join cleaned_records as r on r.record_no = p.right_no
                """
            )
        return found / len(self.true_pairs()), n_pairs / n_records

    def true_pairs(self, known: bool = True) -> list[Pair]:
        """List the pairs of one person; where not known, those of two who share a surname."""
        same = "l.true_cluster = r.true_cluster"
        if not known:
            same = "l.true_cluster <> r.true_cluster and l.last_name = r.last_name"
        with DuckDBEngine(threads=1) as engine:
            engine.read(self.lake, "cleaned_records")
            return engine.rows(
                "select l.record_no, r.record_no from cleaned_records as l"
                f" join cleaned_records as r on {same} and l.record_no < r.record_no order by all"
            )

    def judge(self, matches: Sequence[Pair], non_matches: Sequence[Pair] = ()) -> None:
        """Let the journal hold these answers alone."""
        with DuckDBEngine(threads=1) as engine:
            engine.read(self.lake, "cleaned_records")
            rows = engine.rows("select source, record_id from cleaned_records order by record_no")
            names = [RecordName(*row) for row in rows]
            (self.folder / "labels.jsonl").unlink(missing_ok=True)
            Journal(self.folder / "labels.jsonl").append(
                [
                    Label(names[a], names[b], answer, "ann", "2026-11-03T10:15:00Z")
                    for answer, pairs in (("match", matches), ("no_match", non_matches))
                    for a, b in pairs
                ]
            )
            read_labels(engine, self.lake, self.spec(labels={}), self.folder)

    def judge_some(self, n: int, seed: int, n_wrong: int = 0) -> None:
        draw = Random(seed)
        wrong = draw.sample(self.true_pairs(known=False), n_wrong) if n_wrong else []
        self.judge(draw.sample(self.true_pairs(), n), wrong)


def made_up(folder: Path, records: int) -> Made:
    settings = {
        "dataset": "people",
        "sources": [{"generate": {"records": records, "seed": 20}}],
        "fields": KINDS,
        "truth": {"cluster_column": "person_id"},
    }
    return Made(folder, settings).prepare()


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_up(tmp_path_factory.mktemp("people"), 2_000)


@pytest.fixture(scope="module")
def more_people(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_up(tmp_path_factory.mktemp("more_people"), 3_000)


def expressions(facts: Mapping[str, Any]) -> list[list[str]]:
    return [rule["expressions"] for rule in facts["rules"]]


# Without labels


@pytest.fixture(scope="module")
def auto(people: Made) -> tuple[float, float]:
    """Completeness and pairs per record of auto without labels, at 5 pairs per record."""
    return people.pair(budget={"pairs_per_record": 5})


def test_auto_finds_more_matches_in_fewer_pairs_than_the_default_strategies(
    people: Made, auto: tuple[float, float]
) -> None:
    default, default_cost = people.pair(strategies=None)
    assert auto[0] > default
    assert auto[1] <= 5 < default_cost
    assert auto[0] >= 0.99


def test_wide_tables_learn_no_rule_of_noise(tmp_path: Path) -> None:
    write_wide(tmp_path / "wide.csv", 5_000, 20)
    settings = {
        "dataset": "people",
        "sources": [{"path": "wide.csv"}],
        "fields": WIDE_KINDS,
        "cleaning": {"phone_region": "AU"},
        "truth": {"cluster_column": "person_id"},
    }
    wide = Made(tmp_path, settings).prepare()
    completeness, per_record = wide.pair(budget={"pairs_per_record": 5})
    assert completeness >= 0.985
    assert per_record <= 5
    facts = wide.lake.facts("learned_rules")
    for rule in facts["rules"]:
        assert not set(rule["source_columns"]) <= set(NOISE), rule["rule"]
        assert 0 < rule["pairs"] <= 6 * 5_000
    assert facts["pairs"] <= 30 * 5_000


@pytest.mark.parametrize(
    "learning",
    [{}, {"pairs_per_record": 300, "rule_pairs_per_record": 60}],
    ids=["default", "raised"],
)
def test_large_clusters_are_found(tmp_path: Path, learning: dict[str, int]) -> None:
    # 40 true pairs per record: no rule can do with the 6 pairs per record that are the default, so
    # learning takes what the narrowest one needs.
    write_large_clusters(tmp_path / "visits.csv", 5_000, 20)
    settings = {
        "dataset": "people",
        "sources": [{"path": "visits.csv"}],
        "fields": LARGE_CLUSTER_KINDS,
        "cleaning": {"phone_region": "AU"},
        "truth": {"cluster_column": "person_id"},
        "learning": learning,
    }
    visits = Made(tmp_path, settings).prepare()
    completeness, per_record = visits.pair()
    assert completeness >= 0.99
    assert per_record <= 45
    for rule in visits.lake.facts("learned_rules")["rules"]:
        assert 0 < rule["pairs"] <= 60 * 5_000


def test_learning_twice_gives_the_same_with_any_number_of_threads(people: Made) -> None:
    def learned(threads: int) -> tuple[dict[str, Any], list[tuple[Any, ...]]]:
        facts = people.learn(threads)
        with DuckDBEngine() as engine:
            engine.read(people.lake, "blocks_train")
            return facts, engine.rows("from blocks_train")

    once = learned(1)
    assert once[0]["rules"]
    assert once == learned(2)


def test_learning_keeps_its_limits(people: Made) -> None:
    facts = people.learn(
        learning={"pairs_per_record": 3, "rule_pairs_per_record": 1, "max_rules": 4, "k": 2}
    )
    assert 0 < len(facts["rules"]) <= 4
    assert facts["pairs"] == sum(rule["pairs"] for rule in facts["rules"]) <= 3 * 2_000
    assert max(rule["pairs"] for rule in facts["rules"]) <= 2_000
    assert max(len(keys) for keys in expressions(facts)) <= 2


def test_rules_keep_the_budget_of_the_whole_run(people: Made) -> None:
    facts = people.learn(checks={"max_pairs": 2_500})
    assert 0 < facts["pairs"] <= 2_500


def test_a_single_key_per_rule_is_enough_to_learn(people: Made) -> None:
    assert {len(keys) for keys in expressions(people.learn(learning={"k": 1}))} == {1}


def test_rules_beside_strategies_say_something_else(people: Made) -> None:
    declared = {"phone": "phone", "name": ["left(last_name,2)", "left(first_name,2)"]}
    facts = people.learn(strategies=declared, learning={})
    assert facts["rules"]
    for keys in expressions(facts):
        assert not {"phone"} <= set(keys)
        assert not {"left(last_name, 2)", "left(first_name, 2)"} <= set(keys)


def test_the_rows_of_learned_rules_are_its_facts(people: Made) -> None:
    facts = people.learn()
    with DuckDBEngine() as engine:
        engine.read(people.lake, "learned_rules")
        columns = "rule_no, rule, expression, source_columns, origin, pairs, largest_block, recall"
        rows = engine.rows(f"select {columns} from learned_rules")
    assert rows == [
        (
            i,
            rule["rule"],
            " and ".join(rule["expressions"]),
            rule["source_columns"],
            rule["origin"],
            rule["pairs"],
            rule["largest_block"],
            None,  # nothing is held out without labels
        )
        for i, rule in enumerate(facts["rules"])
    ]
    assert (facts["recall"], facts["held_out_entities"]) == (None, 0)


def test_blocks_train_has_a_row_per_sampled_record_and_a_column_per_key(people: Made) -> None:
    people.learn(learning={"sample": 100})
    with DuckDBEngine() as engine:
        engine.read(people.lake, "blocks_train")
        engine.read(people.lake, "cleaned_records")
        assert engine.row("select count(*), count(distinct record_no) from blocks_train") == (
            100,
            100,
        )
        wrong = engine.row(
            "select count(*) from blocks_train as b join cleaned_records as r using (record_no)"
            " where b.phone is distinct from r.phone"
            ' or b."left(last_name, 2)" is distinct from left(r.last_name, 2)'
        )
    assert wrong == (0,)


# Pinned and banned


SOME_PINS = [
    "soundex(city)",  # not among the choices
    ["left(last_name,2)", "YEAR(birth_date)"],  # they are, written otherwise
    ["concat(first_name, last_name)", "tokens(company)"],
    "city",  # dear: over the limit of a rule
]
SOME_BANS = ["phone", ["left(first_name, 2)", "left(last_name, 2)"], "email_user(email)"]


@pytest.mark.parametrize("ranking", ["budgeted", "lexicographic"])
def test_pinned_rules_are_always_learned_and_banned_ones_never(people: Made, ranking: str) -> None:
    people.judge_some(9, seed=1)
    settings = {
        "ranking": ranking,
        "pin": SOME_PINS,
        "ban": SOME_BANS,
        "pairs_per_record": 300,
        "rule_pairs_per_record": 1,
        "max_rules": 12,
    }
    facts = people.learn(learning=settings, labels={})
    pinned = [rule["expressions"] for rule in facts["rules"] if rule["origin"] == "pinned"]
    assert pinned == [
        ["soundex(city)"],
        ["left(last_name, 2)", "year(birth_date)"],
        ["concat(first_name, last_name)", "tokens(company)"],
        ["city"],
    ]
    learned = [rule["expressions"] for rule in facts["rules"] if rule["origin"] == "learned"]
    assert learned
    for keys in learned:
        assert not {"phone", "email_user(email)"} & set(keys)
        assert not {"left(first_name, 2)", "left(last_name, 2)"} <= set(keys)
        assert sum(key.startswith("tokens") for key in keys) <= 1


def test_a_pinned_rule_makes_the_pairs_of_its_sql(people: Made) -> None:
    facts = people.learn(learning={"pin": ["city || ' ' || left(phone, 5)"], "max_rules": 1})
    with DuckDBEngine() as engine:
        engine.read(people.lake, "cleaned_records")
        (pairs,) = engine.row(
            "select sum(n * (n - 1) // 2) from (select count(*) as n from cleaned_records"
            " where city is not null and phone is not null group by city, left(phone, 5))"
        )
    assert [rule["pairs"] for rule in facts["rules"]] == [pairs]


def test_keys_that_differ_in_quotes_only_are_two_keys(dataset: Callable[..., Dataset]) -> None:
    data = dataset(
        [{"id": "1", "name": "a b"}, {"id": "2", "name": "ab"}, {"id": "3", "name": "abc"}],
        strategies="auto",
        learning={"pin": ["replace(name, ' ', '')", "replace(name, '', '')"], "max_rules": 2},
    )
    data.filter()
    rules = data.lake.facts("learned_rules")["rules"]
    assert [rule["pairs"] for rule in rules] == [1, 0]


@pytest.mark.parametrize(
    ("learning", "place", "text"),
    [
        ({"pin": ["left(lastname, 3)"]}, ("learning", "pin", 0), "names an unknown column"),
        ({"ban": ["phone", "sum(phone)"]}, ("learning", "ban", 1), "from one record alone"),
        ({"pin": [["tokens(company)", "tokens(city)"]]}, ("learning", "pin", 0), "several many-"),
        ({"ban": [["phone", "left(x"]]}, ("learning", "ban", 0), "not a SQL expression"),
        ({"pin": [[]]}, ("learning", "pin", 0), "has no key"),
        ({"pin": ["phone"] * 59}, ("learning", "pin"), "at most 58 pinned rules fit"),
        ({"ranking": "lexicographic"}, ("learning", "ranking"), "write labels: {path: labels.jso"),
    ],
)
def test_wrong_settings_are_told_with_their_place(
    people: Made, learning: dict[str, Any], place: tuple[str | int, ...], text: str
) -> None:
    with pytest.raises(ValidationError) as error:
        people.spec(learning=learning)
    [problem] = error.value.errors()
    assert problem["loc"] == place
    assert text in problem["msg"]


def test_keys_that_yaml_cut_at_their_commas_are_whole_again(people: Made) -> None:
    spec = people.spec(learning={"ban": ["left(last_name", "3)", "phone"]})
    assert spec.learns
    assert spec.learns.ban == ["left(last_name, 3)", "phone"]


# Names


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        (["phone"], "phone"),
        (["left(last_name, 4)", "phone"], "last_name_left_4_phone"),
        (["soundex(first_word(city))"], "city_first_word_soundex"),
        (["Email_Domain(Email)"], "email_email_domain"),
        (["concat(a, ' ', b)"], "a_concat_b"),
        (["'1' || a"], "rule_1_a"),
        (["x" * 70], "x" * 56),
    ],
)
def test_a_rule_is_named_after_its_keys(keys: list[str], name: str) -> None:
    assert rule_name(keys, set()) == name


def test_a_name_that_is_taken_gets_a_number() -> None:
    taken = {"phone", "phone_2", "phone_4"}
    assert rule_name(["phone"], taken) == "phone_3"
    assert rule_name(["left(phone, 2)"], {"phone_left_2"}) == "phone_left_2_2"


def test_names_of_rules_are_identifiers_that_no_strategy_has(people: Made) -> None:
    facts = people.learn(
        strategies={"Phone": "right(phone, 5)", "last_name": "company"},
        learning={"pin": ["phone", "last_name", "upper(last_name)", "upper( last_name || '')"]},
    )
    names = [rule["rule"] for rule in facts["rules"]]
    assert names[:4] == ["phone_2", "last_name_2", "last_name_upper", "last_name_upper_2"]
    assert len({name.lower() for name in (*names, "Phone", "last_name")}) == len(names) + 2
    assert all(name.isidentifier() and len(name) <= 63 for name in names)


# With labels


def test_lexicographic_needs_a_judged_match(people: Made) -> None:
    people.judge([], [(0, 1)])
    with pytest.raises(InputError, match="there is none yet; judge some with er-pipeline label"):
        people.learn(learning={"ranking": "lexicographic"}, labels={})


def test_lexicographic_learns_as_the_document_says(dataset: Callable[..., Dataset]) -> None:
    texts = [  # equal numbers make three pairs, equal towns seven
        ("1", "york", "10293"),
        ("2", "york", "10293"),
        ("3", "york", "20495"),
        ("4", "york", "20495"),
        ("5", "ulm", "40817"),
        ("6", "ulm", "40817"),
    ]
    settings: dict[str, Any] = {
        "fields": {"town": "text", "number": "identifier"},
        "strategies": "auto",
        "labels": {},
        "weights": False,
    }
    rows = [{"id": i, "town": town, "number": number} for i, town, number in texts]
    bans = ["right(number, 4)", "left(number, 3)", "left(town, 5)", "soundex(first_word(town))"]
    learned = []
    for n_covered in (3, 4):
        learning = {"ranking": "lexicographic", "k": 1, "n_covered": n_covered, "ban": bans}
        data = dataset(rows, **settings, learning={**learning, "rule_pairs_per_record": 2})
        names = [RecordName("people", str(i)) for i in range(7)]
        label = Label(names[1], names[2], "match", "ann", "2026-11-03T10:15:00Z")
        Journal(data.folder / "labels.jsonl").append([label])
        data.filter()
        facts = data.lake.facts("learned_rules")
        learned.append([(rule["rule"], rule["pairs"]) for rule in facts["rules"]])
    assert learned == [[("number", 3)], [("number", 3), ("town", 7)]]


def test_labels_only_add(people: Made, auto: tuple[float, float]) -> None:
    people.judge_some(100, seed=7, n_wrong=100)
    completeness, per_record = people.pair(budget={"pairs_per_record": 5}, labels={})
    assert completeness >= auto[0] - 0.005
    assert per_record <= 5


def test_every_judged_match_is_found_where_the_budget_allows(people: Made) -> None:
    people.judge_some(60, seed=3)
    settings: dict[str, Any] = {"labels": {}, "learning": {"recall_floor": 1, "k": 2}}
    facts = people.learn(**settings)
    with DuckDBEngine() as engine:
        build_learned_blocks(engine, people.lake, people.spec(**settings))
    with DuckDBEngine() as engine:
        engine.read(people.lake, "learned_blocks")
        engine.read(people.lake, "labels")
        (n_found,) = engine.row(
            "select count(distinct (p.left_no, p.right_no)) from labels as p"
            " join learned_blocks as l on l.record_no = p.left_no join learned_blocks as r"
            " on r.record_no = p.right_no and r.rule = l.rule and r.block_no = l.block_no"
        )
    assert (n_found, facts["labelled_matches"]) == (60, 60)


def test_a_new_round_of_labels_has_its_own_sample(people: Made) -> None:
    def sampled(n_labels: int) -> set[int]:
        people.judge_some(n_labels, seed=5)
        people.learn(labels={}, learning={"sample": 100, "max_rules": 1, "k": 1})
        with DuckDBEngine() as engine:
            engine.read(people.lake, "blocks_train")
            engine.read(people.lake, "labels")
            records = {no for (no,) in engine.rows("select record_no from blocks_train")}
            judged = {n for row in engine.rows("select left_no, right_no from labels") for n in row}
        assert judged <= records  # those that are judged are always among them
        return records - judged

    first, again, other = sampled(5), sampled(5), sampled(6)
    assert first == again
    assert len(first & other) < 50


def test_too_few_labels_are_not_held_out(people: Made) -> None:
    people.judge_some(9, seed=2)
    facts = people.learn(labels={}, learning={"max_rules": 2, "k": 1})
    assert (facts["labelled_matches"], facts["held_out_entities"], facts["recall"]) == (9, 0, None)


def test_no_entity_is_torn_between_learning_and_testing(
    people: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Evidence, NDArray[np.float64], NDArray[np.float64]]] = []
    choose = Search.choose

    def spied(
        search: Search, judged: NDArray[np.float64], worth: NDArray[np.float64], *more: Any
    ) -> list[Rule]:
        calls.append((search.evidence, judged, worth))
        return choose(search, judged, worth, *more)

    monkeypatch.setattr(Search, "choose", spied)
    of_person: dict[int, list[Pair]] = {}
    for pair in people.true_pairs():
        of_person.setdefault(pair[0], []).append(pair)
    several = [pairs for pairs in of_person.values() if len(pairs) > 1]
    people.judge([pair for pairs in several[:15] for pair in pairs[:2]])
    facts = people.learn(labels={}, learning={"max_rules": 3, "k": 1})
    assert facts["held_out_entities"] <= 15
    (evidence, judged, worth), *folds = calls
    assert len(folds) == learned_rules.FOLDS
    assert (worth > 0).all()
    tested_before: set[int] = set()
    for _, learned_from, left in folds:
        tested = set(evidence.entity[(judged > 0) & (learned_from == 0)].tolist())
        assert tested
        assert not tested & tested_before
        assert not tested & set(evidence.entity[left > 0].tolist())
        tested_before |= tested
    assert tested_before == set(evidence.entity[judged > 0].tolist())


def test_the_interval_of_recall_holds_the_recall_that_the_rules_have(more_people: Made) -> None:
    # Of 70 draws with k = 3, 65 held; of 20 with k = 2, 17; of these ten, eight. Where one fails,
    # the rules find more than is told: a fold learns from fewer labels than they do.
    told = []
    for seed in range(10):
        more_people.judge_some(100, seed)
        settings: dict[str, Any] = {"labels": {}, "learning": {"seed": seed, "k": 2}}
        facts = more_people.learn(**settings)
        with DuckDBEngine(threads=1) as engine:
            build_learned_blocks(engine, more_people.lake, more_people.spec(**settings))
        pairs = (
            "select distinct l.record_no as left_no, r.record_no as right_no"
            " from learned_blocks as l join learned_blocks as r"
            " on l.rule = r.rule and l.block_no = r.block_no and l.record_no < r.record_no"
        )
        recall, _ = more_people.completeness(pairs, "learned_blocks")
        low, high = facts["recall_low"], facts["recall_high"]
        assert low <= facts["recall"] <= high
        told.append((low, recall, high))
    assert all(low <= recall for low, recall, _ in told), told
    assert sum(low <= recall <= high for low, recall, high in told) >= 8, told
