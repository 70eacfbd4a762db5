"""Expectations of cleaned_records, declared in the YAML and judged by Great Expectations."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.tables.verdicts import Verdict


def judge_records(engine: Engine, lake: Lake, spec: PipelineSpec) -> Iterator[Verdict]:
    """Run the dataset's suite over cleaned_records.

    The suite: record_no unique and never NULL, ids never NULL, every field at most as empty as
    `expectations: max_null_rate` says, and every value of a field of the form that
    `expectations: formats` says. It looks at an evenly spread sample of at most
    `expectations: sample` records, so its memory does not grow with the table.
    """
    import great_expectations as gx
    import great_expectations.expectations as gxe
    from great_expectations.data_context.types.base import ProgressBarsConfig

    lake.open(engine, "cleaned_records")
    (n_records,) = engine.row("select count(*) from cleaned_records")
    step = max(1, -(-n_records // spec.expectations.sample))
    looked_at = dict.fromkeys((*spec.expectations.max_null_rate, *spec.expectations.formats))
    fields = "".join(f", {quoted(name)}" for name in looked_at)
    sample = engine.frame(
        f"select record_no, record_id, source{fields} from cleaned_records"
        f" where record_no % {step} = 0"
    )
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    batch = (
        context.data_sources.add_pandas("cleaned_records")
        .add_dataframe_asset("cleaned_records")
        .add_batch_definition_whole_dataframe("all")
        .get_batch({"dataframe": sample})
    )
    suite = gx.ExpectationSuite(
        name=f"{spec.dataset}_cleaned_records",
        expectations=[
            gxe.ExpectColumnValuesToBeUnique(column="record_no"),
            gxe.ExpectColumnValuesToNotBeNull(column="record_id"),
            gxe.ExpectColumnValuesToNotBeNull(column="source"),
            *(
                gxe.ExpectColumnValuesToNotBeNull(column=name, mostly=1 - rate)
                for name, rate in spec.expectations.max_null_rate.items()
            ),
            *(
                gxe.ExpectColumnValuesToMatchRegex(column=name, regex=pattern)
                for name, pattern in spec.expectations.formats.items()
            ),
        ],
    )
    result = batch.validate(suite)
    failed, broken, numbers = [], [], {}
    for outcome in result.results:
        config = outcome.expectation_config
        assert config is not None
        kind, column = config.type, config.kwargs["column"]
        if (outcome.exception_info or {}).get("raised_exception"):
            broken.append(f"{kind} on {column}")
            continue
        share = outcome.result.get("unexpected_percent") or 0.0
        numbers[f"unexpected_percent_{column}_{_short(kind)}"] = float(share)
        if not outcome.success:
            examples = outcome.result.get("partial_unexpected_list") or []
            failed.append(
                f"{column}: {_failure_text(config.kwargs, _short(kind), share, examples)}"
            )
    text = f"{len(result.results)} expectations hold on {len(sample):,} records."
    if broken:
        text = f"These expectations could not be run (the check is broken): {', '.join(broken)}."
    elif failed:
        text = f"{'; '.join(failed)}. Correct the source, or loosen `expectations`."
    numbers["records_looked_at"] = len(sample)
    yield Verdict("fits_expectations", not (failed or broken), "error", text, numbers)


def _failure_text(
    settings: Mapping[str, Any], kind: str, share: float, examples: Sequence[Any]
) -> str:
    """Say what fails for a share of the records, in percent."""
    shown = "such as " + ", ".join(map(repr, examples[:1]))
    if kind == "not_be_null":
        return f"{share:.1f}% are empty, at most {1 - settings.get('mostly', 1.0):.1%} allowed"
    if kind == "match_regex":
        return f"{share:.1f}% do not match {settings['regex']!r}, {shown}"
    return f"{share:.1f}% are not unique, {shown}"


def _short(kind: str) -> str:
    return kind.removeprefix("expect_column_values_to_")
