"""The addresses of the login: documents, what clients call, the page for the person."""

from __future__ import annotations

import re
from math import ceil
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode

from jupyter_server.auth.decorator import allow_unauthenticated, authorized
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado.httputil import url_concat
from tornado.web import HTTPError, authenticated

from ..bodies import BodyHandler
from ..text import printable
from .consent_page import Asked, ConsentPage, policy
from .identity import is_made_up, person_at
from .login import OAuthLogin
from .metadata import DOCUMENTS, document, issuer_of
from .request import LoginRequest, UnusableRequest, is_resource, read_request

MAX_BODY_BYTES = 64 * 1024

BODY_SECONDS = 30.0
"""How long a client may take to send it; it has no login yet."""

Route = tuple[str, type[JupyterHandler], dict[str, Any]]


class Refused(HTTPError):
    """`kind` is OAuth's own name for it; 0 seconds is for ever."""

    def __init__(self, status: int, kind: str, message: str, wait_seconds: float = 0) -> None:
        super().__init__(status, message)
        self.kind = kind
        self.wait_seconds = wait_seconds


class LoginHandler(JupyterHandler):
    """What all addresses of the login have in common."""

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")
        self.set_header("Pragma", "no-cache")
        # Not "no-referrer": a form would then come from the origin "null", which Jupyter refuses.
        self.set_header("Referrer-Policy", "same-origin")

    def limit_rate(self, login: OAuthLogin, name: str) -> None:
        if seconds := login.rates[name].take(self.request.remote_ip or ""):
            message = "Too many requests for a login; try again in a minute."
            raise Refused(429, "temporarily_unavailable", message, seconds)

    def log_exception(self, *error: Any) -> None:
        """Log without what is asked for in the address, where a token may stand."""
        self.request.uri = self.request.path
        super().log_exception(*error)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, Refused) and error.wait_seconds:
            self.set_header("Retry-After", str(ceil(error.wait_seconds)))
        self.explain(status_code, error, **kwargs)

    def explain(self, status_code: int, error: BaseException | None, **kwargs: Any) -> None:
        """Say to a person what went wrong."""
        super().write_error(status_code, **kwargs)


class ClientHandler(LoginHandler):
    """What clients ask for themselves: no login counts here, and so none can be abused."""

    async def prepare(self) -> None:  # type: ignore[override]
        if not self.check_origin():
            message = "Requests from other web origins are refused."
            raise Refused(403, "invalid_request", message)
        await super().prepare(_redirect_to_login=False)

    def skip_check_origin(self) -> bool:
        return False

    def check_xsrf_cookie(self) -> None:
        pass

    def set_cookie(self, *args: Any, **kwargs: Any) -> None:
        pass

    def explain(self, status_code: int, error: BaseException | None, **kwargs: Any) -> None:
        kind = getattr(error, "kind", "invalid_request" if status_code < 500 else "server_error")
        message = getattr(error, "log_message", None) or self._reason
        self.finish({"error": kind, "error_description": message})

    @allow_unauthenticated
    def options(self, *args: str) -> None:
        """Answer a browser's preflight; `prepare` has refused foreign origins."""
        self.set_header("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
        self.set_header("Access-Control-Allow-Headers", "Content-Type, Mcp-Protocol-Version")
        self.set_status(204)


class MetadataHandler(ClientHandler):
    """The documents that lead from the MCP endpoint to the login."""

    @allow_unauthenticated
    def get(self, name: str) -> None:
        self.finish(document(name, issuer_of(self)))


class EndpointHandler(BodyHandler, ClientHandler):
    """Registration, tokens and revocation; the SDK serves them, once the body is known."""

    def initialize(self, login: OAuthLogin, name: str) -> None:
        self._login = login
        self._name = name

    async def prepare(self) -> None:  # type: ignore[override]
        await super().prepare()
        self.limit_rate(self._login, self._name)
        self.limit_body(MAX_BODY_BYTES, BODY_SECONDS)

    @allow_unauthenticated
    async def post(self) -> None:
        endpoints = await self._login.endpoints()
        if self._name == "register":
            response = await endpoints.register(bytes(self.body))
        elif self._name == "token":
            response = await endpoints.token(self._form())
        else:
            response = await endpoints.revoke(self._form())
        self.set_status(response.status_code)
        self.set_header("Content-Type", "application/json")
        self.finish(bytes(response.body))

    def _form(self) -> dict[str, str]:
        """The arguments in the body, for this endpoint and each given once."""
        form = parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        # The SDK takes the resource and does not look at it.
        for resource in form.pop("resource", []):
            if not is_resource(resource, issuer_of(self)):
                message = f"This login is for {issuer_of(self)} only."
                raise Refused(400, "invalid_target", message)
        if any(len(values) > 1 for values in form.values()):
            raise Refused(400, "invalid_request", "An argument is there twice.")
        form.pop("scope", None)  # There are none, and who asks for one is given what all are.
        return {name: values[0] for name, values in form.items()}


class AuthorizeHandler(LoginHandler):
    """The consent page, behind Jupyter's own login, and the person's answer."""

    def initialize(self, login: OAuthLogin, page: ConsentPage) -> None:
        self._login = login
        self._page = page

    async def prepare(self) -> None:  # type: ignore[override]
        # Jupyter's login page goes back only to addresses without a bare ":".
        if query := parse_qsl(self.request.query, keep_blank_values=True):
            self.request.uri = f"{self.request.path}?{urlencode(query)}"
        await super().prepare()
        if not self._finished:
            self.limit_rate(self._login, "authorize")

    @authenticated
    def get(self) -> None:
        arguments = {
            name: self.get_query_arguments(name, strip=False)
            for name in self.request.query_arguments
        }
        try:
            request = read_request(arguments, self._login.client_ids, issuer_of(self))
        except UnusableRequest as problem:
            # Not told to the client: anybody can register one, and send people to its address.
            raise HTTPError(400, f"This request to log in cannot be used: {problem}.") from problem
        self._show(request)

    @authenticated
    def post(self) -> None:
        question = self.get_body_argument("question", "")
        request = self._login.answered(question, self.current_user.username)
        if request is None:
            raise HTTPError(403, "This question was answered, is too old, or was put to another.")
        if self.get_body_argument("answer", "") != "allow":
            self._send_back(request, error="access_denied")
            return
        self.log.info("An OAuth login was given to the client %r", request.client_name)
        self._send_back(request, code=self._login.grant(request, person_at(self)))

    def _show(self, request: LoginRequest) -> None:
        user = self.current_user
        asked = Asked(
            request=request,
            # Names that are made up would tell nobody anything.
            user="" if is_made_up(user) else printable(user.display_name),
            logo=self.static_url("logo/logo.png"),
            nonce=token_urlsafe(16),
            xsrf=self.xsrf_token.decode(),
            question=self._login.ask(request, user.username),
        )
        self.add_header("Content-Security-Policy", policy(asked))
        self.set_header("X-Frame-Options", "DENY")
        self.finish(self._page.render(asked))

    def _send_back(self, request: LoginRequest, **answer: str) -> None:
        if request.state:
            answer["state"] = request.state
        # Who answers, so that a client of several servers cannot be led to take one for another.
        self.redirect(
            url_concat(request.redirect_uri, {**answer, "iss": request.resource}), status=303
        )


class EndHandler(LoginHandler):
    """The button of the status page that ends a login; as serious as stopping the server."""

    def initialize(self, login: OAuthLogin) -> None:
        self._login = login

    @authenticated
    @authorized(action="write", resource="server")  # type: ignore[untyped-decorator]
    async def post(self) -> None:
        self._login.end(self.get_body_argument("login", ""))
        self.redirect(url_path_join(self.base_url, "mcp"), status=303)


def routes(login: OAuthLogin, page: ConsentPage) -> list[Route]:
    """Below the base URL."""
    endpoints: list[Route] = [
        (f"/mcp/oauth/{name}", EndpointHandler, {"login": login, "name": name})
        for name in ("register", "token", "revoke")
    ]
    authorize = {"login": login, "page": page}
    return [
        (rf"/mcp/\.well-known/({'|'.join(DOCUMENTS)})", MetadataHandler, {}),
        ("/mcp/oauth/authorize", AuthorizeHandler, authorize),
        ("/mcp/oauth/end", EndHandler, {"login": login}),
        *endpoints,
    ]


def root_routes(base_url: str) -> list[Route]:
    """At the root of the host, where RFC 9728 and RFC 8414 have them; on a Hub, it is the Hub's."""
    path = re.escape(url_path_join(base_url, "mcp"))
    return [(rf"/\.well-known/({'|'.join(DOCUMENTS)}){path}", MetadataHandler, {})]
