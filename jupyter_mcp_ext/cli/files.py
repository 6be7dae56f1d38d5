"""Puts a server into a client's own file, which otherwise stays as it is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from ..clients import Client, Entry


class NotWritten(Exception):
    """A client's file is left as it is; the text tells a person why."""


def write_entry(client: Client, file: Path, entry: Entry) -> Entry | None:
    """Write `entry` into `file`, which need not exist; what was there in its place before.

    The file is replaced in one step, and readable only by its owner if it is new.

    Raises:
        NotWritten: it has comments or is broken, and writing it would lose something; or it may
            not be read or written.
    """
    file = file.resolve()  # A link stays one.
    try:
        content = _read(file)
        before = client.put(content, entry)
        _replace(file, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    except TypeError as error:
        raise NotWritten(f"{error} in {file}; change it by hand") from error
    except OSError as error:
        raise NotWritten(f"{file}: {error.strerror}") from error
    return before


def _read(file: Path) -> Entry:
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        content = json.loads(text) if text.strip() else {}
    except ValueError as error:
        reason = f"{file} is no plain JSON ({error})"
        raise NotWritten(f"{reason}; put what this prints without --write there by hand") from error
    if not isinstance(content, dict):
        raise NotWritten(f"{file} holds no object; change it by hand")
    return content


def _replace(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    mode = file.stat().st_mode if file.exists() else 0o600
    with NamedTemporaryFile(
        "w", encoding="utf-8", dir=file.parent, prefix=f"{file.name}.", delete=False
    ) as temporary:
        temporary.write(text)
    os.chmod(temporary.name, mode)
    os.replace(temporary.name, file)
