from typing import Any

from er_pipeline.blocking.changes.change_texts import change_sentences, pair_sentences


def night(**settings: Any) -> Any:
    declared = {"mode": "dedupe", "min_size": 2, "max_size": 500, "search": None, "budget": None}
    return {**declared, "routes": [{"name": "soundex"}, {"name": "mail"}], **settings}


def cause(name: str, pairs: int, change: str = "lost", **more: Any) -> Any:
    given = {"change": change, "cause": name, "pairs": pairs, "is_listed": True}
    return {**given, "strategies": {"soundex": pairs}, "blocks": [], **more}


def block(pairs: int, key: str = "S530", now: int | None = 507) -> dict[str, Any]:
    sizes = {"size_before": 499, "size_now": now}
    return {"strategy": "soundex", "block_key": key, "pairs": pairs, **sizes}


def sentences(*causes: Any, now: Any = None, before: Any = None) -> list[str]:
    return list(change_sentences(causes, "pair", now or night(), before or night()))


def test_a_block_over_the_cap_is_named_with_its_size() -> None:
    causes = [cause("block_over_cap", 380, blocks=[block(380)]), cause("record_gone", 32)]
    assert sentences(*causes) == [
        "412 pairs lost: 380 because soundex S530 passed the cap of 500 (now 507), 32 because a"
        " record is gone."
    ]


def test_of_several_blocks_those_with_most_pairs_are_named() -> None:
    several = [block(300), block(50, "J500", None)]
    assert sentences(cause("block_within_cap", 400, "gained", blocks=several)) == [
        "400 pairs gained: 400 because blocks are back within the cap of 500 (most: soundex S530"
        " (now 507) 300, soundex J500 50)."
    ]


def test_the_larger_change_comes_first_and_one_pair_is_no_plural() -> None:
    causes = [cause("record_changed", 3, "gained"), cause("record_changed", 1)]
    assert sentences(*causes) == [
        "3 pairs gained: 3 because a record was changed.",
        "1 pair lost: 1 because a record was changed.",
    ]


def test_another_setting_is_named_with_what_it_was() -> None:
    over = cause("block_over_cap", 9, blocks=[block(9, "S530", 400)])
    [text] = sentences(over, now=night(max_size=300))
    assert text.endswith("soundex S530 passed the cap of 300 (500 before) (now 400).")
    [text] = sentences(cause("budget_moved", 9), now=night(budget=10), before=night(budget=20))
    assert text.endswith("because the budget's cut moved (10 pairs, 20 before).")
    [text] = sentences(cause("strategy_changed", 9), now=night(mode="link"))
    assert text.endswith("because the mode is link, dedupe before.")
    [text] = sentences(cause("neighbours_moved", 9), now=night(search={"k": 5}))
    assert text.endswith("because the settings of neighbours changed.")


def test_a_strategy_was_added_removed_or_changed() -> None:
    removed = night(routes=[{"name": "mail"}])
    both = {"soundex": 5, "mail": 4}
    assert sentences(cause("strategy_changed", 9, strategies=both), now=removed) == [
        "9 pairs lost: 9 because soundex was removed and mail was changed."
    ]
    [text] = sentences(cause("strategy_changed", 9), before=removed)
    assert text.endswith("because soundex was added.")


def test_a_first_night_says_nothing() -> None:
    facts: Any = {"before": None, "night": night(), "causes": []}
    assert list(pair_sentences(facts)) == []
