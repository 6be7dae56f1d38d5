"""Tornado request to ASGI call, once Jupyter has let it in."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http.client import responses
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any, cast

from anyio import Event
from jupyter_server.auth import IdentityProvider
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.utils import ensure_async
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, authenticated

from .bodies import LINGER_SECONDS, BodyHandler
from .entrance import NO_TOKEN, lacks_token
from .hub import hub_login_hint, hub_token_hint, hub_user
from .oauth.identity import is_made_up
from .origin import origin_of
from .transport import ASGIApp, ASGIMessage, Transport

if TYPE_CHECKING:
    from .oauth.admission import GrantedIdentity
    from .oauth.login import OAuthLogin

MAX_BODY_BYTES = 4 * 1024 * 1024
"""Largest request body."""

BODY_SECONDS = 120.0
"""How long a client may take to send it."""

LOGIN_HINT = (
    "This MCP endpoint needs the login of its Jupyter server: send the server's token in the "
    "header 'Authorization: Bearer <token>'. `jupyter mcp config` prints it for a running server."
)

OAUTH_HINT = (
    "This MCP endpoint needs a login: a client that knows OAuth opens a browser for it. Others "
    "send a token of the Jupyter server in the header 'Authorization: Bearer <token>'."
)

PAGE_POLICY = (
    "default-src 'none'; script-src 'nonce-{0}'; style-src 'nonce-{0}'; img-src 'self'; "
    "base-uri 'none'; form-action {1}"
)
"""What a browser may do for the page; Jupyter's own policy holds as well."""

CORS_HEADERS = (
    "Authorization",
    "Content-Type",
    "Last-Event-ID",
    "Mcp-Method",
    "Mcp-Name",
    "Mcp-Protocol-Version",
    "Mcp-Session-Id",
)
"""Request headers that a page of an allowed origin may send."""

# Tornado sets these itself.
_SKIPPED_HEADERS = {b"connection", b"server", b"date", b"content-length"}

# No event is kept, so a stream can only begin anew; the SDK would give none at all.
_RESUME_HEADER = "Last-Event-Id"


@dataclass(frozen=True)
class Visit:
    """Who looks at the page, and from where.

    `nonce` marks what the browser may run and style. `token_hint` says where a token comes from,
    if not from this server. `may_read_notebooks` and `may_read_kernels` are rights of the visitor.
    """

    url: str
    logo: str
    icon: str
    home: str
    nonce: str
    xsrf: str
    has_login: bool
    token_hint: str
    may_read_notebooks: bool
    may_read_kernels: bool


class MCPHandler(BodyHandler):
    """`<base_url>/mcp`: any login of Jupyter may enter, each tool then asks for its own right.

    A body is only kept after the login was checked.
    """

    SUPPORTED_METHODS = ("GET", "POST", "DELETE", "OPTIONS")

    _granted: GrantedIdentity | None = None

    def initialize(
        self,
        transport: Transport,
        show_page: Callable[[Visit], Awaitable[str]],
        touch: Callable[[], None],
        unauthenticated_status: int,
        oauth: OAuthLogin | None,
    ) -> None:
        self._oauth = oauth
        self._show_page = show_page
        self._unauthenticated_status = unauthenticated_status
        self._transport = transport
        self._touch = touch
        self._body_was_taken = False
        self._gone = Event()

    # Admission

    async def prepare(self) -> None:  # type: ignore[override]
        if not self.check_origin():
            raise HTTPError(403, "Requests from other web origins are refused.")
        if not self.check_host():
            raise HTTPError(403, "Requests for other host names are refused.")
        if self._oauth:
            self._granted = self._oauth.admit(self)
        await super().prepare(_redirect_to_login=self._is_for_page)
        if self._finished or self._is_for_page:
            return
        if self.current_user is None and self.request.method != "OPTIONS":
            raise HTTPError(403)
        # A browser's preflight has no login, and no body either.
        seconds = BODY_SECONDS if self.current_user else LINGER_SECONDS
        self.limit_body(MAX_BODY_BYTES, seconds)
        self._touch()

    @property
    def identity_provider(self) -> IdentityProvider:
        """Jupyter's own, unless the request has a token of the OAuth login."""
        return cast(IdentityProvider, self._granted or super().identity_provider)

    @property
    def _is_for_page(self) -> bool:
        """Whether a person looks: MCP clients ask for events, or for whatever there is."""
        headers = self.request.headers
        accepted = headers.get("Accept", "")
        wants_page = "text/html" in accepted and "text/event-stream" not in accepted
        # A login page is sent before the body is read, so there must be none.
        has_body = "Content-Length" in headers or "Transfer-Encoding" in headers
        return self.request.method == "GET" and wants_page and not has_body

    def check_xsrf_cookie(self) -> None:
        """Only a login by cookie can be abused by another page."""
        # Tornado asks before the login is known, Jupyter again afterwards; without a login
        # `prepare` refuses with a better message.
        if getattr(self, "_jupyter_current_user", None) is None or self.token_authenticated:
            return
        if self.identity_provider.auth_enabled:
            super().check_xsrf_cookie()

    def set_cookie(self, *args: Any, **kwargs: Any) -> None:
        """Set none but for the page: clients have no jar, so each request would get a new one."""
        if self._is_for_page:
            super().set_cookie(*args, **kwargs)

    def skip_check_origin(self) -> bool:
        """Check the origin also where a token authenticates the request, as MCP demands."""
        return False

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        message = getattr(error, "log_message", None)
        if status_code == 403 and message is None:
            # Jupyter refuses unknown users without a word.
            message = hub_login_hint(self) or self._login_hint
            self._ask_for_login()
        body = {"code": -32000, "message": message or responses.get(status_code, "Error")}
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"jsonrpc": "2.0", "id": None, "error": body}))

    @property
    def _login_hint(self) -> str:
        if self._oauth:
            return OAUTH_HINT
        return NO_TOKEN if lacks_token(self.identity_provider) else LOGIN_HINT

    def log_exception(self, *error: Any) -> None:
        """Log without what is asked for in the address, where a token may stand."""
        self.request.uri = self.request.path
        super().log_exception(*error)

    def _ask_for_login(self) -> None:
        challenge = self._oauth.challenge(self) if self._oauth else "Bearer"
        # Whom the Hub knows without a right to this server, no other login would help.
        if self._unauthenticated_status == 401 and not hub_user(self):
            self.set_status(401)
            self.set_header("WWW-Authenticate", challenge)

    # Serving

    @authenticated
    async def get(self) -> None:
        await self._answer(self._answer_browser if self._is_for_page else self._serve)

    @authenticated
    async def post(self) -> None:
        await self._answer(self._serve)

    @authenticated
    async def delete(self) -> None:
        await self._answer(self._serve)

    @allow_unauthenticated
    def options(self) -> None:
        """Answer a browser's preflight; `prepare` has refused foreign origins."""
        self.set_header("Access-Control-Allow-Methods", ", ".join(self.SUPPORTED_METHODS))
        self.set_header("Access-Control-Allow-Headers", ", ".join(CORS_HEADERS))
        self.set_status(204)

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self._gone.set()

    async def _answer(self, answer: Callable[[], Awaitable[None]]) -> None:
        self._check_running()
        with self._transport.serving():
            await answer()

    def _check_running(self) -> None:
        if self._transport.is_stopping:
            raise HTTPError(503, "This Jupyter server is stopping.")

    async def _answer_browser(self) -> None:
        if self.get_query_argument("token", ""):
            # The login is in a cookie now; a token in the address would stay in the history.
            self.redirect(self.request.path)
            return
        nonce = token_urlsafe(16)
        visit = Visit(
            url=origin_of(self) + self.request.path.rstrip("/"),
            logo=self.static_url("logo/logo.png"),
            icon=self.static_url("favicon.ico"),
            home=self.base_url,
            nonce=nonce,
            xsrf=self.xsrf_token.decode(),
            has_login=self.identity_provider.auth_enabled,
            token_hint=NO_TOKEN if lacks_token(self.identity_provider) else hub_token_hint(self),
            may_read_notebooks=await self._may_read("contents"),
            may_read_kernels=await self._may_read("kernels"),
        )
        form_target = "'self'" if self._oauth else "'none'"
        self.add_header("Content-Security-Policy", PAGE_POLICY.format(nonce, form_target))
        self.set_header("Cache-Control", "no-store")
        # "no-referrer" would make its forms come from the origin "null", which Jupyter refuses.
        self.set_header("Referrer-Policy", "same-origin")
        self.finish(await self._show_page(visit))

    async def _may_read(self, resource: str) -> bool:
        allowed = self.authorizer.is_authorized(self, self.current_user, "read", resource)
        return bool(await ensure_async(allowed))

    async def _serve(self) -> None:
        app: ASGIApp = await self._transport.app()
        self._check_running()  # It may have taken a second.
        await app(self._scope(), self._receive, self._send)

    def _scope(self) -> ASGIMessage:
        request = self.request
        return {
            "type": "http",
            "http_version": "1.1",
            "method": request.method,
            "scheme": request.protocol,
            "path": request.path,
            "query_string": request.query.encode(),
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
                for name, value in request.headers.get_all()
                if name != _RESUME_HEADER
            ],
            "state": {"jupyter_handler": self, "login": self.login},
        }

    @property
    def login(self) -> str:
        """Who the user is, "" for whoever holds the server's token: they are new each time."""
        user = self.current_user
        return "" if is_made_up(user) else str(user.username)

    @property
    def client_left(self) -> bool:
        """Whether the client closed the connection."""
        return self._gone.is_set()

    async def _receive(self) -> ASGIMessage:
        if not self._body_was_taken:
            self._body_was_taken = True
            return {"type": "http.request", "body": bytes(self.body), "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: ASGIMessage) -> None:
        if self._finished or self._gone.is_set():
            return
        if message["type"] == "http.response.start":
            if not self._start_response(message):
                return
        else:
            if body := message.get("body"):
                self.write(body)
            if not message.get("more_body"):
                self.finish()
                return
        self._touch()
        try:
            await self.flush()
        except StreamClosedError:
            self._gone.set()

    def _start_response(self, message: ASGIMessage) -> bool:
        """Whether events follow: their client has to hear at once that it is connected."""
        self.set_status(message["status"])
        for name, value in message.get("headers", []):
            if name.lower() not in _SKIPPED_HEADERS:
                self.set_header(name.decode("latin-1"), value.decode("latin-1"))
        is_stream = self._headers.get("Content-Type", "").startswith("text/event-stream")
        if is_stream:
            # Without delay for small packets, and never compressed: each event counts at once.
            self.request.connection.stream.set_nodelay(True)  # type: ignore[union-attr]
            self._transforms = []
        return is_stream
