"""The strategies that a defs.yaml need not write out: the usual six, and those waiting for true."""

from typing import Any

from er_pipeline.blocking.tables.printable import shown

# The six strategies of every person table, by name, then those that wait to be switched on.
DEFAULT_STRATEGIES: dict[str, list[str]] = {
    "email_exact": ["email"],
    "email_domain": ["email_domain(email)"],
    "name_key": ["left(last_name, 3)", "left(first_name, 1)"],
    "soundex": ["soundex(last_name)"],
    "company_word": ["company_word(company)"],
    "name_combo": ["left(first_name, 2)", "left(last_name, 2)"],
}
OPTIONAL_STRATEGIES: dict[str, list[str]] = {
    "first_name_soundex": ["soundex(first_name)"],
    "email_user": ["email_user(email)"],
    "phone": ["phone"],
    "nickname": ["nickname(first_name)", "last_name"],
}
NAMED_STRATEGIES = {**DEFAULT_STRATEGIES, **OPTIONAL_STRATEGIES}


def strategies_or_auto(value: Any) -> Any:
    """Refuse what is neither auto nor a mapping of names to keys, and say what to write."""
    if isinstance(value, str) and value != "auto":
        raise ValueError(
            f"{value!r} is neither auto nor a mapping of name: key; write strategies: auto, or"
            " strategies: {email: email, ...}"
        )
    _check_commas(value)
    for name, keys in value.items() if isinstance(value, dict) else ():
        if not isinstance(keys, str | list | bool):
            raise ValueError(
                f"{name!r} must be a key, a list of keys, or true for a built-in one;"
                f" {shown(keys)} is none"
            )
    return value


def _check_commas(value: Any) -> None:
    """Refuse a key that YAML has cut at a comma: {a: left(b, 3)} is a: left(b and "3)": nothing.

    In a list of keys the parts are put together again where they are read.
    """
    names = list(value) if isinstance(value, dict) else []
    for i, name in enumerate(names):
        text = value[name]
        if not isinstance(text, str):
            continue
        for part in names[i + 1 :]:
            if text.count("(") == text.count(")") or value[part] is not None:
                break
            text += f", {part}"
        if text != value[name] and text.count("(") == text.count(")"):
            raise ValueError(f'a comma inside {{ }} needs quotes: {name}: "{text}"')
