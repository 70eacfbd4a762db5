"""Splink's linker as this package uses it: one table of numbered records, whatever the mode.

A record's number is its only id, so ids may be any text and sources may share them. What is
compared with what has been decided already: by a training rule, or by unified_pairs.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import BlockingError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.matching.term_frequencies import counted_fields, frequency_sql

# The model, as Splink writes it, beside the table em_model.
MODEL_FILE = "model.json"
LINK_TYPES = {"dedupe": "dedupe_only", "link": "link_only", "link_and_dedupe": "link_and_dedupe"}


class ModelError(BlockingError):
    """There is no model that pairs could be scored by."""


def model_settings(
    spec: PipelineSpec, comparisons: Sequence[Mapping[str, Any]], prior: float, link_type: str
) -> dict[str, Any]:
    """Write a model as Splink's settings have it.

    prior: probability that two random records match.
    """
    assert spec.matching is not None, "matching is on"
    return {
        "link_type": link_type,
        "comparisons": [dict(comparison) for comparison in comparisons],
        "blocking_rules_to_generate_predictions": [],
        "probability_two_random_records_match": prior,
        "em_convergence": spec.matching.convergence,
        "max_iterations": spec.matching.max_iterations,
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": False,
        "additional_columns_to_retain": [],
        "unique_id_column_name": "record_no",
        "source_dataset_column_name": "source",
    }


def read_model(lake: Lake) -> dict[str, Any]:
    """Read the trained model as Splink's settings.

    Raises LakeError if em_model is missing or stale, and ModelError if it may not be used.
    """
    lake.check("em_model")
    facts = lake.facts("em_model")
    # A model of an unsound mix can be looked at; what is made of it is withheld from people.
    if (why := facts.get("unusable")) and not facts.get("levels"):
        raise ModelError(f"nothing is scored: {why}")
    model: dict[str, Any] = json.loads((lake.path("em_model") / MODEL_FILE).read_text("utf-8"))
    return model


def splink_api(engine: Engine) -> Any:
    """Return Splink's database API over the tables of an engine.

    Splink 5's own engine layer is private and takes connections, so what uses it runs in DuckDB.
    """
    from splink import DuckDBAPI

    assert isinstance(engine, DuckDBEngine), "Splink runs in DuckDB"
    return DuckDBAPI(connection=engine.con)


@contextmanager
def predicted(linker: Any, api: Any, pairs: str, **options: Any) -> Iterator[str]:
    """Have Splink score pairs that are chosen already; give the name of its table, dropped after.

    linker, api: of `linker_of`. pairs: engine table (join_key_l, join_key_r, match_key), as Splink
    takes pairs. options: of Splink's predict.
    """
    linker.table_management.register_blocked_pairs_for_predict(api.register(pairs))
    scored = linker.inference.predict(warning_mode="never", **options)
    yield scored.physical_name
    scored.drop_table_from_database_and_remove_from_cache()


@contextmanager
def linker_of(
    engine: Engine,
    tables: Sequence[str],
    settings: Mapping[str, Any],
    frequencies: str | None = None,
) -> Iterator[tuple[Any, Any]]:
    """Give Splink's linker over tables of the engine, and its database API.

    frequencies: of `read_frequencies`, where the settings count any; None takes those of the one
    table itself. What Splink makes in the engine is dropped at the end.
    """
    from splink import Linker

    # Splink reports every step, and warns of what we look after: untrained levels have a value.
    logging.getLogger("splink").setLevel(logging.ERROR)
    api = splink_api(engine)
    registered = [api.register(table) for table in tables]
    linker: Any = Linker(
        registered if len(registered) > 1 else registered[0],
        dict(settings),
        log_level=None,
        validate_settings=False,  # takes columns with names of SQL words for missing ones
    )
    try:
        if frequencies:
            _register_frequencies(engine, linker, api, tables[0], settings, frequencies)
        yield linker, api
    finally:
        linker.table_management.invalidate_cache()
        # Predictions are in no cache, and a linker with an empty one drops nothing by itself.
        linker.table_management.delete_tables_created_by_splink_from_db()


def _register_frequencies(
    engine: Engine,
    linker: Any,
    api: Any,
    records: str,
    settings: Mapping[str, Any],
    frequencies: str,
) -> None:
    """Have Splink look frequencies up, instead of counting the values of the records."""
    for i, field in enumerate(counted_fields(settings)):
        name = f"{frequencies}_{i}"
        engine.make_table(
            name,
            f"select {quoted(field)}, frequency as {quoted(f'tf_{field}')}"
            f" from ({frequency_sql(field, records, frequencies)})",
        )
        linker.table_management.register_term_frequency_lookup(api.register(name), field)
