from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.blocks.blocks import REASONS, build_blocks
from er_pipeline.blocking.blocks.em_training_blocks import sum_training_rules
from er_pipeline.blocking.blocks.filtered_blocks import StrategyFacts, filter_blocks, sum_strategies
from er_pipeline.blocking.labels.labels import Label, RecordName, journal_of, read_labels
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.contracts import judge_contract
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError, SpecError
from er_pipeline.evaluation.dry_run import count_dataset
from er_pipeline.orchestration.steps import dataset_steps
from er_pipeline_tests.conftest import Dataset, Rows, write_csv

# All of york: lee 4 times (ann and bob twice each), may once; one of them without a name.
YORK: Rows = [
    {"id": "1", "city": "york", "last": "lee", "first": "ann"},
    {"id": "2", "city": "york", "last": "lee", "first": "ann"},
    {"id": "3", "city": "york", "last": "lee", "first": "bob"},
    {"id": "4", "city": "york", "last": "lee", "first": "bob"},
    {"id": "5", "city": "york", "last": "may", "first": "ann"},
    {"id": "6", "city": "york", "last": None, "first": "ann"},
    {"id": "7", "city": "bath", "last": "lee", "first": "ann"},
    {"id": "8", "city": "bath", "last": "lee", "first": "ann"},
]

Values = Sequence[str | None]


def refine(max_size: int = 2, *by: str | list[str], min_size: int = 2) -> dict[str, Any]:
    """Settings that divide blocks over max_size, by chosen keys where none are given."""
    more = {"refine_by": list(by)} if by else {}
    return {"min_size": min_size, "max_size": max_size, "oversized": "refine", **more}


def ledger(people: Dataset, columns: str = "block_key, block_size, pairs, reason") -> Any:
    return people.rows("dropped_blocks", columns)


def test_an_oversized_block_is_divided_and_what_does_not_fit_is_dropped(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(YORK, strategies={"city": "city"}, blocks=refine(3, "last"))
    facts = people.filter()
    assert people.rows("filtered_blocks", "block_key, block_size, record_id, block_no") == [
        ("bath", 2, "7", 0),
        ("bath", 2, "8", 0),
    ]
    assert ledger(people) == [
        ("york", 6, 15 - 6, "refined"),
        ("york > lee", 4, 6, "oversized"),
        ("york > may", 1, 0, "below_min_size"),
    ]
    assert facts["strategies"]["city"]["divisions"] == [
        {"key": "last", "blocks": 1, "members_left": 1}
    ]


def test_what_is_still_oversized_is_divided_by_the_next_key(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(YORK, strategies={"city": "city"}, blocks=refine(2, "last", "first"))
    facts = people.filter()
    assert people.rows("filtered_blocks", "block_key, block_size, record_id, block_no") == [
        ("bath", 2, "7", 0),
        ("bath", 2, "8", 0),
        ("york > lee > ann", 2, "1", 1),
        ("york > lee > ann", 2, "2", 1),
        ("york > lee > bob", 2, "3", 2),
        ("york > lee > bob", 2, "4", 2),
    ]
    assert ledger(people) == [
        ("york", 6, 9, "refined"),
        ("york > lee", 4, 4, "refined"),
        ("york > may", 1, 0, "below_min_size"),
    ]
    assert [row[2] for row in people.rows("record_codes")] == [1, 1, 2, 2, -5, -6, 0, 0]
    assert [d["key"] for d in facts["strategies"]["city"]["divisions"]] == ["last", "first"]
    assert facts["strategies"]["city"]["pairs"] == 3
    # The table of the strategy itself stays as it was.
    assert {key for (key,) in people.rows("blocks_city", "block_key")} == {"york", "bath"}


def test_a_block_is_divided_three_times_at_most(dataset: Callable[..., Dataset]) -> None:
    rows = [dict.fromkeys("abcd", "x") | {"id": str(i), "e": str(i % 2)} for i in range(4)]
    people = dataset(rows, strategies={"a": "a"}, blocks=refine(2, "b", "c", "d", "e"))
    facts = people.filter()
    assert ledger(people) == [
        ("x", 4, 0, "refined"),
        ("x > x", 4, 0, "refined"),
        ("x > x > x", 4, 0, "refined"),
        ("x > x > x > x", 4, 6, "oversized"),
    ]
    assert len(facts["strategies"]["a"]["divisions"]) == 3


@pytest.mark.parametrize("blank", ["null", "''", "'  '"])
def test_a_record_without_the_further_key_leaves(
    dataset: Callable[..., Dataset], blank: str
) -> None:
    key = f"case when first = 'bob' then {blank} else first end"
    people = dataset(YORK, strategies={"city": "city"}, blocks=refine(3, key))
    facts = people.filter()
    assert ledger(people) == [
        ("york", 6, 15 - 6, "refined"),
        ("york > ann", 4, 6, "oversized"),
    ]
    assert facts["strategies"]["city"]["divisions"][0]["members_left"] == 2


def test_a_block_whose_records_all_leave_is_told_as_refined(
    dataset: Callable[..., Dataset],
) -> None:
    rows: Rows = [{"id": str(i), "city": "york", "last": None} for i in range(3)]
    people = dataset(rows, strategies={"city": "city"}, blocks=refine(2, "last"))
    facts = people.filter()
    assert ledger(people) == [("york", 3, 3, "refined")]
    assert facts["pairs"] == 0


def test_coverage_is_told_of_the_blocks_as_they_were(dataset: Callable[..., Dataset]) -> None:
    people = dataset(YORK, strategies={"city": "city"}, blocks=refine(2, "last", "first"))
    facts = people.filter()
    assert facts["records_with_key"] == facts["records_sharing_a_key"] == 8
    assert facts["records_in_a_block"] == 6  # may is alone, and one has no last name


def test_given_keys_that_the_strategy_has_already_are_passed_over(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        YORK,
        strategies={"city": "city", "code": "soundex(last)", "both": ["left(city, 1)", "last"]},
        blocks=refine(3, "soundex(last)", "left(city, 2)", ["first", "last"]),
    )
    strategies = people.filter()["strategies"]
    used = {name: [d["key"] for d in c["divisions"]] for name, c in strategies.items()}
    assert used == {
        "city": ["soundex(last)", "first and last"],
        "code": ["left(city, 2)", "first and last"],
        "both": ["left(city, 2)", "first and last"],
    }


def test_a_many_valued_strategy_is_divided_block_by_block(
    dataset: Callable[..., Dataset],
) -> None:
    rows: Rows = [
        {"id": "1", "words": "red fox", "city": "york"},
        {"id": "2", "words": "red fox", "city": "york"},
        {"id": "3", "words": "red", "city": "bath"},
        {"id": "4", "words": "red cat", "city": "bath"},
    ]
    people = dataset(rows, strategies={"words": "tokens(words)"}, blocks=refine(3, "city"))
    people.filter()
    assert people.rows("filtered_blocks", "block_key, record_id") == [
        ("fox", "1"),
        ("fox", "2"),
        ("red > bath", "3"),
        ("red > bath", "4"),
        ("red > york", "1"),
        ("red > york", "2"),
    ]


def test_a_part_of_one_source_makes_no_pair_when_linking(dataset: Callable[..., Dataset]) -> None:
    left: Rows = [{"id": "1", "a": "x", "b": "p"}, {"id": "2", "a": "x", "b": "p"}]
    right: Rows = [{"id": "1", "a": "x", "b": "q"}, {"id": "2", "a": "x", "b": "p"}]
    both = dataset(left, right, strategies={"a": "a"}, blocks=refine(3, "b"))
    both.filter()
    assert ledger(both) == [("x", 4, 4 - 2, "refined"), ("x > q", 1, 0, "below_min_size")]
    both = dataset(left, [right[0]] * 1, strategies={"a": "a"}, blocks=refine(2, "b"))
    both.filter()
    assert ledger(both) == [
        ("x", 3, 2, "refined"),
        ("x > p", 2, 0, "one_source"),
        ("x > q", 1, 0, "below_min_size"),
    ]


def test_parts_below_min_size_are_dropped(dataset: Callable[..., Dataset]) -> None:
    people = dataset(YORK, strategies={"city": "city"}, blocks=refine(5, "last", min_size=5))
    people.filter()
    assert ledger(people) == [
        ("bath", 2, 1, "below_min_size"),
        ("york", 6, 9, "refined"),
        ("york > lee", 4, 6, "below_min_size"),
        ("york > may", 1, 0, "below_min_size"),
    ]


def test_nothing_is_divided_where_every_block_fits(dataset: Callable[..., Dataset]) -> None:
    wanted = ["strategy", "block_key", "block_size", "record_id", "block_no"]
    dropped = dataset(YORK, strategies={"city": "city"}, blocks={"max_size": 6})
    facts = dropped.filter()
    rows = dropped.rows("filtered_blocks", ", ".join(wanted))
    for blocks in (refine(6), refine(6, "last"), {"max_size": None, "oversized": "refine"}):
        people = dataset(YORK, strategies={"city": "city"}, blocks=blocks)
        assert people.filter() == facts
        assert people.rows("filtered_blocks", ", ".join(wanted)) == rows


# Any table, in an engine alone: what was made is held against counting pair by pair.


def spec_of(keys: str | list[str], mode: str, blocks: dict[str, Any]) -> PipelineSpec:
    sources = [{"path": "left.csv"}, {"path": "right.csv"}][: 1 + (mode != "dedupe")]
    fields = dict.fromkeys("abc", "text")
    return PipelineSpec.model_validate(
        {
            "dataset": "people",
            "sources": sources,
            "fields": fields,
            "mode": mode,
            "strategies": {"s": keys},
            "training_rules": {"rule": "a"},
            "blocks": blocks,
        }
    )


def count(
    engine: DuckDBEngine, spec: PipelineSpec, rows: Sequence[Values], n_left: int
) -> StrategyFacts:
    """Count rows of values of the spec's fields; the first n_left are of the first source."""
    columns = {
        "record_no": pa.array(range(len(rows)), pa.int32()),
        "record_id": pa.array([str(i) for i in range(len(rows))], pa.string()),
        "source": pa.array(["s"] * len(rows), pa.string()),
        "source_no": pa.array([int(i >= n_left) for i in range(len(rows))], pa.int16()),
    }
    for i, field in enumerate(spec.field_kinds):
        columns[field] = pa.array([row[i] for row in rows], pa.string())
    engine.con.register("given", pa.table(columns))
    engine.make_table("cleaned_records", "select * from given")
    engine.con.unregister("given")
    memberships = {}
    for strategy in spec.strategy_conjunctions:
        memberships[strategy.name] = f"blocks_{strategy.name}"
        engine.make_table(
            f"blocks_{strategy.name}", strategy.keyed_records(engine, "cleaned_records")
        )
    return sum_strategies(engine, spec, memberships)


def pairs_compared(engine: DuckDBEngine, spec: PipelineSpec) -> set[tuple[int, int, int]]:
    """Make the pairs (block, left, right) of the blocks of strategy s that are compared."""
    is_pair = "l.source_no < r.source_no" if spec.link_mode == "link" else "true"
    kept = (
        "select m.record_no, m.source_no, s.block_no from members_s as m join sizes_s as s"
        " on s.block_key = m.block_key where s.reason is null"
    )
    return set(
        engine.rows(
            f"select l.block_no, l.record_no, r.record_no from ({kept}) as l join ({kept}) as r"
            f" on l.block_no = r.block_no and l.record_no < r.record_no and {is_pair}"
        )
    )


def blocks_by_hand(
    records: Sequence[int],
    keys: Sequence[Callable[[int], str | None]],
    depth: int,
    divide: Callable[[Sequence[int]], bool],
) -> Iterator[Sequence[int]]:
    """Give the blocks that dividing by the keys in turn ends in."""
    if depth == len(keys) or not divide(records):
        yield records
        return
    parts = defaultdict(list)
    for record in records:
        value = (keys[depth](record) or "").strip()
        if value:
            parts[value].append(record)
    for part in parts.values():
        yield from blocks_by_hand(part, keys, depth + 1, divide)


values = st.tuples(*[st.sampled_from(["x", "y", "x y", "y x", None])] * 3)
by_word = {"a": 0, "b": 1, "c": 2}


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(values, min_size=2, max_size=30),
    n_left=st.integers(0, 30),
    mode=st.sampled_from(["dedupe", "link", "link_and_dedupe"]),
    sizes=st.sampled_from([(2, 2), (2, 3), (3, 4), (2, 6)]),
    keys=st.sampled_from(["a", ["left(a, 1)", "b"], "tokens(a)"]),
    by=st.sampled_from([[], ["c"], ["left(c, 1)", "c"], ["b", "left(c, 1)", "c", "a"]]),
)
def test_every_pair_of_the_raw_blocks_is_kept_or_dropped_for_one_reason(
    rows: list[Values],
    n_left: int,
    mode: str,
    sizes: tuple[int, int],
    keys: str | list[str],
    by: list[str],
) -> None:
    least, cap = sizes
    spec = spec_of(keys, mode, refine(cap, *by, min_size=least))
    raw = spec_of(keys, mode, {"max_size": None})
    with DuckDBEngine(threads=1) as engine:
        whole = count(engine, raw, rows, n_left)
        counted = count(engine, spec, rows, n_left)
        made = pairs_compared(engine, spec)
        told = engine.rows("select block_key, block_size, pairs, reason from sizes_s")
        members = engine.rows("select block_key, record_no from members_s")
    counts = counted["strategies"]["s"]
    assert counted["potential_pairs"] == whole["pairs"] + sum(
        whole["strategies"]["s"]["dropped_pairs"].values()
    )
    assert counts["pairs"] + sum(counts["dropped_pairs"].values()) == whole["potential_pairs"]
    assert counts["pairs"] == len(made)
    # Every block is told of once, by its own key, with its exact size.
    in_block = defaultdict(set)
    for key, record in members:
        in_block[key].add(record)
    assert len(members) == sum(len(records) for records in in_block.values())
    assert {key: size for key, size, _, _ in told} == {k: len(v) for k, v in in_block.items()}
    assert len(told) == len(in_block)
    assert all(pairs >= 0 and reason in (None, *REASONS) for _, _, pairs, reason in told)
    for name in ("records_with_key", "records_sharing_a_key"):
        assert counted[name] == whole[name]

    def pairs_of(records: Sequence[int]) -> Iterator[tuple[int, int]]:
        for left, right in combinations(records, 2):
            if mode != "link" or left < n_left <= right:
                yield left, right

    # The keys that were used, over the raw blocks, pair by pair.
    functions: dict[str, Callable[[str], str]] = {"left": lambda value: value[:1]}

    def key_function(text: str) -> Callable[[int], str | None]:
        place = by_word[text.removeprefix("left(")[0]]
        change = functions["left"] if text.startswith("left(") else str

        def value_of(record: int) -> str | None:
            value = rows[record][place]
            return None if value is None else change(value)

        return value_of

    if by:
        divided_by = [key_function(d["key"]) for d in counts.get("divisions", [])]
        raw_blocks = defaultdict(list)
        for i, (a, b, _) in enumerate(rows):
            if keys == "tokens(a)":
                raw_keys = sorted(set((a or "").split()))
            elif keys == "a":
                raw_keys = [a] if a else []
            else:
                raw_keys = [f"{a[0]} {b}"] if a and b else []
            for key in raw_keys:
                raw_blocks[key].append(i)
        expected: list[tuple[int, int]] = []
        for records in raw_blocks.values():
            for block in blocks_by_hand(
                records, divided_by, 0, lambda r: len(r) > cap and any(True for _ in pairs_of(r))
            ):
                if least <= len(block) <= cap:
                    expected += pairs_of(block)
        assert sorted((left, right) for _, left, right in made) == sorted(expected)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(st.tuples(*[st.text("ab>\\ ", max_size=4)] * 3), min_size=3, max_size=25),
    by=st.sampled_from([["b"], ["b", "c"], [["b", "c"]]]),
)
def test_equal_block_keys_mean_equal_values_whatever_these_hold(
    rows: list[tuple[str, str, str]], by: list[str | list[str]]
) -> None:
    spec = spec_of("a", "dedupe", refine(2, *by))
    with DuckDBEngine(threads=1) as engine:
        count(engine, spec, rows, len(rows))
        members = engine.rows("select block_key, record_no from members_s")
        made = pairs_compared(engine, spec)
    values_of = defaultdict(set)
    for key, record in members:
        depth = key.replace("\\\\", "").replace("\\>", "").count(">")
        values_of[key].add(tuple(value.strip() for value in rows[record][: 1 + depth]))
    if isinstance(by[0], str):  # a conjunction divides by two values at once
        assert all(len(values) == 1 for values in values_of.values())
    for _, left, right in made:
        assert rows[left][0].strip() == rows[right][0].strip()


def test_a_key_that_holds_the_mark_is_no_part_of_another_block() -> None:
    spec = spec_of("a", "dedupe", refine(2, "b"))
    rows = [("x", "y", None), ("x", "y", None), ("x", "z", None), ("x > y", "z", None)]
    with DuckDBEngine(threads=1) as engine:
        count(engine, spec, rows, 4)
        assert sorted(engine.rows("select block_key, block_size, pairs, reason from sizes_s")) == [
            ("x", 3, 2, "refined"),
            ("x > y", 2, 1, None),
            ("x > z", 1, 0, "below_min_size"),
            ("x \\> y", 1, 0, "below_min_size"),
        ]
        assert pairs_compared(engine, spec) == {(0, 0, 1)}


# Which key is chosen, where none is given.


def chosen(
    rows: Sequence[Values], kinds: dict[str, str], max_size: int, strategy: str | list[str]
) -> list[str]:
    spec = PipelineSpec.model_validate(
        {
            "dataset": "people",
            "sources": [{"path": "people.csv"}],
            "fields": kinds,
            "strategies": {"s": strategy},
            "training_rules": {"rule": next(iter(kinds))},
            "blocks": refine(max_size),
        }
    )
    with DuckDBEngine(threads=2) as engine:
        counts = count(engine, spec, rows, len(rows))["strategies"]["s"]
    return [division["key"] for division in counts.get("divisions", [])]


def test_the_key_that_keeps_partners_for_the_fewest_pairs_is_chosen() -> None:
    # 60 of one city: sex makes 2 parts, team 6, no 60. Parts of 10 fit, and keep all partners.
    rows = [("york", "mf"[i % 2], f"t{i % 6}", f"{i:02}x") for i in range(60)]
    kinds = {"city": "identifier", "sex": "identifier", "team": "identifier", "no": "identifier"}
    assert chosen(rows, kinds, 10, "city") == ["left(team, 3)"]  # by name among equals
    assert chosen(rows, {**kinds, "team": "person_name"}, 10, "city") == ["left(team, 2)"]


def test_a_key_too_narrow_to_keep_partners_is_not_chosen() -> None:
    # Every tenth record shares its number with another one; the cheapest, but it parts the others.
    rows = [("york", f"t{i % 5}", str(i - (i % 10 == 9))) for i in range(50)]
    kinds = {"city": "identifier", "team": "identifier", "no": "identifier"}
    (key,) = chosen(rows, kinds, 10, "city")
    assert "team" in key
    # Where no other key is left, it is better than nothing.
    (key,) = chosen([(a, None, c) for a, _, c in rows], kinds, 10, "city")
    assert "no" in key


def test_blocks_that_no_key_divides_are_dropped() -> None:
    assert chosen([("york", "x")] * 5, {"city": "text", "same": "text"}, 2, "city") == []
    assert chosen([("york", None)] * 5, {"city": "text", "none": "text"}, 2, "city") == []
    unique = [("york", chr(97 + i) * 3) for i in range(5)]
    assert chosen(unique, {"city": "text", "no": "text"}, 2, "city") == []


def test_keys_of_a_field_that_is_fixed_are_not_chosen() -> None:
    rows = [("lee", f"t{i % 3}") for i in range(9)]
    kinds = {"last": "person_name", "team": "identifier"}
    (key,) = chosen(rows, kinds, 3, "last")
    assert "team" in key
    # Not all of them are known where the field is: a free-mail address has no domain key.
    mails = [(mail,) for mail in ("a@gmail.com", "a@acme.com") for _ in range(3)]
    assert chosen(mails, {"mail": "email"}, 2, "mail") == []
    # A wider key of the strategy's own field leaves its narrower ones to choose.
    names = [("lee" if i % 2 else "lea", None) for i in range(6)]
    assert chosen(names, kinds, 3, "left(last, 2)") == ["last"]


def test_parts_that_can_be_divided_again_count_as_kept_together() -> None:
    # No key alone makes parts of 4: two of them do.
    rows = [("york", f"a{i % 8}", f"b{i // 8 % 8}") for i in range(256)]
    kinds = {"city": "identifier", "team": "identifier", "room": "identifier"}
    first, second = chosen(rows, kinds, 4, "city")
    assert {"team" in first, "team" in second} == {True, False}


def test_noise_that_would_divide_blocks_best_is_passed_over() -> None:
    """Three records a person, in blocks by surname; a batch number parts them at random."""
    random = Random(7)
    rows = []
    for person in range(1500):
        surname, birth = f"s{person % 8}", f"{random.randrange(110):03}"
        for _ in range(3):
            batch = f"{random.randrange(150):03}"
            phone = f"4155{person:06}" if random.random() < 0.75 else None
            rows.append((surname, birth, batch, phone))
    kinds = {"last": "identifier", "birth": "identifier", "batch": "identifier", "tel": "phone"}
    (key,) = chosen(rows, kinds, 100, "last")
    assert "birth" in key
    # Without what tells it from noise, the key with fewer pairs wins.
    kinds.pop("tel")
    (key,) = chosen([row[:3] for row in rows], kinds, 100, "last")
    assert "batch" in key


def test_the_same_blocks_come_out_whatever_the_number_of_threads() -> None:
    random = Random(3)
    names = ["ann", "bob", "cat", "dan", "eve", None]
    rows = [tuple(random.choice(names) for _ in range(3)) for _ in range(3000)]
    for by in ([], ["b", "soundex(c)"]):
        spec = spec_of("a", "link_and_dedupe", refine(40, *by))
        made = []
        for threads in (1, 2, 4):
            with DuckDBEngine(threads=threads) as engine:
                facts = count(engine, spec, rows, 1500)
                made.append(
                    (
                        facts,
                        engine.rows("select * from sizes_s order by all"),
                        engine.rows("select * from members_s order by all"),
                    )
                )
        assert made[0] == made[1] == made[2]
        assert made[0][0]["strategies"]["s"]["divisions"]


# The whole way.


def test_refining_finds_a_match_that_dropping_loses(dataset: Callable[..., Dataset]) -> None:
    found = {}
    for blocks in ({"max_size": 3}, refine(3), refine(3, "first")):
        people = dataset(YORK, strategies={"city": "city", "last": "last"}, blocks=blocks)
        people.pair()
        pairs = people.rows("unified_pairs", "left_no, right_no, strategy_mask")
        found[str(blocks)] = {(left, right): mask for left, right, mask in pairs}
        assert len(found[str(blocks)]) == len(pairs)
    dropped, *refined = found.values()
    assert dropped == {(6, 7): 1}
    for pairs_found in refined:
        assert pairs_found[2, 3] == 3  # both bobs called lee of york, by both strategies
        assert pairs_found[6, 7] & 1


def test_records_of_one_part_are_candidates_by_every_strategy(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        YORK,
        strategies={"city": "city", "words": "tokens(last)"},
        blocks=refine(3, "first"),
        weights=False,
    )
    people.pair()
    masks = {
        (a, b): m for a, b, m in people.rows("unified_pairs", "left_no, right_no, strategy_mask")
    }
    # york > ann has four records and is dropped; lee > ann has four, too.
    assert masks == {(2, 3): 3, (6, 7): 1}


def test_a_dry_run_counts_the_divided_blocks(
    dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    people = dataset(YORK, strategies={"city": "city"}, blocks=refine(2, "last", "first"))
    counts = people.filter()["strategies"]["city"]
    lines = [str(line) for line in count_dataset(people.spec, people.folder, tmp_path / "scratch")]
    _, told = [line for line in lines if line.startswith("city ")]  # the field, the strategy
    assert told.split(maxsplit=5) == [
        *("city", str(counts["kept_blocks"]), str(counts["pairs"])),
        *("2", "13"),  # york and york > lee, and the pairs that no part holds
        "divided by last, then first",
    ]


def test_the_asset_shows_what_was_divided_by_which_keys(dataset: Callable[..., Dataset]) -> None:
    people = dataset(
        YORK, strategies={"city": "city", "last": "last"}, blocks=refine(4, "last", "first")
    )
    facts = people.filter()
    (step,) = (
        s for s in dataset_steps(people.spec, people.folder) if "filtered_blocks" in s.tables
    )
    lines = step.show(facts)["strategies"].splitlines()
    assert lines[0].endswith("| over the cap | pairs avoided | divided | by |")
    assert lines[2] == "| city | 2 | 7 | 4 | 1 | 9 | 1 | last |"
    assert lines[3] == "| last | 2 | 7 | 4 | 1 | 8 | 1 | first |"


def test_training_rules_and_strategies_tables_stay_as_they_are(
    dataset: Callable[..., Dataset],
) -> None:
    facts = []
    for blocks in ({"max_size": 3}, refine(3, "last")):
        people = dataset(
            YORK, strategies={"city": "city"}, training_rules={"r": "city"}, blocks=blocks
        )
        people.clean()
        with DuckDBEngine(threads=2) as engine:
            built = build_blocks(
                engine, people.lake, people.spec.strategy_conjunctions[0], people.spec
            )
            facts.append((built, sum_training_rules(engine, people.spec)))
    assert facts[0] == facts[1]
    assert facts[1][1]["rules"]["r"]["dropped_blocks"]["oversized"] == 1


# What a dropped block costs.


def judge(people: Dataset, *answers: tuple[int, int, str]) -> None:
    """Write labels: left id, right id, answer."""
    name = people.spec.source_labels[0]
    labels = [
        Label(
            RecordName(name, str(left)),
            RecordName(name, str(right)),
            answer,
            "me",
            str(i),
            "human",
            "audit",
        )
        for i, (left, right, answer) in enumerate(answers)
    ]
    journal_of(people.spec, people.folder).append(labels)


def test_a_dropped_block_tells_how_many_known_matches_it_cost(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        YORK, strategies={"city": "city", "last": "last"}, blocks=refine(3, "first"), labels={}
    )
    judge(
        people,
        *((1, 2, "match"), (3, 4, "match"), (1, 5, "match"), (2, 3, "match")),
        *((7, 8, "match"), (2, 7, "match"), (1, 6, "no_match"), (2, 6, "unsure")),
    )
    people.filter()
    assert people.rows("dropped_blocks", "strategy, block_key, reason, matches_lost") == [
        # Lost are 1-2 and 1-5 (too many anns) and 2-3 (parted): 3-4 and 7-8 are compared.
        ("city", "york", "refined", 3.0),
        ("city", "york > ann", "oversized", 2.0),
        ("last", "lee", "refined", 3.0),  # 1-2, 2-3 and 2-7
        ("last", "lee > ann", "oversized", 2.0),
        ("last", "may", "below_min_size", 0.0),
    ]
    with DuckDBEngine(threads=2) as engine:
        verdict = judge_contract(engine, people.lake, people.spec, "dropped_blocks")
    assert verdict.passed, verdict.text


def test_learned_rules_tell_what_their_dropped_blocks_cost_and_what_they_find(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        YORK,
        strategies={"first": "first"},
        learning={"pin": ["city", ["last", "first", "city"]], "max_rules": 2},
        blocks={"max_size": 3},
        labels={},
    )
    judge(people, (1, 3, "match"), (1, 2, "match"), (7, 8, "match"))
    people.filter()
    assert people.rows("dropped_blocks", "strategy, block_key, matches_lost") == [
        ("city", "york", 1.0),  # 1-3: the other rule finds 1-2 and 7-8
        ("first", "ann", 0.0),
    ]


def test_without_labels_nothing_is_said_of_matches(dataset: Callable[..., Dataset]) -> None:
    people = dataset(YORK, strategies={"city": "city"}, blocks={"max_size": 3})
    people.filter()
    assert people.rows("dropped_blocks", "matches_lost") == [(None,)]
    with DuckDBEngine(threads=2) as engine:
        verdict = judge_contract(engine, people.lake, people.spec, "dropped_blocks")
    assert verdict.passed, verdict.text


def test_labels_of_other_records_are_refused(dataset: Callable[..., Dataset]) -> None:
    people = dataset(YORK, strategies={"city": "city"}, blocks={"max_size": 3}, labels={})
    judge(people, (1, 2, "match"))
    people.filter()
    write_csv(people.folder / "people.csv", YORK[:5])
    people.clean()
    with DuckDBEngine(threads=2) as engine:
        build_blocks(engine, people.lake, people.spec.strategy_conjunctions[0], people.spec)
    with (
        DuckDBEngine(threads=2) as engine,
        pytest.raises(LakeError, match="labels was made from an older cleaned_records"),
    ):
        filter_blocks(engine, people.lake, people.spec)
    with DuckDBEngine(threads=2) as engine:
        read_labels(engine, people.lake, people.spec, people.folder)
        filter_blocks(engine, people.lake, people.spec)
    assert people.rows("dropped_blocks", "block_key, matches_lost") == [("york", 1.0)]


# The settings.

HEAD = """\
type: er_pipeline.BlockingPipeline
attributes:
  dataset: people
  sources: [{path: people.csv}]
  fields: {last: person_name, city: text}
  strategies: {city: city}
"""


def test_keys_to_divide_by_need_no_quotes(tmp_path: Path) -> None:
    file = tmp_path / "defs.yaml"
    for written in (
        "[left(last, 3), city]",
        '["left(last, 3)", city]',
        "\n      - left(last, 3)\n      - city",
        "\n      - [left(last, 3)]\n      - city",
    ):
        file.write_text(f"{HEAD}  blocks:\n    oversized: refine\n    refine_by: {written}\n")
        by = read_spec(file).refine_conjunctions
        assert by is not None
        assert [key.expression for key in by] == ["left(last, 3)", "city"]
    file.write_text(f"{HEAD}  blocks: {{oversized: refine}}\n")
    assert read_spec(file).refine_conjunctions is None


@pytest.mark.parametrize(
    ("blocks", "line", "told"),
    [
        ("{oversized: split}", 7, "'split' is unknown; there are 'drop', 'refine'"),
        ("{oversized: refine, refine_by: []}", 7, "at least 1 item"),
        ("{refine_by: [last]}", 7, "write oversized: refine"),
        (
            "\n    oversized: refine\n    refine_by:\n      - city\n      - surname",
            11,
            "unknown column 'surname'; the fields are last, city",
        ),
        (
            "\n    oversized: refine\n    refine_by:\n      - tokens(city)",
            10,
            "key 'tokens(city)' is many-valued; a block is divided by keys with one value",
        ),
        ("{oversized: refine, refine_by: [lef(last)]}", 7, "lef does not exist"),
    ],
)
def test_an_error_says_which_key_cannot_divide_blocks(
    tmp_path: Path, blocks: str, line: int, told: str
) -> None:
    file = tmp_path / "defs.yaml"
    file.write_text(f"{HEAD}  blocks: {blocks}\n")
    with pytest.raises(SpecError) as caught:
        read_spec(file)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert told in str(caught.value)
