"""Quoting for SQL: names and texts that come from outside, whatever they hold."""


def quoted(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text constant."""
    return "'" + text.replace("'", "''") + "'"


def exact_sum(value: str) -> str:
    """Sum numbers in whole billionths, with the value as a double; of nothing, NULL.

    A sum of doubles differs in its last digits with the order in which threads add; this one does
    not, and so what is computed from it is the same in each run. Meant for probabilities, shares
    and what is made of them: up to nine thousand million of them fit.
    """
    return f"(sum(cast(floor({value} * 1e9 + 0.5) as bigint)) / 1e9)"
