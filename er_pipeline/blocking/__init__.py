"""Blocking: an engine and a spec in, tables out. Knows no Dagster.

The rooms, each seeing only those named before it:

tables      what a table is, where it lies, and the engine that makes it
values      one value: how it is cleaned, and the keys made of it
encoders    texts -> vectors
spec        what a defs.yaml says
records     sources -> cleaned_records, true_pairs, key_codes
blocks      records + a conjunction of keys -> blocks, filtered, divided, counted exactly
neighbours  records -> their nearest neighbours
weights     how much every agreement says
learning    conjunctions chosen by what they find and what they cost
pairs       every candidate once, weighed, within the budget
labels      pairs that people have judged, and those to ask about

`er_pipeline.flow` puts their steps in order. A strategy, a learned rule and a training rule are the
same thing, a `Conjunction` of keys: one way parses it, one counts it, one blocks it.
"""

from importlib import import_module
from typing import Any

# Name -> the module it lives in; imported on first use, so that a message costs no engine.
_NAMES = {
    "BlockingError": "tables.errors",
    "BudgetError": "tables.errors",
    "Conjunction": "values.keys",
    "DuckDBEngine": "tables.engine_duckdb",
    "InputError": "tables.errors",
    "Lake": "tables.lake",
    "LakeError": "tables.errors",
    "PipelineSpec": "spec.pipeline",
    "SpecError": "tables.errors",
    "Verdict": "tables.verdicts",
    "parse_conjunction": "values.key_parser",
    "read_spec": "spec.yaml_file",
}


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES])
