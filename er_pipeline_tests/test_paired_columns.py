from pathlib import Path

from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.terminal.first_declaration import write_declaration

SHADES = ("red", "blue", "green", "black", "white", "grey", "silver")
THINGS = ("lamp", "chair", "table", "kettle", "toaster", "radio", "mixer", "clock", "heater")
MAKERS = ("Acme", "Bolt", "Corvin", "Delta")


def things(columns: str, swapped: bool) -> str:
    """Write a table of products, whose texts have the same words in another order or not."""
    rows = [columns]
    for i in range(60):
        maker, shade, thing = MAKERS[i % 4], SHADES[i % 7], THINGS[i % 9]
        text = f"{thing} {shade} by {maker} No{i}" if swapped else f"{maker} {shade} {thing} {i}x"
        rows.append(f"{'B' if swapped else 'A'}{i},{text},{maker},{i + 5}.{90 + swapped}")
    return "\n".join(rows) + "\n"


def declaration(folder: Path, *columns: str) -> str:
    files = [folder / name for name in ("shop_a.csv", "shop_b.csv")]
    for i, file in enumerate(files):
        file.write_text(things(columns[i], swapped=i == 1))
    declared = write_declaration(files, folder / "defs.yaml", force=False)
    lines = "\n".join(declared.lines())
    for column in declared.left_out:
        assert f"  left out: {column}" in lines
    return declared.file.read_text()


def test_product_columns_of_two_languages_are_one_field(tmp_path: Path) -> None:
    declaration(tmp_path, "id,title,brand,price", "id,bezeichnung,hersteller,preis")
    spec = read_spec(tmp_path / "defs.yaml")
    assert spec.declared_kinds == {"title": "text", "brand": "text", "price": "number"}
    assert spec.sources[1].columns["title"] == "bezeichnung"
    assert spec.sources[1].columns["price"] == "preis"
    assert [source.record_id for source in spec.sources] == ["id", "id"]


def test_prices_that_differ_in_every_row_are_no_ids(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("price,sku\n" + "".join(f"{i}.5,A{i}\n" for i in range(30)))
    write_declaration([tmp_path / "a.csv"], tmp_path / "defs.yaml", force=False)
    assert read_spec(tmp_path / "defs.yaml").sources[0].record_id == "sku"


def test_columns_of_other_names_are_paired_by_their_words_with_the_evidence(
    tmp_path: Path,
) -> None:
    written = declaration(tmp_path, "id,was,wer,kosten", "id,cosa,chi,importo")
    spec = read_spec(tmp_path / "defs.yaml")
    assert spec.sources[1].columns == {"was": "cosa", "wer": "chi"}
    assert "wer: chi # 100% of its values are those of wer" in written
    assert "% of its words and those of was are the same" in written
    assert "# left out: importo of shop_b (not in every table)" in written


def test_what_has_no_words_in_common_is_left_out_and_named(tmp_path: Path) -> None:
    rows = "\n".join(
        f"{i},{'pqrstuvwxyz'[i % 11]}{'abcdefg'[i % 7]}o,Acme {i % 4}" for i in range(60)
    )
    (tmp_path / "a.csv").write_text(things("id,was,wer,kosten", swapped=False))
    (tmp_path / "b.csv").write_text(f"id,cosa,wer\n{rows}\n")
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    declared = write_declaration(files, tmp_path / "defs.yaml", force=False)
    assert list(declared.fields) == ["wer"]
    assert "  left out: cosa of b (not in every table)" in declared.lines()
    assert "  left out: was of a (not in every table)" in declared.lines()


def test_the_only_phone_of_either_table_is_one_field_and_said_to_be_a_guess(tmp_path: Path) -> None:
    for name, column, numbers in (
        ("a.csv", "telf1", [f"+49 30 12345{i}" for i in range(10, 60)]),
        ("b.csv", "rufnr", [f"+49302345{i}" for i in range(200, 250)]),
    ):
        rows = "".join(f"{i},town{i % 9},{number}\n" for i, number in enumerate(numbers))
        (tmp_path / name).write_text(f"id,city,{column}\n{rows}")
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    declared = write_declaration(files, tmp_path / "defs.yaml", force=False)
    assert declared.fields["telf1"] == "phone"
    assert read_spec(declared.file).sources[1].columns == {"telf1": "rufnr"}
    assert "a guess: like telf1, the only phone column that is left" in declared.file.read_text()
