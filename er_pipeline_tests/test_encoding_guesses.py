from pathlib import Path

import pytest

from er_pipeline.blocking.records.encoding_guesses import guess_encoding

PEOPLE = {
    "windows-1251": ["Иван,Петров,Москва", "Ольга,Кузнецова,Новосибирск"],
    "windows-1253": ["Γιώργος,Αθήνα", "Μαρία,Θεσσαλονίκη"],
    "windows-1254": ["Işıl,Yılmaz,İstanbul", "Ayşe,Çağlar,Muğla"],
    "windows-1250": ["Łukasz,Wiśniewski,Łódź", "Małgorzata,Dąbrowska,Gdańsk"],
    "windows-1252": ["José,Núñez,Málaga", "Zoë,O’Brien,¿Qué?", "Jürgen,Groß,Köln", "Hélène,Nîmes"],
    "gb18030": ["王小明,北京市海淀区", "李芳,上海市浦东新区"],
    "cp932": ["山田太郎,東京都千代田区", "佐藤花子,大阪府大阪市"],
}


@pytest.mark.parametrize("encoding", PEOPLE)
def test_an_encoding_is_guessed_from_its_letters(tmp_path: Path, encoding: str) -> None:
    rows = [f"{i},{row}" for i in range(20) for row in PEOPLE[encoding]]
    file = tmp_path / "people.csv"
    file.write_bytes("\n".join(["id,a,b,c", *rows]).encode(encoding))
    guessed = guess_encoding(file)
    assert guessed is not None
    assert guessed[0] == encoding
    assert "is not UTF-8" in guessed[1]


def test_a_few_letters_among_many_rows_are_of_windows(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(("id,name\n" + "1,Ann\n" * 5_000 + "2,Zoë\n").encode("windows-1252"))
    assert (guess_encoding(file) or ("",))[0] == "windows-1252"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "ascii"])
def test_what_the_reader_knows_itself_is_not_guessed(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "people.csv"
    file.write_text("id,name\n1,Ann\n", encoding)
    assert guess_encoding(file) is None
