"""Quoting for SQL: names and texts that come from outside, whatever they hold."""


def quoted(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text constant."""
    return "'" + text.replace("'", "''") + "'"


# Bytes, as many as two hashes have.
LONGEST_KEPT = 64


def short_form(value: str) -> str:
    """Write what stands for a text where texts are only compared: a long one is known by its hash.

    So a table that long texts are joined by does not hold all of them once more. Of 128 bits: two
    of a million million texts have the same one with a chance of one in 10^15.
    """
    return (
        f"case when strlen({value}) <= {LONGEST_KEPT} then {value} else chr(1) || md5({value}) end"
    )


def exact_sum(value: str) -> str:
    """Sum numbers in whole billionths, with the value as a double; of nothing, NULL.

    A sum of doubles differs in its last digits with the order in which threads add; this one does
    not, and so what is computed from it is the same in each run. Meant for probabilities, shares
    and what is made of them: up to nine thousand million of them fit.
    """
    return f"(sum(cast(floor({value} * 1e9 + 0.5) as bigint)) / 1e9)"
