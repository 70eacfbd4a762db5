"""The records on the page: how full their fields are, their commonest values, and what is odd."""

from collections.abc import Iterator
from dataclasses import dataclass

from er_pipeline.blocking.blocks.blocks import blocks_table
from er_pipeline.blocking.blocks.filtered_facts import filtered_facts
from er_pipeline.blocking.records.cleaned_records import cleaned_facts
from er_pipeline.blocking.records.emptied_values import examples_text
from er_pipeline.blocking.tables.pictures import Grid
from er_pipeline.blocking.tables.printable import count_of
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.evaluation.page.page_parts import (
    Chart,
    Listing,
    Part,
    RunOnPage,
    Section,
    percent,
)
from er_pipeline.evaluation.page.vega_charts import bars, heat_map

VALUES_SHOWN = 8
# A value is near-constant from this share of the filled ones on, a field near-unique from this
# share of distinct values, and hardly filled below this share of the records.
CONSTANT, UNIQUE, EMPTY = 0.5, 0.99, 0.1
# A placeholder stands out: so many times the fifth commonest value, and at least so many records.
OUTSTANDING, FIFTH, LEAST_RECORDS = 5, 5, 10


@dataclass(frozen=True)
class Profile:
    """A field: how many records have a value, how many distinct ones there are, the commonest."""

    field: str
    kind: str
    filled: int
    distinct: int
    commonest: tuple[tuple[str, int], ...]


def coverage_section(run: RunOnPage) -> Section:
    """Show how full the fields are, by source, and how many records blocking reaches."""
    title = "How full are the fields, and how many records are reached?"
    if not run.has("cleaned_records"):
        return Section("Coverage", title, "Not known: the table cleaned_records is not good.")
    facts, figures = cleaned_facts(run.lake), run.figures.get("run", {})
    answer = f"The sources have {count_of(facts['records'], 'record')}"
    if "pair_coverage" in figures:
        answer += (
            f"; {percent(figures['key_coverage'], 2)} of those with any value have a key,"
            f" {percent(figures['block_coverage'], 2)} are in a block that is compared,"
            f" {percent(figures['pair_coverage'], 2)} have a candidate"
        )
    run.open("cleaned_records")
    fields = list(run.spec.field_kinds)
    counts = ", ".join(f"count({quoted(field)})" for field in fields)
    by_source = run.engine.rows(
        f"select source, count(*), {counts} from cleaned_records group by source, source_no"
        " order by source_no"
    )
    cells = [
        {
            "field": field,
            "source": f"{source} ({n_records:,})",
            "filled": n_filled / n_records,
            "shown": percent(n_filled / n_records),
        }
        for source, n_records, *filled in by_source
        for field, n_filled in zip(fields, filled, strict=True)
    ]
    parts: list[Part] = []
    if len(by_source) == 1:
        chart = bars(
            cells, "field", "filled", "records with a value", shown="shown", domain=(0, 1.12)
        )
        chart["layer"][0]["encoding"]["x"]["axis"]["values"] = [0, 0.25, 0.5, 0.75, 1]
        chart["layer"][1]["encoding"]["x"]["axis"]["values"] = [0, 0.25, 0.5, 0.75, 1]
        parts.append(Chart("Fields with a value", chart))
    elif cells:
        chart = heat_map(cells, "source", "field", "filled", "shown", "records with a value")
        parts.append(Chart("Records with a value, by field and source", chart))
    emptied = run.figures.get("emptied", {})
    if emptied:
        examples = run.figures["emptied_examples"]
        shows = run.spec.report.record_values
        grid = Grid(
            ("field", "values emptied", "of all", "marks of no value", "raw values, for example"),
            [
                (
                    name,
                    f"{n['values_emptied']:,}",
                    percent(n["values_emptied"] / max(n["values_given"], 1)),
                    f"{n['null_marks']:,}",
                    examples_text(examples[name]) if shows else run.value("any"),
                )
                for name, n in emptied.items()
            ],
        )
        about = "Placeholders and what cannot be read as the field's kind never form a block."
        parts.append(Listing("Values that cleaning emptied", grid, about))
    return Section("Coverage", title, answer + ".", parts)


def profiles_section(run: RunOnPage) -> Section:
    """Show the commonest values of every field, and which fields and keys are odd."""
    title = "Which fields and keys are odd?"
    if not run.has("cleaned_records"):
        return Section("Profiles", title, "Not known: the table cleaned_records is not good.")
    run.open("cleaned_records")
    profiles = list(_profiles(run))
    found = [*_odd_fields(run, profiles), *_odd_keys(run)]
    answer = "None: no field is near-constant or hardly filled, and no key is out of the ordinary."
    if found:
        answer = f"{count_of(len(found), 'thing')} to look at, of fields or keys; see the list."
    parts: list[Part] = []
    if found:
        parts.append(Listing("Odd fields and keys", Grid(("of", "finding", "what to do"), found)))
    grid = Grid(
        ("field", "kind", "with a value", "distinct values", "commonest values"),
        [
            (
                profile.field,
                profile.kind,
                f"{profile.filled:,}",
                f"{profile.distinct:,}",
                ", ".join(f"{run.value(value)} ({n:,})" for value, n in profile.commonest)
                if run.spec.report.record_values
                else run.value("any"),
            )
            for profile in profiles
        ],
    )
    parts.append(Listing("Fields and their commonest values", grid))
    return Section("Profiles", title, answer, parts)


def _profiles(run: RunOnPage) -> Iterator[Profile]:
    values = cleaned_facts(run.lake)["values_of_field"]
    for field, kind in run.spec.field_kinds.items():
        name = quoted(field)
        rows = run.engine.rows(
            f"select {name}, count(*) as n from cleaned_records where {name} is not null"
            f" group by {name} order by n desc, {name} limit {VALUES_SHOWN}"
        )
        known = values.get(field)
        if known:
            commonest = tuple((str(value), int(n)) for value, n in rows)
            yield Profile(field, kind, known["filled"], known["distinct"], commonest)


def _odd_fields(run: RunOnPage, profiles: list[Profile]) -> Iterator[tuple[str, str, str]]:
    n_records = cleaned_facts(run.lake)["records"]
    for profile in profiles:
        if profile.filled < EMPTY * n_records:
            share = percent(profile.filled / max(n_records, 1))
            yield (
                f"field {profile.field}",
                f"hardly filled: {share} of the records have a value",
                "is the column the right one? No strategy should need it",
            )
        if not profile.commonest:
            continue
        value, n = profile.commonest[0]
        if n >= CONSTANT * profile.filled and profile.filled > 1:
            yield (
                f"field {profile.field}",
                f"near-constant: {percent(n / profile.filled)} are {run.value(value)}",
                "never a key by itself; join it with others",
            )
        elif profile.distinct >= UNIQUE * profile.filled and profile.filled >= LEAST_RECORDS:
            yield (
                f"field {profile.field}",
                f"near-unique: {profile.distinct:,} distinct of {profile.filled:,} values",
                "equal values find hardly anything; use a part of it as key",
            )
        for value, n in _placeholders(profile):
            yield (
                f"field {profile.field}",
                f"perhaps a placeholder: {run.value(value)} stands in {n:,} records",
                "if it is none of theirs, add it to cleaning: placeholders",
            )


def _placeholders(profile: Profile) -> Iterator[tuple[str, int]]:
    """Give values that stand out from those of similar rank: of many records, not of a kind."""
    if len(profile.commonest) < FIFTH or profile.commonest[0][1] >= CONSTANT * profile.filled:
        return
    fifth = profile.commonest[FIFTH - 1][1]
    for value, n in profile.commonest[: FIFTH - 1]:
        if n >= max(LEAST_RECORDS, OUTSTANDING * fifth):
            yield value, n


def _odd_keys(run: RunOnPage) -> Iterator[tuple[str, str, str]]:
    if not run.has("filtered_blocks"):
        return
    facts = filtered_facts(run.lake)
    alone = run.figures.get("strategies", {})
    for strategy in run.spec.strategy_conjunctions:
        name, table = strategy.name, blocks_table(strategy)
        counts, of = facts["strategies"][name], f"strategy {name}"
        n_keyed = run.lake.facts(table)["records_with_key"] if run.has(table) else 0
        if n_keyed < EMPTY * facts["records"]:
            share = percent(n_keyed / max(facts["records"], 1))
            yield of, f"{share} of the records have its key", "are its fields filled?"
        if counts["largest_block"] >= CONSTANT * n_keyed and n_keyed >= LEAST_RECORDS:
            yield (
                of,
                f"near-constant: its largest block has {counts['largest_block']:,} of"
                f" {n_keyed:,} records",
                "add another key to it",
            )
        elif counts["blocks"] >= UNIQUE * n_keyed and n_keyed >= LEAST_RECORDS:
            yield (
                of,
                f"near-unique: {counts['blocks']:,} blocks of {n_keyed:,} records",
                "use a part of the key",
            )
        found = alone.get(name, {})
        if counts["pairs"] and found.get("pairs_of_it_alone") == 0:
            yield of, "brings no pair that no other strategy brings", "it can go"
