"""The templates of the pages that people see."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, Template

from .text import duration, printable


def load_template(name: str) -> Template:
    """A template of this package. What others have named is foreign text, so all is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "printable": printable}
    return environment.get_template(name)
