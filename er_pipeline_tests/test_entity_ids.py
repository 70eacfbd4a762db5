"""Ids over many nights: what must hold of any history."""

import random
import shutil
from pathlib import Path

import pytest

from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.matching.entities import TABLES
from er_pipeline_tests.linked_nights import MATCHES, RECORDS, LinkedNights, Row, sure

NIGHTS, N_RECORDS = 8, 24


class History:
    """Random nights: records that come, go and change, and scores that do."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.records = {f"r{i:03}": "x" for i in range(N_RECORDS)}
        self.scores: dict[tuple[str, str], float] = {}
        self.change(N_RECORDS)

    def change(self, n: int) -> None:
        """Change some records and pairs."""
        for _ in range(n // 3):
            self.records.pop(self.chance.choice(sorted(self.records)), None)
            self.records[f"r{self.chance.randrange(999):03}"] = "x"
            self.records[self.chance.choice(sorted(self.records))] = self.chance.choice("xyz")
        for _ in range(n // 2):
            left, right = sorted(self.chance.sample(sorted(self.records), 2))
            self.scores[left, right] = self.chance.choice([0.3, 0.95, 0.99])
        for pair in [p for p in self.scores if not self.records.keys() >= {*p}]:
            del self.scores[pair]
        for pair in self.chance.sample(sorted(self.scores), len(self.scores) // 4):
            del self.scores[pair]


@pytest.mark.parametrize("seed", range(4))
def test_of_any_history_the_ids_last(tmp_path: Path, seed: int) -> None:
    history, nights = History(seed), LinkedNights(tmp_path)
    before: dict[str, int] = {}
    seen: set[int] = set()
    for _ in range(NIGHTS):
        now = nights.night(dict(history.records), dict(history.scores))
        # A new id is one that nobody ever had; those of one night follow each other.
        new = sorted({*now.values()} - {*before.values()})
        assert new == list(range(max(seen, default=0) + 1, max(seen, default=0) + 1 + len(new)))
        seen |= {*new}
        events = nights.rows(
            "select entity_id, event, other_entity_id from entity_events where run_no ="
            " (select max(run_no) from entity_events)"
        )
        pairs = {(e, other) for e, _, other in events} | {(other, e) for e, _, other in events}
        changed = {(before[r], now[r]) for r in now.keys() & before if before[r] != now[r]}
        assert changed <= pairs
        minted = nights.rows("select entity_id from entity_events where event = 'minted'")
        retired = nights.rows("select entity_id from entity_events where event = 'retired'")
        assert sorted(minted) == [(i,) for i in sorted(seen)]
        assert len({*retired}) == len(retired)
        assert {i for (i,) in retired} == seen - {*now.values()}
        # Every retired id stands for ids in use, those among them that its records went to.
        resolved = nights.resolved()
        assert resolved.keys() == {i for (i,) in retired}
        assert {i for ids in resolved.values() for i in ids} <= {*now.values()}
        assert all(new in resolved[old] for old, new in changed if old in resolved)
        sizes: dict[int, int] = dict(
            nights.rows("select entity_id, records_after from entity_events order by event_no")
        )
        assert {i: n for i, n in sizes.items() if n} == {
            i: list(now.values()).count(i) for i in now.values()
        }
        before = now
        history.change(6)


def ledger(nights: LinkedNights) -> list[Row]:
    """Give all events but for their moments."""
    return nights.rows('select * exclude ("at") from entity_events order by event_no')


@pytest.mark.parametrize("seed", range(2))
def test_the_same_history_gives_the_same_ids_whatever_the_order_threads_and_names(
    tmp_path: Path, seed: int
) -> None:
    history = History(seed)
    plain, other = (LinkedNights(tmp_path / name) for name in ("plain", "other"))
    for night in range(4):
        records = list(history.records.items())
        scores = list(history.scores.items())
        plain.night(dict(records), dict(scores), threads=1)
        history.chance.shuffle(records)
        history.chance.shuffle(scores)
        # A source that is called otherwise from the third night on holds the same records.
        name = "a" if night < 2 else "q"
        other.night(dict(records), dict(scores), threads=3, sources=name)
        assert plain.ids() == other.ids()
        history.change(6)
    keep = '* exclude ("at", source)'
    events = [
        nights.rows(f"select {keep} from entity_events order by event_no")
        for nights in (plain, other)
    ]
    assert events[0] == events[1]


def test_a_full_rebuild_over_the_kept_ledger_gives_the_same_ids(tmp_path: Path) -> None:
    history, nights = History(7), LinkedNights(tmp_path / "lake")
    for _ in range(4):
        nights.night(dict(history.records), dict(history.scores))
        history.change(6)
    again = nights.ids(), ledger(nights)
    nights.night(dict(history.records), dict(history.scores), publish=False)
    made = nights.ids(), ledger(nights)
    nights.night(dict(history.records), dict(history.scores), publish=False)
    assert (nights.ids(), ledger(nights)) == made != again


def test_a_lost_ledger_begins_anew(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path / "lake")
    nights.night("a b c", {})
    nights.night("b c", {})
    assert nights.ids() == {"b": 2, "c": 3}
    shutil.rmtree(nights.folder / "people")
    nights.lake = Lake(nights.folder, "people")
    assert nights.night("b c", {}) == {"b": 1, "c": 2}
    assert {event[6] for event in nights.events()} == {"first_run"}


def test_the_ledger_is_found_again_after_nights_without_entities(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b c d", sure("a-b"))
    for _ in range(4):  # matching is switched off: the entities are shown no more, and get old
        nights.publish([RECORDS])
    assert "entities" not in nights.lake.published()["tables"]
    assert nights.night("a b d e", sure("a-b", "d-e")) == {"a": 1, "b": 1, "d": 3, "e": 3}
    assert nights.events() == [
        (2, "retired", None, 1, 1, 0, "record_gone", "c"),
        (3, "grew", None, 1, 1, 2, "record_new", "e"),
    ]


def test_what_was_withheld_is_not_compared_with(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b c d", {})
    nights.night("b c d", sure("b-c", "c-d"), publish=False)
    nights.publish([RECORDS, MATCHES], {table.name: "giant" for table in TABLES})
    assert nights.night("b c d e", sure("c-d")) == {"b": 2, "c": 3, "d": 3, "e": 5}
    assert [event[:3] for event in nights.events()] == [
        (1, "retired", None),
        (3, "grew", 4),
        (4, "merged", 3),
        (4, "retired", 3),
        (5, "minted", None),
    ]


def test_untouched_records_keep_their_ids_where_few_change(tmp_path: Path) -> None:
    chance, nights = random.Random(3), LinkedNights(tmp_path)
    people = {f"p{i:03}-{k}": "x" for i in range(150) for k in range(1 + i % 3)}
    scores = {
        pair: 0.99
        for i in range(150)
        for pair in {(f"p{i:03}-0", f"p{i:03}-{k}") for k in range(1, 1 + i % 3)}
    }
    moved = untouched = 0
    before = nights.night(people, scores)
    for night in range(6):
        touched = {*chance.sample(sorted(people), 3)}
        gone = sorted(touched)[0]
        people = {r: v for r, v in people.items() if r != gone} | {f"new{night}": "x"}
        scores = {pair: p for pair, p in scores.items() if not touched & {*pair}}
        scores |= sure(f"{sorted(touched)[1]}-{chance.choice(sorted(people))}")
        now = nights.night(people, scores)
        same = (now.keys() & before.keys()) - touched
        untouched += len(same)
        moved += sum(now[r] != before[r] for r in same)
        before = now
    assert moved <= untouched * 0.01
