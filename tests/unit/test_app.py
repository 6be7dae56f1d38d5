"""The configuration that is refused, and what is made for the first who comes."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any, ClassVar

import pytest
from anyio.lowlevel import checkpoint
from traitlets import TraitError
from traitlets.config import Config

from jupyter_mcp_ext.app import MCPExtension
from jupyter_mcp_ext.transport import Transport


@pytest.mark.parametrize(
    "name", ["wait_seconds", "kernel_start_timeout", "agent_kernel_idle_timeout"]
)
def test_a_time_below_zero_is_refused(name: str) -> None:
    with pytest.raises(TraitError, match=name):
        MCPExtension(config=Config(MCPExtension={name: -1}))
    assert getattr(MCPExtension(config=Config(MCPExtension={name: 0})), name) == 0


HANDLER: ContextVar[str] = ContextVar("handler", default="none")


class FakeBackend:
    async def start(self) -> None:
        await checkpoint()
        self.handler = HANDLER.get()


class Extension(MCPExtension):
    built: ClassVar[list[FakeBackend]] = []
    is_broken = False

    def _build_backend(self) -> Any:
        if self.is_broken:
            raise ImportError("broken")
        self.built.append(FakeBackend())
        return self.built[-1]


@pytest.fixture
def extension() -> Extension:
    Extension.built.clear()
    return Extension()


@pytest.mark.anyio
async def test_all_who_come_first_get_the_same_backend(extension: Extension) -> None:
    found = await asyncio.gather(*(extension._opened() for _ in range(5)))
    assert found == 5 * extension.built and len(extension.built) == 1


@pytest.mark.anyio
async def test_it_outlives_the_request_that_brought_it_and_knows_nothing_of_it(
    extension: Extension,
) -> None:
    HANDLER.set("the first visitor")
    first = asyncio.create_task(extension._opened())
    second = asyncio.create_task(extension._opened())
    await checkpoint()
    first.cancel()
    assert await second is extension.built[0]
    assert extension.built[0].handler == "none"


@pytest.mark.anyio
async def test_after_a_failure_the_next_may_have_more_luck(extension: Extension) -> None:
    extension.is_broken = True
    for _ in range(2):
        with pytest.raises(ImportError, match="broken"):
            await extension._opened()
    extension.is_broken = False
    assert await extension._opened() is extension.built[0]


@pytest.mark.anyio
async def test_the_server_is_made_once_even_if_it_cannot_be_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built: list[str] = []

    async def build() -> Any:
        built.append("a server")
        return built[-1]

    def fail(self: Transport, server: Any) -> None:
        raise ImportError("broken")

    monkeypatch.setattr(Transport, "_new_manager", fail)
    transport = Transport(build, lambda *_: None, 1)
    for _ in range(2):
        with pytest.raises(ImportError):
            await transport.app()
    assert built == ["a server"]
