"""Where this server is, as those see it who send a request."""

from __future__ import annotations

from jupyter_server.base.handlers import JupyterHandler

_PORTS = {"http": ":80", "https": ":443"}


def origin_of(handler: JupyterHandler) -> str:
    """Scheme and host, spelt as browsers do: a person's comes to the same address as a client."""
    scheme = _scheme_of(handler)
    return f"{scheme}://{handler.request.host.lower().removesuffix(_PORTS[scheme])}"


def _scheme_of(handler: JupyterHandler) -> str:
    headers = handler.request.headers
    if getattr(handler.serverapp, "trust_xheaders", False):
        # Each proxy adds its own. Tornado goes by the last; the browser's is the first.
        given = headers.get("X-Scheme") or headers.get("X-Forwarded-Proto", "")
        first = given.partition(",")[0].strip().lower()
        if first in _PORTS:
            return first
    return handler.request.protocol
