"""Scores on the page: their distribution, the entities, and records that cannot match at all."""

from er_pipeline.blocking.tables.pictures import Grid
from er_pipeline.blocking.tables.printable import count_of
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.evaluation.page.page_parts import (
    Chart,
    Listing,
    Part,
    RunOnPage,
    Section,
    name_pairs,
    percent,
)
from er_pipeline.evaluation.page.vega_charts import bars, columns
from er_pipeline.evaluation.pair_score import self_weight_sql
from er_pipeline.matching.entity_facts import entities_facts
from er_pipeline.matching.level_conditions import weight_of
from er_pipeline.matching.matches import matches_facts
from er_pipeline.matching.splink_linker import read_model
from er_pipeline.matching.term_frequencies import read_frequencies

OFF = "None: `matching` is off, so no pair is scored."
BRIDGES, UNLINKABLE = 10, 10


def scores_section(run: RunOnPage) -> Section:
    """Show how the candidate pairs are scored, and where the threshold parts them."""
    title = "How are the pairs scored?"
    if run.spec.matching is None:
        return Section("Scores", title, OFF)
    if not run.has("matches"):
        return Section("Scores", title, "Not known: the table matches is not good.")
    facts, threshold = matches_facts(run.lake), run.spec.matching.threshold
    answer = (
        f"{facts['matches']:,} of {count_of(facts['candidates'], 'candidate pair')} reach the"
        f" threshold of {threshold:g}."
    )
    rows = [
        {"from": int(weight), "to": int(weight) + 1, "pairs": n}
        for weight, n in sorted(facts["weights"].items(), key=lambda item: int(item[0]))
    ]
    titles = ("match weight in bits; 0 is a probability of one half", "pairs (log)")
    at = round(weight_of(threshold), 3)
    chart = columns(rows, "from", "to", "pairs", titles, at, f"threshold {threshold:g}")
    about = "Two hills with a valley between them are what a model that can tell looks like."
    parts: list[Part] = [Chart("Pairs by match weight", chart, about)] if rows else []
    quality = run.figures.get("matching", {})
    if "match_f1" in quality:
        grid = Grid(
            ("threshold", "precision", "recall", "F1"),
            [
                (name, *(percent(quality[f"match_{of}{place}"], 2) for of in QUALITIES))
                for name, place in (
                    (f"{threshold:g}, as declared", ""),
                    (f"{quality['best_threshold']:.4g}, of most F1", "_at_best"),
                )
            ],
        )
        parts.append(Listing("Held against the truth", grid))
    return Section("Scores", title, answer, parts)


QUALITIES = ("precision", "recall", "f1")


def entities_section(run: RunOnPage) -> Section:
    """Show the sizes of the entities, and what the doubtful ones hang on."""
    title = "What entities come of it?"
    if run.spec.matching is None:
        return Section("Entities", title, OFF)
    if not run.has("entities", "entity_bridges", "cleaned_records"):
        return Section("Entities", title, "Not known: the table entities is not good.")
    facts = entities_facts(run.lake)
    several = facts["entities"] - facts["singletons"]
    answer = (
        f"{count_of(facts['records'], 'record')} are"
        f" {count_of(facts['entities'], 'entity', 'entities')}, {several:,} of them with several"
        f" records; the largest has {facts['largest_entity']:,}."
    )
    rows = [
        {"records": name, "entities": n, "shown": f"{n:,}"}
        for name, n in facts["sizes"].items()
        if n
    ]
    chart = bars(rows, "records", "entities", "entities (log)", shown="shown", is_log=True)
    chart["layer"][0]["encoding"]["y"]["title"] = "records in the entity"
    parts: list[Part] = [Chart("Entities by size", chart)] if rows else []
    run.open("entity_bridges", "cleaned_records")
    run.engine.make_table(
        "weakest_bridges",
        f"select * from entity_bridges order by bridge_no limit {BRIDGES}",
    )
    bridges = run.engine.rows(
        "select left_source || ':' || left_id, right_source || ':' || right_id, match_probability,"
        " records_left, records_right"
        f" from ({name_pairs(run.engine, 'weakest_bridges')}) order by bridge_no"
    )
    if bridges:
        grid = Grid(
            ("left", "right", "probability", "records left", "records right"),
            [
                (left, right, f"{probability:.6g}", f"{n_left:,}", f"{n_right:,}")
                for left, right, probability, n_left, n_right in bridges
            ],
        )
        about = (
            "Each alone joins two groups of records; a wrong one makes two people one. The weakest"
            " come first: judge them with er-pipeline label."
        )
        parts.append(Listing("The weakest bridges", grid, about))
    else:
        parts.append("No entity hangs on a single link between two groups of records.")
    return Section("Entities", title, answer, parts)


def unlinkable_section(run: RunOnPage) -> Section:
    """Show which records could not match even a record that is equal."""
    title = "Which records can match nothing?"
    if run.spec.matching is None:
        return Section("Unlinkable", title, OFF)
    if not run.has("em_model", "term_frequencies", "cleaned_records"):
        return Section("Unlinkable", title, "Not known: the table em_model is not good.")
    run.open("cleaned_records")
    frequencies = read_frequencies(run.engine, run.lake)
    model, threshold = read_model(run.lake), run.spec.matching.threshold
    at = weight_of(threshold)
    run.engine.make_table("self_weights", self_weight_sql(run.engine, model, frequencies))
    n_records, n_below = run.engine.row(
        f"select count(*), count(*) filter (where weight < {at!r}) from self_weights"
    )
    counted = run.engine.rows(
        "select cast(floor(weight) as integer) as bits, count(*) from self_weights group by 1"
        " order by 1"
    )
    share = n_below / n_records if n_records else 0.0
    answer = (
        f"{count_of(n_below, 'record')} ({percent(share, 2)}) would stay below the threshold of"
        f" {threshold:g} even against {'an equal record' if n_below == 1 else 'equal records'}:"
        " too little is known of them."
    )
    if not n_below:
        answer = f"None: every record would reach the threshold of {threshold:g} against its equal."
    rows = [{"from": bits, "to": bits + 1, "records": n} for bits, n in counted]
    titles = ("match weight of a record against its equal, in bits", "records (log)")
    chart = columns(rows, "from", "to", "records", titles, round(at, 3), f"threshold {threshold:g}")
    title_of_chart = "Records by the most that they can score"
    parts: list[Part] = [Chart(title_of_chart, chart)] if rows else []
    fields = list(run.spec.field_kinds)
    listed = run.engine.rows(
        f"""
        select c.* from (
            select record_no, weight from self_weights where weight < {at!r}
            order by weight, record_no limit {UNLINKABLE}
        ) as s join (
            select record_no, source || ':' || record_id, {", ".join(map(quoted, fields))}
            from cleaned_records
        ) as c on c.record_no = s.record_no order by s.weight, s.record_no
        """
    )
    if listed:
        grid = Grid(
            ("record", *fields),
            [(row[1], *(run.value(value) for value in row[2:])) for row in listed],
        )
        parts.append(Listing("Records of which least is known", grid))
    return Section("Unlinkable", title, answer, parts)
