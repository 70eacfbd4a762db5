from pathlib import Path

from er_pipeline.blocking.tables.pictures import Counts
from er_pipeline.matching.entity_facts import show_entities
from er_pipeline_tests.linked_nights import LinkedNights, said, sure


def test_links_cuts_bridges_and_events_are_counted(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    scores = {**sure("a-b", "c-d", "e-f"), ("b", "c"): 0.95}
    nights.night("a b c d e f", scores, said("no_match", "e-f"))
    facts = nights.facts
    assert (facts["matches"], facts["links"], facts["cuts"], facts["bridges"]) == (4, 3, 1, 1)
    assert (facts["entities"], facts["largest_entity"], facts["pairs_joined"]) == (3, 4, 6)
    assert {event: n for event, n in facts["events"].items() if n} == {"minted": 3}


def test_people_see_what_happened_first(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b c", sure("a-b", "b-c"))
    shown = show_entities(dict(nights.facts))
    events = shown["events"]
    assert isinstance(events, Counts)
    assert events.counts["minted"] == 1
    assert "weakest_links_of_largest" in shown
