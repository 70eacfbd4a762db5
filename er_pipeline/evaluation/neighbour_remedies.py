"""Longer lists of neighbours and lower cuts as remedies."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from er_pipeline.blocking.neighbours import embedding_blocks
from er_pipeline.blocking.neighbours.embedding_blocks import as_searched, neighbour_facts
from er_pipeline.blocking.neighbours.record_embeddings import embedding_facts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.table import Column, arrow_of
from er_pipeline.evaluation.remedy_offers import PAIRS, REMEDY, offer, rounded_up

# Widest lists that can be declared.
LARGEST_K = 1_000
# Among so many texts, so many changes are searched for, to count what each would list.
TEXTS_SEARCHED, CHANGES_SEARCHED = 5_000, 3
CUTS = (
    Column("k", "BIGINT", "Length of lists that would hold the pair"),
    Column("share", "DOUBLE", "Share of the best that would keep it"),
    Column("least", "DOUBLE", "Least similarity that would keep it"),
)


def lengthen_lists(
    engine: Engine, lake: Lake, spec: PipelineSpec, missed: str, compared: str
) -> None:
    """Offer longer lists of neighbours and lower cuts, where the pair's rank is known.

    missed: of `explain_neighbours`; compared: of `compare_keys`. What the lists would hold is
    counted by a search where there are few texts and few changes; else it is a bound.
    """
    (n_near,) = engine.row(f"select count(*) from {missed} where rank is not null")
    if not n_near:
        return
    second = spec.second_pass.embedding if spec.second_pass else None
    encoder = spec.embedding or second
    assert encoder is not None, "there are neighbours"
    searched = as_searched(lake, spec, encoder)
    near = missed
    if spec.embedding and second:  # the pairs of the second pass have cuts of their own
        near = (
            f"(select n.* from {missed} as n"
            f" semi join (select * from {compared} where not is_lonely) as c"
            " on c.left_no = n.left_no and c.right_no = n.right_no)"
        )
    listed, share, least = (
        searched.n_listed,
        searched.min_share_of_best,
        encoder.min_similarity,
    )
    engine.make_table(
        "longer_lists",
        f"""
        select left_no, right_no, {rounded_up("k")} as k, floor(share * 20) / 20 as share,
            floor("floor" * 20) / 20 as least
        from {near} where rank is not null and k <= {LARGEST_K}
            and similarity > 0 -- texts that have nothing in common are in no list
            and (k > {listed} or share < {share} or "floor" < {least})
        """,
    )
    changes = engine.rows("select distinct k, share, least from longer_lists order by all")
    place = "embedding" if spec.embedding else "second_pass: embedding"
    offered = []
    for k, new_share, new_least in changes:
        cuts: dict[str, Any] = {}
        if k > listed:
            cuts["k"] = int(k)
        if new_share < share:
            cuts["min_share_of_best"] = float(new_share)
        if new_least < least:
            cuts["min_similarity"] = float(new_least)
        extra, bound = _extra_pairs(engine, lake, spec, cuts, int(k), len(changes))
        text = ", ".join(f"{name} {value:g}" for name, value in cuts.items())
        remedy = f"{place}: {text} ({bound}+{extra:,} pairs)"
        offered.append((k, new_share, new_least, remedy, extra))
    engine.put("list_changes", arrow_of((*CUTS, REMEDY, PAIRS), offered))
    same = "c.k = p.k and c.share = p.share and c.least = p.least"
    offer(
        engine,
        "select p.left_no, p.right_no, c.remedy from longer_lists as p"
        f" join list_changes as c on {same}",
        "select c.remedy, any_value(c.pairs), count(*) from longer_lists as p"
        f" join list_changes as c on {same} group by c.remedy",
    )


def _extra_pairs(
    engine: Engine, lake: Lake, spec: PipelineSpec, cuts: Mapping[str, Any], k: int, n_changes: int
) -> tuple[int, str]:
    """Count the pairs that a change of the lists adds, or bound them; say which in a word."""
    texts = embedding_facts(lake)["texts"]
    made = neighbour_facts(lake)["pairs"] if spec.embedding else 0
    if spec.embedding and texts <= TEXTS_SEARCHED and n_changes <= CHANGES_SEARCHED:
        return max(0, _search(engine, lake, spec, cuts) - made), ""
    # Every text lists k others, and again by the words of whole records.
    ways = 2 if spec.reads_whole_records else 1
    return max(0, texts * k * ways - made), "at most "


def _search(engine: Engine, lake: Lake, spec: PipelineSpec, cuts: Mapping[str, Any]) -> int:
    """Search with other cuts, in a lake of its own; count the pairs found."""
    assert spec.embedding is not None, "there are neighbours"
    declared = spec.embedding.model_dump(mode="json", exclude_unset=True)
    changed = spec.changed({"embedding": {**declared, **cuts}})
    (step,) = embedding_blocks.steps(changed)
    with tempfile.TemporaryDirectory(prefix="er_pipeline_") as scratch:
        folder = Path(scratch) / spec.dataset
        folder.mkdir()
        for table in step.reads:
            (folder / table).symlink_to(lake.folder / table)
        found = step.run(engine, Lake(Path(scratch), spec.dataset))
    for table in ("cleaned_records", "record_embeddings"):  # they were read by way of it
        lake.open(engine, table)
    return int(found["pairs"])
