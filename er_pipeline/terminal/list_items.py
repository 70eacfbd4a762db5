"""List items: a first line and further ones, narrow enough to be read in a terminal."""

import textwrap

WIDTH = 100


def list_item(*lines: str) -> str:
    """Write lines as one item of a Markdown list, each on a line of its own, wrapped if long."""
    wrapped = [
        "\n".join(
            textwrap.wrap(
                line,
                WIDTH,
                initial_indent="  " if i else "- ",
                subsequent_indent="  ",
                break_on_hyphens=False,
                break_long_words=False,
            )
        )
        for i, line in enumerate(lines)
    ]
    return "  \n".join(wrapped)  # two blanks end a line in Markdown
