"""Strategies that nobody declared: what they would find of missed pairs, and what they would cost.

Both are counted from blocks, by the keys of key_choices, alone and two of different fields
together. All of them cannot be counted: those that seem cheapest on a sample of the pairs are.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.blocks.blocks import sized_blocks_sql
from er_pipeline.blocking.records.key_codes import IDF_STEPS, key_code_columns
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.values.key_choices import KeyChoice

# Missed pairs by which strategies are chosen to be counted, and how many of these are.
PAIRS_LOOKED_AT, STRATEGIES_COUNTED = 20_000, 40


class NewStrategy(NamedTuple):
    """A strategy that is not declared, counted exactly.

    declared: as it would stand in the declaration. pairs: of its blocks that are compared;
    oversized: how many are over the cap. finds: pairs of those looked at that it would bring
    together; found: engine table (left_no, right_no) of these. all_pairs: query of all its pairs.
    """

    declared: str
    pairs: int
    oversized: int
    finds: int
    found: str
    all_pairs: str


def count_strategies(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    pairs: str,
    records: str,
) -> Iterator[NewStrategy]:
    """Give new strategies that would bring some of the pairs together, one after the other.

    pairs: engine table (left_no, right_no) of pairs that no strategy brings together. records:
    engine table (record_no) of their records. The table of one strategy is gone with the next.
    """
    (n_unpaired,) = engine.row(f"select count(*) from {pairs}")
    if not n_unpaired:
        return
    choices = spec.key_choices
    expressions = [choice.expression for choice in choices]
    indexed = "key_codes"
    if spec.weights or spec.learns:
        assert lake.facts("key_codes")["keys"] == expressions, "key_codes are those of the spec"
    else:
        keys = key_code_columns(engine, choices)
        indexed = "numbered_keys"
        engine.make_table(
            indexed,
            f"select r.record_no, r.source_no{keys.columns} from cleaned_records as r {keys.joins}",
        )
    codes_of_pairs = "unpaired_codes"
    engine.make_table(
        codes_of_pairs,
        f"select * from {indexed} where record_no in (select record_no from {records})",
    )
    for chosen in _promising(engine, spec, choices, pairs, codes_of_pairs, indexed):
        codes = [f"code_{key}" for key in chosen]
        keyed = " and ".join(f"{code} >= 0" for code in codes)
        blocks = sized_blocks_sql(
            f"(select source_no, {', '.join(codes)} from {indexed} where {keyed})",
            codes,
            spec.link_mode,
            spec.blocks,
        )
        engine.make_table("new_blocks", blocks)
        n_pairs, n_oversized = engine.row(
            "select coalesce(sum(pairs) filter (where reason is null), 0)::bigint,"
            " count(*) filter (where reason = 'oversized') from new_blocks"
        )
        same = " and ".join(f"l.{code} = r.{code}" for code in codes)
        kept = " and ".join(f"b.{code} = l.{code}" for code in codes)
        engine.make_table(
            "newly_found",
            f"select p.left_no, p.right_no from {pairs} as p"
            f" join {codes_of_pairs} as l on l.record_no = p.left_no"
            f" join {codes_of_pairs} as r on r.record_no = p.right_no and {same}"
            f" join new_blocks as b on {kept} where b.reason is null",
        )
        (finds,) = engine.row("select count(*) from newly_found")
        if finds:
            declared = ", ".join(expressions[key] for key in chosen)
            if len(chosen) > 1:
                declared = f"[{declared}]"
            both = "l.source_no < r.source_no" if spec.link_mode == "link" else "true"
            all_pairs = (
                "select l.record_no as left_no, r.record_no as right_no"
                f" from {indexed} as l join new_blocks as b on {kept}"
                f" join {indexed} as r on {same} and l.record_no < r.record_no"
                f" where b.reason is null and {both}"
            )
            yield NewStrategy(declared, n_pairs, n_oversized, finds, "newly_found", all_pairs)


def _chance(engine: Engine, indexed: str, key: int) -> float:
    """Sum over the records what share of all has the same key, from its idf.

    An idf is one of some hundred numbers, so a million powers of e are not computed.
    """
    counted = engine.rows(
        f"select idf_{key}, count(*) from {indexed} where code_{key} >= 0 group by 1 order by 1"
    )
    return math.fsum(n * math.exp(-idf / IDF_STEPS) for idf, n in counted)


def _promising(
    engine: Engine,
    spec: PipelineSpec,
    choices: Sequence[KeyChoice],
    pairs: str,
    codes_of_pairs: str,
    indexed: str,
) -> list[tuple[int, ...]]:
    """Choose the conjunctions worth counting: the cheapest for a sample of the pairs.

    Pairs are estimated as if fields were independent, and a block must seem to fit the cap.
    """
    columns = ", ".join(
        f"l.code_{i} = r.code_{i} as same_{i}, l.idf_{i} as idf_{i}" for i in range(len(choices))
    )
    found = engine.columns(
        f"""
        select {columns} from (
            select left_no, right_no from {pairs}
            order by md5(concat({spec.seed}, ' ', left_no, ' ', right_no)), left_no, right_no
            limit {PAIRS_LOOKED_AT}
        ) as p
        join {codes_of_pairs} as l on l.record_no = p.left_no
        join {codes_of_pairs} as r on r.record_no = p.right_no
        """
    )
    shared = [np.asarray(found[f"same_{i}"], bool) for i in range(len(choices))]
    nats = [np.asarray(found[f"idf_{i}"], np.float32) / IDF_STEPS for i in range(len(choices))]
    useful = [i for i, fits in enumerate(shared) if fits.any()]
    (n_records,) = engine.row(f"select count(*) from {indexed}")
    chance = {i: _chance(engine, indexed, i) / max(1, n_records) for i in useful}
    cap = float(spec.blocks.max_size or n_records)
    # What the idf of a block at the cap is; one eighth is lost to rounding.
    least_idf = np.log(max(n_records, 2) / cap) - 1 / IDF_STEPS
    options: list[tuple[int, ...]] = [(i,) for i in useful]
    options += [
        (i, j)
        for i, j in combinations(useful, 2)
        if set(choices[i].key.source_columns).isdisjoint(choices[j].key.source_columns)
    ]
    best_ratio = np.full(len(shared[0]), np.inf)
    best = np.full(len(shared[0]), -1, np.int64)
    for n, keys in enumerate(options):
        fits: NDArray[np.bool_] = np.logical_and.reduce([shared[key] for key in keys])
        fits &= np.sum([nats[key] for key in keys], axis=0) >= least_idf
        n_found = int(fits.sum())
        if not n_found:
            continue
        n_pairs = n_records * n_records / 2 * float(np.prod([chance[key] for key in keys]))
        ratio = (n_pairs + n_found) / n_found
        better = fits & (ratio < best_ratio)
        best_ratio[better], best[better] = ratio, n
    numbers, counts = np.unique(best[best >= 0], return_counts=True)
    order = np.lexsort((numbers, -counts))[:STRATEGIES_COUNTED]
    return [options[int(number)] for number in numbers[order]]
