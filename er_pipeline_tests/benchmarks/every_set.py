"""The one setting on every set: `strategies: auto` and `embedding: true` within budgets, no more.

Kinds of fields are guessed from the header, nothing is tuned and nothing labelled. Real sets
(../shared/data) and made-up tables of the sorts that strangers bring: people, households, wide
noise, agencies with columns of their own, citations with clusters up to 300, publications whose
facts stand in varying columns, editions of one short text, 150 fields, songs of five sources, with
their repeats and linked.

Beside the pairs that our ranking keeps stand those that plain rankings keep of the same candidates,
and what BM25 finds as a blocker of its own:

- our cosine: the field-wise cosine that unified_pairs has
- TF-IDF: cosine of the whole record's words, or of their 3-grams
- BM25: of the whole record's words, the sum of both directions
- BM25 top-k: k for each record, as many pairs in all as the budget has; words or 3-grams

The union is the completeness of the candidates before the cut: no ranking can reach more. Lines
where a rival is better stay in the table. Every set runs in a process of its own.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from er_pipeline_tests.benchmarks.best_pairs_sets import REAL_DATA
from er_pipeline_tests.benchmarks.best_pairs_trials import Figures, Trial
from er_pipeline_tests.benchmarks.every_set_sets import REAL, SETS, settings_of
from er_pipeline_tests.benchmarks.every_set_trials import measure
from er_pipeline_tests.benchmarks.measuring import run_child, show_machine, show_table

SEED = 20
RECORDS = 3_000
NOT_WORSE = 0.005  # below a rival by up to half a point counts as equal


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the sets and print what each way keeps; return 1 if one failed or made no pairs."""
    options = _parser().parse_args(arguments)
    if options.child:
        name, folder = options.child, options.keep
        trial = Trial(settings_of(name, options.records, options.seed, folder), folder)
        print(json.dumps(measure(trial)))
        return 0
    show_machine()
    measured: dict[str, Figures] = {}
    failed = []
    with tempfile.TemporaryDirectory(prefix="er_pipeline_") as temporary:
        for name in options.sets:
            if name in REAL and not (REAL_DATA / name).is_dir():
                print(f"{name}: left out, as {REAL_DATA / name} is not there")
                continue
            folder = (options.keep or Path(temporary)).absolute() / name
            try:
                measured[name] = _run(name, options.records, options.seed, folder)
            except RuntimeError as error:  # the others are shown nevertheless
                print(f"{name}: {error}", flush=True)
                failed.append(name)
                continue
            _show(name, measured[name])
    show_tables(measured)
    failed += [name for name, point in _lines(measured) if not point["pairs"]]
    mark = "FAILED" if failed else "ok"
    print(f"[{mark}] {len(measured)} sets, failed or without pairs: {', '.join(failed) or 'none'}")
    return int(bool(failed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sets", nargs="*", choices=SETS, default=SETS, metavar="SET")
    parser.add_argument(
        "--records", type=int, default=RECORDS, metavar="N", help="of each made-up set"
    )
    parser.add_argument("--seed", type=int, default=SEED, help="draws the made-up sets anew")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep files and lakes here")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser


def _run(name: str, n_records: int, seed: int, folder: Path) -> Figures:
    """Run a set in a child; give its figures, and what it cost."""
    folder.mkdir(parents=True, exist_ok=True)
    # __spec__ knows the module's name also where it runs as __main__
    module = __spec__.name if __spec__ else __name__
    print(name, file=sys.stderr)
    drawn = ("--records", str(n_records), "--seed", str(seed))
    cost, printed = run_child("-m", module, "--child", name, "--keep", str(folder), *drawn)
    figures: Figures = json.loads(printed.splitlines()[-1])
    return {**figures, "cpu_seconds": cost.cpu_seconds, "peak_mib": cost.peak_mib}


def _show(name: str, figures: Figures) -> None:
    made = ", ".join(dict.fromkeys(f"{point['candidates']:,}" for point in figures["points"]))
    print(
        f"{name}: {figures['records']:,} records, {figures['matches']:,} true pairs, candidates"
        f" {made}; {figures['cpu_seconds']:.0f} CPU s, peak {figures['peak_mib']:,.0f} MiB",
        flush=True,
    )


def show_tables(measured: Mapping[str, Figures]) -> None:
    """Print a line for each budget of each set, and how far the worst of them are behind."""
    lines = list(_lines(measured))
    if not lines:
        return
    _, first = lines[0]
    ways = [*first["plain"], *first["blockers"]]
    rows = []
    for name, point in lines:
        shares = {**point["plain"], **point["blockers"]}
        rival = max(shares, key=lambda way: shares[way])
        rows.append(
            [
                name,
                f"{point['budget']:,} pairs",
                f"**{point['ours']:.2%}**",
                *(f"{shares[way]:.2%}" for way in ways),
                rival,
                f"{100 * (point['ours'] - shares[rival]):+.2f}",
                f"{point['union']:.2%}",
                _target_of(point),
            ]
        )
    columns = ["set", "what", "ours", *ways, "best rival", "difference", "union", "target"]
    show_table(columns, rows)
    with_target = [point for _, point in lines if point["target"] is not None]
    n_missed = sum(not _is_reached(point) for point in with_target)
    summary: list[list[object]] = []
    for what, kinds in (("plain ranking", ["plain"]), ("rival", ["plain", "blockers"])):
        behind = [
            point["ours"] - max(share for kind in kinds for share in point[kind].values())
            for _, point in lines
        ]
        worst = min(range(len(lines)), key=behind.__getitem__)
        where = f"{lines[worst][0]}, {lines[worst][1]['budget']:,} pairs"
        n_below = sum(difference < -NOT_WORSE for difference in behind)
        of_all = f"{n_below} of {len(lines)}"
        below = f"lines more than {100 * NOT_WORSE:g} points below the best {what}"
        summary.append(
            [
                f"worst difference to the best {what}, points",
                f"{100 * behind[worst]:+.2f} ({where})",
            ]
        )
        summary.append([below, of_all])
    summary.append(["targets missed", f"{n_missed} of {len(with_target)}"])
    show_table(["what", "figure"], summary)


def _lines(measured: Mapping[str, Figures]) -> Iterator[tuple[str, Figures]]:
    for name, figures in measured.items():
        for point in figures["points"]:
            yield name, point


def _target_of(point: Figures) -> str | None:
    if point["target"] is None:
        return None
    return f"{point['target']:.1%} {'reached' if _is_reached(point) else '**MISSED**'}"


def _is_reached(point: Figures) -> bool:
    return bool(point["ours"] >= point["target"])


if __name__ == "__main__":
    raise SystemExit(main())
