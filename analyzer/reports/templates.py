"""Pages written from templates, as plain text that no browser reads."""

from pathlib import Path


def rendered(template: Path, **values: object) -> str:
    """Return a page.

    Args:
        template: A Jinja template; a name in it that is not among the values is an error.
        values: What it shows.
    """
    from jinja2 import Environment, StrictUndefined

    made = Environment(
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown and code, read by no browser
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return made.from_string(template.read_text(encoding="utf-8")).render(values)
