import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import pytest

from er_pipeline.blocking.learning.learned_blocks import BLOCKS, build_learned_blocks
from er_pipeline.blocking.spec.learned import learned_conjunctions, learned_rules_facts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.contract import judge_contract
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, parquet_files
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.runs import run, steps_for
from er_pipeline.blocking.values.keys import Conjunction
from er_pipeline.flow import flow
from er_pipeline_tests.conftest import Dataset, Rows, put_records

KINDS = {"first": "person_name", "last": "person_name", "city": "text", "words": "text"}
# Keys that are among the choices and keys that are not, single- and many-valued.
PINS = [
    "last",
    ["soundex(last)", "left(first, 2)"],
    ["city", "tokens(words)"],
    "qgrams(last, 2)",
    ["upper(first || last)", "nickname(first)"],
    ["left(city, 5)", "initials(words)"],
]
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {  # mode, settings of blocks
    "dedupe": ("dedupe", {"max_size": 6}),
    "dedupe_uncapped": ("dedupe", {"max_size": None, "min_size": 3}),
    "link": ("link", {"max_size": 7}),
    "link_and_dedupe": ("link_and_dedupe", {"max_size": 5}),
}

Blocks = dict[tuple[str, str], list[int]]  # of (rule, block_key): its records


def people(n: int, seed: int) -> list[dict[str, str | None]]:
    """Make persons up, each with a second record that lacks the city."""
    draw = Random(seed)

    def person() -> dict[str, str | None]:
        return {
            "first": draw.choice(["ann", "anna", "bob", "robert", "bo", "al|x", None]),
            "last": draw.choice(["lee", "li", "may", "mae", "o'neil", "a|b", "q\\r", None]),
            "city": draw.choice(["york", "yorktown", "new york", "ulm", None]),
            "words": draw.choice(["x", "x y", "y z x", "z", "a a", "a  b", None]),
        }

    rows = [person() for _ in range(n)]
    return [twin for row in rows for twin in (row, {**row, "city": None})]


@dataclass
class Learned:
    """A small dataset whose rules are learned, and the same with the rules declared."""

    spec: PipelineSpec
    lake: Lake
    facts: dict[str, Any]
    declared_spec: PipelineSpec
    declared: Lake
    engine: DuckDBEngine

    def rows(self, table: str, columns: str, lake: Lake | None = None) -> list[tuple[Any, ...]]:
        (lake or self.lake).open(self.engine, table, "looked_at")
        return self.engine.rows(f"select {columns} from looked_at order by all")

    @property
    def rules(self) -> list[str]:
        return [rule["rule"] for rule in self.facts["rules"]]

    def conjunctions(self) -> tuple[Conjunction, ...]:
        return learned_conjunctions(self.spec, learned_rules_facts(self.lake))

    def blocks(self) -> Blocks:
        """Compute the keys of the rules as text, record by record."""
        self.lake.open(self.engine, "cleaned_records")
        found: Blocks = defaultdict(list)
        for rule in self.conjunctions():
            keyed = rule.keyed_records(self.engine, "cleaned_records")
            for no, key in self.engine.rows(
                f"select record_no, block_key from ({keyed}) order by 1"
            ):
                found[rule.name, key].append(no)
        return found

    def sources(self) -> dict[int, int]:
        return dict(self.rows("cleaned_records", "record_no, source_no"))

    def pairs_of(self, members: list[int]) -> list[tuple[int, int]]:
        source = self.sources()
        across = self.spec.link_mode == "link"
        return [(a, b) for a, b in combinations(members, 2) if not across or source[a] != source[b]]

    def is_compared(self, members: list[int]) -> bool:
        blocks = self.spec.blocks
        small = blocks.max_size is None or len(members) <= blocks.max_size
        return small and len(members) >= blocks.min_size and bool(self.pairs_of(members))


def make_spec(mode: str, **more: Any) -> PipelineSpec:
    n_sources = 1 if mode == "dedupe" else 2
    settings = {
        "dataset": "people",
        "mode": mode,
        "sources": [{"path": f"{name}.csv"} for name in "ab"[:n_sources]],
        "fields": KINDS,
        "training_rules": {"rule": "first"},
        "weights": False,
    }
    return PipelineSpec.model_validate({**settings, **more})


def pair(lake: Lake, spec: PipelineSpec, sources: list[Rows]) -> Lake:
    """Run the steps from clean rows to their pairs."""
    with DuckDBEngine(threads=2) as engine:
        put_records(engine, lake, spec, sources)
    steps = [step for step in steps_for(flow(spec), "unified_pairs") if step.reads]
    assert list(run(steps, lake, threads=2))
    return lake


@pytest.fixture(scope="module", params=SETTINGS)
def learned(request: pytest.FixtureRequest) -> Iterator[Learned]:
    mode, blocks = SETTINGS[request.param]
    rows = people(15, 1)
    sources: list[Rows] = [rows] if mode == "dedupe" else [rows[:20:2], rows[20::2] + rows[1::2]]
    spec = make_spec(mode, blocks=blocks, strategies="auto", learning={"pin": PINS})
    with tempfile.TemporaryDirectory() as folder, DuckDBEngine(threads=2) as engine:
        lake = pair(Lake(Path(folder) / "learned", "people"), spec, sources)
        facts = lake.facts("learned_rules")
        strategies = {rule["rule"]: rule["expressions"] for rule in facts["rules"]}
        declared_spec = make_spec(mode, blocks=blocks, strategies=strategies)
        declared = pair(Lake(Path(folder) / "declared", "people"), declared_spec, sources)
        yield Learned(spec, lake, facts, declared_spec, declared, engine)


def test_rules_are_learned_beside_the_pinned_ones(learned: Learned) -> None:
    origins = [rule["origin"] for rule in learned.facts["rules"]]
    assert origins.count("pinned") == len(PINS)
    assert "learned" in origins
    assert [
        rule["expressions"] for rule in learned.facts["rules"] if rule["origin"] == "pinned"
    ] == [[pin] if isinstance(pin, str) else sorted(pin, key=order_of(learned)) for pin in PINS]


def order_of(learned: Learned) -> Callable[[str], int]:
    keys = [choice.expression for choice in learned.spec.key_choices]
    return lambda expression: keys.index(expression) if expression in keys else len(keys)


def test_rows_are_the_memberships_of_compared_blocks(learned: Learned) -> None:
    expected = sorted(
        (rule, key, len(members), no)
        for (rule, key), members in learned.blocks().items()
        if learned.is_compared(members)
        for no in members
    )
    assert learned.rows("learned_blocks", "rule, block_key, block_size, record_no") == expected


def test_block_keys_are_those_of_the_same_rule_as_a_strategy(learned: Learned) -> None:
    columns = "block_key, block_size, record_no"
    assert learned.rows("learned_blocks", f"rule, {columns}") == learned.rows(
        "filtered_blocks", f"strategy, {columns}", learned.declared
    )


def test_block_numbers_count_the_blocks_of_a_rule_from_0(learned: Learned) -> None:
    rows = learned.rows("learned_blocks", "distinct rule, block_no, block_key")
    for rule in learned.rules:
        numbers = [number for name, number, _ in rows if name == rule]
        assert numbers == list(range(len(numbers)))


def test_blocks_over_the_cap_stand_in_the_ledger_as_those_of_strategies_do(
    learned: Learned,
) -> None:
    columns = "strategy, block_key, block_size, pairs, reason"
    oversized = [
        row
        for row in learned.rows("dropped_blocks", columns, learned.declared)
        if row[-1] == "oversized"
    ]
    assert learned.rows("dropped_blocks", columns) == oversized
    assert learned.rows("learned_dropped", columns.replace("strategy", "rule")) == oversized


def test_facts_count_what_the_same_strategies_count(learned: Learned) -> None:
    rules = learned.lake.facts("learned_blocks")["rules"]
    strategies = learned.declared.facts("filtered_blocks")["strategies"]
    assert rules == strategies
    for rule in learned.facts["rules"]:
        assert rule["pairs"] == strategies[rule["rule"]]["pairs"]
        assert rule["largest_block"] == strategies[rule["rule"]]["largest_block"]
    ours, theirs = (lake.facts("filtered_blocks") for lake in (learned.lake, learned.declared))
    for name in ("records_with_key", "records_sharing_a_key", "records_in_a_block", "pairs"):
        assert ours[name] == theirs[name]


def test_codes_are_the_blocks_of_single_valued_rules(learned: Learned) -> None:
    members = learned.rows("learned_blocks", "record_no, rule, block_no")
    block_of = {(no, rule): block for no, rule, block in members}
    single = [
        r.name
        for r in learned_conjunctions(learned.spec, learned_rules_facts(learned.lake))
        if not r.is_list
    ]
    codes = ", ".join(f"code_{i}" for i in range(len(single)))
    for no, *found in learned.rows("learned_codes", f"record_no, {codes}"):
        assert found == [block_of.get((no, rule), -no - 1) for rule in single]


def test_codes_tell_who_has_a_key_shares_one_and_stands_in_a_block(learned: Learned) -> None:
    blocks = learned.blocks().values()
    with_key = {no for members in blocks for no in members}
    sharing = {no for members in blocks if learned.pairs_of(members) for no in members}
    in_block = {no for members in blocks if learned.is_compared(members) for no in members}
    columns = "record_no, has_key, shares_key, in_block"
    assert learned.rows("learned_codes", columns) == [
        (no, no in with_key, no in sharing, no in in_block) for no in learned.sources()
    ]


def test_every_pair_of_the_rules_stands_once_with_all_rules_that_make_it(learned: Learned) -> None:
    made: dict[tuple[int, int], set[str]] = defaultdict(set)
    for (rule, _), members in learned.blocks().items():
        if learned.is_compared(members):
            for pair in learned.pairs_of(members):
                made[pair].add(rule)
    tables = ("unified_pairs", "cleaned_records", "learned_rules")
    relations = {table: parquet_files(learned.lake.path(table)) for table in tables}
    (unified,) = steps_for(flow(learned.spec), "unified_pairs")[-1].writes
    assert unified.view
    found = learned.engine.rows(
        f"select left_id, right_id, strategies from ({unified.view(relations)})"
    )
    assert len(found) == len(made)
    assert {(int(a), int(b)): set(rules) for a, b, rules in found} == made


def test_rules_declared_as_strategies_give_the_same_pairs(learned: Learned) -> None:
    columns = "left_no, right_no, strategy_mask"
    ours = learned.rows("unified_pairs", columns)
    assert ours
    assert ours == learned.rows("unified_pairs", columns, learned.declared)


@pytest.mark.parametrize("table", ["learned_blocks", "learned_rules", "key_codes"])
def test_tables_keep_their_contracts(learned: Learned, table: str) -> None:
    tables = steps_for(flow(learned.spec), table)[-1].writes
    verdict = judge_contract(learned.engine, learned.lake, tables)
    assert verdict.passed, verdict.text


def test_people_see_the_blocks_by_the_ids_of_the_records(learned: Learned) -> None:
    tables = ("learned_blocks", "cleaned_records")
    relations = {table: parquet_files(learned.lake.path(table)) for table in tables}
    assert BLOCKS.view
    view = BLOCKS.view(relations)
    names = [name for name, _ in learned.engine.described(view)]
    assert names == ["rule", "block_key", "block_size", "record_id", "source"]
    shown = learned.engine.rows(f"select rule, block_key, record_id from ({view}) order by all")
    rows = learned.rows("learned_blocks", "rule, block_key, record_no::varchar")
    assert shown == sorted(rows)


def test_without_a_rule_the_tables_are_empty_and_there_is_no_pair(
    dataset: Callable[..., Dataset],
) -> None:
    data = dataset([{"id": "1", "name": "ann"}, {"id": "2", "name": "bo"}], strategies="auto")
    assert data.pair()["pairs"] == 0
    assert data.lake.facts("learned_rules")["rules"] == []
    assert data.rows("learned_blocks") == []
    assert data.rows("learned_codes") == [(0, False, False, False), (1, False, False, False)]


def test_a_single_record_is_no_error(dataset: Callable[..., Dataset]) -> None:
    data = dataset([{"id": "1", "name": "ann", "born": ""}], strategies="auto")
    assert data.pair()["pairs"] == 0


def test_rules_of_other_records_are_refused(dataset: Callable[..., Dataset]) -> None:
    always = {"strategies": "auto", "learning": {"promote": "always"}}
    data = dataset([{"id": "1", "name": "ann"}, {"id": "2", "name": "ann"}], **always)
    data.filter()
    (data.folder / "people.csv").write_text("id,name\n1,ann\n7,ann\n")
    data.make("key_codes")
    older = "learned_rules was made from an older cleaned_records: materialize people/learned_rules"
    with DuckDBEngine() as engine, pytest.raises(LakeError, match=older):
        build_learned_blocks(
            engine,
            data.lake.for_step(["cleaned_records", "key_codes", "learned_rules"], []),
            data.spec,
        )
