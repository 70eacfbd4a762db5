"""Contents to publish: queries of a few rows, and of every type that a view may have."""

from er_pipeline.sinks.contents import Content

# One row of values that are hard to carry over, one of NULLs, one of empty ones.
HARD = r"""
    select * from (values
        ('a"b\c,' || chr(10) || 'd', ['x"y', 'p\q', 'a,b{c}', ''], 1::bigint, 0.5::double,
         1.5::float, true, date '2026-11-27', timestamptz '2026-11-27 02:00:00+00',
         {'n': 1, 's': 'ä"'}, 12345678901234567890::hugeint, 3::tinyint),
        (null, null, null, null, null, null, null, null, null, null, null),
        ('', [], -1, 'nan'::double, 'infinity'::float, false, date '0001-01-01',
         timestamptz '1969-12-31 23:59:59.999999+00', {'n': null, 's': ''}, -1, -3)
    ) as t(text, list, whole, number, small, flag, day, instant, object, huge, tiny)
"""


def content(table: str, sql: str, stamp: str = "1") -> Content:
    return Content(table, sql, stamp)


def numbers(table: str, n_rows: int, value: int = 0, stamp: str = "1") -> Content:
    """Give a table of so many rows, each with the same value."""
    sql = f"select i as id, {value} as value from range({n_rows}) as r(i)"
    return Content(table, sql, f"{stamp}-{value}")
