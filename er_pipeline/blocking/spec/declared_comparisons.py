"""The section `comparisons` written out: what it would say with some fields compared otherwise.

What it lists is all that is compared, so a change names every field that stays compared, too.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from er_pipeline.blocking.spec.pipeline import PipelineSpec


def comparisons_with(
    spec: "PipelineSpec", changed: Mapping[str, str | Mapping[str, Any] | None]
) -> str:
    """Write the whole section on one line, ready to paste.

    changed: field -> how it would be compared, as the section has it, or None where it would be
    left out. The others stay as they are.
    """
    written: dict[str, Any] = {}
    for name in spec.comparison_fields:
        how = changed[name] if name in changed else _declared(spec, name)
        if how is not None:
            written[name] = how
    return yaml.safe_dump(
        {"comparisons": written},
        default_flow_style=True,
        sort_keys=False,
        allow_unicode=True,
        width=float("inf"),
    ).strip()[1:-1]


def not_compared(spec: "PipelineSpec") -> str:
    """Say which fields a declared section leaves out; nothing if it leaves out none."""
    left_out = [name for name in spec.field_kinds if name not in spec.comparison_fields]
    if spec.comparisons is None or not left_out:
        return ""
    return (
        f"comparisons: only {', '.join(spec.comparison_fields)}"
        f" {'are' if len(spec.comparison_fields) > 1 else 'is'} compared by the matching model;"
        f" left out: {', '.join(left_out)}"
    )


def names_in_either_order(spec: "PipelineSpec") -> tuple[str, ...]:
    """Return the two names whose order is compared, where matching asks for it; else none.

    They are the first two of the kind person_name, as for the keys of names in either order.
    """
    if spec.matching is None or not spec.matching.swapped_names:
        return ()
    names = [name for name, kind in spec.field_kinds.items() if kind == "person_name"][:2]
    return tuple(names) if len(names) == 2 and set(names) <= set(spec.comparison_fields) else ()


def _declared(spec: "PipelineSpec", name: str) -> Any:
    declared = (spec.comparisons or {}).get(name)
    said = declared.model_dump(mode="json", exclude_unset=True) if declared else {}
    if set(said) == {"levels"}:
        return said["levels"]
    return said or True
