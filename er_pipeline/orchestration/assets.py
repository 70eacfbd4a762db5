"""Assets: one thin step per table (or pair of tables), top to bottom in the order of the flow.

A step names what it writes and reads and which function of the pure half does it. `step_asset`
turns it into an asset: it opens the engine, calls the function and reports its figures.
"""

import hashlib
import inspect
import json
import os
import resource
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_duckdb import DuckDBResource

from er_pipeline.blocking.blocks import build_blocks
from er_pipeline.blocking.catalog import (
    catalog_lock,
    choose_versions,
    collect_run_metrics,
    note_run_metrics,
    publish_dataset,
    write_catalog,
)
from er_pipeline.blocking.cleaned_records import clean_records
from er_pipeline.blocking.em_training_blocks import build_em_training_blocks
from er_pipeline.blocking.embedding_blocks import find_neighbours
from er_pipeline.blocking.engine_duckdb import DuckDBEngine, literal
from er_pipeline.blocking.errors import BlockingError
from er_pipeline.blocking.evaluation import evaluate
from er_pipeline.blocking.filtered_blocks import filter_blocks
from er_pipeline.blocking.keys import Conjunction
from er_pipeline.blocking.lake import Lake
from er_pipeline.blocking.record_embeddings import embed_records
from er_pipeline.blocking.second_pass import pair_the_lonely
from er_pipeline.blocking.spec import PipelineSpec
from er_pipeline.blocking.tables import columns_of
from er_pipeline.blocking.truth import number_true_pairs
from er_pipeline.blocking.unified_pairs import second_hand_tables, unify_pairs
from er_pipeline.orchestration.charts import (
    markdown_table,
    overlap_picture,
    similarity_histogram,
    size_histogram,
)
from er_pipeline.orchestration.resources import LakeFolder

Facts = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One asset in the making.

    tables: what it writes, the main one first. reads: the tables it needs. stage: its tag.
    settings: what its code version depends on, besides the code.
    code: the function of the pure half, for the asset's code reference; run calls it.
    show: facts -> metadata of the main table (numbers become plots, Markdown is shown inline).
    """

    tables: Mapping[str, str]
    stage: str
    reads: Sequence[str]
    settings: Any
    code: Callable[..., Facts]
    run: Callable[[DuckDBEngine, Lake], Facts]
    show: Callable[[Facts], Mapping[str, Any]]
    lineage: Mapping[str, Sequence[str]] = field(default_factory=dict)


def dataset_steps(spec: PipelineSpec, folder: Path) -> list[Step]:
    """List the steps of a dataset in the order of the flow; the catalog comes after them."""
    strategies = [f"blocks_{strategy.name}" for strategy in spec.strategy_conjunctions]
    truth = ["true_pairs"] if spec.truth else []
    keys = [strategy.expression for strategy in spec.strategy_conjunctions]
    steps = [
        Step(
            tables={
                "cleaned_records": "Every record once, numbered, each field clean or NULL.",
                "rejected_records": "Rows of the sources that cannot be read, with the reason.",
            },
            stage="records",
            reads=[f"source_{label}" for label in spec.source_labels],
            settings=[spec.sources, spec.field_kinds, spec.cleaning],
            code=clean_records,
            run=lambda engine, lake: clean_records(engine, lake, spec, folder),
            show=_show_records,
        )
    ]
    if spec.truth:
        steps.append(
            Step(
                tables={"true_pairs": "Known matches; they judge the result, never shape it."},
                stage="records",
                reads=["cleaned_records"],
                settings=spec.truth,
                code=number_true_pairs,
                run=lambda engine, lake: number_true_pairs(engine, lake, spec, folder),
                show=lambda facts: _numbers(facts),
            )
        )
    steps += [_blocks_step(spec, strategy) for strategy in spec.strategy_conjunctions]
    steps += [
        Step(
            tables={
                "filtered_blocks": f"Blocks worth comparing: {_sizes_wanted(spec)}.",
                "dropped_blocks": "The ledger of blocks not compared: pairs avoided, and why.",
            },
            stage="blocks",
            reads=["cleaned_records", *strategies],
            settings=[spec.blocks, keys, spec.link_mode],
            code=filter_blocks,
            run=lambda engine, lake: filter_blocks(engine, lake, spec),
            show=_show_filtered,
        ),
        *_embedding_steps(spec),
        *_second_pass_steps(spec),
        Step(
            tables={"unified_pairs": "Every candidate pair once, with all strategies for it."},
            stage="pairs",
            reads=["filtered_blocks", *second_hand_tables(spec)],
            settings=[keys, spec.link_mode, spec.proposers],
            code=unify_pairs,
            run=lambda engine, lake: unify_pairs(engine, lake, spec),
            show=_show_pairs,
        ),
        Step(
            tables={
                "em_training_rules": "Training rules with their exact cost and source columns.",
                "em_training_blocks": "The blocks of every training rule, one EM session each.",
            },
            stage="training",
            reads=["cleaned_records", *truth],
            settings=[spec.blocks, [rule.expression for rule in spec.training_conjunctions]],
            code=build_em_training_blocks,
            run=lambda engine, lake: build_em_training_blocks(engine, lake, spec),
            show=_show_training,
        ),
        Step(
            tables={"blocking_report": "The run in figures: pairs, reduction, coverage, recall."},
            stage="pairs",
            reads=["unified_pairs", "filtered_blocks", *truth],
            settings=[spec.truth],
            code=evaluate,
            run=lambda engine, lake: evaluate(engine, lake, spec),
            show=_show_report,
        ),
    ]
    return steps


def dataset_assets(spec: PipelineSpec, folder: Path) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Make the assets of a dataset: its sources as external ones, its steps, and the catalog."""
    steps = dataset_steps(spec, folder)
    return [
        *source_assets(spec),
        *(step_asset(spec, step) for step in steps),
        catalog_asset(spec, steps),
    ]


def source_assets(spec: PipelineSpec) -> list[dg.AssetSpec]:
    """Show where the records come from; these assets are not made here."""
    return [
        dg.AssetSpec(
            key=[spec.dataset, f"source_{source.label}"],
            group_name=spec.dataset,
            tags={"er_pipeline/stage": "sources"},
            description=f"Source {source.label!r} of dataset {spec.dataset!r}, made elsewhere.",
            kinds={"table" if source.database or source.url else "file"},
            owners=spec.owners,
        )
        for source in spec.sources
    ]


def step_asset(spec: PipelineSpec, step: Step) -> dg.AssetsDefinition:
    """Turn a step into an asset of one or several tables."""
    main = next(iter(step.tables))
    version = _code_version(step.settings)

    @dg.multi_asset(
        name=f"{spec.dataset}__{main}",
        specs=[
            dg.AssetSpec(
                key=[spec.dataset, table],
                deps=[[spec.dataset, name] for name in step.reads],
                description=" ".join(part for part in (description, spec.description) if part),
                group_name=spec.dataset,  # the UI opens a lone group on its whole graph
                tags={"er_pipeline/stage": step.stage},
                kinds={"duckdb", "parquet"},
                owners=spec.owners,
                code_version=version,
                metadata={
                    "dagster/column_schema": _column_schema(table, spec),
                    **_code_references(step.code),
                },
            )
            for table, description in step.tables.items()
        ],
    )
    def asset(
        context: dg.AssetExecutionContext, lake: LakeFolder
    ) -> Iterator[dg.MaterializeResult[Any]]:
        tables = lake.of(spec)
        clock = Clock()
        with explained():
            with DuckDBEngine(spec.threads, spec.memory_limit, tables.root / ".spill") as engine:
                facts = step.run(engine, tables)
                n_rows = {table: _count_rows(engine, tables, table) for table in step.tables}
            figures = {"rows": n_rows[main], **_numbers(step.show(facts)), **clock.figures()}
            note_run_metrics(tables, context.run.run_id, main, figures)
        for table in step.tables:
            shown = {**step.show(facts), **clock.figures()} if table == main else {}
            yield dg.MaterializeResult(
                asset_key=dg.AssetKey([spec.dataset, table]),
                metadata={
                    "dagster/row_count": n_rows[table],
                    "dagster/uri": tables.path(table).as_uri(),
                    "dagster/column_schema": _column_schema(table, spec),
                    **_lineage(spec, table, step),
                    **{name: _metadata_value(value) for name, value in shown.items()},
                },
            )

    return asset


def catalog_asset(spec: PipelineSpec, steps: Sequence[Step]) -> dg.AssetsDefinition:
    """Publish every table of the dataset as a view for people, in one step."""
    tables = [table for step in steps for table in step.tables]

    @dg.asset(
        key=[spec.dataset, "catalog"],
        # All, not only the ends of the graph: when a part of it is selected, the catalog still
        # comes after every table that is made, and not at all after a check that failed.
        deps=[[spec.dataset, table] for table in tables],
        description=(
            f"Schema {spec.dataset!r} of catalog.duckdb: one view per table, ids as they were"
            " given. Open it with any DuckDB client, also while a run goes on."
        ),
        group_name=spec.dataset,
        tags={"er_pipeline/stage": "catalog"},
        kinds={"duckdb"},
        owners=spec.owners,
        code_version=_code_version([]),
        metadata=_code_references(write_catalog),
    )
    def catalog_views(
        context: dg.AssetExecutionContext, lake: LakeFolder, catalog: DuckDBResource
    ) -> dg.MaterializeResult[Any]:
        place = lake.of(spec)
        with explained(), catalog_lock(place.root):
            with DuckDBEngine(spec.threads, spec.memory_limit) as engine:
                collect_run_metrics(engine, place)
            versions = choose_versions(place, [*tables, "run_metrics"])
            publish_dataset(place, spec, versions)
            views = replace_catalog(catalog, place.root)
        context.log.info(f"published {len(views[spec.dataset])} views in {catalog.database}")
        return dg.MaterializeResult(
            metadata={
                "dagster/uri": Path(catalog.database).as_uri(),
                "views": dg.MetadataValue.int(len(views[spec.dataset])),
                "how_to_open": dg.MetadataValue.md(
                    f"```sql\nattach {literal(catalog.database)} as er (read_only);\n"
                    f"from er.{spec.dataset}.unified_pairs limit 10;\n```"
                ),
                "names": dg.MetadataValue.json(views[spec.dataset]),
            }
        )

    return catalog_views


def replace_catalog(catalog: DuckDBResource, root: Path) -> dict[str, list[str]]:
    """Write the catalog anew beside the old one and put it in its place.

    Whoever has the old one open goes on reading it; nobody ever waits for a lock.
    """
    final = Path(catalog.database)
    draft = final.with_name(f".{final.name}.{os.getpid()}.tmp")
    draft.unlink(missing_ok=True)
    try:
        with DuckDBResource(database=str(draft)).get_connection() as con:
            views = write_catalog(con, root)
        os.replace(draft, final)
    finally:
        draft.unlink(missing_ok=True)
    return views


class explained:  # noqa: N801, it reads as a word: with explained()
    """Show an error that is meant for the user as the step's failure, without a traceback."""

    def __enter__(self) -> None:
        """Do nothing yet."""

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """Turn a BlockingError into a dg.Failure that says the same."""
        if isinstance(error, BlockingError):
            raise dg.Failure(description=str(error), allow_retries=False) from error


class Clock:
    """Wall and CPU time since it was made, and the process's memory peak."""

    def __init__(self) -> None:
        """Start."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def figures(self) -> dict[str, float]:
        """Give seconds, and mebibytes of memory at the process's peak so far."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {
            "wall_seconds": round(time.perf_counter() - self._wall, 3),
            "cpu_seconds": round(time.process_time() - self._cpu, 3),
            "process_peak_mib": round(peak, 1),
        }


def _blocks_step(spec: PipelineSpec, strategy: Conjunction) -> Step:
    return Step(
        tables={f"blocks_{strategy.name}": f"Records by their key: {strategy.expression}."},
        stage="blocks",
        reads=["cleaned_records"],
        settings=[key.sql for key in strategy.keys],
        code=build_blocks,
        run=lambda engine, lake: build_blocks(engine, lake, strategy, spec),
        show=_show_blocks,
        lineage={"block_key": strategy.source_columns},
    )


def _embedding_steps(spec: PipelineSpec) -> list[Step]:
    steps = []
    if spec.encoder:
        steps.append(
            Step(
                tables={
                    "record_embeddings": "Which text and vector each record has; every distinct"
                    f" text is encoded once, by the encoder {spec.encoder.encoder}."
                },
                stage="blocks",
                reads=["cleaned_records"],
                settings=[spec.encoder.vectors_of(), spec.embedding_fields],
                code=embed_records,
                run=lambda engine, lake: embed_records(engine, lake, spec),
                show=lambda facts: {**_numbers(facts), "encoder": facts["encoder"]},
            )
        )
    if spec.embedding:
        steps.append(
            Step(
                tables={
                    "embedding_blocks": f"The {spec.embedding.k} nearest neighbours of every"
                    " record, as pairs with their similarity."
                },
                stage="blocks",
                reads=["cleaned_records", "record_embeddings"],
                settings=[spec.embedding, spec.link_mode],
                code=find_neighbours,
                run=lambda engine, lake: find_neighbours(engine, lake, spec),
                show=lambda facts: {
                    **_numbers(facts),
                    "index": facts["index"],
                    "similarity": similarity_histogram(facts["similarities"]),
                },
            )
        )
    return steps


def _second_pass_steps(spec: PipelineSpec) -> list[Step]:
    if spec.second_pass is None:
        return []
    neighbours = ["record_embeddings"] if spec.second_pass.embedding else []
    first = ["embedding_blocks"] if spec.embedding else []
    return [
        Step(
            tables={
                "second_pass_pairs": "Pairs of a more lenient pass, only for records that the"
                " first pass left without a candidate."
            },
            stage="pairs",
            reads=["cleaned_records", "filtered_blocks", *first, *neighbours],
            settings=[spec.second_pass, spec.link_mode],
            code=pair_the_lonely,
            run=lambda engine, lake: pair_the_lonely(engine, lake, spec),
            show=_numbers,
        )
    ]


def _show_records(facts: Facts) -> Mapping[str, Any]:
    rows = [
        (
            name,
            f"{v['filled'] / facts['records']:.1%}",
            f"{v['distinct']:,}",
            f"{v['cleaned_away']:,}",
        )
        for name, v in facts["values_of_field"].items()
    ]
    shares = {
        f"filled_share_{name}": v["filled"] / facts["records"]
        for name, v in facts["values_of_field"].items()
    }
    return {
        "records": facts["records"],
        "rejected_rows": facts["rejected_rows"],
        **shares,
        "fields": markdown_table(
            ("field", "filled", "distinct values", "placeholders and unreadable"), rows
        ),
    }


def _show_blocks(facts: Facts) -> Mapping[str, Any]:
    return {
        **_numbers(facts),
        "key": facts["expression"],
        "block_sizes": size_histogram(facts["size_classes"]),
    }


def _show_filtered(facts: Facts) -> Mapping[str, Any]:
    rows = [
        (
            name,
            f"{c['kept_blocks']:,}",
            f"{c['pairs']:,}",
            f"{c['largest_block']:,}",
            f"{c['dropped_blocks']['oversized']:,}",
            f"{c['dropped_pairs']['oversized']:,}",
        )
        for name, c in facts["strategies"].items()
    ]
    header = ("strategy", "blocks", "pairs", "largest block", "over the cap", "pairs avoided")
    classes: dict[str, dict[str, int]] = {}
    for counts in facts["strategies"].values():
        for name, sizes in counts["size_classes"].items():
            total = classes.setdefault(name, {"blocks": 0, "pairs": 0})
            total["blocks"] += sizes["blocks"]
            total["pairs"] += sizes["pairs"]
    return {
        **_numbers(facts),
        **{f"pairs_{name}": c["pairs"] for name, c in facts["strategies"].items()},
        "strategies": markdown_table(header, rows),
        "block_sizes": size_histogram(classes),
    }


def _show_pairs(facts: Facts) -> Mapping[str, Any]:
    names = list(facts["proposed_pairs"])
    rows = [
        (
            name,
            f"{facts['proposed_pairs'][name]:,}",
            f"{facts['pairs_of_one_strategy_only'][name]:,}",
        )
        for name in names
    ]
    return {
        **_numbers(facts),
        **{f"pairs_{name}": n for name, n in facts["proposed_pairs"].items()},
        "strategies": markdown_table(("strategy", "pairs", "proposed by it alone"), rows),
        "overlap": overlap_picture(names, facts["shared_pairs"]),
    }


def _show_training(facts: Facts) -> Mapping[str, Any]:
    rows = [
        (
            name,
            c["expression"],
            f"{c['pairs']:,}",
            f"{c['largest_block']:,}",
            ", ".join(c["source_columns"]),
        )
        for name, c in facts["rules"].items()
    ]
    return {
        "training_pairs": facts["pairs"],
        **{f"training_pairs_{name}": c["pairs"] for name, c in facts["rules"].items()},
        "rules": markdown_table(("rule", "keys", "pairs", "largest block", "fixes"), rows),
    }


def _show_report(facts: Facts) -> Mapping[str, Any]:
    rows = [(name.replace("_", " "), f"{value:,.6g}") for name, value in facts["run"].items()]
    return {**facts["run"], "figures": markdown_table(("figure", "value"), rows)}


def _sizes_wanted(spec: PipelineSpec) -> str:
    largest = "any number of" if spec.blocks.max_size is None else f"{spec.blocks.max_size:,}"
    return f"{spec.blocks.min_size} to {largest} records"


def _numbers(facts: Mapping[str, Any]) -> dict[str, int | float]:
    return {
        name: value
        for name, value in facts.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _metadata_value(value: Any) -> dg.MetadataValue[Any]:
    if isinstance(value, str):
        is_markdown = value.startswith(("![", "|"))
        return dg.MetadataValue.md(value) if is_markdown else dg.MetadataValue.text(value)
    return dg.MetadataValue.int(value) if isinstance(value, int) else dg.MetadataValue.float(value)


def _count_rows(engine: DuckDBEngine, lake: Lake, table: str) -> int:
    engine.read(lake, table, "counted_table")
    return int(engine.row("select count(*) from counted_table")[0])


def _column_schema(table: str, spec: PipelineSpec) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.type,
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=not column.required),
            )
            for column in columns_of(table, spec)
        ]
    )


def _lineage(spec: PipelineSpec, table: str, step: Step) -> dict[str, Any]:
    """Tell which columns a table's columns come from, as far as a step knows."""
    deps: dict[str, list[dg.TableColumnDep]] = {}
    own = {column.name for column in columns_of(table, spec)}
    for name in sorted(own):
        columns = step.lineage.get(name)
        if columns is None and name in ("record_id", "source", "record_no", "source_no"):
            columns = [name]
        if columns and table not in ("cleaned_records", "rejected_records"):
            deps[name] = [
                dg.TableColumnDep(dg.AssetKey([spec.dataset, "cleaned_records"]), column)
                for column in columns
            ]
    if table == "cleaned_records":
        for name in spec.field_kinds:
            deps[name] = [
                dg.TableColumnDep(
                    dg.AssetKey([spec.dataset, f"source_{source.label}"]),
                    source.columns.get(name, name) or name,
                )
                for source in spec.sources
                if source.columns.get(name, name) is not None
            ]
    if not deps:
        return {}
    return {"dagster/column_lineage": dg.TableColumnLineage(deps_by_column=deps)}


def _code_references(code: Callable[..., Any]) -> dict[str, Any]:
    """Point to the function that makes the table; Dagster adds the dataset's YAML itself."""
    file, line = inspect.getsourcefile(code), inspect.getsourcelines(code)[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return {
            "dagster/code_references": dg.CodeReferencesMetadataValue(
                code_references=[
                    dg.LocalFileCodeReference(
                        file_path=str(file), line_number=line, label=code.__name__
                    )
                ]
            )
        }


def _code_version(settings: Any) -> str:
    """Change with the package's version and with the settings that shape a table."""
    from importlib.metadata import version

    text = json.dumps(settings, default=lambda value: value.model_dump(mode="json"), sort_keys=True)
    return f"{version('er_pipeline')}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
