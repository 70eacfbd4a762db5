import pytest
from hypothesis import given
from hypothesis import strategies as st

from er_pipeline.blocking.values.cleaning import CleaningOptions, full_name_cleaner
from er_pipeline.blocking.values.person_names import PARTICLES, parse_full_name


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("John Smith", "john", "smith"),
        ("Smith, John", "john", "smith"),
        ("SMITH, JOHN", "john", "smith"),
        ("Smith, Jr., John", "john", "smith"),
        ("Smith Jr., John Q.", "john", "smith"),
        ("John Q. Public III, Esq.", "john", "public"),
        ("Smith, Dr John (Jack)", "john", "smith"),
        ('John "Jack" Smith', "john", "smith"),
        ("Prof. Dr. Anna Müller-Lüdenscheid", "anna", "muller ludenscheid"),
        ("Prof.Dr. Anna Müller", "anna", "muller"),
        ("Herr Max Mustermann", "max", "mustermann"),
        ("Anna MÜLLER", "anna", "muller"),
        ("GARCÍA LÓPEZ María José", "maria jose", "garcia lopez"),
        ("García López, María José", "maria jose", "garcia lopez"),
        ("José Ortega y Gasset", "jose", "ortega y gasset"),
        ("O'Brien, Mary Ann", "mary ann", "obrien"),
        ("Ludwig van Beethoven", "ludwig", "van beethoven"),
        ("van der Berg, Jan Peter", "jan peter", "van der berg"),
        ("Dr. Juan de la Cruz", "juan", "de la cruz"),
        ("de Gaulle Charles", "charles", "de gaulle"),
        ("Karl-Theodor Freiherr von und zu Guttenberg", "karl theodor", "von und zu guttenberg"),
        ("Abdul Rahman bin Ahmad", "abdul rahman", "bin ahmad"),
        ("Van Morrison", "van", "morrison"),
        ("Al Pacino", "al", "pacino"),
        ("Nguyen Van An", "van an", "nguyen"),
        ("J. R. R. Tolkien", "j r r", "tolkien"),
        ("Иванов Иван Иванович", "ivan ivanovich", "ivanov"),
        ("Иван Иванович Иванов", "ivan ivanovich", "ivanov"),
        ("Μαρία Παπαδοπούλου", "maria", "papadopoyloy"),
        ("山田 太郎", "tailang", "shantian"),
        ("山田太郎", "tailang", "shantian"),
        ("王小明", "xiaoming", "wang"),
        ("欧阳修", "xiu", "ouyang"),
        ("김철수", "cheolsu", "gim"),
        ("ジョン・スミス", "jiyon", "sumisu"),
        ("Cher", "", "cher"),
        ("Dr.", "", ""),
        ("", "", ""),
    ],
)
def test_a_full_name_is_taken_apart(text: str, first: str, last: str) -> None:
    name = parse_full_name(text)
    assert (name.first, name.last) == (first, last)


words = st.text("bdfghklmnprt", min_size=3, max_size=9).filter(lambda word: word not in PARTICLES)


@given(first=words, last=words)
def test_either_way_of_writing_a_name_gives_the_same(first: str, last: str) -> None:
    in_order = parse_full_name(f"{first.title()} {last.title()}")
    assert in_order == parse_full_name(f"{last.title()}, {first.title()}")
    assert in_order == parse_full_name(f"{last.upper()}, Dr. {first.title()}")


@given(text=st.text(max_size=60))
def test_any_text_is_taken_apart_into_clean_parts(text: str) -> None:
    parts = full_name_cleaner(CleaningOptions())(text)
    assert parts is None or parts.count("\t") == 1


@pytest.mark.parametrize("text", ["n/a", "unknown", "\\N", "", "--", "no name"])
def test_a_full_name_that_says_nothing_is_no_value(text: str) -> None:
    assert full_name_cleaner(CleaningOptions())(text) is None
