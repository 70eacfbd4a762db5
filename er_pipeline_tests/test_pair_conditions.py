import duckdb
import pytest

from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline.blocking.values.pair_conditions import parse_condition

FIELDS = ("name", "Firm", "full", "no_l")


@pytest.mark.parametrize(
    ("condition", "sql", "read"),
    [
        ("name_l = name_r", '"name_l" = "name_r"', ("name",)),
        # A field that is spelled otherwise, and words of SQL, are names all the same.
        (
            "NAME_L = firm_r and name_r = FIRM_L",
            '"name_l" = "Firm_r" AND "name_r" = "Firm_l"',
            ("Firm", "name"),
        ),
        ("full_l = full_r", '"full_l" = "full_r"', ("full",)),
        # The field no_l, of the right and of the left record.
        ("no_l_r = no_l_l", '"no_l_r" = "no_l_l"', ("no_l",)),
        ("length(name_l) > 3", 'LENGTH("name_l") > 3', ("name",)),
    ],
)
def test_columns_are_quoted_and_spelled_as_the_fields_are(
    condition: str, sql: str, read: tuple[str, ...]
) -> None:
    assert parse_condition(condition, FIELDS) == (sql, read)


@pytest.mark.parametrize(
    "condition",
    [
        "list_filter(string_split(name_l, ' '), w -> w = firm_r) != []",
        "list_filter(string_split(name_l, ' '), lambda w: w = Firm_R) != []",
        "list_filter(string_split(name_l, ' '), firm_l -> firm_l = firm_r) != []",
        "list_transform(string_split(name_l, ' '),"
        " a -> list_filter(string_split(firm_r, ' '), b -> a = b)) != []",
    ],
)
def test_a_field_is_read_within_a_lambda_and_the_lambdas_own_names_are_none(condition: str) -> None:
    sql, read = parse_condition(condition, FIELDS)
    assert read == ("Firm", "name")
    assert '"Firm_r"' in sql


def test_what_is_read_is_what_the_condition_takes_in_duckdb() -> None:
    sql, _ = parse_condition("name_l = firm_r and left(full_l, 1) = left(full_r, 1)", FIELDS)
    pairs = (
        "select * from (values ('a', 'a', 'xy', 'xz'), ('a', 'b', 'xy', 'xz'))"
        ' as t("name_l", "Firm_r", "full_l", "full_r")'
    )
    with duckdb.connect() as con:
        assert con.execute(f"select {sql} from ({pairs}) order by 1").fetchall() == [
            (False,),
            (True,),
        ]


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        ("surname_l = name_r", "unknown column 'surname_l'"),
        ("name = name_r", "write a field with _l or _r, such as name_l = name_r"),
        ("nam_l = name_r", "the fields are name, Firm, full, no_l"),
        ("t.name_l = 'x'", "unknown column 't.name_l'"),
        ("list_filter([name_l], w -> w = town_r) != []", "unknown column 'town_r'"),
        ("1 = 1", "reads no field; write one with _l and _r"),
        ("name_l =", "is not a SQL expression"),
        ("'abc", "is not a SQL expression"),
        ("", "is not a SQL expression"),
        ("(select 1)", "must be an expression over one pair, no query"),
        ("name_l in (select name_r)", "must be an expression over one pair, no query"),
        ("copy t to 'x'", "must be an expression over one pair, no query"),
        ("nosuch(name_l)", "cannot be computed: Catalog Error"),
        ("name_l > 3", "cannot be computed: Binder Error"),
        ("sum(length(name_l)) > 1", "cannot be computed: Binder Error"),
        ("name_l; drop table t", "must be one expression"),
    ],
)
def test_a_wrong_condition_says_what_is_wrong_in_one_line(condition: str, text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_condition(condition, FIELDS)
    assert str(caught.value).startswith(f"condition {condition!r} ")
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "\033" not in str(caught.value)
