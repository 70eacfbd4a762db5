"""The places of `publish` as a command sees them: what is wrong with them, what came of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_document import YamlDocument
from er_pipeline.blocking.spec.yaml_file import read_declaration
from er_pipeline.blocking.tables.errors import SinkError, SpecError
from er_pipeline.blocking.tables.step import Step

if TYPE_CHECKING:
    from er_pipeline.terminal.run import RunResult


def check_declared_places(file: Path, spec: PipelineSpec, steps: Sequence[Step]) -> None:
    """Raise SpecError, with file and line, if a place is to get a table that there is not."""
    if spec.publish and (found := list(placed_problems(read_declaration(file), spec, steps))):
        raise SpecError("\n".join(found))


def placed_problems(
    document: YamlDocument, spec: PipelineSpec, steps: Sequence[Step]
) -> Iterator[str]:
    """List tables of places that the dataset does not have, each with its line."""
    from er_pipeline.sinks.places import place_problems

    for where, text in place_problems(spec, steps):
        name = ".".join(map(str, where))
        yield document.error(("attributes", *where), f"{name}: {text}")


def would_publish(spec: PipelineSpec) -> "Iterator[str | dict[str, list[str]]]":
    """Say what a run would write where: lines for people, then the same for programs."""
    from er_pipeline.sinks.places import place_lines

    if lines := list(place_lines(spec)):
        yield ""
        yield from lines
        yield {"would_publish": lines}


def outcome_of_places(spec: PipelineSpec, result: "RunResult") -> dict[str, str]:
    """Say of every place of a run what became of it: written, unchanged or failed."""
    from er_pipeline.orchestration.publish_assets import publish_asset_name

    outcome = {}
    for place in spec.publish:
        name = publish_asset_name(place)
        if name in result.tables:
            outcome[place.label] = "written"
        elif result.shows_catalog:
            failed = any(error.startswith(f"{name}: ") for error in result.errors)
            outcome[place.label] = "failed" if failed else "unchanged"
    return outcome


def outcome_lines(spec: PipelineSpec, outcome: dict[str, str]) -> Iterator[str]:
    """Write for people what became of the places."""
    from er_pipeline.sinks.places import sink_of

    for place in spec.publish:
        became = outcome.get(place.label)
        if became in ("written", "unchanged"):
            try:
                where = sink_of(spec, place).where
            except SinkError:
                continue  # its asset has said so
            note = "" if became == "written" else " (as it was: nothing has changed)"
            yield f"Placed:   {', '.join(place.tables)} in {where}{note}"
