"""Directories that only their owner may look into."""

from __future__ import annotations

from pathlib import Path


def make_private(directory: Path) -> None:
    """Make a directory and those above it, as far as they are missing.

    `Path.mkdir` with `parents` gives those above the rights that everything gets.
    """
    if not directory.is_dir():
        make_private(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)
