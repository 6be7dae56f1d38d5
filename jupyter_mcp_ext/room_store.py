"""Let the rooms that we make keep their changes where those that browsers make do."""

from __future__ import annotations

from typing import Any

from jupyter_server_ydoc.app import YDocExtension


class _Configured:
    """Marks a class of stores that knows its configuration."""


def configure_store(collaboration: YDocExtension) -> None:
    """Give what makes rooms for us a store that knows its configuration.

    `get_document` makes the store from `ystore_class` alone, without the configuration.
    """
    store = collaboration.ystore_class
    if issubclass(store, _Configured):
        return

    def __init__(self: Any, *args: Any, **options: Any) -> None:
        store.__init__(self, *args, **{"config": collaboration.config} | options)

    members = {"__init__": __init__}
    collaboration.ystore_class = type(store)(store.__name__, (_Configured, store), members)
