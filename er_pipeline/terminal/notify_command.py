"""The command notify: what would be said of the last run, and a test whether messages arrive."""

import sys
from typing import Annotated

from cyclopts import Parameter

from er_pipeline.terminal.exit_codes import FAILED, OK
from er_pipeline.terminal.options import Defs, JsonOption, LakeOption, examples

NOTIFY_EXAMPLES = examples(
    "er-pipeline notify defs.yaml --test",
    "er-pipeline notify defs.yaml --lake /data/lake",
)


def notify_command(
    defs: Defs,
    /,
    *,
    test: Annotated[
        bool,
        Parameter(
            name="--test",
            negative="",
            show_default=False,
            help="Send a test message to every place that the declaration names.",
        ),
    ] = False,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show what messages say and where they go, or test them.

    Without --test, nothing is sent: the message about the tables as they are
    now is printed, as the last run would send it.
    """
    from er_pipeline.blocking.spec.yaml_file import read_spec
    from er_pipeline.blocking.tables.errors import SpecError
    from er_pipeline.blocking.tables.standing import standing_of
    from er_pipeline.flow import flow
    from er_pipeline.notices.delivery import deliver, places_of, warning_of
    from er_pipeline.notices.notice import run_notice, trial_notice
    from er_pipeline.terminal.answer import print_error, print_json, print_lines
    from er_pipeline.terminal.lakes import open_lake

    spec = read_spec(defs)
    if spec.notify is None:
        raise SpecError(
            f"{defs}: says nothing of messages; write notify: {{webhook_env: SLACK_WEBHOOK}}, or"
            " email, or command"
        )
    places = places_of(spec.notify)
    if not test:
        tables = open_lake(spec, lake)
        standing = standing_of(flow(spec), tables)
        failed = bool(standing.withheld or standing.stale)
        said = run_notice(spec, tables, standing, failed=failed)
        is_wanted = said.kind in spec.notify.on
        if as_json:
            print_json(
                {"kind": said.kind, "text": said.text, "places": places, "is_wanted": is_wanted}
            )
        else:
            print_lines(said.text.split("\n"))
            would = "would go to" if is_wanted else "is not sent (notify: on), else it would go to"
            print(f"A message of a {said.kind} {would}: {'; '.join(places)}", file=sys.stderr)
        return OK
    print(f"sending a test message to {'; '.join(places)} ...", file=sys.stderr)
    sent = deliver(spec.notify, trial_notice(spec), spec.folder)
    if as_json:
        print_json([{"place": one.place, "error": one.error or None} for one in sent])
    for one in sent:
        if one.error:
            print_error(warning_of(one))
        elif not as_json:
            print(f"sent to {one.place}")
    return FAILED if any(one.error for one in sent) else OK
