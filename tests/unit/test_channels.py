"""What is taken from the sockets of a kernel, with sockets and no kernel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import zmq
from anyio import Event, fail_after, move_on_after, to_thread
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.session import Session

from jupyter_mcp_ext import channels as channels_module
from jupyter_mcp_ext.channels import PART_CHARS, Channels, LocalKernel, in_parts, new_context

pytestmark = pytest.mark.anyio
KEY = "the key in the connection file"


@pytest.fixture
def sockets() -> Iterator[dict[str, Any]]:
    """Those of a kernel, by their names in a connection file."""
    kinds = {"shell": zmq.ROUTER, "control": zmq.ROUTER, "stdin": zmq.ROUTER, "iopub": zmq.PUB}
    with zmq.Context() as context:
        bound = {name: context.socket(kind) for name, kind in kinds.items()}
        yield bound
        for socket in bound.values():
            socket.close(linger=0)


@pytest.fixture
def context() -> Iterator[Any]:
    context = new_context()
    yield context
    context.destroy(linger=0)


def connect(sockets: dict[str, Any], context: Any, on_reply: Any) -> Channels:
    address = "tcp://127.0.0.1"
    ports = {f"{name}_port": each.bind_to_random_port(address) for name, each in sockets.items()}
    manager = AsyncKernelManager(owns_kernel=False)
    manager.load_connection_info({**ports, "hb_port": 1, "ip": "127.0.0.1", "key": KEY})
    kernel = LocalKernel(manager, context, logging.getLogger())
    return kernel.open_channels({"shell": on_reply}, lambda: None)


async def test_a_message_that_is_not_signed_with_the_key_is_dropped(
    sockets: dict[str, Any], context: Any, caplog: pytest.LogCaptureFixture
) -> None:
    heard, has_heard = [], Event()

    def take(message: Any) -> None:
        heard.append(message["content"]["by"])
        has_heard.set()

    channels = connect(sockets, context, take)
    channels.send("shell", channels.session.msg("kernel_info_request"))
    with fail_after(5):
        identity, *_ = await to_thread.run_sync(sockets["shell"].recv_multipart)
        for by, key in {"somebody": "another key", "the kernel": KEY}.items():
            session = Session(key=key.encode())
            session.send(sockets["shell"], "kernel_info_reply", {"by": by}, ident=identity)
        await has_heard.wait()
    channels.close()
    assert heard == ["the kernel"]
    assert "Bad message of a kernel (shell)" in caplog.text


async def test_others_get_their_turn_while_a_text_overwrites_itself(
    sockets: dict[str, Any], context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels_module, "DRAIN_SECONDS", -1.0)
    text = "ab\rc\n" * PART_CHARS
    heard: list[str] = []
    turns, has_ended = {0}, Event()

    def take(message: Any) -> None:
        heard.append(message["content"]["text"])
        asyncio.get_running_loop().call_soon(lambda: turns.add(len(heard)))
        if heard[-1] == "end":
            has_ended.set()

    channels = connect(sockets, context, take)
    channels.send("shell", channels.session.msg("kernel_info_request"))
    with fail_after(5):
        identity, *_ = await to_thread.run_sync(sockets["shell"].recv_multipart)
        for each in (text, "end"):
            session = Session(key=KEY.encode())
            session.send(sockets["shell"], "stream", {"text": each}, ident=identity)
        await has_ended.wait()
    channels.close()
    assert "".join(heard) == text + "end" and len(heard) == 6 and turns >= {1, 2, 3, 4, 5}


async def test_what_is_left_of_a_message_is_dropped_when_its_kernel_is_lost(
    sockets: dict[str, Any], context: Any
) -> None:
    heard, loop = [], asyncio.get_running_loop()
    is_over = Event()

    def take(message: Any) -> None:
        heard.append(message)
        channels.close()
        loop.call_soon(loop.call_soon, is_over.set)

    channels = connect(sockets, context, take)
    channels.send("shell", channels.session.msg("kernel_info_request"))
    with fail_after(5):
        identity, *_ = await to_thread.run_sync(sockets["shell"].recv_multipart)
        text = {"text": "\r" * 3 * PART_CHARS}
        Session(key=KEY.encode()).send(sockets["shell"], "stream", text, ident=identity)
        await is_over.wait()
    assert len(heard) == 1


@pytest.mark.parametrize(
    "message",
    [
        {"header": {"msg_type": "stream"}, "content": {"text": "ab\n" * PART_CHARS}},
        {"header": {"msg_type": "stream"}, "content": {"text": 5}},
        {"header": {"msg_type": "display_data"}, "content": {"text": "\r" * PART_CHARS * 2}},
    ],
)
def test_other_messages_are_taken_as_they_came(message: Any) -> None:
    assert [*in_parts(message)] == [message]


async def test_waiting_for_a_kernel_neither_ends_its_start_nor_fails_with_it() -> None:
    start = asyncio.get_running_loop().create_future()
    manager = SimpleNamespace(ready=start)
    kernel = LocalKernel(manager, None, logging.getLogger())  # type: ignore[arg-type]
    with move_on_after(0) as patience:
        await kernel.wait_started()
    assert patience.cancelled_caught and not start.done()
    start.set_exception(RuntimeError("no such program"))
    assert start.exception() is not None
    assert not await kernel.wait_started()


async def test_waiting_for_a_restart_lasts_until_the_new_process_is_there() -> None:
    loop = asyncio.get_running_loop()
    end, start = loop.create_future(), loop.create_future()
    manager = SimpleNamespace(ready=end)
    kernel = LocalKernel(manager, None, logging.getLogger())  # type: ignore[arg-type]
    waiting = asyncio.create_task(kernel.wait_started())
    await asyncio.sleep(0)
    end.set_result(None)
    manager.ready = start
    with move_on_after(0.05):
        await asyncio.shield(waiting)
    assert not waiting.done()
    start.set_exception(RuntimeError("no such program"))
    assert await waiting and start.exception() is not None
