"""When to stop: whether more labels would change much."""

from collections import Counter
from collections.abc import Sequence

from er_pipeline.blocking.labels.labels import Label
from er_pipeline.blocking.tables.printable import count_of

# With fewer of either answer, rules and weights rest on too little evidence.
MIN_OF_EACH = 20
# So many likely matches in a row with at most one true match mean that little is left to find.
LAST_LIKELY, MATCHES_AMONG_THEM = 25, 1


def stopping_advice(labels: Sequence[Label], *, n_likely_left: int) -> str:
    """Return advice on whether more labels would change much.

    labels: those in force, oldest first. n_likely_left: pairs in the queue that look like matches
    and that no rule finds (likely_uncovered).
    The rule: with fewer than 20 matches or 20 non-matches, go on. Otherwise it is enough when the
    queue holds no such pair any more, or when at most one of the last 25 of them with an answer,
    not counting unsure, was a match: rules are learned from the matches they miss.
    """
    n_of = Counter(label.answer for label in labels)
    missing = [
        count_of(MIN_OF_EACH - n_of[answer], f"more {one}", f"more {many}")
        for answer, one, many in (
            ("match", "match", "matches"),
            ("no_match", "non-match", "non-matches"),
        )
        if n_of[answer] < MIN_OF_EACH
    ]
    if missing:
        return f"Go on: {' and '.join(missing)} needed, at least {MIN_OF_EACH} of each."
    known = (
        f"{count_of(n_of['match'], 'match', 'matches')} and"
        f" {count_of(n_of['no_match'], 'non-match', 'non-matches')} are known"
    )
    likely = [
        label.answer
        for label in labels
        if label.reason == "likely_uncovered" and label.answer != "unsure"
    ][-LAST_LIKELY:]
    n_matches = likely.count("match")
    found = (
        f"{n_matches or 'none'} of the last {len(likely)} likely matches outside the rules"
        f" {'was a match' if n_matches < 2 else 'were matches'}"
    )
    if len(likely) == LAST_LIKELY and n_matches <= MATCHES_AMONG_THEM:
        return f"Enough: {found}, and {known}; more labels will change little."
    if n_likely_left == 0:
        return f"Enough for now: the queue has no likely match outside the rules, and {known}."
    if len(likely) < LAST_LIKELY:
        wanted = count_of(LAST_LIKELY - len(likely), "more likely match", "more likely matches")
        return f"Go on: {known}, but {wanted} outside the rules must be judged to be sure."
    return f"Go on: {known}, but {found}; there is more to find."
