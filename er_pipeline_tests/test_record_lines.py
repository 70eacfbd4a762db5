from er_pipeline.blocking.labels.labels import RecordName
from er_pipeline.evaluation.explained_record import (
    ExplainedRecord,
    RecordEntity,
    RecordKeys,
)
from er_pipeline.evaluation.record_candidates import Candidate
from er_pipeline.evaluation.record_keys import KeyBlock
from er_pipeline.terminal.record_lines import record_lines

EVENT = {
    "at": "2026-11-01T02:00:00+00:00",
    "run_no": 1,
    "entity_id": 7,
    "event": "minted",
    "other_entity_id": None,
    "records": 2,
    "records_before": 0,
    "records_after": 2,
    "cause": "new_records",
    "source": "crm",
    "record_id": "1",
}
RECORD = ExplainedRecord(
    record=RecordName("crm", "1"),
    values={"name": "ann", "mail": None},
    keys=(
        RecordKeys("name", "name", (KeyBlock("ann", 700, "oversized"),)),
        RecordKeys("first", "left(name, 1)", (KeyBlock("a", 1, "below_min_size"),)),
        RecordKeys("mail", "email", ()),
    ),
    n_candidates=12,
    candidates=(Candidate(RecordName("crm", "2"), ("name",), 1.5, None, 0.25),),
    why_none="",
    threshold=0.9,
    entity=RecordEntity(7, 2, (RecordName("crm", "1"), RecordName("crm", "2")), (EVENT,) * 12),
)


def test_blocks_candidates_entity_and_history_are_listed_and_the_sentence_is_last() -> None:
    *lines, last = record_lines(RECORD)
    text = "\n".join(lines)
    assert "700 records, over the cap, not compared" in text
    assert "1 record, itself" in text
    assert "mail      none  -" in text
    assert "candidates      12, the best 1" in text
    assert "crm:2    name     1.5000  0.250000" in text
    assert "cosine" not in text  # of none it is known
    assert "entity          7, of 2 records: crm:1, crm:2" in text
    assert "the last 10 of 12 events" in text
    assert (
        last
        == "1 has 12 candidates, with 0 of its 2 blocks compared; it is in entity 7, of 2 records."
    )
