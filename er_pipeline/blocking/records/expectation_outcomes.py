"""Expectations run by Great Expectations, one outcome for each, in their order."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from er_pipeline.blocking.records.expected_rows import ExpectedRows
from er_pipeline.blocking.spec.expectation_problems import COLUMNS
from er_pipeline.blocking.spec.expectations_section import Expectation
from er_pipeline.blocking.tables.lean_imports import lean_imports
from er_pipeline.blocking.tables.printable import count_of

if TYPE_CHECKING:
    import pandas as pd

# What only every row can show: a sample finds too few, or another greatest one.
OF_EVERY_ROW = frozenset(
    {
        "expect_column_values_to_be_unique",
        "expect_compound_columns_to_be_unique",
        "expect_column_unique_value_count_to_be_between",
        "expect_column_proportion_of_unique_values_to_be_between",
        "expect_column_distinct_values_to_contain_set",
        "expect_column_distinct_values_to_equal_set",
        "expect_column_sum_to_be_between",
        "expect_column_min_to_be_between",
        "expect_column_max_to_be_between",
        "expect_column_values_to_be_increasing",
        "expect_column_values_to_be_decreasing",
    }
)
OF_ROW_COUNT = "expect_table_row_count"
OF_COLUMNS = ("expect_table_column", "expect_column_to_exist")
# Values that do not meet an expectation, of which so many are kept.
MOST_UNEXPECTED = 20
CONDITION = "row_condition"
# Frames alone are judged here. What the library imports for other places where rows may lie:
OTHER_PLACES = (
    *("pyspark", "boto3", "botocore", "pyathena", "sqlalchemy_redshift", "azure"),
    *("google.cloud", "snowflake", "trino", "pyodbc", "psycopg2"),
)
# And for single expectations.
RARELY_CALLED = ("scipy.stats", "altair")


@dataclass(frozen=True)
class Outcome:
    """What came of an expectation.

    result: as the library returns it: observed_value, unexpected_count and others.
    prose: what is expected, in the library's words. why_not: why it could not be judged, None if it
    could. needs_all: whether that is for lack of rows.
    """

    expectation: Expectation
    succeeded: bool
    result: Mapping[str, Any]
    prose: str = ""
    why_not: str | None = None
    needs_all: bool = False

    @property
    def columns(self) -> list[str]:
        """The columns that it is about."""
        return columns_of([self.expectation])


def columns_of(expectations: Iterable[Expectation], known: Iterable[str] = ()) -> list[str]:
    """List the columns that expectations look at.

    known: those of the table; the ones that a condition on rows names count as well.
    """
    found: dict[str, None] = {}
    for expectation in expectations:
        for name in COLUMNS:
            value = expectation.kwargs.get(name)
            values = value if isinstance(value, list) else [value]
            found |= dict.fromkeys(text for text in values if isinstance(text, str))
        condition = str(expectation.kwargs.get(CONDITION, ""))
        found |= dict.fromkeys(column for column in known if column in condition)
    return list(found)


def run_expectations(
    rows: ExpectedRows, expectations: Sequence[Expectation], *, whole: Iterable[str] = ()
) -> list[Outcome]:
    """Judge expectations by rows.

    whole: columns of which uniqueness is held elsewhere, so that a sample will do.
    """
    import pandas as pd

    batches = {
        "rows": rows.frame,
        # As long as the table, and as wide, without its values.
        "count": pd.DataFrame(index=pd.RangeIndex(rows.n_rows)),
        "columns": pd.DataFrame(columns=rows.columns),
    }
    kinds = [_batch_of(expectation.name) for expectation in expectations]
    outcomes: dict[int, Outcome] = {}
    for kind, frame in batches.items():
        chosen = {i: e for i, e in enumerate(expectations) if kinds[i] == kind}
        if kind == "rows" and not rows.are_all:
            for i, expectation in list(chosen.items()):
                if expectation.name in OF_EVERY_ROW and expectation.kwargs.get("column") not in [
                    *whole
                ]:
                    outcomes[i] = _too_long(expectation, rows)
                    del chosen[i]
        if chosen:
            outcomes |= _validated(frame, chosen)
    return [outcomes[i] for i in range(len(expectations))]


def load_library() -> None:
    """Import Great Expectations: half of what that takes is for work that is not done here."""
    with lean_imports(without=OTHER_PLACES, later=RARELY_CALLED):
        import great_expectations  # noqa: F401


def _batch_of(name: str) -> str:
    if name.startswith(OF_ROW_COUNT):
        return "count"
    return "columns" if name.startswith(OF_COLUMNS) else "rows"


def _too_long(expectation: Expectation, rows: ExpectedRows) -> Outcome:
    why = (
        f"only all {count_of(rows.n_rows, 'row')} can show it, and {len(rows.frame):,} are looked"
        f" at; write expectations: {{sample: {rows.n_rows}}} or more, which takes some 100 bytes"
        " of memory for each value"
    )
    return Outcome(expectation, False, {}, why_not=why, needs_all=True)


def _validated(frame: "pd.DataFrame", chosen: Mapping[int, Expectation]) -> dict[int, Outcome]:
    """Judge expectations by one frame; what the library refuses is an outcome, too."""
    load_library()
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    made, outcomes = [], {}
    for i, expectation in chosen.items():
        try:
            made.append(
                ExpectationConfiguration(
                    type=expectation.name, kwargs=dict(expectation.kwargs), meta={"place": i}
                ).to_domain_obj()
            )
        except Exception as error:  # pydantic's, of either version, and the library's own
            outcomes[i] = Outcome(expectation, False, {}, why_not=_last_line(str(error)))
    if not made:
        return outcomes
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    batch = (
        context.data_sources.add_pandas("lake")
        .add_dataframe_asset("table")
        .add_batch_definition_whole_dataframe("all")
        .get_batch({"dataframe": frame})
    )
    validated = batch.validate(
        gx.ExpectationSuite(name="expectations", expectations=made),
        result_format={
            "result_format": "SUMMARY",
            "partial_unexpected_count": MOST_UNEXPECTED,
        },
    )
    for outcome in validated.results:
        config = outcome.expectation_config
        assert config is not None
        i = config.meta["place"]
        why_not = _exception_of(outcome.exception_info)
        # Plain data: the library leaves numbers of numpy in it.
        result = json.loads(json.dumps(outcome.to_json_dict()["result"], default=str))
        outcomes[i] = Outcome(chosen[i], bool(outcome.success), result, _prose(config), why_not)
    return outcomes


def _exception_of(info: Mapping[str, Any] | None) -> str | None:
    """Return why an expectation could not be run; the library nests it where a metric failed."""
    if not info:
        return None
    if info.get("raised_exception"):
        return _last_line(str(info.get("exception_message")))
    nested = [part for part in info.values() if isinstance(part, Mapping)]
    return next((why for part in nested if (why := _exception_of(part))), None)


def _last_line(text: str) -> str:
    """Return what an exception says in the end, after where it was raised."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"


def _prose(config: Any) -> str:
    """Say what is expected in the library's words."""
    from great_expectations.render.renderer.inline_renderer import InlineRenderer

    try:
        content = InlineRenderer(render_object=config).get_rendered_content()
        value: Any = content[0].to_json_dict()["value"]
    except Exception:  # an expectation without words of its own
        return ""
    if not isinstance(value, dict) or not value.get("template"):
        return ""
    params = value.get("params") or {}
    prose = re.sub(
        r"\$(\w+)",
        lambda found: str(params[found[1]]["value"]) if found[1] in params else found[0],
        str(value["template"]).rstrip("."),
    )
    return " ".join(prose.split())
