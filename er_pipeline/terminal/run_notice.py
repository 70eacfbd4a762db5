"""Messages about a run from the terminal, to whom the declaration's `notify` names."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.errors import BlockingError, SpecError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.printable import printable
from er_pipeline.blocking.tables.standing import Standing
from er_pipeline.terminal.exit_codes import UsageError

if TYPE_CHECKING:
    from er_pipeline.notices.notice import Notice
    from er_pipeline.terminal.run import RunResult


def notify_of_run(
    spec: PipelineSpec,
    lake: Lake,
    standing: Standing,
    result: "RunResult",
    *,
    succeeded: bool,
    wanted: bool,
) -> list[str]:
    """Say how a run went; return where that was sent. wanted: whether anybody is to hear of it."""
    if not wanted or spec.notify is None:
        return []
    from er_pipeline.notices.notice import run_notice

    said = run_notice(
        spec,
        lake,
        standing,
        failed=not succeeded,
        reasons=result.errors,
        has_published=result.shows_catalog,
    )
    return _send(spec, said)


@contextmanager
def notifying_of_errors(spec: PipelineSpec, folder: Path, *, wanted: bool) -> Iterator[None]:
    """Say that a run failed that could not even end; who stops it by hand knows.

    folder: of the lake.
    """
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        if wanted and spec.notify is not None:
            from er_pipeline.flow import open_lake
            from er_pipeline.notices.notice import run_notice

            is_ours = isinstance(error, BlockingError)
            reason = f"the run: {error if is_ours else type(error).__name__}"
            lake = open_lake(folder, spec)
            said = run_notice(
                spec, lake, Standing(), failed=True, reasons=[reason], has_published=False
            )
            _send(spec, said)
        raise


@contextmanager
def notifying_of_declaration(
    path: Path, overrides: Mapping[str, Any], *, wanted: bool
) -> Iterator[None]:
    """Say that a declaration is wrong, if what it says of `notify` can be read all the same."""
    try:
        yield
    except SpecError as error:
        if wanted:
            _notify_of_declaration(path, overrides, str(error))
        raise


def _notify_of_declaration(path: Path, overrides: Mapping[str, Any], problem: str) -> None:
    from er_pipeline.notices.notice import declaration_notice, spec_to_notify

    spec = spec_to_notify(path, overrides)
    if spec is not None:
        _send(spec, declaration_notice(spec.dataset, problem))


def _send(spec: PipelineSpec, said: "Notice") -> list[str]:
    from er_pipeline.notices.delivery import notify_of

    sent = notify_of(spec, said, _warn)
    return [delivery.place for delivery in sent if not delivery.error]


def _warn(text: str) -> None:
    print(f"warning: {printable(text)}", file=sys.stderr, flush=True)
