"""The neighbours that need no model: `lexical` with its defaults, beside a plain TF-IDF top-k.

People are generated and cleaned once; then each step runs in a process of its own. CPU is that of
the work alone, of all threads, imports and cleaning not included; the peak is the whole process's.

- encode: `embed_records` over seven fields, no cached vectors.
- search: `find_neighbours`, from the vectors to the written pairs.
- tfidf: what one writes first, up to 100,000 records: the fields joined to one text, character
  3-grams within words, TF-IDF as scikit-learn's TfidfVectorizer(analyzer="char_wb") weighs them
  (written out here, scikit-learn is no dependency), the 10 nearest of each by sp_matmul_topn.
- completeness: share of the true pairs of records among the pairs.
- recall: of a seeded sample of texts, the share of what exact search of the same vectors by a plain
  sparse product, no n-gram left out, lists (k, the floor, the share of the text's own best) that
  is among the pairs. A cut by the other text's best could only keep more.

Measured 2026-11 on 2 shared cores, max_work_per_record 30,000:

    people       way               CPU s   peak MiB   pairs a record   completeness   recall
    100,000      lexical encode      1.4        415
                 lexical search     23.2        596             6.81         0.9863    0.978
                 tfidf             228.0        441             7.79         0.9704
    1,000,000    lexical encode     13.1      2,301
                 lexical search    341.3      2,051             7.32         0.9605    0.714

Those are of the fields alone, before common n-grams found in pairs, which they do from 100,000
texts on. Of the nearest of each text, exact search finds the same in 0.999 of the cases at 100,000
and 0.907 at 1,000,000. By fields and words, with pairs of n-grams, on busy cores: 38.4 + 574 CPU s,
3,509 MiB, 13.2 pairs a record, completeness 0.974, recall 0.867, of the nearest 0.970.
"""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from er_pipeline.blocking.neighbours.nearest import DECIMALS
from er_pipeline.blocking.neighbours.vector_files import TEXT_VECTORS, load_vectors, vector_folder
from er_pipeline.blocking.records.generated_people import write_people
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.table import Facts
from er_pipeline.flow import flow, open_lake
from er_pipeline_tests.benchmarks.measuring import (
    make_stale,
    run_child,
    show_aim,
    show_machine,
    show_table,
    timed_step,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FIELDS = ("first_name", "last_name", "email", "company", "phone", "birth_date", "city")
SEED = 20
SMALL = 100_000  # records that a larger run is compared with
MAX_CPU_SECONDS = 30  # encode and search, at SMALL
MAX_PEAK_MIB = 1536  # at SMALL
MAX_PEAK_MIB_LARGE = 6144
MAX_GROWTH = 3  # of the CPU per record, from SMALL
SAMPLED_TEXTS = 1_000
TEXTS_PER_PRODUCT = 20  # 20 rows of a million products are 240 MB
TFIDF_K = 10

Figures = dict[str, Any]

# Made before the vectors, of all texts.
STATISTICS = "encoder_statistics"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every step and print the tables; return 1 if a way found no pairs."""
    options = _parser().parse_args(arguments)
    if options.step:
        print(json.dumps(STEPS[options.step](options.keep, options.records)))
        return 0
    with tempfile.TemporaryDirectory(prefix="er_pipeline_") as temporary:
        folder = (options.keep or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        show_machine()
        ours = _measure_lexical(folder, options.records)
        tfidf = _run("tfidf", folder, options.records) if options.records <= SMALL else None
        small = _measure_lexical(folder, SMALL) if options.records > SMALL else None
    _print_tables(ours, tfidf)
    return _judge(options.records, ours, tfidf, small)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=SMALL, metavar="N")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep people and tables here and use them again"
    )
    parser.add_argument("--step", choices=list(STEPS), help=argparse.SUPPRESS)  # in the child
    return parser


def _measure_lexical(folder: Path, n_records: int) -> dict[str, Figures]:
    return {
        step: _run(step, folder, n_records) for step in ("prepare", "encode", "search", "recall")
    }


def _run(step: str, folder: Path, n_records: int) -> Figures:
    """Run a step in a child; give its figures, its peak among them."""
    # __spec__ knows the module's name also where it runs as __main__
    module = __spec__.name if __spec__ else __name__
    cost, printed = run_child(
        *("-m", module, "--step", step, "--records", str(n_records), "--keep", str(folder))
    )
    figures: Figures = json.loads(printed.splitlines()[-1])
    figures["peak_mib"] = cost.peak_mib
    print(f"  {step}, {n_records:,}: {figures['cpu_seconds']:.1f} CPU s", file=sys.stderr)
    return figures


def _people(folder: Path, n_records: int) -> Path:
    return folder / f"people_{n_records}_{SEED}.csv"


def _spec(folder: Path, n_records: int) -> PipelineSpec:
    source = {
        "path": str(_people(folder, n_records)),
        "record_id": "id",
        "columns": {name: name for name in FIELDS},
    }
    declared = {
        "dataset": "people",
        "sources": [source],
        "strategies": {},
        "embedding": {"encoder": "lexical"},
        "training_rules": {"same_name": ["first_name", "last_name"]},
        "truth": {"cluster_column": "person_id"},
    }
    return PipelineSpec.model_validate(declared)


def _lake(folder: Path, n_records: int) -> Lake:
    return open_lake(folder / f"lake_{n_records}_{SEED}", _spec(folder, n_records))


def prepare(folder: Path, n_records: int) -> Figures:
    """Write people and clean them, unless an earlier run kept them."""
    began = time.process_time()
    if not _people(folder, n_records).exists():
        write_people(_people(folder, n_records), n_records=n_records, seed=SEED)
    list(make_stale(flow(_spec(folder, n_records)), "true_pairs", _lake(folder, n_records)))
    return {"cpu_seconds": time.process_time() - began}


def encode(folder: Path, n_records: int) -> Figures:
    """Count the n-grams and encode every text; what an earlier run kept goes first."""
    for kept in (TEXT_VECTORS, STATISTICS):
        shutil.rmtree(_lake(folder, n_records).folder / kept, ignore_errors=True)
    _, counting = _made(STATISTICS, folder, n_records)
    facts, encoding = _made("record_embeddings", folder, n_records)
    return {"cpu_seconds": counting + encoding, "texts": facts["texts"]}


def search(folder: Path, n_records: int) -> Figures:
    """Find the neighbours, all lists anew, and count the true pairs among them."""
    shutil.rmtree(_lake(folder, n_records).folder / "neighbour_candidates", ignore_errors=True)
    facts, cpu_seconds = _made("embedding_blocks", folder, n_records)
    lake = _lake(folder, n_records)
    with DuckDBEngine() as engine:
        lake.open(engine, "embedding_blocks")
        completeness = _completeness(engine, lake, "embedding_blocks")
    return {**facts, "cpu_seconds": cpu_seconds, "completeness": completeness}


def _made(table: str, folder: Path, n_records: int) -> tuple[Facts, float]:
    return timed_step(flow(_spec(folder, n_records)), table, _lake(folder, n_records))


def _completeness(engine: Engine, lake: Lake, pairs: str) -> float:
    lake.open(engine, "true_pairs")
    found, expected = engine.row(
        f"select (select count(*) from true_pairs join {pairs} using (left_no, right_no)),"
        " (select count(*) from true_pairs)"
    )
    return float(found / expected) if expected else 1.0


def recall(folder: Path, n_records: int) -> Figures:
    """Search a sample of texts exactly; count what of it is among the pairs."""
    spec, lake = _spec(folder, n_records), _lake(folder, n_records)
    encoder = spec.embedding
    assert encoder is not None
    began = time.process_time()
    vectors = load_vectors(vector_folder(lake))
    assert not isinstance(vectors, np.ndarray), "lexical vectors are sparse"
    n_texts = vectors.shape[0]
    rng = np.random.Generator(np.random.PCG64(SEED))
    sample = np.sort(rng.choice(n_texts, min(SAMPLED_TEXTS, n_texts), replace=False))
    with DuckDBEngine() as engine:
        for table in ("record_embeddings", "embedding_blocks"):
            lake.open(engine, table)
        (holders,) = engine.columns(
            "select count(*) from record_embeddings group by text_no order by text_no"
        ).values()
        expected, nearest = [], []
        transposed = vectors.T  # a view
        for start in range(0, len(sample), TEXTS_PER_PRODUCT):
            texts = sample[start : start + TEXTS_PER_PRODUCT]
            products = (vectors[texts] @ transposed).tocsr()
            for i, text in enumerate(texts.tolist()):
                own = slice(products.indptr[i], products.indptr[i + 1])
                neighbours = products.indices[own]
                similarity = np.round(products.data[own].astype(np.float64), DECIMALS)
                valid = (neighbours != text) & (similarity >= encoder.min_similarity)
                neighbours, similarity = neighbours[valid], similarity[valid]
                order = np.lexsort((neighbours, -similarity))[: encoder.n_listed]
                if not len(order):
                    continue
                # records that share the text are each other's best
                best = 1.0 if holders[text] > 1 else similarity[order[0]]
                listed = order[similarity[order] >= encoder.min_share_of_best * best]
                expected += [(text, other) for other in neighbours[listed].tolist()]
                nearest += [(text, other) for other in neighbours[listed[:1]].tolist()]
        engine.make_table(
            "found",
            "select distinct l.text_no as one, r.text_no as other from embedding_blocks as p"
            " join record_embeddings as l on l.record_no = p.left_no"
            " join record_embeddings as r on r.record_no = p.right_no",
        )
        figures = {
            "recall": _share_found(engine, expected),
            "recall_of_nearest": _share_found(engine, nearest),
        }
    return {**figures, "entries": len(expected), "cpu_seconds": time.process_time() - began}


def _share_found(engine: Engine, entries: list[tuple[int, int]]) -> float:
    """Count the entries whose texts stand in a pair, whichever is on its left."""
    if not entries:
        return 1.0
    texts = np.array(entries, np.int32)
    engine.put("wanted_entries", {"one": texts[:, 0], "other": texts[:, 1]})
    ((n_found,),) = engine.rows(
        "select count(*) from wanted_entries as w where exists (from found as f"
        " where f.one = w.one and f.other = w.other)"
        " or exists (from found as f where f.one = w.other and f.other = w.one)"
    )
    return float(n_found / len(entries))


def tfidf(folder: Path, n_records: int) -> Figures:
    """Do what one writes first: one text per record, 3-grams, TF-IDF, the k nearest."""
    from sparse_dot_topn import sp_matmul_topn

    lake = _lake(folder, n_records)
    with DuckDBEngine() as engine:
        lake.open(engine, "cleaned_records")
        columns = ", ".join(FIELDS)
        texts = [
            text
            for (text,) in engine.rows(
                f"select concat_ws(' ', {columns}) from cleaned_records order by record_no"
            )
        ]
        began = time.process_time()
        vectors = tfidf_vectors(texts)
        encoded = time.process_time()
        threads = os.cpu_count() or 1
        found = sp_matmul_topn(vectors, vectors.T.tocsr(), TFIDF_K + 1, n_threads=threads).tocoo()
        apart = found.row != found.col
        left = np.minimum(found.row, found.col)[apart]
        right = np.maximum(found.row, found.col)[apart]
        # record_no counts from 0, in the order of the texts
        codes = np.unique(left.astype(np.int64) * len(texts) + right)
        cpu_seconds = time.process_time() - began
        pairs = {"left_no": codes // len(texts), "right_no": codes % len(texts)}
        engine.put("tfidf_pairs", pairs)
        completeness = _completeness(engine, lake, "tfidf_pairs")
    return {
        "cpu_seconds": cpu_seconds,
        "encode_cpu_seconds": encoded - began,
        "pairs": len(codes),
        "pairs_per_record": len(codes) / len(texts),
        "completeness": completeness,
    }


def tfidf_vectors(texts: Sequence[str]) -> "csr_matrix":
    """Weigh the 3-grams within words; rows of length 1, one per text."""
    from scipy.sparse import csr_matrix, diags

    columns: dict[str, int] = {}
    grams_of_word: dict[str, list[int]] = {}
    indices, indptr = array("i"), array("q", [0])
    for text in texts:
        for word in re.split(r"\s+", text.lower()):
            if word not in grams_of_word:
                padded = f" {word} "
                grams_of_word[word] = [
                    columns.setdefault(padded[i : i + 3], len(columns))
                    for i in range(max(1, len(padded) - 2) if word else 0)
                ]
            indices.extend(grams_of_word[word])
        indptr.append(len(indices))
    counts = csr_matrix(
        (np.ones(len(indices), np.float32), np.array(indices), np.array(indptr)),
        shape=(len(texts), len(columns)),
    )
    counts.sum_duplicates()
    holders = np.bincount(counts.indices, minlength=len(columns))
    idf = np.log((1 + len(texts)) / (1 + holders)) + 1
    weighted = (counts @ diags(idf.astype(np.float32))).tocsr()
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    lengths[lengths == 0] = 1
    return (diags((1 / lengths).astype(np.float32)) @ weighted).tocsr()


STEPS: dict[str, Callable[[Path, int], Figures]] = {
    "prepare": prepare,
    "encode": encode,
    "search": search,
    "recall": recall,
    "tfidf": tfidf,
}


def _print_tables(ours: dict[str, Figures], tfidf: Figures | None) -> None:
    encoded, found, checked = ours["encode"], ours["search"], ours["recall"]
    peak_mib = max(encoded["peak_mib"], found["peak_mib"])
    rows: list[tuple[str, float | None, Figures, float]] = [
        ("**lexical**", encoded["cpu_seconds"], found, peak_mib)
    ]
    if tfidf:
        title = f"plain TF-IDF of the whole text, top {TFIDF_K}"
        rows.append((title, None, tfidf, tfidf["peak_mib"]))
    show_table(
        [
            *("way", "CPU s, encoding", "CPU s, search"),
            *("peak MiB", "pairs per record", "completeness"),
        ],
        [
            (
                *(way, encoding, figures["cpu_seconds"], round(peak_mib)),
                f"{figures['pairs_per_record']:.1f}",
                f"{figures['completeness']:.1%}",
            )
            for way, encoding, figures, peak_mib in rows
        ],
    )
    if not tfidf:
        print(f"tfidf is left out above {SMALL:,} records: its cost grows with their square")
    print(
        f"{encoded['texts']:,} texts, {found['common_ngrams_left_out']:,} n-grams left out,"
        f" {found['full_lists_share']:.1%} of the lists full\n"
        f"recall of exact search {checked['recall']:.4f}, of the nearest"
        f" {checked['recall_of_nearest']:.4f} ({checked['entries']:,} entries of a sample)"
    )


def _judge(
    n_records: int,
    ours: dict[str, Figures],
    tfidf: Figures | None,
    small: dict[str, Figures] | None,
) -> int:
    cpu_seconds = _cpu_seconds(ours)
    peak_mib = max(ours["encode"]["peak_mib"], ours["search"]["peak_mib"])
    if small is None:
        show_aim("CPU of encode and search", cpu_seconds, MAX_CPU_SECONDS, " s")
        show_aim("peak memory", peak_mib, MAX_PEAK_MIB, " MiB")
    else:
        growth = (cpu_seconds / n_records) / (_cpu_seconds(small) / SMALL)
        print(f"{cpu_seconds:,.1f} CPU s, {_cpu_seconds(small):,.1f} at {SMALL:,} records")
        show_aim(f"CPU per record, times that at {SMALL:,}", growth, MAX_GROWTH)
        show_aim("peak memory", peak_mib, MAX_PEAK_MIB_LARGE, " MiB")
    counted = [ours["search"]["pairs"]]
    if tfidf:
        counted.append(tfidf["pairs"])
        gain = ours["search"]["completeness"] - tfidf["completeness"]
        times = tfidf["cpu_seconds"] / cpu_seconds
        print(f"[shown] beside tfidf: {gain:+.4f} complete, {times:.1f} times cheaper (no aim)")
    print(f"[{'ok' if all(counted) else 'FAILED'}] every way found pairs")
    return int(not all(counted))


def _cpu_seconds(measured: dict[str, Figures]) -> float:
    return float(measured["encode"]["cpu_seconds"] + measured["search"]["cpu_seconds"])


if __name__ == "__main__":
    raise SystemExit(main())
