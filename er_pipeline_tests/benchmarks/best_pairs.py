"""The best pairs within a budget: `strategies: auto`, untuned, beside what it must reach.

Every case runs in a process of its own: the steps of the flow, one after another, on a fresh lake,
as a user of the library would run them. A smaller budget takes the tables that are there and makes
only those again that it shapes, unified_pairs and the report of it.

- real sets (../shared/data): the kinds of their fields, auto and `embedding: true`, nothing else.
- people and households, made up (--records): auto alone, and up to 100,000 also with `embedding`;
  beside them the six default strategies, those that the fields of households allow.
- wide and large_clusters (10,000 records): most columns noise; people with a hundred records.
- --labels: auto with 100 judged matches and 100 judged non-matches, beside auto without; and
  whether the interval of recall that the learned rules show contains the recall that they have.

Measured 2026-11 on 2 shared cores; pairs completeness at the first and the second budget:

    set                  way               first  second   all made  pairs a record   learned, CPU s
    fake_1000            auto+embedding    .9729   .9902      .9916            16.5              0.9
    febrl3               auto+embedding   1.0000  1.0000     1.0000            29.3              4.3
    febrl4               auto+embedding   1.0000       -     1.0000            39.1              5.6
    abt_buy              auto+embedding    .9935   .9972      .9972             9.3              0.5
    dblp_acm             auto+embedding    .9987  1.0000     1.0000            18.1              1.2
    people 100,000       auto              .9851   .9919      .9928            38.0              5.4
    people 100,000       auto+embedding    .9831   .9931      .9952            42.0              6.2
    people 1,000,000     auto              .9729   .9804      .9817            29.7             27.6
    households 100,000   auto              .9770   .9940      .9954            38.1             14.7
    households 100,000   auto+embedding    .9760   .9949      .9968            39.5             15.6
    households 1,000,000 auto              .9767   .9900      .9912            43.8             53.7

With labels learned_rules took 6.3 CPU s on febrl3, 1.7 on fake_1000, and the completeness was that
without, but for abt_buy (.9954, .9972); of eight other draws of labels fake_1000 lost one of 2,031
pairs at the first budget in two. The interval contained the recall in 10 of 10 draws on febrl3, and
on 10,000 people. wide finds .9894 and .9943; large_clusters .9998 with 42 pairs a record. A million
people: search, emission, weights, ranking and cut take 97 s beside other work (159 CPU s), 3.4 GiB.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from er_pipeline_tests.benchmarks.best_pairs_sets import (
    KINDS,
    MADE_UP,
    PER_RECORD,
    REAL_DATA,
    SETS,
    Case,
    settings_of,
    target_of,
)
from er_pipeline_tests.benchmarks.best_pairs_trials import WAYS, Figures, Trial
from er_pipeline_tests.benchmarks.measuring import run_child, show_machine, show_table

HARD_RECORDS = 10_000
MOST_RECORDS_EMBEDDED = 100_000
HONEST_PEOPLE = 10_000
ROUNDING = 1e-9  # what the ends of an interval may be off
# A field that adds or takes less than this of a candidate, on average, is silent.
SILENT_NATS = 0.15


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the cases and print what each reached; return 1 if one made no pairs."""
    options = _parser().parse_args(arguments)
    if options.case:
        name, records, way = options.case.split(":")
        case = Case(name, int(records), way)
        print(json.dumps(WAYS[way](case, Trial(settings_of(case, options.keep), options.keep))))
        return 0
    show_machine()
    measured: dict[Case, Figures] = {}
    with tempfile.TemporaryDirectory(prefix="er_pipeline_") as temporary:
        for case in _cases(options.sets, options.records, options.labels):
            if case.set in KINDS and not (REAL_DATA / case.set).is_dir():
                print(f"{case.title}: left out, as {REAL_DATA / case.set} is not there")
                continue
            folder = (options.keep or Path(temporary)).absolute() / case.name.replace(":", "_")
            measured[case] = _run(case, folder)
            _show(case, measured[case], measured.get(replace(case, way="six")))
    show_tables(measured)
    empty = [case.title for case, figures in measured.items() if not figures["pairs"]]
    print(
        f"[{'FAILED' if empty else 'ok'}] {len(measured)} cases, without pairs: {empty or 'none'}"
    )
    return int(bool(empty))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--records", type=int, nargs="*", default=[100_000], metavar="N", help="of made-up people"
    )
    parser.add_argument("--sets", nargs="*", choices=SETS, default=SETS, metavar="SET")
    parser.add_argument("--labels", action="store_true", help="learn from judged pairs, too")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the lakes here")
    parser.add_argument("--case", help=argparse.SUPPRESS)  # in the child
    return parser


def _cases(sets: Collection[str], records: Sequence[int], labels: bool) -> list[Case]:
    cases = []
    for name in SETS:
        if name not in sets:
            continue
        if name in MADE_UP:
            for n in records:
                embedded = ["auto+embedding"] if n <= MOST_RECORDS_EMBEDDED else []
                cases += [Case(name, n, way) for way in ("six", "auto", *embedded)]
        elif name in KINDS:
            cases.append(Case(name, 0, "auto+embedding"))
            if labels:
                cases.append(Case(name, 0, "labels"))
        else:
            cases += [Case(name, HARD_RECORDS, way) for way in ("six", "auto")]
    if labels:
        honest = (Case("febrl3", 0, "honesty"), Case("people", HONEST_PEOPLE, "honesty"))
        cases += [case for case in honest if case.set in sets]
    return cases


def _run(case: Case, folder: Path) -> Figures:
    """Run a case in a child; give its figures, its peak among them."""
    folder.mkdir(parents=True, exist_ok=True)
    # __spec__ knows the module's name also where it runs as __main__
    module = __spec__.name if __spec__ else __name__
    print(case.title, file=sys.stderr)
    cost, printed = run_child("-m", module, "--case", case.name, "--keep", str(folder))
    figures: Figures = json.loads(printed.splitlines()[-1])
    return {**figures, "peak_mib": cost.peak_mib}


def _show(case: Case, figures: Figures, six: Figures | None) -> None:
    print(f"\n{case.title}: peak {figures['peak_mib']:,.0f} MiB", flush=True)
    if case.way == "honesty":
        _show_honesty(figures)
        return
    header = f"  {'pairs':<16}{'kept':>12}{'completeness':>14}{'target':>9}  reached"
    auto = {
        point["budget"]: point["completeness"] for point in figures.get("auto", figures)["points"]
    }
    beside = case.way == "labels"
    print(header + (f"{'auto alone':>12}" if beside else ""))
    for point in figures["points"]:
        target = target_of(case, point["budget"])
        goal = "" if target is None else f"{target:>9.4f}"
        reached = "" if target is None else "yes" if point["completeness"] >= target else "NO"
        line = f"  {point['budget']:<16}{point['pairs']:>12,}{point['completeness']:>14.4f}"
        line += f"{goal:>9}  {reached:<7}"
        print(line + (f"{auto[point['budget']]:>12.4f}" if beside else ""))
    line = f"  {'all made':<16}{figures['pairs']:>12,}{figures['completeness']:>14.4f}"
    print(line + (f"{'':>18}{figures['auto']['completeness']:>12.4f}" if beside else ""))
    if beside:
        recall, low, high = figures["recall"]
        print(
            f"  {figures['rules']} rules, held-out recall {recall:.3f} ({low:.3f} to {high:.3f});"
            f" learned_rules {figures['cpu_seconds']:.1f} CPU s,"
            f" {figures['auto']['cpu_seconds']:.1f} without labels"
        )
        return
    per_record = figures["pairs"] / figures["records"]
    matches = figures["matches"] / figures["records"]
    print(f"  {matches:.2f} true pairs a record, {per_record:.2f} made")
    if six and six is not figures:
        others = six["pairs"] / six["records"]
        print(
            f"  the six strategies: {six['completeness']:.4f} of {others:.1f} pairs a record,"
            f" {others / max(per_record, 0.01):.1f} times as many"
        )
    if "rules" in figures:
        print(f"  {figures['rules']} rules make {figures['rule_pairs']:,} pairs, with repeats")
        silent = [name for name, nats in figures["said"].items() if nats < SILENT_NATS]
        loud = [
            f"{name} {nats:.1f}" for name, nats in figures["said"].items() if name not in silent
        ]
        print(f"  nats of a candidate: {', '.join(loud)}; silent: {', '.join(silent) or 'none'}")
    _show_seconds(figures)


def _show_seconds(figures: Figures) -> None:
    within = figures.get("seconds_within_budget", {})
    print(f"  {'step':<28}{'wall s':>9}{'CPU s':>9}")
    rows = [*figures["seconds"].items()]
    rows += [(f"{table}, budget", seconds) for table, seconds in within.items()]
    for table, (wall, cpu) in rows:
        print(f"  {table:<28}{wall:>9.1f}{cpu:>9.1f}")
    total = np.array(list(figures["seconds"].values())).sum(axis=0)
    print(f"  {'together, without a budget':<28}{total[0]:>9.1f}{total[1]:>9.1f}")


def _show_honesty(figures: Figures) -> None:
    print(f"  {'seed':<6}{'low':>8}{'recall':>8}{'high':>8}{'counted':>9}{'rules':>7}  contained")
    n_contained = 0
    for seed, low, recall, high, counted, n_rules in figures["rounds"]:
        contained = low - ROUNDING <= counted <= high + ROUNDING
        n_contained += contained
        print(
            f"  {seed:<6}{low:>8.4f}{recall:>8.4f}{high:>8.4f}{counted:>9.4f}{n_rules:>7}"
            f"  {'yes' if contained else 'NO'}"
        )
    print(f"  the interval contains the counted recall: {n_contained} of {len(figures['rounds'])}")


def show_tables(measured: Mapping[Case, Figures]) -> None:
    """Print what the budgets of all cases keep, as the page has it; a table without rows is not."""
    real: list[list[object]] = []
    made_up: list[list[object]] = []
    six: list[list[object]] = []
    for case, figures in measured.items():
        shares = [f"{point['completeness']:.2%}" for point in figures.get("points", ())]
        if case.way == "auto+embedding" and case.set in KINDS:
            kept = zip((point["pairs"] for point in figures["points"]), shares, strict=True)
            cells = [cell for budget in kept for cell in budget]
            real.append([case.set, figures["matches"], *cells, *[None] * (4 - len(cells))])
        elif case.way == "auto" and case.set in MADE_UP:
            made_up.append([case.set, case.records, figures["matches"], *shares])
        elif case.way == "six" and case.set in MADE_UP:
            per_record = f"{figures['pairs'] / figures['records']:.0f}"
            six.append([case.set, case.records, per_record, f"{figures['completeness']:.1%}"])
    first, *others = PER_RECORD
    budgets = ["first budget, pairs", "completeness", "second budget, pairs", "completeness"]
    titles = [f"completeness at {first} pair per record", *(f"at {n}" for n in others)]
    for columns, rows in (
        (["set", "true pairs", *budgets], real),
        (["set", "records", "true pairs", *titles], made_up),
        (["set", "records", "pairs per record", "completeness"], six),
    ):
        if rows:
            show_table(columns, rows)


if __name__ == "__main__":
    raise SystemExit(main())
