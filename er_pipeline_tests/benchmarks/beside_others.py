"""Pairs of ours beside those of others: Splink, BM25 and BlockingPy, on the same people.

People are generated and cleaned; then every way makes its pairs, each in a process of its own. CPU
is that of the work alone, of all threads, imports not included; the peak is the whole process's.
Completeness is the share of the true pairs of records among the pairs. A way that has taken
`--cpu-limit` seconds is ended, and its line says so.

From the same kept blocks of the demo's six strategies:

- `unify_pairs`, every pair with its strategies, and `compute_blocked_pairs_for_predict` of Splink 5
  on one column per strategy, the number of the kept block or NULL.

From the cleaned records, nothing declared but the kinds of the fields:

- rules that are learned, cut to one and to five pairs per record: key_codes to unified_pairs.

From the same texts, the seven fields:

- neighbours: `lexical` with its defaults, statistics and vectors included.
- BM25 (bm25s): every record asks for its ten best by the words of the whole record.
- BlockingPy with its defaults, where `--blockingpy` names a Python that has it
  (see `blockingpy_pairs.py`): what it found nearest, and all pairs of the blocks it makes of that.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.flow import flow, open_lake
from er_pipeline.terminal.demo import DEMO_DEFS, demo_overrides
from er_pipeline_tests.benchmarks import blockingpy_pairs, plain_rankings
from er_pipeline_tests.benchmarks.measuring import (
    make_stale,
    run_child,
    show_machine,
    show_table,
)

SEED = 20
FIELDS = ("first_name", "last_name", "email", "company", "phone", "birth_date", "city")
NEAREST = 10  # of BM25; as many as a list of lexical neighbours holds
LEARNED = {"strategies": "auto", "training_rules": {"same_name": ["first_name", "last_name"]}}
# Of the demo: matching and its weights are work that no other way does.
SETTINGS: dict[str, dict[str, Any]] = {
    "six": {"weights": False},
    "splink": {"weights": False},
    "one": {**LEARNED, "budget": {"pairs_per_record": 1}},
    "five": {**LEARNED, "budget": {"pairs_per_record": 5}},
    "neighbours": {"strategies": {}, "embedding": {"encoder": "lexical"}},
    "bm25": {},
    "blockingpy": {},
}
BEFORE = {"six": "record_codes", "splink": "record_codes"}  # made before the clock starts
MADE = {"six": "unified_pairs", "one": "unified_pairs", "five": "unified_pairs"}
MADE["neighbours"] = "embedding_blocks"
TITLES = {
    "six": "**er_pipeline**, six strategies",
    "splink": "Splink 5, the same capped keys",
    "one": "**er_pipeline**, learned rules, 1 pair per record",
    "five": "**er_pipeline**, learned rules, 5 pairs per record",
    "neighbours": "**er_pipeline**, neighbours by text",
    "bm25": f"BM25 of the words, the {NEAREST} best",
    "blockingpy": "BlockingPy, the nearest of each",
    "blocks": "BlockingPy, all pairs of its blocks",
}

Figures = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every way and print the table; return 1 if ours and Splink's pairs differ."""
    options = _parser().parse_args(arguments)
    if options.way:
        blockingpy_pairs.limit_cpu(options.cpu_limit)
        print(json.dumps(WAYS[options.way](options)))
        return 0
    with tempfile.TemporaryDirectory(prefix="er_pipeline_") as temporary:
        options.keep = (options.keep or Path(temporary)).absolute()
        options.keep.mkdir(parents=True, exist_ok=True)
        show_machine()
        rows = [row for n_records in options.records for row in _rows(options, n_records)]
    _show_versions(rows)
    show_table(
        ["records", "way", "pairs", "completeness", "CPU s", "peak MiB"],
        [
            (
                f"{row['records']:,}",
                TITLES[row["way"]],
                row.get("pairs"),
                f"{row['completeness']:.2%}" if "completeness" in row else None,
                row.get("cpu_seconds", row.get("ended")),
                round(row["peak_mib"]) if "peak_mib" in row else None,
            )
            for row in rows
        ],
    )
    return _judge(rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--records", type=int, nargs="+", default=[10_000, 100_000], metavar="N", help="sizes"
    )
    parser.add_argument(
        "--cpu-limit", type=int, default=1800, metavar="S", help="CPU seconds of a way (1800)"
    )
    parser.add_argument("--blockingpy", metavar="PYTHON", help="a Python that has BlockingPy")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep people and tables here")
    parser.add_argument("--ways", nargs="+", choices=list(SETTINGS), help="these alone")
    parser.add_argument("--way", help=argparse.SUPPRESS)  # in the child
    return parser


def _rows(options: argparse.Namespace, n_records: int) -> list[Figures]:
    rows: list[Figures] = []
    for way in options.ways or SETTINGS:
        if way == "blockingpy" and not options.blockingpy:
            print("BlockingPy is left out: --blockingpy names no Python that has it")
            continue
        _run("prepare " + way, options, n_records)
        ran = _run(way, options, n_records)
        blocks = ran.pop("blocks", None)
        found = [{**ran, "way": way}]
        if blocks:
            found.append({**ran, **blocks, "way": "blocks"})
        for row in found:
            rows.append({**row, "records": n_records})
            print(f"  {n_records:,}, {row['way']}: {row}", file=sys.stderr, flush=True)
    return rows


def _run(way: str, options: argparse.Namespace, n_records: int) -> Figures:
    """Run a way in a child; give its figures, or that it was ended."""
    # __spec__ knows the module's name also where it runs as __main__
    module = __spec__.name if __spec__ else __name__
    given = ["--blockingpy", options.blockingpy] if options.blockingpy else []
    try:
        cost, printed = run_child(
            *("-m", module, "--way", way, "--records", str(n_records), *given),
            *("--keep", str(options.keep), "--cpu-limit", str(options.cpu_limit)),
        )
    except RuntimeError as error:
        if not blockingpy_pairs.took_too_long(error):
            raise
        return {"ended": f"ended after {options.cpu_limit:,}"}
    return {"peak_mib": cost.peak_mib, **json.loads(printed.splitlines()[-1])}


def _spec(way: str, n_records: int) -> PipelineSpec:
    overrides = {**demo_overrides(n_records, SEED), "matching": False, **SETTINGS[way]}
    return read_spec(DEMO_DEFS, overrides)


def _lake(options: argparse.Namespace, way: str) -> Lake:
    """Open the lake of a way: what one has made spares no other one work."""
    (n_records,) = options.records
    shared = "texts" if way in ("bm25", "blockingpy") else way
    return open_lake(options.keep / f"{n_records}_{shared}", _spec(way, n_records))


def prepare(options: argparse.Namespace, way: str) -> Figures:
    """Make the tables that a way starts from, and the true pairs."""
    steps = flow(_spec(way, options.records[0]))
    for table in ("true_pairs", BEFORE.get(way, "cleaned_records")):
        list(make_stale(steps, table, _lake(options, way)))
    return {}


def run_ours(options: argparse.Namespace, way: str) -> Figures:
    """Run the steps of the graph up to the pairs."""
    lake, table = _lake(options, way), MADE[way]
    shutil.rmtree(lake.folder / table, ignore_errors=True)
    made = list(make_stale(flow(_spec(way, options.records[0])), table, lake))
    cpu_seconds = sum(cpu_seconds for _, _, cpu_seconds in made)
    with DuckDBEngine() as engine:
        lake.open(engine, table)
        return {**_counted(engine, lake, quoted(table)), "cpu_seconds": cpu_seconds}


def run_splink(options: argparse.Namespace) -> Figures:
    """Let Splink block on one column per strategy."""
    from splink import Linker, SettingsCreator, block_on
    from splink.backends.duckdb import DuckDBAPI

    lake = _lake(options, "splink")
    names = [s.name for s in _spec("splink", options.records[0]).strategy_conjunctions]
    columns = "".join(
        f", case when code_{i} >= 0 then code_{i} end as {quoted(name)}"
        for i, name in enumerate(names)
    )
    with DuckDBEngine() as engine:
        lake.open(engine, "record_codes")
        engine.make_table("records", f"select record_no as unique_id{columns} from record_codes")
        settings = SettingsCreator(
            link_type="dedupe_only",
            comparisons=[],
            blocking_rules_to_generate_predictions=[block_on(name) for name in names],
        )
        linker = Linker(DuckDBAPI(connection=engine.con).register("records"), settings)
        began = time.process_time()
        blocked = linker.inference.compute_blocked_pairs_for_predict()
        cpu_seconds = time.process_time() - began
        pairs = f"select join_key_l as left_no, join_key_r as right_no from {blocked.physical_name}"
        return {**_counted(engine, lake, f"({pairs})"), "cpu_seconds": cpu_seconds}


def run_bm25(options: argparse.Namespace) -> Figures:
    """Have every record ask for its best ones by the words of the whole record."""
    import bm25s

    lake = _lake(options, "bm25")
    texts = _texts(lake)
    began = time.process_time()
    tokens = [plain_rankings.words_of(text) for text in texts]
    index = bm25s.BM25(k1=plain_rankings.K1, b=plain_rankings.B)
    index.index(tokens, show_progress=False)
    asking = np.array([row for row, words in enumerate(tokens) if words])
    queries = [list(dict.fromkeys(tokens[row])) for row in asking]
    k = min(NEAREST + 1, len(texts))  # one is the record itself
    found, scores = index.retrieve(queries, k=k, show_progress=False)
    alike = scores > 0
    pairs = blockingpy_pairs.distinct(np.repeat(asking, k)[alike.ravel()], found[alike])
    return {"cpu_seconds": time.process_time() - began, **_counted_rows(lake, pairs)}


def run_blockingpy(options: argparse.Namespace) -> Figures:
    """Have BlockingPy block the texts, in the Python that has it."""
    lake = _lake(options, "blockingpy")
    texts, pairs = lake.folder / "texts.txt", lake.folder / "blockingpy"
    texts.write_text("".join(" ".join(text.split()) + "\n" for text in _texts(lake)), "utf-8")
    try:
        cost, printed = run_child(
            *(blockingpy_pairs.__file__, str(texts), str(pairs), str(options.cpu_limit)),
            python=options.blockingpy,
        )
    except RuntimeError as error:
        if not blockingpy_pairs.took_too_long(error):
            raise
        return {"ended": f"ended after {options.cpu_limit:,}"}
    nearest, blocks = (
        _counted_rows(lake, np.load(f"{pairs}.{kind}.npy")) for kind in ("neighbours", "blocks")
    )
    figures: Figures = json.loads(printed.splitlines()[-1])
    return {**figures, **nearest, "blocks": blocks, "peak_mib": cost.peak_mib}


def _texts(lake: Lake) -> list[str]:
    """Read every record's fields as one text, in the order of record_no."""
    with DuckDBEngine() as engine:
        lake.open(engine, "cleaned_records")
        rows = engine.rows(
            f"select concat_ws(' ', {', '.join(FIELDS)}) from cleaned_records order by record_no"
        )
    return [text for (text,) in rows]


def _counted_rows(lake: Lake, pairs: NDArray[np.int64]) -> Figures:
    with DuckDBEngine() as engine:
        engine.put("found", {"left_no": pairs[:, 0], "right_no": pairs[:, 1]})
        return _counted(engine, lake, "found")


def _counted(engine: Engine, lake: Lake, pairs: str) -> Figures:
    """Count the pairs of a table or query (left_no, right_no), and the true pairs among them."""
    lake.open(engine, "true_pairs")
    n_pairs, n_found, n_true = engine.row(
        f"select (select count(*) from {pairs}),"
        f" (select count(*) from true_pairs join {pairs} as p using (left_no, right_no)),"
        " (select count(*) from true_pairs)"
    )
    return {"pairs": n_pairs, "completeness": n_found / n_true if n_true else 1.0}


def _show_versions(rows: Sequence[Figures]) -> None:
    """Print when this was measured, with what and on what; no name of the machine."""
    versions = {name: version(name) for name in ("duckdb", "splink", "bm25s")}
    for row in rows:
        if "version" in row:
            versions["blockingpy"] = row["version"]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    listed = ", ".join(f"{name} {number}" for name, number in versions.items())
    print(
        f"Measured on {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GiB,"
        f" Python {sys.version.split()[0]}: {listed}"
    )


def _judge(rows: Sequence[Figures]) -> int:
    """Say whether ours and Splink's pairs of the same blocks are as many."""
    counts: dict[int, dict[str, int]] = {}
    for row in rows:
        if row["way"] in ("six", "splink") and "pairs" in row:
            counts.setdefault(row["records"], {})[row["way"]] = row["pairs"]
    same = all(len(set(of_size.values())) == 1 for of_size in counts.values())
    print(f"[{'ok' if same else 'FAILED'}] pairs of the same blocks: {counts}")
    return int(not same)


WAYS: dict[str, Callable[[argparse.Namespace], Figures]] = {
    **{f"prepare {way}": partial(prepare, way=way) for way in SETTINGS},
    **{way: partial(run_ours, way=way) for way in MADE},
    "splink": run_splink,
    "bm25": run_bm25,
    "blockingpy": run_blockingpy,
}


if __name__ == "__main__":
    raise SystemExit(main())
