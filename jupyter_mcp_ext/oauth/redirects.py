"""Where a browser may be sent back to after a login: https, this machine, or an app."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

MAX_REDIRECT_CHARS = 500

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

# What browsers and systems treat in a way of their own; the rest belongs to apps. A scheme with
# arguments but no slashes could start a program (`ms-msdt:/id`), one of a browser runs scripts.
_NO_APP = re.compile(
    r"(about|applescript|blob|chrome|cid|content|data|dav|edge|feed|file|filesystem|ftp|ftps"
    r"|geo|hcp|help|imap|intent|irc|jar|javascript|ldap|ldaps|livescript|mailto|mid|mocha"
    r"|nfs|opera|pop|res|resource|rtsp|sftp|shortcuts|sip|sips|sms|smb|ssh|tel|telnet|urn"
    r"|vbscript|view-source|vnc|ws|wss|xmpp"
    r"|(chrome|edge|itms|jnlp|microsoft|moz|ms|safari|search|shell|wyciwyg|x-apple).*)"
)
_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+")  # No fragment, no backslash.
# Without a name before "@"; Python reads a host in brackets whatever is written around them.
_PLACE = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]@:]+)(:\d*)?", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")


def is_usable(uri: str) -> bool:
    """Whether a client may register this address."""
    if len(uri) > MAX_REDIRECT_CHARS or not _CHARACTERS.fullmatch(uri):
        return False
    try:
        parts = urlsplit(uri)
        has_port = parts.port is not None  # Raises where it is no number.
    except ValueError:
        return False
    if parts.netloc and not _PLACE.fullmatch(parts.netloc):
        return False
    if parts.scheme in ("http", "https"):
        return bool(parts.hostname) and (parts.scheme == "https" or parts.hostname in LOOPBACK)
    return not has_port and _is_of_app(parts)


def is_same(registered: str, asked: str) -> bool:
    """Whether the two are one address; on this machine, a program has another port each time."""
    return is_usable(asked) and _normal(registered) == _normal(asked)


def describe(uri: str) -> str:
    """Where it leads, in words for a person."""
    parts = urlsplit(uri)
    if _is_loopback(parts):
        return f"a program on your own computer ({parts.netloc})"
    if parts.scheme == "https":
        return f"the web site {parts.netloc}"
    return f"the app that your computer opens for {parts.scheme}: links"


def scheme_of(uri: str) -> str:
    return urlsplit(uri).scheme


def _is_of_app(parts: SplitResult) -> bool:
    """RFC 8252 wants names like `com.example.app`; many apps have `app://` instead."""
    if not _SCHEME.fullmatch(parts.scheme) or _NO_APP.fullmatch(parts.scheme):
        return False
    return bool(parts.netloc) or ("." in parts.scheme and parts.path.startswith("/"))


def _is_loopback(parts: SplitResult) -> bool:
    return parts.scheme == "http" and parts.hostname in LOOPBACK


def _normal(uri: str) -> tuple[str, str, int | None, str, str]:
    parts = urlsplit(uri)
    port = None if _is_loopback(parts) or parts.port == _PORTS.get(parts.scheme) else parts.port
    return parts.scheme, parts.hostname or "", port, parts.path or "/", parts.query
