"""What changed since the last good run, and because of what."""

from collections.abc import Sequence

from er_pipeline.blocking.changes.cause_counts import CauseCount
from er_pipeline.blocking.changes.change_texts import pair_sentences
from er_pipeline.blocking.changes.pair_changes import pair_changes_facts
from er_pipeline.blocking.records.record_changes import record_sentence
from er_pipeline.blocking.tables.moments import time_text
from er_pipeline.blocking.tables.pictures import Grid
from er_pipeline.evaluation.page.page_parts import Chart, Listing, Part, RunOnPage, Section
from er_pipeline.evaluation.page.vega_charts import bars
from er_pipeline.matching.match_changes import match_changes_facts, match_sentences

CAUSES = {
    "record_new": "a record is new",
    "record_gone": "a record is gone",
    "record_changed": "a record was changed",
    "block_over_cap": "a block passed the cap",
    "block_within_cap": "a block is back within the cap",
    "block_min_size": "a block crossed the least size",
    "strategy_changed": "a strategy was changed",
    "label": "labels changed",
    "neighbours_moved": "neighbours changed",
    "second_pass_moved": "other records need the second pass",
    "budget_moved": "the budget's cut moved",
    "threshold_changed": "the threshold of matches moved",
    "model_changed": "weights or the model changed",
}
# Causes that are listed with their blocks.
BLOCKS_SHOWN = 3


def changes_section(run: RunOnPage) -> Section:
    """Say what pairs and matches were gained and lost, and why."""
    title = "What changed, and why?"
    if not run.has("pair_changes"):
        return Section("Changes", title, "Not known: the table pair_changes is not good.")
    of_pairs = pair_changes_facts(run.lake)
    of_matches = match_changes_facts(run.lake) if run.has("match_changes") else None
    if not of_pairs["since"]:
        return Section("Changes", title, "Nothing to compare with: this is the first good run.")
    since = time_text(of_pairs["since"])
    sentences = [*pair_sentences(of_pairs)] or ["The candidate pairs are the same."]
    if of_matches and of_matches["since"]:
        sentences += [*match_sentences(of_matches, of_pairs)] or ["The matches are the same."]
    # A sentence names the blocks that crossed a limit by their keys, which are made of values.
    parts: list[Part] = list(sentences) if run.spec.report.record_values else []
    if records := record_sentence(of_pairs.get("records")):
        parts.insert(0, records)
    parts += _counted(run, "Candidate pairs", "pairs", of_pairs["causes"])
    if of_matches:
        parts += _counted(run, "Matches", "matches", of_matches["causes"])
    gained, lost = of_pairs["gained"], of_pairs["lost"]
    answer = (
        f"Since the last good run ({since}) {gained:,} candidate pairs were gained, {lost:,} lost"
    )
    if of_matches and of_matches["since"]:
        answer += f"; {of_matches['gained']:,} matches were gained, {of_matches['lost']:,} lost"
    return Section("Changes", title, answer + ".", parts)


def _counted(run: RunOnPage, what: str, noun: str, causes: Sequence[CauseCount]) -> list[Part]:
    if not causes:
        return []
    rows = [
        {
            "cause": f"{count['change']}: {CAUSES.get(count['cause'], count['cause'])}",
            noun: count["pairs"],
            "shown": f"{count['pairs']:,}",
            "change": count["change"],
        }
        for count in causes
    ]
    chart = bars(rows, "cause", noun, f"{noun} (log)", shown="shown", colour="change", is_log=True)
    listed = [
        (
            count["change"],
            CAUSES.get(count["cause"], count["cause"]),
            f"{count['pairs']:,}",
            ", ".join(list(count["strategies"])[:BLOCKS_SHOWN]),
            ", ".join(
                f"{block['strategy']} {run.value(block['block_key'])}"
                for block in count["blocks"][:BLOCKS_SHOWN]
            ),
        )
        for count in causes
    ]
    grid = Grid(("change", "cause", noun, "strategies", "blocks"), listed)
    return [
        Chart(f"{what} by cause", chart),
        Listing(f"{what} by cause, with strategies and blocks", grid, is_folded=True),
    ]
