"""Each table's question answered in one sentence, and the few figures that matter of it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from er_pipeline.blocking.tables.printable import count_of
from er_pipeline.blocking.tables.table import Facts
from er_pipeline.blocking.tables.verdicts import share_of


@dataclass(frozen=True)
class Answer:
    """What people read first of a table.

    sentence: facts of its step and its number of rows -> what came out, in one sentence. matters:
    figures that its step shows, besides the number of rows. picture: the one to be seen first; the
    first that its step shows if omitted.
    """

    sentence: Callable[[Facts, int], str]
    matters: Sequence[str] = ()
    picture: str = ""


def answer_of(table: str) -> Answer:
    """Return the answer of a table; one that has none of its own is counted."""
    if table in ANSWERS:
        return ANSWERS[table]
    for start, answer in OF_MANY.items():
        if table.startswith(start):
            return answer
    return COUNTED


def _records(facts: Facts, rows: int) -> str:
    n_sources = count_of(len(facts["records_of_source"]), "source")
    rejected = facts["rejected_rows"]
    left_out = (
        f"; {count_of(rejected, 'row')} cannot be read" if rejected else ", every row was read"
    )
    of_date = f", of the snapshot of {facts['snapshot']}" if facts.get("snapshot") else ""
    return f"{count_of(rows, 'record')} of {n_sources}{of_date}{left_out}."


def _rejected(facts: Facts, rows: int) -> str:
    if not rows:
        return "Every row of the sources was read."
    return (
        f"{count_of(rows, 'row')} of the sources cannot be read; each stands here with the reason."
    )


def _true_pairs(facts: Facts, rows: int) -> str:
    unknown = facts["pairs_with_unknown_ids"]
    missing = f"; {unknown:,} more name records that there are not" if unknown else ""
    return f"{count_of(rows, 'known match', 'known matches')} to judge by{missing}."


def _blocks(facts: Facts, rows: int) -> str:
    return (
        f"{count_of(facts['records_with_key'], 'record')} with a key in"
        f" {count_of(facts['blocks'], 'block')}: {count_of(facts['pairs'], 'pair')} of"
        f" {facts['kept_blocks']:,} kept blocks, the largest of {facts['largest_block']:,} records."
    )


def _filtered(facts: Facts, rows: int) -> str:
    comparable = facts["records"] - facts["records_empty"]
    covered = share_of(facts["records_in_a_block"], comparable)
    avoided = 1 - share_of(facts["pairs"], facts["possible_pairs"])
    return (
        f"{covered:.2%} of {comparable:,} records share a block with another; at most"
        f" {count_of(facts['pairs'], 'pair')} are to be compared, {avoided:.2%} fewer than all."
    )


def _dropped(facts: Facts, rows: int) -> str:
    reasons: Counter[str] = Counter()
    lost = 0
    for counts in facts.get("strategies", {}).values():
        reasons.update(counts["dropped_blocks"])
        lost += sum(counts["dropped_pairs"].values())
    if not rows:
        return "No block is dropped."
    listed = ", ".join(f"{n:,} {why.replace('_', ' ')}" for why, n in reasons.items() if n)
    return f"{count_of(rows, 'block')} dropped ({listed}), which had {count_of(lost, 'pair')}."


def _training_rules(facts: Facts, rows: int) -> str:
    pairs = f", {count_of(facts['pairs'], 'pair')} to learn from" if "pairs" in facts else ""
    return f"{count_of(len(facts['rules']), 'training rule')}{pairs}."


def _model(facts: Facts, rows: int) -> str:
    if facts.get("unusable") or not facts["levels"]:
        return f"The model cannot be used: {facts['unusable']}"
    sessions: list[Mapping[str, Any]] = facts["sessions"]
    unsettled = [session["rule"] for session in sessions if not session["converged"]]
    untrained = facts["untrained_levels"]
    doubts = [
        *([f"{count_of(untrained, 'level')} untrained"] if untrained else []),
        *([f"{', '.join(unsettled)} not converged"] if unsettled else []),
    ]
    state = "; ".join(doubts) or "every level is trained and every session converged"
    return (
        f"Trained in {count_of(len(sessions), 'session')}, expecting"
        f" {facts['expected_matches']:,.0f} matches: {state}."
    )


def _unified(facts: Facts, rows: int) -> str:
    cut = facts.get("pairs_cut", 0)
    lost = f"; the budget cut {cut:,} more" if cut else ""
    ways = count_of(len(facts["proposed_pairs"]), "strategy", "strategies")
    return f"{count_of(rows, 'candidate pair')} of {ways}, each stored once{lost}."


def _changes(noun: str) -> Callable[[Facts, int], str]:
    def sentence(facts: Facts, rows: int) -> str:
        if not facts["since"]:
            return "There is no earlier good run to compare with."
        if not facts["gained"] and not facts["lost"]:
            return f"The {noun} are the same as after the last good run."
        return (
            f"{facts['gained']:,} {noun} came and {facts['lost']:,} went since the last good run."
        )

    return sentence


def _matches(facts: Facts, rows: int) -> str:
    if facts.get("unscored"):
        return "No pair is scored, since there is no model that can be used."
    share = share_of(facts["matches"], facts["candidates"])
    found = count_of(facts["matches"], "match", "matches")
    return f"{found} among {count_of(facts['candidates'], 'candidate pair')} ({share:.2%})."


def _entities(facts: Facts, rows: int) -> str:
    several = facts["entities"] - facts["singletons"]
    return (
        f"{count_of(facts['records'], 'record')} are {facts['entities']:,} entities: {several:,} of"
        f" several records, the largest of {facts['largest_entity']:,}."
    )


def _rows_say(some: str, none: str) -> Callable[[Facts, int], str]:
    return lambda _, rows: some.format(rows=rows) if rows else none


def _events(facts: Facts, rows: int) -> str:
    happened = [f"{n:,} {event}" for event, n in facts["events"].items() if n]
    return f"Entities in this run: {', '.join(happened)}." if happened else "No entity changed."


def _golden(facts: Facts, rows: int) -> str:
    differ = sum(facts["disagreements"].values())
    return (
        f"{count_of(rows, 'entity', 'entities')}, one row each; in {count_of(differ, 'case')} their"
        " records differ in a field and its rule chose."
    )


def _missed(facts: Facts, rows: int) -> str:
    true, missed = facts["true_pairs"], facts["missed"]
    if not missed:
        return f"All of {true:,} known matches are found."
    cause = max(facts["causes"], key=facts["causes"].__getitem__)
    return (
        f"{missed:,} of {true:,} known matches are not found, {facts['causes'][cause]:,} of them"
        f" because: {cause.replace('_', ' ')}."
    )


def _quality(facts: Facts, rows: int) -> str:
    at = facts["at_threshold"]
    return (
        f"At the threshold of {at['threshold']:g}, {at['precision']:.2%} of the matches are right"
        f" and {at['recall']:.2%} of the known ones are found."
    )


def _recall(facts: Facts, rows: int) -> str:
    sample = facts["sample"]
    return (
        f"{sample['recall']:.2%} of the likely matches of {facts['records_sampled']:,} sampled"
        f" records are candidates (95%: {sample['recall_low']:.2%} to {sample['recall_high']:.2%})."
    )


def _views(facts: Facts, rows: int) -> str:
    if not facts["is_known"]:
        return f"How many matches are candidates cannot be said: {'; '.join(facts['why'])}."
    return (
        f"{facts['recall_low']:.1%} to {facts['recall_high']:.1%} of all matches are candidates,"
        f" as {len(facts['views'])} views of {facts['records_sampled']:,} sampled records see it."
    )


def _report(facts: Facts, rows: int) -> str:
    run = facts["run"]
    pairs = f"{run['pairs']:,} candidate pairs of {run['records']:,} records"
    truth = facts.get("truth", {})
    if "pairs_completeness" in run and truth:
        return (
            f"{run['pairs_completeness']:.2%} of {truth['true_pairs']:,} known matches are among"
            f" {pairs}."
        )
    return f"{pairs}."


ANSWERS: Mapping[str, Answer] = {
    "cleaned_records": Answer(_records, ("rejected_rows", "forgotten_records")),
    "rejected_records": Answer(_rejected),
    "true_pairs": Answer(_true_pairs),
    "labels": Answer(
        _rows_say("{rows:,} pairs are labelled.", "No pair is labelled yet."), ("idle",)
    ),
    "learned_blocks": Answer(
        _rows_say("{rows:,} places of records in the blocks of learned rules.", "No block.")
    ),
    "learned_rules": Answer(
        lambda facts, _: f"{count_of(len(facts['rules']), 'rule')} chosen from the data.",
        ("n_rules",),
    ),
    "blocks_train": Answer(
        _rows_say("{rows:,} records were learned from, with their keys.", "No record.")
    ),
    "filtered_blocks": Answer(
        _filtered, ("records_in_a_block", "pairs", "records_empty"), "block_sizes"
    ),
    "dropped_blocks": Answer(_dropped),
    "em_training_rules": Answer(_training_rules, ("training_pairs", "n_rules")),
    "em_training_blocks": Answer(
        _rows_say("{rows:,} places of records in blocks to train on.", "No block to train on.")
    ),
    "chosen_training_rules": Answer(_training_rules, ("n_rules",)),
    "em_model": Answer(_model, ("expected_matches", "untrained_levels"), "match_weights"),
    "key_codes": Answer(
        lambda facts, rows: f"{count_of(rows, 'record')}, {facts['keys_per_record']:,} keys each.",
        ("keys_per_record",),
    ),
    "embedding_blocks": Answer(
        lambda facts, rows: (
            f"{count_of(facts['pairs'], 'pair')} of neighbours,"
            f" {facts['pairs_per_record']:,.3g} per record."
        ),
        ("pairs", "pairs_per_record", "recall", "full_lists_share"),
        "similarity",
    ),
    "pair_weights": Answer(
        lambda facts, _: (
            f"Weights of {count_of(len(facts['fields']), 'field')}, fitted on"
            f" {facts['sampled_pairs']:,} sampled pairs."
        ),
        ("sampled_pairs", "expected_matches_in_sample"),
    ),
    "unified_pairs": Answer(_unified, ("pairs", "pairs_cut", "expected_matches"), "overlap"),
    "pair_changes": Answer(_changes("candidate pairs"), ("pairs", "gained", "lost")),
    "matches": Answer(_matches, ("matches", "candidates", "stored"), "weights"),
    "match_changes": Answer(_changes("matches"), ("matches", "gained", "lost")),
    "entities": Answer(
        _entities, ("entities", "singletons", "largest_entity", "cuts", "bridges"), "sizes"
    ),
    "entity_links": Answer(_rows_say("{rows:,} links hold entities together.", "No link.")),
    "entity_cuts": Answer(
        _rows_say(
            "{rows:,} matches are cut, so that no entity holds what excludes each other.",
            "No match had to be cut.",
        )
    ),
    "entity_bridges": Answer(
        _rows_say(
            "{rows:,} single links join parts of entities: look at them first.",
            "No entity hangs on a single link.",
        )
    ),
    "entity_events": Answer(_events),
    "entity_history": Answer(_rows_say("{rows:,} lines of history.", "No history yet.")),
    "golden_records": Answer(_golden, ("entities",)),
    "label_queue": Answer(
        _rows_say(
            "{rows:,} pairs are worth a label: er-pipeline label asks for them.",
            "No pair is worth a label.",
        )
    ),
    "missed_matches": Answer(_missed, ("true_pairs", "found", "missed", "unlikely"), "causes"),
    "match_quality": Answer(
        _quality,
        ("precision_at_threshold", "recall_at_threshold", "f1_at_threshold", "best_threshold"),
        "curve",
    ),
    "recall_sample": Answer(
        _recall, ("recall", "recall_low", "recall_high", "likely_matches_sampled"), "interval"
    ),
    "recall_views": Answer(_views, ("recall_low", "recall_high"), "interval"),
    "blocking_report": Answer(
        _report,
        ("pairs", "pairs_completeness", "pairs_quality", "pairs_per_record", "matches"),
        "curve",
    ),
}
# A table that has no answer of its own.
COUNTED = Answer(lambda _, rows: f"{count_of(rows, 'row')}.")
# By how their names begin.
OF_MANY: Mapping[str, Answer] = {
    "blocks_": Answer(_blocks, ("blocks", "pairs", "largest_block"), "block_sizes"),
    "first_pass_pairs": Answer(_unified, ("pairs",), "overlap"),
    "first_pass_matches": Answer(_matches, ("matches", "candidates"), "weights"),
    "second_pass_pairs": Answer(
        lambda facts, rows: f"{count_of(rows, 'pair')} more for records that had none.",
        ("pairs",),
    ),
}
