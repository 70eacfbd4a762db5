"""Tried rules: what EM found of the training rules of the last run, and which of them failed by it.

Before any training the share of matches among a rule's pairs is estimated by strong identifiers. A
session knows better, so what it found stands above the estimate when rules are proposed anew.
"""

from collections.abc import Collection, Iterator, Mapping

from er_pipeline.blocking.blocks.training_facts import training_facts
from er_pipeline.blocking.spec.checks_section import Checks
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.matching.model_facts import model_facts

# The keys of a rule -> the share of matches that its session found.
TriedRules = Mapping[frozenset[str], float]


def read_tried_rules(lake: Lake) -> TriedRules:
    """Read what the sessions of the last run found, also where their model is withheld."""
    if not (lake.has("em_model") and lake.has("em_training_rules")):
        return {}
    rules = training_facts(lake)["rules"]
    return {
        frozenset(rules[session["rule"]]["keys"]): session["match_share"]
        for session in model_facts(lake)["sessions"]
        if session["rule"] in rules  # others were declared since, and counted alone
    }


def failed_before(keys: Collection[str], tried: TriedRules, checks: Checks) -> bool:
    """Say whether a rule would fail, by what a session found.

    It is one that failed itself, or one that found too many matches with a further key: its pairs
    are some of the other's, and match rather more often.
    """
    least, most = checks.match_share_fail
    return any(
        (share < least and known == set(keys)) or (share > most and known <= set(keys))
        for known, share in tried.items()
    )


def tried_lines(tried: TriedRules, checks: Checks) -> Iterator[str]:
    """Say which rules failed and so are not proposed again."""
    for keys, share in tried.items():
        if failed_before(keys, tried, checks):
            yield (
                f"Not proposed again: {' and '.join(sorted(keys))}, of whose pairs EM found"
                f" {share:.2%} to be matches in the last run."
            )
