import duckdb
import numpy as np
import pytest

from er_pipeline.blocking.records.people_vocabulary import (
    Vocabulary,
    build_vocabulary,
    draw,
    pick_texts,
)


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    with duckdb.connect() as con:
        return build_vocabulary(con, 300, np.random.default_rng(1))


def test_a_name_stands_before_its_nicknames(vocabulary: Vocabulary) -> None:
    names = vocabulary.first_names
    texts = names.texts.to_pylist()
    place = texts.index("William")
    first, n_nicknames = names.first_nickname[place], names.n_nicknames[place]
    assert "Bill" in texts[first : first + n_nicknames]
    assert len(names.frequencies) + names.n_international == len(names.n_nicknames)
    assert names.n_nicknames.sum() == len(texts) - len(names.n_nicknames)


def test_addresses_write_names_in_plain_letters(vocabulary: Vocabulary) -> None:
    for names, written, handle in (
        (vocabulary.first_names, "Łukasz", "lukasz"),
        (vocabulary.last_names, "O'Brien", "obrien"),
        (vocabulary.last_names, "Núñez", "nunez"),
    ):
        assert names.handles[names.texts.to_pylist().index(written)].as_py() == handle


def test_every_company_has_a_mail_domain_of_its_name(vocabulary: Vocabulary) -> None:
    companies = vocabulary.companies.to_pylist()
    domains = vocabulary.email_domains.to_pylist()[-len(companies) :]
    assert len(companies) == 300
    for company, domain in zip(companies, domains, strict=True):
        letters = "".join(filter(str.isalpha, company.lower().removeprefix("the ")))
        assert domain.startswith(f"{letters}.")


def test_places_are_drawn_as_often_as_their_weights_say() -> None:
    rng = np.random.default_rng(2)
    counts = np.bincount(draw(np.array([1.0, 0.0, 3.0]), 10_000, rng), minlength=3)
    assert counts.tolist() == [pytest.approx(2_500, abs=150), 0, pytest.approx(7_500, abs=150)]
    assert set(pick_texts({"a": 0.5, "b": 0.5, "c": 0.0}, 100, rng).to_pylist()) == {"a", "b"}
