"""A run as the sections of the page see it: tables written by hand, good unless said otherwise."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.standing import Standing
from er_pipeline.evaluation.page.page_parts import Chart, Listing, RunOnPage, Section

# A model of one comparison: equal names are five bits for a match, others four against one.
MODEL = {
    "probability_two_random_records_match": 0.2,
    "comparisons": [
        {
            "output_column_name": "name",
            "comparison_levels": [
                {
                    "sql_condition": '"name_l" is null or "name_r" is null',
                    "is_null_level": True,
                    "label_for_charts": "missing",
                },
                {
                    "sql_condition": '"name_l" = "name_r"',
                    "label_for_charts": "Exact match on name",
                    "m_probability": 0.64,
                    "u_probability": 0.02,
                },
                {
                    "sql_condition": "ELSE",
                    "label_for_charts": "All other comparisons",
                    "m_probability": 0.05,
                    "u_probability": 0.8,
                },
            ],
        }
    ],
}


class HandMadeRun:
    """A dataset `people` with the field name, in a folder; `write` makes its tables."""

    def __init__(self, folder: Path, engine: DuckDBEngine, **settings: Any) -> None:
        self.spec = PipelineSpec.model_validate(
            {
                "dataset": "people",
                "sources": [{"path": "people.csv", "record_id": "id"}],
                "fields": {"name": "text"},
                "strategies": {"name": "name"},
                "training_rules": {"same": "name"},
                **settings,
            }
        )
        self.lake, self.engine = Lake(folder / "lake", "people"), engine
        self.good: list[str] = []

    def write(self, table: str, sql: str, facts: Mapping[str, Any] | None = None) -> None:
        """Write a table of a query, with the facts beside it."""
        with self.lake.writing(table, dict(facts or {})) as draft:
            self.engine.write(sql, draft.file())
        self.good.append(table)

    def records(self, names: Sequence[str | None], **facts: Any) -> None:
        """Write cleaned_records of names; ids are r0, r1, ..."""
        rows = ", ".join(
            f"({no}, 'r{no}', {'null' if name is None else repr(name)})"
            for no, name in enumerate(names)
        )
        filled = [name for name in names if name is not None]
        values = {"filled": len(filled), "distinct": len(set(filled))}
        self.write(
            "cleaned_records",
            "select no::integer as record_no, id as record_id, 'people' as source,"
            f" 0::smallint as source_no, name from (values {rows}) as r(no, id, name)",
            {"records": len(names), "values_of_field": {"name": values}, **facts},
        )

    def page(self, **figures: Any) -> RunOnPage:
        """Give the run as a section sees it."""
        return RunOnPage(self.engine, self.lake, self.spec, Standing(good=list(self.good)), figures)


def listing(section: Section, title: str) -> Sequence[Sequence[str]]:
    """Give the rows of a table of a section."""
    (found,) = (p for p in section.parts if isinstance(p, Listing) and p.title == title)
    return found.grid.rows


def chart(section: Section, title: str) -> Mapping[str, Any]:
    """Give the specification of a picture of a section."""
    (found,) = (p for p in section.parts if isinstance(p, Chart) and p.title == title)
    return found.spec
