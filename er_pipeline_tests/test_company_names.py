import pytest

from er_pipeline.blocking.values.company_names import significant_words


@pytest.mark.parametrize(
    ("company", "words"),
    [
        ("The Acme Company", ["acme"]),
        ("Acme L.L.C.", ["acme"]),
        ("Foo S.p.A.", ["foo"]),
        ("Telefónica, S. A.", ["telefonica"]),
        ("Grupo Foo, S.A. de C.V.", ["grupo", "foo"]),
        ("Foo S. de R.L. de C.V.", ["foo"]),
        ("Foo Sp. z o.o.", ["foo"]),
        ("Müller GmbH & Co. KG", ["muller"]),
        ("Infosys Private Limited", ["infosys"]),
        ("Novo Nordisk A/S", ["novo", "nordisk"]),
        ("ООО Газпром", ["gazprom"]),
        ("J.P. Morgan Chase & Co.", ["jp", "morgan", "chase"]),
        ("SAS Institute", ["sas", "institute"]),
        ("SAS", ["sas"]),
        ("Amazon UK", ["amazon", "uk"]),
        ("A & B Plumbing", ["a", "and", "b", "plumbing"]),
        ("A Plumber", ["plumber"]),
        ("Bank of the West", ["bank", "of", "west"]),
        ("The Company", []),
        ("Inc.", []),
        ("", []),
    ],
)
def test_significant_words_leave_out_articles_and_legal_forms(
    company: str, words: list[str]
) -> None:
    assert significant_words(company) == words
