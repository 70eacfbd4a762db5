"""Concepts: what columns of people, companies and products are called, in several languages.

English names alone have a kind by `guess_kind`; here the same column of two tables, vorname and
given_name, is recognised as one field.
"""

import re
from functools import cache
from typing import NamedTuple

from er_pipeline.blocking.spec.kinds import guess_kind
from er_pipeline.blocking.values.folded_text import fold


class Concept(NamedTuple):
    """What a column means. field: what its field is called here. kind: of the field."""

    field: str
    kind: str


# field, kind, and its names: words, folded to ASCII, in English, German, French, Spanish, Italian,
# Portuguese, Dutch and Polish. The first that fits counts, so the narrow stand before the wide.
_NAMES: tuple[tuple[str, str, str], ...] = (
    (
        "email",
        "email",
        r"e ?mail( ?(address|adresse|adress|addr))?|mail( ?(adresse|address))?|courriel"
        r"|adresse (mail|email)|correo( electronico)?|posta elettronica|e ?post",
    ),
    (
        "birth_date",
        "date",
        r"(date of birth|birth ?(date|day|dt)|dob|born|geburts ?(datum|tag)|geb( ?(datum|dat|am))?"
        r"|date (de )?naissance|naissance|ne le|fecha (de )?nac(imiento)?|nacimiento"
        r"|data (di )?nascita|data (de )?nascimento|geboorte ?datum|data urodzenia)",
    ),
    (
        "first_name",
        "person_name",
        r"(_WHO_ ?)?((first|given|fore|christian) ?names?|first|given)|f ?name|vor ?namen?"
        r"|ruf ?name|prenoms?|nombre de pila|primer nombre|voor ?naam|primeiro nome|imie",
    ),
    (
        "middle_name",
        "person_name",
        r"middle ?names?|zweiter vorname|deuxieme prenom|segundo nombre|secondo nome|tussenvoegsel",
    ),
    (
        "last_name",
        "person_name",
        r"(_WHO_ ?)?((last|family|sur) ?names?|last)|l ?name|(nach|familien|zu) ?namen?"
        r"|nom (de )?famille|apellidos?|primer apellido|cognome|achter ?naam|sobrenome|apelido"
        r"|nazwisko",
    ),
    (
        "full_name",
        "full_name",
        r"full ?name|_WHO_ ?name"
        r"|vollstandiger name|(kunden|ansprechpartner|mitarbeiter|mitglieds?) ?name"
        r"|ansprechpartner|nom complet|nom (et|&) prenom|prenom (et )?nom"
        r"|nombre (completo|y apellidos?)"
        r"|apellidos? y nombres?|nome (completo|e cognome)|cognome e nome|volledige naam",
    ),
    (
        "phone",
        "phone",
        r"((home|mobile|cell|work|office|day|evening)? ?(tele)?phones?|mobile|cell|tel|fax|handy)"
        r"( ?(no|nr|number|nummer|num))?|(telefon|mobil|handy|rufnummer|fax|festnetz)"
        r" ?(nr|nummer|no)?|rufnummer|telephone|portable|numero (de )?(telephone|telefono)|telefono"
        r"|movil|celular|cellulare|telefone|telemovel|telefoon( ?nummer)?",
    ),
    (
        "company",
        "company",
        r"(company|organi[sz]ation|employer|firm|business|vendor|supplier)( ?name)?"
        r"|firm(a|en ?name)|unternehmen|gesellschaft|arbeitgeber|societe|entreprise"
        r"|raison sociale|empresa|razon social|azienda|ragione sociale|bedrijf(snaam)?|spolka",
    ),
    (
        "street",
        "address",
        r"(street|postal|mailing|home)? ?address( ?(line)? ?1)?|street( ?(name|address))?"
        r"|addr( ?1)?|strasse( ?(und|u)? ?(haus ?(nr|nummer))?)?|str|anschrift|adresse( ?1)?"
        r"|rue|voie|calle|direccion|domicilio|indirizzo|via|morada|endereco|straat(naam)?|adres"
        r"|ulica",
    ),
    (
        "zip",
        "identifier",
        r"zip( ?code)?|post(al)? ?code|postcode|plz|post ?leit ?zahl|code postal|cp"
        r"|codigo postal|cap|codice postale|cep|kod pocztowy",
    ),
    (
        "city",
        "text",
        r"city|town|suburb|place|(wohn)?ort|stadt|ville|commune|ciudad|poblacion|localidad"
        r"|municipio|citta|comune|cidade|(woon)?plaats|miasto",
    ),
    ("country", "text", r"country|land|pays|pais|paese|kraj|nation"),
    ("state", "text", r"state|province|region|bundesland|provincia|departement|estado"),
    (
        "title",
        "text",
        r"title|(product|item|article) ?(name|title|label)|product|item"
        r"|(artikel|produkt|waren?) ?(name|bezeichnung|titel)|bezeichnung|titel|artikel|produkt"
        r"|titre|nom (du |de )?(produit|l ?article)|produit|libelle|designation|intitule"
        r"|nombre (del? )?(producto|articulo)|producto|articulo|titulo"
        r"|nome (del |do )?(prodotto|produto|articolo)|prodotto|articolo|titolo|produto"
        r"|(product|artikel) ?naam|nazwa (produktu|towaru)|tytul",
    ),
    (
        "brand",
        "text",
        r"brand( ?name)?|manufacturer|maker|hersteller( ?name)?|marke|marque|fabricant"
        r"|marca|fabricante|produttore|merk|fabrikant|marka|producent",
    ),
    (
        "price",
        "number",
        r"((list|retail|sales?|unit|net|gross)? ?price)( ?(eur|usd|gbp))?"
        r"|((verkaufs|einzel|netto|brutto|stuck|listen)? ?preis)( ?eur)?"
        r"|prix( (unitaire|ht|ttc))?|precio|prezzo|preco|prijs|cena",
    ),
    (
        "amount",
        "number",
        r"amount|(credit|kredit) ?limit|revenue|turnover|betrag|umsatz|montant|bedrag|kwota",
    ),
    ("quantity", "number", r"quantity|qty|menge|anzahl|quantite|cantidad|quantita|aantal|ilosc"),
    (
        "area",
        "number",
        r"(living|floor|plot)? ?area|surface|(wohn|nutz|grundstucks)? ?flache|superficie"
        r"|oppervlakte|powierzchnia",
    ),
    ("weight", "number", r"((net|gross) ?)?weight|gewicht|poids|peso|waga"),
    ("ean", "identifier", r"(ean|gtin|upc)( ?1[234])?( ?(code|nr|no|nummer|number))?|bar ?code"),
    (
        "description",
        "text",
        r"(product|item|long|short)? ?description|(artikel|produkt)? ?beschreibung|descripcion"
        r"|descrizione|descricao|omschrijving|opis",
    ),
)
# Whose name it is, before the name of the column.
_WHO = "(customer|client|contact|person|patient|employee|member|owner|author)"
# Fields of products: what their values look like says less than the name, a title may be anything.
PRODUCT_TEXTS = frozenset({"title", "brand", "description"})
# What names no record, though every row may have a value of its own.
NO_IDS = PRODUCT_TEXTS | {"price", "amount", "quantity", "area", "weight"}
# What only says a name beside another column: in French, nom beside prenom; of a product, beside
# its price.
_BESIDE: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("last_name", "person_name", ("first_name",), r"nom|name|nazwisko|naam"),
    ("first_name", "person_name", ("last_name",), r"nombres?|nome|imie|name"),
    ("title", "text", ("price", "brand", "ean"), r"name|nom|nombre|nome|naam|nazwa"),
)
_ALONE = r"name|names|nom|nombre|nome|naam|kunde|client|cliente|klant|customer|person|contact"


def words_of_name(name: str) -> str:
    """Write a column's name as folded words: Straße_Nr -> strasse nr, dateOfBirth -> date of birth.

    The sign & stays, since it is a word.
    """
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return " ".join(re.findall(r"[a-z]+|\d+|&", fold(parted)))


@cache
def concept_of(name: str) -> Concept | None:
    """Return what a column means by its name alone; None where the name says nothing."""
    words = words_of_name(name)
    joined = words.replace(" ", "")
    for field, kind, pattern in _NAMES:
        pattern = pattern.replace("_WHO_", _WHO)
        if re.fullmatch(pattern, words) or re.fullmatch(pattern, joined):
            return Concept(field, kind)
    return None


def concepts_of(names: list[str]) -> dict[str, Concept | None]:
    """Return what each column of a table means by its name and the others' names."""
    found = {name: concept_of(name) for name in names}
    fields = {concept.field for concept in found.values() if concept}
    for field, kind, beside, pattern in _BESIDE:
        if fields.intersection(beside) and field not in fields:
            for name in names:
                if found[name] is None and re.fullmatch(pattern, words_of_name(name)):
                    found[name] = Concept(field, kind)
                    fields.add(field)
                    break
    return found


def may_be_full_name(name: str) -> bool:
    """Return whether a column's name says that it holds whole names, or may hold them: name."""
    concept = concept_of(name)
    if concept:
        return concept.field == "full_name"
    return re.fullmatch(_ALONE, words_of_name(name)) is not None


def kind_by_name(name: str) -> str:
    """Return the kind that a column's name stands for, text where it says nothing."""
    concept = concept_of(name)
    if concept is None:
        return guess_kind(name)
    return "person_name" if concept.kind == "full_name" else concept.kind
