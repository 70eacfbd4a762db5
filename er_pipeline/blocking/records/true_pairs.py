"""Truth: known matches, where a dataset has any. They judge the result and never shape it."""

import logging
from pathlib import Path
from typing import Any

from er_pipeline.blocking.records.cleaned_records import (
    check_truth_file,
    example_pairs,
    read_numbered,
    read_records,
    truth_reader,
)
from er_pipeline.blocking.spec.checks_section import Truth
from er_pipeline.blocking.spec.pipeline import PipelineSpec, resolved
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, literal, quoted
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.lake import Lake

logger = logging.getLogger(__name__)

# A cluster column that puts half the table into one entity is a mistake, not a truth.
MAX_TRUE_PAIRS = 100_000_000


def write_true_pairs(
    engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, folder: Path
) -> dict[str, Any]:
    """Write the known matches as pairs of record numbers.

    Reads cleaned_records and the spec's truth (a file of id pairs, or a cluster column). Writes
    true_pairs (left_no, right_no), each pair once, left_no < right_no; in link mode only pairs
    between sources. Pairs with an unknown id are counted, not silently lost.
    Returns the facts kept beside the table: true_pairs, unknown_ids.

    Raises InputError if the file is missing, unreadable or lacks a column, or if no pair fits.
    """
    assert spec.truth is not None
    fingerprint = read_records(engine, lake)
    across = "and l.source_no <> r.source_no" if spec.link_mode == "link" else ""
    unknown = 0
    if spec.truth.cluster_column:
        (expected,) = engine.row(
            "select coalesce(sum(n * (n - 1) // 2), 0)::bigint from (select count(*) as n"
            " from cleaned_records where true_cluster is not null group by true_cluster)"
        )
        if expected > MAX_TRUE_PAIRS:
            raise InputError(
                f"truth: column {spec.truth.cluster_column!r} makes {expected:,} true pairs, more"
                f" than {MAX_TRUE_PAIRS:,}; does it really name the entity?"
            )
        pairs = f"""
            select l.record_no as left_no, r.record_no as right_no
            from cleaned_records as l join cleaned_records as r
                on l.true_cluster = r.true_cluster and l.record_no < r.record_no {across}
        """
    else:
        unknown = _read_pairs(engine, spec, spec.truth, folder)
        pairs = f"""
            select distinct least(l.record_no, r.record_no) as left_no,
                greatest(l.record_no, r.record_no) as right_no
            from given_pairs as g
            join cleaned_records as l on l.record_id = g.left_id and l.source = g.left_source
            join cleaned_records as r on r.record_id = g.right_id and r.source = g.right_source
            where l.record_no <> r.record_no {across}
        """
    with lake.writing("true_pairs", {"fingerprint": fingerprint}) as draft:
        engine.write(f"select * from ({pairs}) order by left_no, right_no", draft.file())
        engine.read_folder(draft.folder, "written_true_pairs")
        (n_pairs,) = engine.row("select count(*) from written_true_pairs")
        if n_pairs == 0:
            raise InputError(
                "truth: not one pair is of two different records that are there; do its ids read"
                " as the records' ids do?"
            )
        draft.facts.update(true_pairs=n_pairs, pairs_with_unknown_ids=unknown)
        return dict(draft.facts)


def read_true_pairs(engine: DuckDBEngine, lake: Lake, fingerprint: str) -> bool:
    """Make true_pairs readable, where they have been written for these records."""
    if not lake.has("true_pairs") or lake.facts("true_pairs")["fingerprint"] != fingerprint:
        return False
    read_numbered(engine, lake, "true_pairs", fingerprint)
    return True


def _read_pairs(engine: DuckDBEngine, spec: PipelineSpec, truth: Truth, folder: Path) -> int:
    """Read a file of pairs into given_pairs; count those with an id that no record has."""
    assert truth.path
    check_truth_file(engine, spec, folder)
    file = resolved(truth.path, folder)
    # Without columns that say so, the left id is of the first source and the right one of the last.
    sources = {
        "left_source": truth.left_source or literal(spec.source_labels[0]),
        "right_source": truth.right_source or literal(spec.source_labels[-1]),
    }
    columns = ", ".join(
        [
            f"cast({quoted(truth.left_id)} as varchar) as left_id",
            f"cast({quoted(truth.right_id)} as varchar) as right_id",
            *(
                f"{quoted(value) if getattr(truth, name) else value} as {name}"
                for name, value in sources.items()
            ),
        ]
    )
    engine.make_table("given_pairs", f"select {columns} from {truth_reader(file)}")
    engine.make_table(
        "unknown_pairs",
        """
        select g.left_id, g.right_id from given_pairs as g
        left join cleaned_records as l on l.record_id = g.left_id and l.source = g.left_source
        left join cleaned_records as r on r.record_id = g.right_id and r.source = g.right_source
        where l.record_no is null or r.record_no is null
        """,
    )
    given, unknown = engine.row(
        "select (select count(*) from given_pairs), (select count(*) from unknown_pairs)"
    )
    if unknown:
        logger.warning(
            "%s: %s of %s pairs name an id that no record has, such as %s; they are not counted",
            file,
            f"{unknown:,}",
            f"{given:,}",
            example_pairs(engine, "from unknown_pairs"),
        )
    return int(unknown)
