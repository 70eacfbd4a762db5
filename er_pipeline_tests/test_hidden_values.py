import pytest
from hypothesis import given
from hypothesis import strategies as st

from er_pipeline.blocking.tables.printable import shown
from er_pipeline.notices.hidden_values import declared_names, without_values
from er_pipeline_tests.small_spec import small_spec

NAMES = frozenset({"id", "blocks_soundex+"})


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("2 ids in column 'id': '17' (2 times), 'x'", "2 ids in column 'id': '…' (2 times), '…'"),
        ('holds "O\'Brien" (3 times)', 'holds "…" (3 times)'),
        ("Could not convert string 'O'Brien' to INT", "Could not convert string '…' to INT"),
        ("cut off here: 'Ann Smi...", "cut off here: '…'"),
        ("the record's key, as Splink's", "the record's key, as Splink's"),
        ("run (--select 'blocks_soundex+')", "run (--select 'blocks_soundex+')"),
        ('holds objects, such as {"name": Ann}, no single values', "holds objects, such as …"),
        ("holds bytes, 0x416E6E; write text", "holds bytes, …"),
        ("DETAIL: Key (email)=(ann@example.org) exists", "DETAIL: Key (email)=(…) exists"),
        ("write learning: {promote: always}", "write learning: {promote: always}"),
        ("Unicode quotes hide „Ann“ and “Bob”, too", "Unicode quotes hide „…„ and “…“, too"),
    ],
)
def test_what_is_quoted_is_hidden_unless_it_is_a_name(text: str, left: str) -> None:
    assert without_values(text, NAMES) == left


@given(st.text(min_size=6, max_size=150), st.text(min_size=6, max_size=20))
def test_no_quoted_value_is_left(value: str, other: str) -> None:
    text = without_values(f"wrong: {shown(value)} (2 times), {other!r}; correct it", NAMES)
    assert value not in text
    assert other not in text


def test_names_are_those_of_the_declaration_and_its_tables_without_values() -> None:
    spec = small_spec(
        sources=[{"path": "crm.csv", "record_id": "customer_no"}],
        cleaning={"placeholders": ["Nobody"], "free_mail_domains": ["own.example"]},
        notify={"webhook": "https://hooks.example.org/secret"},
    )
    names = declared_names(spec, ["unified_pairs"])
    assert {"crm", "customer_no", "crm.csv", "unified_pairs", "unified_pairs+"} <= names
    assert not {"Nobody", "own.example", "https://hooks.example.org/secret"} & names
