"""er-pipeline: run a dataset from the terminal, with the very assets that the UI shows."""

import argparse
import getpass
import hashlib
import io
import json
import os
import re
import shlex
import sys
import time
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.errors import BlockingError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.verdicts import Verdict

DEMO_DEFS = Path(__file__).parents[1] / "defs" / "people" / "defs.yaml"
# The six strategies make some 190 pairs per record at a million people; a demo of any size may.
DEMO_PAIRS_PER_RECORD = 400
DEMO_TRAINING_PAIRS_PER_RECORD = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code: 0 only if every blocking check passed."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except BlockingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # who read the lines, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("stopped; the last good tables are as they were", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="er-pipeline", description="Blocking for entity resolution, as Dagster assets."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="make up people and run the whole graph on them")
    demo.add_argument(
        "--records", type=int, default=10_000, metavar="N", help="1 to 10,000,000 (10,000)"
    )
    demo.add_argument("--seed", type=int, default=20, metavar="N", help="same seed, same people")
    demo.set_defaults(run=_demo)

    run = commands.add_parser("run", help="run a declared dataset")
    run.add_argument("defs", type=Path, metavar="DEFS.yaml", help="the dataset's declaration")
    run.add_argument(
        "--select",
        metavar="SELECTION",
        help="part of the graph: a table, a list a,b or a Dagster selection such as"
        " 'key:\"people/filtered_blocks\"+'",
    )
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="count the pairs of every strategy and judge the budgets; make and change nothing",
    )
    run.set_defaults(run=_run)

    label = commands.add_parser("label", help="judge pairs side by side, one key per answer")
    label.add_argument("defs", type=Path, metavar="DEFS.yaml", help="the dataset's declaration")
    label.add_argument("--who", default="", metavar="NAME", help="who answers (the user's name)")
    label.set_defaults(run=_label)

    labels = commands.add_parser("labels", help="bring labels in from a file, or write them to one")
    ways = labels.add_subparsers(required=True, metavar="import|export")
    bring = ways.add_parser("import", help="append the labels of a file to the journal")
    write = ways.add_parser("export", help="write the labels that hold to a file")
    for way, run_way in ((bring, _import_labels), (write, _export_labels)):
        way.add_argument("defs", type=Path, metavar="DEFS.yaml", help="the dataset's declaration")
        way.add_argument("file", type=Path, metavar="FILE", help=".csv, .jsonl or .json")
        way.add_argument(
            "--format",
            choices=["csv", "jsonl", "label_studio"],
            default="",
            help="told from the ending where left out; .json is a list of Label Studio tasks",
        )
        way.set_defaults(run=run_way)

    rules = commands.add_parser("rules", help="show learned rules, or keep one for good")
    of_rules = rules.add_subparsers(required=True, metavar="COMMAND")
    listed = of_rules.add_parser("list", help="show what the last run learned")
    listed.set_defaults(run=_list_rules)
    pin = of_rules.add_parser("pin", help="write a learned rule into the YAML as a strategy")
    pin.set_defaults(run=_pin_rule)
    for command in (listed, pin):
        command.add_argument("defs", type=Path, metavar="DEFS.yaml", help="the declaration")
        command.add_argument("--lake", type=Path, metavar="DIR", help="folder of the tables")
    pin.add_argument("rule", metavar="RULE", help="name of the rule, as the list shows it")
    pin.add_argument("--as", dest="strategy", metavar="NAME", help="name of the strategy")

    advice = commands.add_parser(
        "training-rules", help="propose training rules: what they cost, find and leave free"
    )
    advice.add_argument("defs", type=Path, metavar="DEFS.yaml", help="the dataset's declaration")
    advice.add_argument(
        "--lake",
        type=Path,
        metavar="DIR",
        help="take the records of its last run",
    )
    advice.set_defaults(run=_advise_training)

    settings = commands.add_parser("settings", help="list every setting of a defs.yaml")
    settings.set_defaults(run=_settings)

    for command in (demo, run, label, bring, write):
        command.add_argument(
            "--lake",
            type=Path,
            metavar="DIR",
            help="folder of the tables (ER_PIPELINE_LAKE, else .lake)",
        )
    for command in (demo, run):
        command.add_argument(
            "--executor",
            choices=["in_process", "multiprocess"],
            default="",
            help="one process, or assets side by side (the dataset's setting)",
        )
    return parser


def _demo(options: argparse.Namespace) -> int:
    overrides: dict[str, Any] = {
        "sources.0.generate.records": options.records,
        "sources.0.generate.seed": options.seed,
        "checks.max_pairs": max(20_000_000, DEMO_PAIRS_PER_RECORD * options.records),
        "checks.max_training_pairs": max(
            10_000_000, DEMO_TRAINING_PAIRS_PER_RECORD * options.records
        ),
    }
    print(f"Making {options.records:,} people (seed {options.seed}) and running the graph.")
    return _materialize(DEMO_DEFS, overrides, options)


def _run(options: argparse.Namespace) -> int:
    if options.dry_run:
        return _dry_run(options.defs)
    return _materialize(options.defs, {}, options)


def _label(options: argparse.Namespace) -> int:
    spec = read_spec(options.defs)

    from er_pipeline.blocking.labels.labels import journal_of
    from er_pipeline.blocking.labels.pair_display import show_queue
    from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
    from er_pipeline.terminal.label_session import Session, line_key, terminal_key

    journal = journal_of(spec)
    with DuckDBEngine(spec.threads, spec.memory_limit) as engine:
        pairs = show_queue(engine, _lake_of(spec, options), spec)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every terminal has every letter
    chosen = ["--lake", str(options.lake)] if options.lake else []
    chosen += ["--who", options.who] if options.who else []
    session = Session(
        pairs,
        journal,
        who=(options.who or _user()).encode("utf-8", "replace").decode(),
        read_key=terminal_key if sys.stdin.isatty() else line_key,
        show=lambda line: print(line, flush=True),
        resume=shlex.join(["er-pipeline", "label", str(options.defs), *chosen]),
        colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR"),
    )
    session.run()
    return 0


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may have no name for its user
        return "unknown"


def _import_labels(options: argparse.Namespace) -> int:
    spec = read_spec(options.defs)

    from er_pipeline.blocking.labels.label_files import import_labels
    from er_pipeline.blocking.labels.labels import journal_of

    journal = journal_of(spec)
    n = import_labels(journal, spec, options.file, options.format, _lake_of(spec, options))
    print(
        f"Labels added to {journal.path}: {n['added']:,}; known already: {n['known']:,};"
        f" rows without an answer: {n['without_answer']:,}"
    )
    return 0


def _export_labels(options: argparse.Namespace) -> int:
    spec = read_spec(options.defs)

    from er_pipeline.blocking.labels.label_files import export_labels
    from er_pipeline.blocking.labels.labels import journal_of

    journal = journal_of(spec)
    n = export_labels(journal, spec, _lake_of(spec, options), options.file, options.format)
    print(f"Labels in {options.file}: {n['labels']:,}; pairs to label: {n['without_answer']:,}")
    return 0


def _lake_of(spec: PipelineSpec, options: argparse.Namespace) -> Lake:
    from er_pipeline.flow import open_lake
    from er_pipeline.orchestration.resources import default_lake

    return open_lake((options.lake or default_lake()).absolute(), spec)


def _list_rules(options: argparse.Namespace) -> int:
    from er_pipeline.terminal.rules import learned_facts, rule_lines

    for line in rule_lines(learned_facts(_lake_of(read_spec(options.defs), options))):
        print(line)
    return 0


def _pin_rule(options: argparse.Namespace) -> int:
    from er_pipeline.terminal.rules import pin_rule

    spec = read_spec(options.defs)
    name = pin_rule(options.defs, _lake_of(spec, options), options.rule, options.strategy)
    others = "; the other rules are still learned" if spec.learns else ""
    print(f"{options.defs}: {name} is a strategy now, and the next run uses it{others}.")
    return 0


def _advise_training(options: argparse.Namespace) -> int:
    import tempfile

    from er_pipeline.blocking.tables.errors import LakeError
    from er_pipeline.flow import flow, open_lake, run
    from er_pipeline.matching.training_advisor import advise

    spec = read_spec(options.defs)
    if options.lake:
        lake = _lake_of(spec, options)
        try:
            lake.check("cleaned_records")
            return _show(advise(spec, lake))
        except LakeError:
            pass  # no records as declared: the sources are cleaned anew
    with tempfile.TemporaryDirectory(prefix="er_pipeline_") as scratch:
        lake = open_lake(Path(scratch), spec)
        for _ in run(flow(spec), lake, until="cleaned_records", memory_limit=spec.memory_limit):
            pass
        return _show(advise(spec, lake))


def _settings(options: argparse.Namespace) -> int:
    from er_pipeline.terminal.reference import settings_markdown

    print(settings_markdown())
    return 0


def _dry_run(path: Path) -> int:
    """Clean the records in a place that is thrown away, then count; no pair is made."""
    import tempfile

    from er_pipeline.evaluation.dry_run import count_dataset, untaught
    from er_pipeline.flow import flow, open_lake

    spec = read_spec(path)
    counted = untaught(spec)
    with tempfile.TemporaryDirectory(prefix="er_pipeline_") as scratch:
        return _show(count_dataset(spec, flow(counted), open_lake(Path(scratch), counted)))


def _show(items: Iterator[str | Verdict]) -> int:
    """Print lines as they come, then the verdicts; return 1 if one failed."""
    verdicts = []
    for item in items:
        if isinstance(item, str):
            print(item, flush=True)
        else:
            verdicts.append(item)
    print()
    for verdict in verdicts:
        mark = "ok" if verdict.passed else ("FAILED" if verdict.severity == "error" else "warning")
        print(f"[{mark}] {verdict.check}: {verdict.text}")
    return int(any(not v.passed and v.severity == "error" for v in verdicts))


def _materialize(path: Path, overrides: dict[str, Any], options: argparse.Namespace) -> int:
    spec = read_spec(path, overrides)  # a wrong spec is told before Dagster is loaded

    import dagster as dg

    from er_pipeline.blocking.tables.lake import PUBLISHED
    from er_pipeline.orchestration.declared_job import load_job
    from er_pipeline.orchestration.progress import show_steps_of_assets
    from er_pipeline.orchestration.resources import CATALOG, default_lake

    lake = (options.lake or default_lake()).absolute()
    show_steps_of_assets()
    began_wall, began_cpu = time.perf_counter(), time.process_time()
    job = dg.build_reconstructable_job(
        load_job.__module__,
        load_job.__name__,
        cast(Any, (str(path.absolute()), str(lake), options.executor, json.dumps(overrides))),
        # Within one process Dagster keeps the job of equal arguments; a changed file is another.
        {"digest": hashlib.sha256(path.read_bytes()).hexdigest()},
    )
    keys = _selected(job.get_definition(), spec, getattr(options, "select", None))
    with _instance() as instance:
        result = dg.execute_job(
            job,
            instance=instance,
            run_config={"loggers": {"progress": {}}},
            asset_selection=keys,
            raise_on_error=False,
        )
        failures = [
            _failure_text(event)
            for event in result.filter_events(lambda event: event.is_step_failure)
        ]
    print(
        f"{time.perf_counter() - began_wall:.1f} s wall,"
        f" {time.process_time() - began_cpu:.1f} s CPU in this process",
        file=sys.stderr,
    )
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    if not result.success:
        shown = (
            f"the catalog in {lake} still shows the tables of the last good run"
            if (lake / spec.dataset / PUBLISHED).exists()
            else f"no run of {spec.dataset} has ended well yet, so there is nothing in the catalog"
        )
        print(f"The run failed; {shown}.", file=sys.stderr)
        return 1
    made = {
        event.asset_key.path[-1]
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }
    if "blocking_report" in made:
        _print_report(spec, lake)
    print(f"\nCatalog:  {lake / CATALOG}")
    if Lake(lake, spec.dataset).has("unified_pairs"):
        print(
            f"""          duckdb {lake / CATALOG} 'from "{spec.dataset}".unified_pairs limit 10'"""
        )
    print(f"Graph:    {_how_to_open(path, lake, spec.dataset)}")
    return 0


def _failure_text(event: Any) -> str:
    """Say why a step failed: in our own words where they are ours, else with the traceback."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    if data.error and data.error.cls_name == "DagsterAssetCheckFailedError":
        return f"{event.step_key.split('__')[1]}: a check failed, see above"
    return data.error.to_string() if data.error else str(event.message)


def _print_report(spec: PipelineSpec, lake: Path) -> None:
    from er_pipeline.terminal.report import report_lines

    tables = Lake(lake, spec.dataset)
    if tables.has("blocking_report"):
        print()
        for line in report_lines(tables.facts("blocking_report")):
            print(line)


def _how_to_open(defs: Path, lake: Path, dataset: str) -> str:
    if not defs.absolute().is_relative_to(DEMO_DEFS.parents[1].absolute()):
        return f"copy {defs} to er_pipeline/defs/{dataset}/defs.yaml to see it in dagster dev"
    from er_pipeline.orchestration.resources import LAKE_VARIABLE, default_lake

    variable = "" if lake == default_lake() else f"{LAKE_VARIABLE}={lake} "
    page = f"http://127.0.0.1:3000/locations/er_pipeline/asset-groups/{dataset}/lineage"
    return f"{variable}DAGSTER_HOME=$PWD dagster dev, then {page}"


def _with_keys(selection: str, dataset: str, tables: Collection[str]) -> str:
    """Let a Dagster selection name tables as people do: +unified_pairs is that table's key."""
    return re.sub(
        r'(?<![\w"/:])(\w+)(?![\w"/:(])',
        lambda found: f'key:"{dataset}/{found[1]}"' if found[1] in tables else found[1],
        selection,
    )


def _selected(job: Any, spec: PipelineSpec, selection: str | None) -> Any:
    """Turn --select into asset keys; None selects everything.

    Raises BlockingError if a name is no table of the dataset.
    """
    if selection is None:
        return None
    import dagster as dg

    graph = job.asset_layer.asset_graph
    known = {key.path[-1]: key for key in graph.materializable_asset_keys}
    names = [name.strip() for name in selection.split(",")]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)  # of Dagster's own making
            wanted = (
                dg.AssetSelection.assets(*(known[name] for name in names))
                if all(name in known for name in names)
                else dg.AssetSelection.from_string(_with_keys(selection, spec.dataset, known))
            )
            # Tables that one step writes together are made together.
            keys = wanted.required_multi_asset_neighbors().resolve(graph)
    except dg.DagsterError as error:
        raise BlockingError(
            f"--select {selection!r} selects nothing; tables are {', '.join(sorted(known))}"
        ) from error
    chosen = sorted(keys & set(known.values()))
    if not chosen:
        raise BlockingError(
            f"--select {selection!r} selects nothing of dataset {spec.dataset!r}; tables are"
            f" {', '.join(sorted(known))}"
        )
    return chosen


@contextmanager
def _instance() -> Iterator[Any]:
    """Open the Dagster instance of this project, so that the UI shows the run; else a passing one.

    That is DAGSTER_HOME, or the working directory where it holds a dagster.yaml.
    """
    import dagster as dg

    if not os.environ.get("DAGSTER_HOME") and Path("dagster.yaml").is_file():
        os.environ["DAGSTER_HOME"] = str(Path.cwd())
    if os.environ.get("DAGSTER_HOME"):
        with dg.DagsterInstance.get() as instance:
            yield instance
        return
    # Workers of other processes log on their own until they have read the job's loggers.
    quiet = {"python_logs": {"python_log_level": "INFO"}}
    with dg.DagsterInstance.local_temp(overrides=quiet) as instance:
        yield instance


def entry() -> None:
    """Run the command as a program.

    The process ends at once when its work is done: DuckDB 2.0 otherwise lists on stderr, line by
    line, every object that is still alive while the interpreter goes down.
    """
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    entry()
