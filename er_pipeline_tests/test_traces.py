from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.tables.traces import MASK, REMOVED, Traces, is_speaking

TRACES = Traces("crm", ["17"], ["quillfeather", "12 high street"])


def thinned(
    values: str, columns: str, numbers: Sequence[int] = (5,), moved: Mapping[int, int] | None = None
) -> list[tuple[Any, ...]]:
    """Take the traces out of rows, as a file is thinned."""
    with DuckDBEngine(threads=1) as engine:
        engine.execute(f"create table t as select * from (values {values}) as v({columns})")
        described = engine.described("from t")
        rows = TRACES.in_rows(described, numbers, moved or {})
        selected = ", ".join(rows.replaced.get(name, quoted(name)) for name, _ in described)
        (touched,) = engine.row(f"select count(*) from t where {rows.touched}")
        before = engine.rows("select * from t")
        after = engine.rows(f"select {selected} from t where not coalesce({rows.removed}, false)")
        assert (touched > 0) == (before != after)
        return after


@pytest.mark.parametrize(
    ("columns", "gone", "stays"),
    [
        ("record_no", "(5)", "(15), (null)"),
        ("left_no, right_no", "(5, 9), (1, 5)", "(1, 9)"),
        ("entity_no, town_record_no", "(1, 5)", "(1, 2), (1, null)"),
        ("record_no, records", "(5, 1)", "(1, 5)"),
        ("record_id, source", "('17', 'crm')", "('17', 'shop'), ('18', 'crm')"),
        (
            "left_id, right_id, left_source, right_source",
            "('17', '1', 'crm', 'shop'), ('1', '17', 'crm', 'crm')",
            "('1', '17', 'crm', 'shop')",
        ),
        ("entity_id", "('crm-17')", "('17'), ('crm-170')"),
        ("field, value", "('name', 'quillfeather')", "('name', 'quill'), ('name', null)"),
        ("section, metric", "('emptied_examples', 'Soon')", "('run', 'pairs')"),
    ],
)
def test_rows_of_the_record_go_and_all_others_stay(columns: str, gone: str, stays: str) -> None:
    with DuckDBEngine(threads=1) as engine:
        expected = engine.rows(f"from (values {stays})")
    assert thinned(f"{gone}, {stays}", columns) == expected


def test_an_entity_goes_on_under_its_next_record() -> None:
    rows = "(5, 5), (6, 5), (7, 7)"
    assert thinned(rows, "record_no, entity_no", moved={5: 6}) == [(6, 6), (7, 7)]
    assert thinned(rows, "record_no, entity_no") == [(7, 7)]


def test_an_event_stays_without_the_record_that_shows_why() -> None:
    columns = "event_no, entity_id, source, record_id"
    rows = "(1, 7, 'crm', '17'), (2, 7, 'shop', '17')"
    assert thinned(rows, columns) == [(1, 7, None, None), (2, 7, "shop", "17")]


def test_lists_lose_the_record_and_keep_the_rest() -> None:
    rows = "(['crm-17', 'crm-18'], [5, 6]), (null, null), (['a'], [7])"
    assert thinned(rows, "names, record_nos") == [(["crm-18"], [6]), (None, None), (["a"], [7])]


def test_a_line_of_its_source_is_masked() -> None:
    rows = "('17;Ann', 'crm'), ('17;Ann', 'shop'), ('x;Quillfeather', 'crm'), ('170', 'crm')"
    assert thinned(rows, "text, source") == [
        (MASK, "crm"),
        ("17;Ann", "shop"),
        (MASK, "crm"),
        ("170", "crm"),
    ]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("17", MASK),
        ("crm-17", MASK),
        ("quillfeather", MASK),
        ("2026-11-17", "2026-11-17"),
        ("crm-17,crm-18", f"{MASK},crm-18"),
        ("17 and 18 (0.95)", f"{MASK} and 18 (0.95)"),
        ("1,017 records, 17.5 each", "1,017 records, 17.5 each"),
        ("lives at 12 High Street now", f"lives at {MASK} now"),
        ("quillfeathers and more", "quillfeathers and more"),
    ],
)
def test_a_text_loses_the_record_where_a_word_is_one(text: str, masked: str) -> None:
    assert TRACES.mask(text) == masked
    assert TRACES.mask(masked) == masked


def test_notes_lose_examples_and_sentences_that_quote() -> None:
    note = {
        "records": 17,
        "examples": {"soon": 3},
        "links": [{"left": "crm-17", "p": 0.5}],
        "verdicts": [
            {"check": "a", "passed": False, "text": "lost 'Soon'"},
            {"check": "b", "passed": True, "text": "all well"},
        ],
        "failure": {"text": "line 3: Ann", "at": "2026"},
    }
    masked = TRACES.mask_note(note)
    assert masked == {
        "records": 17,
        "examples": {},
        "links": [{"left": MASK, "p": 0.5}],
        "verdicts": [
            {"check": "a", "passed": False, "text": REMOVED},
            {"check": "b", "passed": True, "text": "all well"},
        ],
        "failure": {"text": REMOVED, "at": "2026"},
    }
    assert TRACES.mask_note(masked) == masked


def test_values_that_a_declaration_writes_are_known() -> None:
    assert TRACES.words_in("a key: Quillfeather") == {"quillfeather"}
    assert TRACES.is_in_bytes(b"...quillfeather...")
    assert not TRACES.is_in_bytes(b"17")


def test_short_values_stand_everywhere() -> None:
    assert [value for value in ("m", "17", "yes", "york") if is_speaking(value)] == ["york"]
