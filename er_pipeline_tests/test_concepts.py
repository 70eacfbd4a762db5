import pytest

from er_pipeline.blocking.spec.concepts import (
    concept_of,
    concepts_of,
    kind_by_name,
    may_be_full_name,
    words_of_name,
)


@pytest.mark.parametrize(
    ("field", "names"),
    [
        (
            "first_name",
            ["Vorname", "prénom", "given_name", "FirstName", "Voornaam", "imię", "Contact First"],
        ),
        (
            "last_name",
            ["Nachname", "nom de famille", "surname", "Apellidos", "cognome", "Patient Last Name"],
        ),
        ("birth_date", ["Geburtsdatum", "date_de_naissance", "DOB", "fecha_nacimiento"]),
        ("email", ["E-Mail", "courriel", "email_address", "correo electrónico", "mail_address"]),
        ("phone", ["Telefonnummer", "téléphone", "homePhone", "móvil", "Handy", "Tel."]),
        ("zip", ["PLZ", "Postleitzahl", "code_postal", "zip code", "código postal"]),
        ("city", ["Ort", "ville", "ciudad", "città", "City"]),
        ("street", ["Straße", "Strasse und Hausnr.", "adresse", "dirección", "Address"]),
        ("company", ["Firma", "raison sociale", "empresa", "company_name"]),
        ("title", ["title", "Bezeichnung", "Artikelname", "Produktname", "titre", "product_name"]),
        ("price", ["price", "Preis", "prix", "precio", "list price", "Preis_EUR", "cena"]),
        ("area", ["area", "Wohnfläche", "superficie", "living_area"]),
        ("amount", ["amount", "Betrag", "Credit Limit", "Umsatz"]),
        ("brand", ["brand", "Hersteller", "marque", "marca", "manufacturer"]),
        ("ean", ["EAN", "ean13", "gtin", "EAN-Code", "barcode"]),
        ("full_name", ["nom complet", "Customer Name", "full_name", "Nombre y Apellidos"]),
    ],
)
def test_a_column_is_recognised_in_several_languages(field: str, names: list[str]) -> None:
    for name in names:
        concept = concept_of(name)
        assert concept is not None, name
        assert concept.field == field, name


@pytest.mark.parametrize(
    "name", ["remarks", "colour", "product_id", "item_count", "id", "Kunden-Nr.", "candidate"]
)
def test_other_columns_mean_nothing_by_their_names(name: str) -> None:
    assert concept_of(name) is None


def test_a_name_is_the_last_one_beside_a_first_name() -> None:
    found = concepts_of(["nom", "prénom"])
    assert [concept.field for concept in found.values() if concept] == ["last_name", "first_name"]
    found = concepts_of(["nombre", "apellidos"])
    assert [concept.field for concept in found.values() if concept] == ["first_name", "last_name"]
    assert concepts_of(["nom", "ville"])["nom"] is None
    found = concepts_of(["nombre", "precio"])
    assert [concept.field for concept in found.values() if concept] == ["title", "price"]
    assert may_be_full_name("nom")
    assert not may_be_full_name("prénom")


def test_the_kind_by_name_knows_english_words_besides() -> None:
    assert kind_by_name("invoice_number") == "identifier"
    assert kind_by_name("Geburtsdatum") == "date"
    assert kind_by_name("full_name") == "person_name"
    assert kind_by_name("remarks") == "text"


def test_words_are_folded_and_parted() -> None:
    assert words_of_name("Straße_Nr") == "strasse nr"
    assert words_of_name("dateOfBirth") == "date of birth"
