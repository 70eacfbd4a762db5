from pathlib import Path

import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.terminal.declaration_check import check_declaration
from er_pipeline.terminal.exit_codes import OK, UsageError
from er_pipeline.terminal.first_declaration import write_declaration

LETTERS = "abcdefghijklmnopqrstuvw"
NAMES = ("Jürgen", "Käthe", "Björn", "Ute", "Anna", "Lena")
KUNDEN = "Kunden-Nr.;Vorname;Nachname;E-Mail;Geburtsdatum;PLZ;Telefon;angelegt am\n" + "".join(
    f"K{i};{NAMES[i % 6]};Müller{LETTERS[i % 9]};k{i}@web.de;{1 + i % 28:02}.0{1 + i % 9}.1980;"
    f"{10000 + i % 50};089 {1234500 + i};2020-01-{1 + i % 28:02}\n"
    for i in range(60)
)
CLIENTS = "identifiant,nom complet,date de naissance,ville,cluster_id\n" + "".join(
    f"{i},Chloé Dupont{LETTERS[i % 20]},{1 + i % 28}/02/1970,"
    f"{'Lyon' if i % 3 else 'Nîmes'},c{i // 2}\n"
    for i in range(60)
)
CRM = "cust_id,given_name,family_name,phone\n" + "".join(
    f"{i},Ann{LETTERS[i % 7]},Smith{LETTERS[i % 11]},415555{2000 + i}\n" for i in range(60)
)
SHOP = "nr,Vorname,Nachname,contact,note\n" + "".join(
    f"S{i},Ann{LETTERS[i % 7]},Smith{LETTERS[i % 11]},415555{2000 + i},x\n" for i in range(30)
)


def declared(folder: Path, files: dict[str, str], encoding: str = "utf-8") -> PipelineSpec:
    """Write tables and their first declaration; read it back."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding)
    out = folder / "defs.yaml"
    write_declaration([folder / name for name in files], out, force=False)
    assert check_declaration(out).exit_code == OK
    return read_spec(out)


def test_a_german_table_of_windows(tmp_path: Path) -> None:
    spec = declared(tmp_path, {"kunden.csv": KUNDEN}, "cp1252")
    (source,) = spec.sources
    assert source.record_id == "Kunden-Nr."
    assert source.columns["first_name"] == "Vorname"
    assert source.csv.encoding in ("latin-1", "windows-1252")
    assert spec.field_kinds == {
        "first_name": "person_name",
        "last_name": "person_name",
        "email": "email",
        "birth_date": "date",
        "zip": "identifier",
        "phone": "phone",
    }
    assert spec.cleaning.phone_region == "DE"
    text = (tmp_path / "defs.yaml").read_text("utf-8")
    assert "email: email # 100% of 60 values look like e-mail addresses" in text
    assert "# left out: angelegt am (says when or by whom the row was changed)" in text


def test_a_french_table_with_known_matches(tmp_path: Path) -> None:
    spec = declared(tmp_path, {"clients.csv": CLIENTS})
    assert spec.cleaning.day_first is True
    assert spec.truth is not None
    assert spec.truth.cluster_column == "cluster_id"
    assert spec.declared_kinds == {"full_name": "full_name", "birth_date": "date", "city": "text"}
    assert list(spec.field_kinds) == ["first_name", "last_name", "birth_date", "city"]


def test_two_tables_are_linked_by_what_both_have(tmp_path: Path) -> None:
    spec = declared(tmp_path, {"crm.csv": CRM, "shop.csv": SHOP})
    assert spec.link_mode == "link"
    crm, shop = spec.sources
    assert (crm.record_id, shop.record_id) == ("cust_id", "nr")
    assert crm.columns["first_name"] == "given_name"
    assert shop.columns["first_name"] == "Vorname"
    assert shop.columns["phone"] == "contact"  # its values are those of phone
    assert "note" not in spec.field_kinds


def test_a_table_with_duplicates_of_its_own_is_compared_within_too(tmp_path: Path) -> None:
    twice = CRM + "".join(f"x{line}\n" for line in CRM.splitlines()[1:21])
    assert declared(tmp_path, {"crm.csv": twice, "shop.csv": SHOP}).link_mode == "link_and_dedupe"


def test_a_table_without_an_id_has_its_rows_numbered(tmp_path: Path) -> None:
    spec = declared(tmp_path, {"a.csv": "full_name\nLark, Ann\nMoss, Bob\nLark, Anne\n"})
    assert spec.sources[0].record_id is None
    assert len(spec.fields) == 1


def test_numbers_without_an_area_code_are_no_phone_numbers(tmp_path: Path) -> None:
    rows = "".join(f"{i},Ann {i % 90},{90000 + i % 9},{5551000 + i}\n" for i in range(200))
    spec = declared(tmp_path, {"a.csv": f"id,name,zip,phone\n{rows}"})
    assert spec.field_kinds["phone"] == "identifier"
    assert "area code" in (tmp_path / "defs.yaml").read_text()


def test_a_few_rows_that_cannot_be_read_are_set_aside_and_named(tmp_path: Path) -> None:
    rows = "".join(f"{i},Ann {i % 90},Rome {i % 7}\n" for i in range(200))
    spec = declared(tmp_path, {"a.csv": f"id,name,city\n{rows}x,Bob,Rome,Bonn\n"})
    assert spec.cleaning.max_reject_rate == 0.01
    assert "line 202" in (tmp_path / "defs.yaml").read_text()


def test_names_that_are_taken_or_no_names_get_others(tmp_path: Path) -> None:
    rows = "".join(f"{i},s{i % 3},g{i % 5},o{i % 7},p{i % 4},q{i % 6}\n" for i in range(30))
    head = "id,Source,record_id,order,2nd phone,Änderung (%)\n"
    spec = declared(tmp_path, {"main.csv": head + rows})
    assert [*spec.field_kinds] == [
        *("my_source", "my_record_id", "order", "column_2nd_phone", "anderung"),
    ]
    assert spec.dataset not in ("main", "temp")


def test_a_file_that_is_there_is_kept_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "defs.yaml").write_text("mine")
    (tmp_path / "crm.csv").write_text(CRM)
    files, out = [tmp_path / "crm.csv"], tmp_path / "defs.yaml"
    with pytest.raises(UsageError, match="--force"):
        write_declaration(files, out, force=False)
    assert out.read_text() == "mine"
    write_declaration(files, out, force=True)
    assert read_spec(out).sources[0].path == "crm.csv"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.csv": "id\n1\n2\n"}, "no column holds anything to compare"),
        ({"a.csv": "id,name\n1,Ann\n2,Bob\n", "b.csv": "id,price\n1,5.5\n2,6.5\n"}, "the other"),
    ],
)
def test_tables_that_cannot_be_compared_are_refused_with_a_cure(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        declared(tmp_path, files)
    assert not (tmp_path / "defs.yaml").exists()
    assert not list(tmp_path.glob(".*"))


def test_a_declaration_can_be_copied_away_from_a_table_of_another_folder(tmp_path: Path) -> None:
    (tmp_path / "crm.csv").write_text(CRM)
    for out, path in (
        (tmp_path / "crm" / "defs.yaml", str(tmp_path / "crm.csv")),
        (tmp_path / "defs.yaml", "crm.csv"),
    ):
        write_declaration([tmp_path / "crm.csv"], out, force=False)
        assert read_spec(out).sources[0].path == path


def test_swapped_names_are_offered_a_level_where_there_are_some(tmp_path: Path) -> None:
    swapped = "".join(f"9{i},Smith{LETTERS[i % 11]},Ann{LETTERS[i % 7]},\n" for i in range(6))
    declared(tmp_path, {"crm.csv": CRM})
    assert "# matching: true #" in (tmp_path / "defs.yaml").read_text("utf-8")
    (tmp_path / "defs.yaml").unlink()
    declared(tmp_path, {"crm.csv": CRM + swapped})
    text = (tmp_path / "defs.yaml").read_text("utf-8")
    assert "# matching: {swapped_names: true} # a model" in text
    assert "rows have the first_name and last_name of another row the other way round" in text
