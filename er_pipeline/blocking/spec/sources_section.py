"""The sections `sources` and `cleaning`: where records come from, and how they become clean."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from er_pipeline.blocking.spec.dated_paths import is_dated, label_of, path_problem
from er_pipeline.blocking.spec.far_places import motherduck_problem, store_problem
from er_pipeline.blocking.spec.settings import Identifier, Settings, Share
from er_pipeline.blocking.tables.printable import shown, without_password
from er_pipeline.blocking.values.checked_numbers import checked_number
from er_pipeline.blocking.values.cleaning import CleaningOptions, cleaner
from er_pipeline.blocking.values.folded_text import fold

# In place of a quote: the file has none.
NO_QUOTE = "none"


class CsvFormat(Settings):
    """How a csv file is written, where its header line does not show it."""

    delimiter: str | None = Field(
        None, min_length=1, max_length=1, description="Guessed from the header: , ; tab or |."
    )
    quote: str = Field(
        '"', description="Encloses values; none where the file has no quotes, as databases write."
    )
    encoding: str | None = Field(
        None,
        description="utf-8, windows-1252, utf-16 or another that Python knows; if omitted, UTF-8 or"
        " what the file's first bytes (BOM) say.",
    )

    @field_validator("delimiter", mode="before")
    @classmethod
    def _tab_in_words(cls, delimiter: Any) -> Any:
        return "\t" if delimiter in ("tab", "\\t") else delimiter

    @field_validator("quote", mode="before")
    @classmethod
    def _quote_is_a_sign_or_none(cls, quote: Any) -> Any:
        if quote in (None, "", NO_QUOTE):
            return NO_QUOTE
        if isinstance(quote, str) and len(quote) != 1:
            raise ValueError(f"{quote!r} is no single sign; write one, or none")
        return quote

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, encoding: str | None) -> str | None:
        if encoding is None:
            return None
        try:
            "".encode(encoding)
        except (LookupError, ValueError) as error:
            raise ValueError(
                f"{encoding!r} is no encoding that Python knows; write one such as utf-8,"
                " windows-1252, iso-8859-2 or utf-16"
            ) from error
        return encoding


class GeneratedPeople(Settings):
    """People made up for demonstrations, with known duplicates (column person_id)."""

    records: int = Field(10_000, ge=1, le=10_000_000, description="Records to make.")
    seed: int = Field(20, ge=0, description="The same seed makes the same people.")


def _as_identifier(text: str) -> str:
    """Make a name for Dagster and SQL of any file's name: teil_* gives teil."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", fold(text)).strip("_")
    return name[:63] if name and name[0].isalpha() else f"source_{name}".strip("_")[:63]


def _asset_path(key: Any) -> Any:
    """Read shop/customers as Dagster writes it, and a list as it is."""
    parts = key.split("/") if isinstance(key, str) else key
    if isinstance(parts, list) and not all(isinstance(p, str) and p.strip() for p in parts):
        raise ValueError(
            f"{shown(key)} is no key of an asset; write one such as shop/customers, as Dagster's"
            " page of that asset does"
        )
    return parts


AssetPath = Annotated[
    list[str],
    BeforeValidator(_asset_path, json_schema_input_type=str | list[str]),
    Field(min_length=1),
]


def _prefix_path(prefix: Any) -> Any:
    """Read crm/eu and a list alike; what a selection of Dagster would read as a sign is refused."""
    parts = prefix.split("/") if isinstance(prefix, str) else prefix
    if isinstance(parts, list) and not all(
        isinstance(part, str) and re.fullmatch(r"[A-Za-z0-9_-]+", part) for part in parts
    ):
        raise ValueError(
            f"{shown(prefix)} cannot begin keys; write letters, digits, _ and -, such as crm/eu"
        )
    return parts


KeyPrefix = Annotated[
    list[str],
    BeforeValidator(_prefix_path, json_schema_input_type=str | list[str]),
    Field(min_length=1),
]


class Source(Settings):
    """One table of records: a file, a table of a DuckDB file, or a query on a database."""

    name: Identifier | None = Field(
        None, description="Shown in column source; the file's or table's name if omitted."
    )
    path: str | None = Field(
        None,
        description="csv, parquet or json file, folder or glob of such, or a table of Delta or"
        " Iceberg, relative to the defs.yaml; or s3://bucket/people.parquet,"
        " https://example.org/people.csv. One snapshot for every date: 'people_{date}.parquet',"
        " 'people_{date:%Y%m%d}.csv'.",
    )
    format: Literal["csv", "parquet", "json", "delta", "iceberg"] | None = Field(
        None, description="If omitted, it follows from the ending of path, or its folder."
    )
    csv: CsvFormat = CsvFormat()
    database: str | None = Field(
        None,
        description="A DuckDB file, or ducklake: and the metadata of a DuckLake, relative to the"
        " defs.yaml.",
    )
    table: str | None = Field(None, description="A table or view of `database`.")
    url: str | None = Field(None, description="SQLAlchemy URL; write secrets as {{ env.NAME }}.")
    query: str | None = Field(None, description="SQL run at `url`.")
    generate: GeneratedPeople | None = Field(None, description="Made-up people, for a trial.")
    asset_key: AssetPath | None = Field(
        None,
        description="The asset of Dagster that makes this table, such as one of dbt or dlt:"
        " [shop, customers], or shop/customers; lineage goes on from there.",
    )
    record_id: str | None = Field(
        "id",
        min_length=1,
        description="Column with the record's id; null numbers the rows of a path from 1 on, as"
        " they are read.",
    )
    columns: dict[str, str | None] = Field(
        default_factory=dict,
        description="field: column of this source; null where the source has no such column.",
    )

    @field_validator("path")
    @classmethod
    def _path_can_be_read(cls, path: str | None) -> str | None:
        for problem in (path_problem(path or ""), store_problem(path)):
            if problem:
                raise ValueError(problem)
        return path

    @field_validator("path", "database", "url")
    @classmethod
    def _is_not_motherduck(cls, address: str | None) -> str | None:
        if problem := motherduck_problem(address, "url"):
            raise ValueError(problem)
        return address

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        places = [name for name in ("path", "database", "url", "generate") if getattr(self, name)]
        if len(places) != 1:
            raise ValueError(
                "a source needs exactly one of path, database (with table), url (with query) and"
                f" generate; found {', '.join(places) or 'none'}"
            )
        for place, companion in (("database", "table"), ("url", "query")):
            if bool(getattr(self, place)) != bool(getattr(self, companion)):
                raise ValueError(f"{place} and {companion} belong together: write both")
        if self.record_id is None and not self.path:
            raise ValueError(
                "record_id: null numbers the rows of a file, and these are of none; name the column"
                " of the id, which a view or a query can make: row_number() over (order by ...)"
            )
        return self

    @property
    def identity(self) -> dict[str, Any]:
        """What decides which records it gives: a rotated password opens the same database."""
        settings = self.model_dump(mode="json", exclude={"asset_key"})
        hidden = {
            name: without_password(settings[name])
            for name in ("url", "path")
            if settings[name] and "://" in settings[name]
        }
        return {**settings, **hidden}

    @property
    def label(self) -> str:
        """The source's name as records show it."""
        if self.name:
            return self.name
        if self.path and is_dated(self.path):
            return _as_identifier(label_of(self.path))
        if self.path:
            path = self.path.split("?")[0] if "://" in self.path else self.path
            return _as_identifier(Path(path).stem)
        if self.database and self.table:
            return _as_identifier(self.table.split(".")[-1])
        return "people" if self.generate else "query"


class Cleaning(Settings):
    """How raw values become clean ones."""

    phone_region: str = Field(
        "US", description="Country of numbers without +, two letters of ISO 3166: US, DE, GB."
    )
    gmail_dots: bool = Field(True, description="Remove dots from Gmail users.")
    plus_tags: bool = Field(True, description="Remove +tags from e-mail users.")
    day_first: bool | None = Field(
        None,
        description="Read 03/04/2020 as the 3rd of April; if omitted, as the other dates of the"
        " column show, else the month first.",
    )
    decimal_comma: bool | None = Field(
        None,
        description="Read the number 1,234 as one and a bit; if omitted, as the other numbers of"
        " the column show, else as a thousand and more.",
    )
    placeholders: list[str] = Field(
        default_factory=list,
        description="Values that mean 'no value', besides NULL marks and the usual words.",
    )
    numbers: dict[str, str] = Field(
        default_factory=dict,
        description="identifier field: number whose check digits must hold, as python-stdnum calls"
        " it: iban, isbn, lei, de.vat, us.ssn.",
    )
    free_mail_domains: list[str] = Field(
        default_factory=list, description="Domains that give no email_domain key, besides ours."
    )
    max_reject_rate: Share = Field(
        0.0, description="Share of unreadable rows that may go to rejected_records."
    )

    @field_validator("phone_region")
    @classmethod
    def _region_is_known(cls, region: str) -> str:
        try:
            cleaner("phone", CleaningOptions(phone_region=region))
        except ValueError as error:
            known = "; the United Kingdom is GB" if region == "UK" else ""
            raise ValueError(
                f"{region!r} is no phone region; write two letters of ISO 3166, such as DE{known}"
            ) from error
        return region

    @field_validator("numbers")
    @classmethod
    def _numbers_are_known(cls, numbers: dict[str, str]) -> dict[str, str]:
        for name in numbers.values():
            checked_number(name)
        return numbers

    @property
    def options(self) -> CleaningOptions:
        """The same as the cleaning functions take it."""
        return CleaningOptions(
            phone_region=self.phone_region,
            gmail_dots=self.gmail_dots,
            plus_tags=self.plus_tags,
            day_first=bool(self.day_first),
            decimal_comma=bool(self.decimal_comma),
            placeholders=frozenset(self.placeholders),
        )
