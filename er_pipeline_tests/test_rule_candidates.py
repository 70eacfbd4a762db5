from itertools import combinations

from er_pipeline.blocking.learning.conjunction_costs import Keys
from er_pipeline.blocking.learning.rule_candidates import loosest_affordable
from er_pipeline.blocking.spec.blocking_section import Blocks
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline_tests.coded_records import (
    FIELD_OF,
    LISTED,
    every_seed,
    limits,
    make_table,
    matches_of,
    random_rows,
)


@every_seed
def test_a_rule_takes_one_key_of_a_field_and_so_one_many_valued_key(
    engine: Engine, seed: int
) -> None:
    table = make_table(engine, random_rows(40, seed))
    search = table.search(matches_of(table, 30, seed), limits())
    assert any(LISTED in keys for keys in search.options)
    for keys in search.options:
        assert len({FIELD_OF[key] for key in keys}) == len(keys)


@every_seed
def test_banned_conjunctions_are_no_candidates(engine: Engine, seed: int) -> None:
    table = make_table(engine, random_rows(40, seed))

    def banned(keys: Keys) -> bool:
        return 3 in keys or {0, 2} <= set(keys)

    search = table.search(matches_of(table, 30, seed), limits(), banned)
    assert search.options
    assert not [keys for keys in search.options if banned(keys)]
    first = list(loosest_affordable(table.index, table.sample(), 100, 3, banned))
    assert first
    assert not [keys for keys in first if banned(keys)]


@every_seed
def test_the_loosest_affordable_conjunction_of_every_set_of_fields(
    engine: Engine, seed: int
) -> None:
    blocks = Blocks(max_size=(None, 8)[seed % 2])
    table = make_table(engine, random_rows(60, seed, values=8), blocks=blocks)
    sample, limit = table.sample(), 60
    found = list(loosest_affordable(table.index, sample, limit, 3, lambda keys: False))
    fields = [tuple(FIELD_OF[key] for key in keys) for keys in found]
    assert len(set(fields)) == len(fields)
    for keys, of in zip(found, fields, strict=True):
        assert len(set(of)) == len(of) <= 3
        assert 0 < table.index.cost(keys).pairs <= limit
        # Nothing wider of the same fields is affordable, but for what a part of it says already.
        for other in [(a, b, c) for a in range(6) for b in range(6) for c in range(6)]:
            rival = tuple(sorted(set(other)))
            if tuple(FIELD_OF[key] for key in rival) == of and len(rival) == len(keys):
                parts = [p for n in range(1, len(rival)) for p in combinations(rival, n)]
                whole = [p for p in parts if table.index.cost(p).is_whole]
                if not [p for p in whole if table.index.cost(p).pairs <= limit]:
                    assert not table.index.cost(keys).pairs < table.index.cost(rival).pairs <= limit
