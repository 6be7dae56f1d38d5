"""Behind nginx, with the lines of `docs/deployments.md`: TLS, a base URL, no buffering."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp.client.stdio import StdioServerParameters, stdio_client

from ..agent import Agent, Era, connect_over, text
from ..oauth import LOGIN, person_and_client
from ..server import Server, environment_in, free_port, run_server, stop_process

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        not (NGINX and shutil.which("openssl")),
        reason="needs nginx and openssl: apt-get install nginx-light openssl",
    ),
]

PAGE = Path(__file__).parents[2] / "docs/deployments.md"
READ_TIMEOUT_SECONDS = 20
SILENT_SECONDS = 24

CONFIG = """
pid {base}/nginx.pid;
daemon off;
events {{}}
http {{
    access_log {base}/access.log;
    client_body_temp_path {base}/body;
    proxy_temp_path {base}/proxy;
    fastcgi_temp_path {base}/fastcgi;
    uwsgi_temp_path {base}/uwsgi;
    scgi_temp_path {base}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {base}/cert.pem;
        ssl_certificate_key {base}/key.pem;
        {location}
    }}
}}
"""


@dataclass(frozen=True)
class Proxied:
    """A server, and where nginx has it."""

    server: Server
    url: str
    certificate: Path

    @property
    def http(self) -> httpx2.AsyncClient:
        login = {"Authorization": f"Bearer {self.server.token}"}
        context = ssl.create_default_context(cafile=str(self.certificate))
        return httpx2.AsyncClient(headers=login, verify=context, timeout=60)


def location(port: int) -> str:
    """What the page says, for a server at `port`, and with a shorter time-out."""
    [lines] = re.findall(r"```nginx\n(.*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert ":8888;" in lines and "proxy_read_timeout 60s;" in lines
    lines = lines.replace("proxy_read_timeout 60s;", f"proxy_read_timeout {READ_TIMEOUT_SECONDS}s;")
    return str(lines.replace(":8888;", f":{port};"))


def make_certificate(base: Path) -> Path:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", base / "key.pem", "-out", base / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    return base / "cert.pem"


@pytest.fixture(scope="module")
async def proxied(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Proxied]:
    base, port = tmp_path_factory.mktemp("nginx"), free_port()
    certificate = make_certificate(base)
    options = ("--ServerApp.trust_xheaders=True", LOGIN)
    async with run_server(base / "jupyter", *options, base_url="/jupyter/") as server:
        lines = location(httpx2.URL(server.url).port or 0)
        (base / "nginx.conf").write_text(CONFIG.format(base=base, port=port, location=lines))
        command = [str(NGINX), "-p", str(base), "-c", "nginx.conf", "-e", str(base / "error.log")]
        process = await anyio.open_process(command)
        try:
            proxied = Proxied(server, f"https://localhost:{port}/jupyter/", certificate)
            await wait_until_listening(port)
            yield proxied
        finally:
            await stop_process(process)
            await process.aclose()


async def wait_until_listening(port: int) -> None:
    with anyio.fail_after(20):
        while not await is_listening(port):
            await anyio.sleep(0.05)  # Another process tells of no event.


async def is_listening(port: int) -> bool:
    try:
        await (await anyio.connect_tcp("127.0.0.1", port)).aclose()
    except OSError:
        return False
    return True


def connect(proxied: Proxied, tmp_path: Path, era: Era) -> AbstractAsyncContextManager[Agent]:
    """Through our bridge too, which is to trust the certificate."""
    variables = {"SSL_CERT_FILE": str(proxied.certificate), "JUPYTER_TOKEN": proxied.server.token}
    bridge = StdioServerParameters(
        command=sys.executable,
        args=["-m", "jupyter_mcp_ext.cli", "stdio", f"--url={proxied.url}"],
        env=environment_in(tmp_path) | variables,
        cwd=tmp_path,
    )
    return connect_over(stdio_client(bridge), era)


async def test_agents_work_through_tls_and_a_base_url(
    proxied: Proxied, tmp_path: Path, era: Era
) -> None:
    path = proxied.server.copy_notebook("plain.ipynb")
    async with connect(proxied, tmp_path, era) as agent:
        assert "| 42" in await agent.run(path, "6 * 7")


async def test_progress_is_not_held_back(proxied: Proxied, tmp_path: Path, era: Era) -> None:
    path = proxied.server.copy_notebook("plain.ipynb")
    seen = tmp_path / "seen"
    code = (
        "import os, time\nfor _ in range(300):\n"
        f"    if os.path.exists({str(seen)!r}): break\n    time.sleep(0.1)\n"
        f"os.path.exists({str(seen)!r})"
    )

    async def touch(progress: float, total: float | None, message: str | None) -> None:
        seen.touch()

    async with connect(proxied, tmp_path, era) as agent:
        await agent.tell("open_notebook", notebook=path)
        call = {"notebook": path, "code": code}
        result = await agent.client.call_tool("execute_code", call, progress_callback=touch)
    assert "| True" in text(result)


async def test_a_silent_call_outlasts_the_time_out(
    proxied: Proxied, tmp_path: Path, era: Era
) -> None:
    path = proxied.server.copy_notebook("plain.ipynb")
    async with connect(proxied, tmp_path, era) as agent:
        code = f"import time; time.sleep({SILENT_SECONDS}); 'woken'"
        answer = await agent.run(path, code, wait_seconds=SILENT_SECONDS + 15)
    assert SILENT_SECONDS > READ_TIMEOUT_SECONDS and "| 'woken'" in answer


async def test_the_origin_is_that_of_the_proxy(proxied: Proxied) -> None:
    own = proxied.url.removesuffix("/jupyter/")
    async with proxied.http as http:
        for origin, status in ((own, 204), ("https://evil.example", 403)):
            response = await http.options(f"{proxied.url}mcp", headers={"Origin": origin})
            assert response.status_code == status


async def test_clients_log_in_at_the_address_of_the_proxy(proxied: Proxied) -> None:
    context = ssl.create_default_context(cafile=str(proxied.certificate))
    async with person_and_client(proxied.url, verify=context) as (browser, client):
        refused = await client.ask()
        assert f'"{proxied.url}mcp/.well-known/' in refused.headers["www-authenticate"]
        await browser.log_in(proxied.server.token)
        tokens = await client.log_in(browser)
        assert (await client.ask(tokens["access_token"])).status_code == 200
        await client.revoke(tokens["access_token"])
        assert (await client.ask(tokens["access_token"])).status_code == 401
    assert "jmcp_" not in (proxied.certificate.parent / "access.log").read_text()
