"""A person's dozen facts among many columns that say nothing, 150 in all.

As an export of a system that grew for twenty years: options, codes of a few values, scores, dates
of changes, contract numbers, remarks, staff who looked after the customer, and columns that hardly
anybody fills. The names of many sound like facts about a person.
"""

import csv
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from er_pipeline_tests.other_people import HOUSEHOLD_KINDS, write_households
from er_pipeline_tests.other_people_noise import NOTE_WORDS
from er_pipeline_tests.other_tables_draws import Dice, Names, Row, write_rows

N_FIELDS = 150
PLANS = ("basic", "plus", "premium", "family", "business", "legacy")
TOWNS = ("north", "south", "central", "harbour", "airport", "valley", "online")


def write_fields(folder: Path, n_records: int, seed: int) -> list[Path]:
    """Write the people of households among columns of noise as CSV; return the path.

    Columns: id, those of HOUSEHOLD_KINDS and of noise, mixed and N_FIELDS in all, CLUSTER. No noise
    says who a person is: it is drawn anew for every record.
    """
    dice = Dice(np.random.default_rng(seed))
    with tempfile.TemporaryDirectory() as scratch:
        people = write_households(Path(scratch) / "people.csv", n_records, seed)
        with people.open(encoding="utf-8", newline="") as file:
            rows: list[Row] = list(csv.DictReader(file))
    sorts = _sorts_of_noise(dice)
    noise: list[str] = []
    for i in range(N_FIELDS - len(HOUSEHOLD_KINDS)):
        name, draw = sorts[i % len(sorts)]
        column = f"{name}_{i // len(sorts) + 1}"
        noise.append(column)
        for row in rows:
            row[column] = draw()
    columns = [*HOUSEHOLD_KINDS, *noise]
    mixed = [columns[i] for i in dice.rng.permutation(len(columns)).tolist()]
    return [write_rows(folder / "many_fields.csv", mixed, rows, dice)]


def _sorts_of_noise(dice: Dice) -> list[tuple[str, Callable[[], str]]]:
    """List the sorts of noise: what such columns are called, and how a value is drawn."""
    words = NOTE_WORDS.split()
    staff = [" ".join(Names(dice).draw()) for _ in range(25)]

    def rarely(text: str) -> str:
        return text if dice.falls(0.03) else ""

    def day() -> str:
        return f"20{dice.number(5, 24):02}-{dice.number(1, 12):02}-{dice.number(1, 28):02}"

    return [
        ("opt_in", lambda: dice.one("YN")),
        ("deleted_flag", lambda: "1" if dice.falls(0.02) else "0"),
        ("segment_code", lambda: dice.one("ABCDEFGH")),
        ("plan", lambda: dice.common(PLANS)),
        ("score", lambda: f"{dice.rng.random():.4f}"),
        ("balance", lambda: f"{dice.number(-20_000, 90_000) / 100:.2f}"),
        ("contract_no", lambda: dice.digits(8)),
        ("batch_id", lambda: str(dice.number(100, 140))),
        ("changed_date", day),
        ("contacted_on", lambda: day() if dice.falls(0.4) else ""),
        ("remark", lambda: " ".join(dice.one(words) for _ in range(dice.number(2, 7)))),
        ("account_manager", lambda: dice.common(staff)),
        ("branch_phone", lambda: f"02 9{dice.number(100, 130)} 1000"),
        ("branch_city", lambda: dice.common(TOWNS)),
        ("old_reference", lambda: rarely(dice.digits(6))),
        ("second_contact_name", lambda: rarely(dice.one(staff))),
        ("country", lambda: "AU" if dice.falls(0.99) else "NZ"),
        ("visits", lambda: str(dice.number(0, 12))),
    ]
