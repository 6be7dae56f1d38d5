"""The page that asks a person whether a client may come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..templating import load_template
from .grants import GRANT_SECONDS
from .redirects import scheme_of
from .request import LoginRequest

READS = ("read notebooks, their outputs and variables",)
CHANGES = ("edit notebooks", "run any code as you, with all that your account may do here")


@dataclass(frozen=True)
class Asked:
    """What the page shows; `xsrf` and `question` go back with the answer."""

    request: LoginRequest
    user: str
    logo: str
    nonce: str
    xsrf: str
    question: str


class ConsentPage:
    """In the look of the status page."""

    def __init__(self, *, read_only: bool) -> None:
        self._template = load_template("consent.html")
        self._abilities: Sequence[str] = READS if read_only else (*READS, *CHANGES)
        self._read_only = read_only

    def render(self, asked: Asked) -> str:
        """The page as HTML."""
        return self._template.render(
            asked=asked,
            nonce=asked.nonce,
            abilities=self._abilities,
            read_only=self._read_only,
            days=GRANT_SECONDS // 86_400,
        )


def policy(asked: Asked) -> str:
    """What a browser may do for the page: nothing but to send its form, and go on from there."""
    # Chromium holds the redirect that answers a form to this as well.
    targets = f"'self' {scheme_of(asked.request.redirect_uri)}:"
    return (
        f"default-src 'none'; style-src 'nonce-{asked.nonce}'; img-src 'self'; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action {targets}"
    )
