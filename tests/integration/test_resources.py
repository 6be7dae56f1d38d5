"""Notebooks and cells as resources, and the news of their changes, in both eras."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from itertools import chain
from typing import Any
from urllib.parse import quote

import anyio
import nbformat
import pytest
from anyio.abc import ObjectReceiveStream
from mcp.client.subscriptions import ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp_types import (
    BlobResourceContents,
    CallToolResult,
    ResourceLink,
    ResourceTemplateReference,
    ResourceUpdatedNotification,
    TextResourceContents,
)

from ..agent import HANDSHAKE, STATELESS, Agent, Era, connect_agent, connect_with_headers
from ..peer import Peer, join_room
from ..server import Server, run_server, stop_process, with_modules
from ..wire import answer_in, connect_wire

pytestmark = pytest.mark.anyio

WAIT_SECONDS = 15
NOT_FOUND = {HANDSHAKE: -32002, STATELESS: -32602}
CELL = "notebook:///{+path}#{cell}"
NOTEBOOK = "notebook:///{+path}"

# People who are known by a header, a directory that breaks, and a window into the process.
PROBE = '''
import asyncio
from jupyter_server.auth import Authorizer, IdentityProvider, User
from jupyter_server.base.handlers import APIHandler
from jupyter_mcp_ext import transport
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado.web import authenticated

transport.SESSION_IDLE_SECONDS = 3

class ByHeader(IdentityProvider):
    def get_user(self, handler):
        return User(handler.request.headers.get("X-Person", "owner"))

    def is_token_authenticated(self, handler):
        return True

class ByPerson(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return user.username != "blind" or (action, resource) != ("read", "contents")

class Contents(AsyncLargeFileManager):
    async def get(self, path, *args, **kwargs):
        if path == "broken.ipynb":
            raise RuntimeError("secret detail")
        return await super().get(path, *args, **kwargs)

class ProbeHandler(APIHandler):
    """When nothing is held, all is 0: each notebook listens itself for its snapshots and to save
    in time, and the transport has a task."""

    @authenticated
    async def get(self):
        [app] = self.serverapp.extension_manager.extension_apps["jupyter_mcp_ext"]
        leases = app._backend._rooms._leases.values()
        names = [task.get_name() for task in asyncio.all_tasks()]
        self.finish({
            "users": sum(lease.users for lease in leases),
            "observers": sum(len(lease.document._index._listeners) - 2 for lease in leases),
            "tasks": sum("Subscriber" in name or "_logged" in name for name in names) - 1,
        })

def _load_jupyter_server_extension(app):
    url = app.web_app.settings["base_url"] + "probe"
    app.web_app.add_handlers(".*", [(url, ProbeHandler)])

def _jupyter_server_extension_points():
    return [{"module": "probe"}]
'''


@pytest.fixture(scope="module")
async def probed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server of its own that shows what it holds."""
    modules = tmp_path_factory.mktemp("modules")
    (modules / "probe.py").write_text(PROBE)
    async with run_server(
        tmp_path_factory.mktemp("probed"),
        "--ServerApp.contents_manager_class=probe.Contents",
        "--ServerApp.identity_provider_class=probe.ByHeader",
        "--ServerApp.authorizer_class=probe.ByPerson",
        "--ServerApp.jpserver_extensions=probe=True",
        module="jupyter_server",
        environment=with_modules(modules),
    ) as server:
        yield server


@pytest.fixture
async def reader(server: Server, era: Era) -> AsyncIterator[Agent]:
    async with connect_agent(server.mcp_url, server.token, era) as agent:
        yield agent


def uri_of(path: str, cell_id: str = "") -> str:
    return f"notebook:///{quote(path)}{cell_id and '#' + cell_id}"


async def text_of(agent: Agent, uri: str) -> str:
    content = (await agent.client.read_resource(uri)).contents[0]
    assert isinstance(content, TextResourceContents)
    assert (content.uri, content.mime_type) == (uri, "text/plain")
    return content.text


async def listed(agent: Agent) -> dict[str, Any]:
    """All pages, by URI."""
    pages = [await agent.client.list_resources()]
    while cursor := pages[-1].next_cursor:
        pages.append(await agent.client.list_resources(cursor=cursor))
    return {each.uri: each for each in chain.from_iterable(page.resources for page in pages)}


async def until(claim: Callable[[], Awaitable[bool]], seconds: float = WAIT_SECONDS) -> None:
    with anyio.fail_after(seconds):
        while not await claim():
            pass


# List, read, complete


async def test_a_notebook_is_read_by_its_percent_encoded_uri(server: Server, reader: Agent) -> None:
    path = "Data/a b é.ipynb"
    (server.root / "Data").mkdir(exist_ok=True)
    (server.root / server.copy_notebook("plain.ipynb", "Data")).rename(server.root / path)
    uri = "notebook:///Data/a%20b%20%C3%A9.ipynb"
    found = (await listed(reader))[uri]
    assert (found.name, found.title, found.mime_type) == (path, "a b é", "text/plain")
    shown = await reader.tell("read_notebook", notebook=path, view="source")
    head, *sources, _ = shown.splitlines()
    assert (await text_of(reader, uri)).splitlines() == [
        head.removesuffix(", no kernel").partition(", open with")[0],
        *sources,
    ]
    assert "total = first + second + third" in shown


async def test_a_long_list_comes_in_pages(start_server: Callable[..., Any], era: Era) -> None:
    server = await start_server(module="jupyter_server")
    paths = {server.copy_notebook("plain.ipynb", f"d{number % 7}") for number in range(203)}
    (server.root / "no notebook.txt").write_text("")
    async with connect_agent(server.mcp_url, server.token, era) as agent:
        assert len((await agent.client.list_resources()).resources) == 100
        assert set(await listed(agent)) == {uri_of(path) for path in paths}
        for cursor in ("-1", "x", "²", "9" * 5000):
            with pytest.raises(MCPError) as caught:
                await agent.client.list_resources(cursor=cursor)
            assert caught.value.code == -32602


async def test_the_templates_tell_how_uris_are_made(reader: Agent) -> None:
    templates = (await reader.client.list_resource_templates()).resource_templates
    assert [template.uri_template for template in templates] == [NOTEBOOK, CELL]


async def test_a_cell_is_read_live_and_whole(
    server: Server, notebook: str, peer: Peer, reader: Agent
) -> None:
    output = nbformat.v4.new_output("stream", text="\n".join(f"line {n}" for n in range(20_000)))
    cell = nbformat.v4.new_code_cell("# not saved", id="long", outputs=[output])
    peer.notebook.append_cell(dict(cell))
    await peer.type_text("long", " yet", "saved")

    async def is_there() -> bool:
        return "# not saved yet" in await reader.tell("read_notebook", notebook=notebook)

    await until(is_there)
    text = await text_of(reader, uri_of(notebook, "long"))
    lines = text.split("\n")
    assert len(text) > 200_000 and "omitted" not in text
    assert lines[1] == "# not saved yet"
    assert lines[3:] == [f"| line {n}" for n in range(20_000)]


async def test_the_largest_cell_fits_into_one_event_of_a_client(
    server: Server, reader: Agent
) -> None:
    """Python clients refuse an event of more than 1 MiB."""
    emoji = "\n".join("😀" * 90 for _ in range(4_000))
    outputs = [nbformat.v4.new_output("stream", text=emoji) for _ in range(3)]
    cell = nbformat.v4.new_code_cell(emoji, id="large", outputs=outputs)
    path = server.write_notebook(nbformat.v4.new_notebook(cells=[cell]))
    assert "one answer cannot have more" in await text_of(reader, uri_of(path, "large"))
    assert "one answer cannot have more" in await text_of(reader, uri_of(path))


@pytest.mark.parametrize("notebook", ["plot.ipynb"], indirect=True)
async def test_the_images_of_a_cell_follow_its_text(
    server: Server, notebook: str, reader: Agent
) -> None:
    saved = server.saved_notebook(notebook)["cells"]
    [cell_id] = [cell["id"] for cell in saved if "image/png" in str(cell.get("outputs"))]
    text, image = (await reader.client.read_resource(uri_of(notebook, cell_id))).contents
    assert isinstance(text, TextResourceContents) and "image/png" in text.text
    assert isinstance(image, BlobResourceContents) and image.mime_type == "image/png"


async def test_all_outputs_of_a_cell_are_there(server: Server, reader: Agent) -> None:
    outputs = [nbformat.v4.new_output("display_data", {"text/plain": f"n{n}"}) for n in range(99)]
    cell = nbformat.v4.new_code_cell(id="many", outputs=outputs)
    path = server.write_notebook(nbformat.v4.new_notebook(cells=[cell]))
    text = await text_of(reader, uri_of(path, "many"))
    assert all(f"| n{n}\n" in text + "\n" for n in range(99))


@pytest.mark.parametrize(
    "uri",
    [
        "notebook:///nowhere.ipynb",
        "notebook:///{path}#nothing",
        "notebook:///{path}#0",  # A position names no cell for long.
        "notebook:///",
        "notebook://host/{path}",
        "file:///{path}",
        "nonsense",
    ],
)
async def test_what_is_not_there_is_an_error_of_the_protocol(
    notebook: str, era: Era, reader: Agent, uri: str
) -> None:
    uri = uri.format(path=notebook)
    with pytest.raises(MCPError) as caught:
        await reader.client.read_resource(uri)
    assert caught.value.code == NOT_FOUND[era]
    assert caught.value.data == {"uri": uri}


async def test_nothing_outside_the_root_is_a_resource(server: Server, reader: Agent) -> None:
    (server.root.parent / "outside.ipynb").write_text("{}")
    for path in ("../outside.ipynb", "%2e%2e/outside.ipynb", "a/..%2f../outside.ipynb"):
        with pytest.raises(MCPError, match="leads out of the server's root"):
            await reader.client.read_resource(f"notebook:///{path}")


async def test_a_deleted_notebook_is_no_resource_any_more(
    server: Server, notebook: str, peer: Peer, era: Era, reader: Agent
) -> None:
    assert "second" in await text_of(reader, uri_of(notebook))
    (await server.http.delete(f"api/contents/{notebook}")).raise_for_status()
    with pytest.raises(MCPError) as caught:
        await reader.client.read_resource(uri_of(notebook))
    assert caught.value.code == NOT_FOUND[era]
    assert uri_of(notebook) not in await listed(reader)


async def test_paths_and_cell_ids_are_completed(
    server: Server, notebook: str, peer: Peer, reader: Agent
) -> None:
    async def complete(template: str, name: str, value: str, **known: str) -> Any:
        ref = ResourceTemplateReference(uri=template)
        argument = {"name": name, "value": value}
        return (await reader.client.complete(ref, argument, known or None)).completion

    directory = f"completed dir {notebook}"
    paths = {server.copy_notebook("plain.ipynb", directory) for _ in range(3)}
    for template in (NOTEBOOK, CELL):
        assert set((await complete(template, "path", directory[:-3])).values) == paths
        assert set((await complete(template, "path", f"{directory}/")).values) == paths
        assert (await complete(template, "path", notebook)).values == [notebook]
        assert (await complete(template, "path", "nowhere/a")).values == []
        assert (await complete(template, "path", "../")).values == []
    peer.notebook.append_cell(dict(nbformat.v4.new_code_cell(id="zz-live")))
    ids = [cell["id"] for cell in peer.notebook.ycells]

    async def are_told() -> bool:
        return (await complete(CELL, "cell", "", path=notebook)).values == ids

    await until(are_told)
    assert (await complete(CELL, "cell", "zz", path=notebook)).values == ["zz-live"]
    assert (await complete(CELL, "cell", "zz")).values == []
    assert (await complete(CELL, "cell", "zz", path="nowhere.ipynb")).values == []
    with pytest.raises(MCPError) as caught:
        await complete("file:///{path}", "path", "")
    assert caught.value.code == -32602


async def test_completions_end_after_a_hundred(start_server: Callable[..., Any]) -> None:
    server = await start_server(module="jupyter_server")
    for _ in range(101):
        server.copy_notebook("plain.ipynb", "many")
    async with connect_agent(server.mcp_url, server.token) as agent:
        ref = ResourceTemplateReference(uri=NOTEBOOK)
        found = (await agent.client.complete(ref, {"name": "path", "value": "m"})).completion
    assert (len(found.values), found.has_more) == (100, True)


# Rights and failures


async def test_each_request_asks_for_the_right_to_read(probed: Server, era: Era) -> None:
    uri = uri_of(probed.copy_notebook("plain.ipynb"))
    argument = {"name": "path", "value": ""}
    async with connect_with_headers(probed.mcp_url, {"X-Person": "blind"}, era) as agent:
        client = agent.client
        requests = [
            client.list_resources,
            client.list_resource_templates,
            lambda: client.read_resource(uri),
            lambda: client.complete(ResourceTemplateReference(uri=NOTEBOOK), argument),
            lambda: subscribe(agent, uri) if era == HANDSHAKE else open_and_close(agent, uri),
        ]
        for request in requests:
            with pytest.raises(MCPError, match="This login may not read contents, which .*/"):
                await request()
    assert not any((await probed.get("probe")).values())


async def test_the_detail_of_a_bug_is_in_the_log_only(probed: Server, era: Era) -> None:
    known = len(probed.log_text())
    async with connect_agent(probed.mcp_url, probed.token, era) as agent:
        with pytest.raises(MCPError) as caught:
            await agent.client.read_resource("notebook:///broken.ipynb")
    assert caught.value.code == -32603
    words = "resources/read failed inside the Jupyter server; its log has the reason."
    assert (caught.value.message, caught.value.data) == (words, None)
    assert "RuntimeError: secret detail" in probed.log_text()[known:]


# Changes


async def subscribe(agent: Agent, uri: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The SDK's client deprecates the older era.
        await agent.client.subscribe_resource(uri)


async def unsubscribe(agent: Agent, uri: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        await agent.client.unsubscribe_resource(uri)


async def open_and_close(agent: Agent, uri: str) -> None:
    async with agent.client.listen(resource_subscriptions=[uri]):
        pass


class Listener:
    """Who hears of changes; `agent` is the same client."""

    def __init__(self, agent: Agent, news: ObjectReceiveStream[str]) -> None:
        self.agent = agent
        self._news = news

    async def hear(self) -> str:
        with anyio.fail_after(WAIT_SECONDS):
            return await self._news.receive()

    async def hear_all(self, *uris: str) -> None:
        """Each once, in any order."""
        assert sorted([await self.hear() for _ in uris]) == sorted(uris)


@asynccontextmanager
async def listening(server: Server, era: Era, *uris: str) -> AsyncIterator[Listener]:
    """In either era; nothing that changes from now on is missed."""
    send, receive = anyio.create_memory_object_stream[str](1000)

    async def on_message(message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification) and era == HANDSHAKE:
            send.send_nowait(str(message.params.uri))

    async def forward(subscription: Any) -> None:
        async for event in subscription:
            assert isinstance(event, ResourceUpdated)
            send.send_nowait(event.uri)

    login = (server.mcp_url, server.token, era)
    async with send, receive, connect_agent(*login, on_message=on_message) as agent:
        listener = Listener(agent, receive)
        if era == HANDSHAKE:
            await _wait_for_stream(server, listener)
            for uri in uris:
                await subscribe(agent, uri)
            yield listener
            return
        async with (
            agent.client.listen(resource_subscriptions=uris) as subscription,
            anyio.create_task_group() as tasks,
        ):
            assert sorted(subscription.honored.resource_subscriptions or []) == sorted(uris)
            tasks.start_soon(forward, subscription)
            yield listener
            tasks.cancel_scope.cancel()


async def _wait_for_stream(server: Server, listener: Listener) -> None:
    """The client opens its event stream when it likes: try it until something is heard."""
    path = server.copy_notebook("plain.ipynb")
    await subscribe(listener.agent, uri_of(path))
    heard = False
    with anyio.fail_after(WAIT_SECONDS):
        while not heard:
            await listener.agent.tell("insert_cell", notebook=path, source="")
            with anyio.move_on_after(0.5):
                heard = await listener._news.receive() == uri_of(path)
    await unsubscribe(listener.agent, uri_of(path))


async def test_a_change_by_a_person_is_heard(
    server: Server, notebook: str, peer: Peer, era: Era
) -> None:
    cell_id = peer.cells()[1]["id"]
    uri = uri_of(notebook)
    async with listening(server, era, uri) as listener:
        await peer.type_text(cell_id, "x")
        assert await listener.hear() == uri
        assert "x" in await text_of(listener.agent, uri_of(notebook, cell_id))


async def test_a_run_is_heard(server: Server, notebook: str, era: Era) -> None:
    uri = uri_of(notebook, server.saved_notebook(notebook)["cells"][1]["id"])
    async with listening(server, era, uri) as listener:
        await listener.agent.tell("execute_cell", notebook=notebook, cell=1)
        assert await listener.hear() == uri


async def test_the_spelling_of_a_uri_is_the_clients_own(
    server: Server, era: Era, tmp_path: Any
) -> None:
    path = f"a b é {tmp_path.name}.ipynb"
    (server.root / server.copy_notebook("plain.ipynb")).rename(server.root / path)
    uris = [uri_of(path), uri_of(path).replace("%C3%A9", "é")]
    async with join_room(server, path) as peer, listening(server, era, *uris) as listener:
        await peer.type_text(peer.cells()[0]["id"], "x")
        await listener.hear_all(*uris)


async def test_a_cell_is_heard_of_only_when_it_changes_itself(
    server: Server, notebook: str, peer: Peer, era: Era
) -> None:
    whole = uri_of(notebook)
    first, second = [cell["id"] for cell in peer.cells()[:2]]
    cell = uri_of(notebook, second)
    async with listening(server, era, whole, cell) as listener:
        await peer.type_text(first, "x")
        assert await listener.hear() == whole
        # It moves down, which is no change of its own.
        peer.notebook.ycells.insert(0, peer.notebook.create_ycell(new_cell("above")))
        assert await listener.hear() == whole
        peer.notebook.ycells[2]["metadata"]["tags"] = ["x"]
        await listener.hear_all(whole, cell)
        peer.notebook.ycells.pop(2)
        await listener.hear_all(whole, cell)
        # Whoever takes the deletion back brings the cell back.
        peer.notebook.ycells.insert(1, peer.notebook.create_ycell(new_cell(second)))
        await listener.hear_all(whole, cell)


def new_cell(cell_id: str) -> dict[str, Any]:
    return dict(nbformat.v4.new_code_cell(id=cell_id))


async def test_many_changes_make_few_notifications_and_none_is_lost(
    server: Server, notebook: str, peer: Peer, era: Era
) -> None:
    cell_id = peer.cells()[1]["id"]
    uri = uri_of(notebook, cell_id)
    text = "0123456789" * 30
    async with listening(server, era, uri) as listener:
        started = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer.type_text, cell_id, text)
            count = 0
            while True:
                assert await listener.hear() == uri
                count += 1
                if text in await text_of(listener.agent, uri):
                    break
        assert count <= anyio.current_time() - started + 2


async def test_no_more_is_heard_after_unsubscribing(
    server: Server, notebook: str, peer: Peer
) -> None:
    cell_id = peer.cells()[1]["id"]
    whole, cell = uri_of(notebook), uri_of(notebook, cell_id)
    async with listening(server, HANDSHAKE, whole, cell) as listener:
        await unsubscribe(listener.agent, cell)
        await unsubscribe(listener.agent, cell)  # Nothing to forget any more.
        for _ in range(2):
            await peer.type_text(cell_id, "x")
            assert await listener.hear() == whole
        await subscribe(listener.agent, cell)
        await subscribe(listener.agent, cell)  # Twice is once.
        await peer.type_text(cell_id, "x")
        await listener.hear_all(whole, cell)
        await peer.type_text(cell_id, "x")
        await listener.hear_all(whole, cell)


async def test_what_is_not_there_cannot_be_followed(server: Server, notebook: str) -> None:
    wrong = ["notebook:///nowhere.ipynb", uri_of(notebook, "nothing"), "file:///a"]
    async with connect_agent(server.mcp_url, server.token, HANDSHAKE) as agent:
        for uri in wrong:
            with pytest.raises(MCPError) as caught:
                await subscribe(agent, uri)
            assert (caught.value.code, caught.value.data) == (-32002, {"uri": uri})
    async with connect_agent(server.mcp_url, server.token, STATELESS) as agent:
        uris = [*wrong, uri_of(notebook)]
        everything = {"tools_list_changed": True, "resources_list_changed": True}
        async with agent.client.listen(resource_subscriptions=uris, **everything) as subscription:
            honored = subscription.honored.model_dump(exclude_none=True)
    assert honored == {"resource_subscriptions": [uri_of(notebook)]}


async def test_one_client_can_follow_a_hundred_resources(server: Server) -> None:
    cells = [nbformat.v4.new_code_cell(id=f"cell-{number}") for number in range(101)]
    path = server.write_notebook(nbformat.v4.new_notebook(cells=cells))
    uris = [uri_of(path, cell["id"]) for cell in cells]
    async with connect_agent(server.mcp_url, server.token, HANDSHAKE) as agent:
        for uri in uris[:100]:
            await subscribe(agent, uri)
        with pytest.raises(MCPError, match="can follow 100 resources"):
            await subscribe(agent, uris[100])
        await unsubscribe(agent, uris[0])
        await subscribe(agent, uris[100])


# The end


async def holds(server: Server) -> dict[str, int]:
    found: dict[str, int] = await server.get("probe")
    return found


async def test_a_client_that_leaves_leaves_nothing(probed: Server, era: Era) -> None:
    path = probed.copy_notebook("plain.ipynb")
    cell_id = probed.saved_notebook(path)["cells"][1]["id"]

    async def is_free() -> bool:
        return not any((await holds(probed)).values())

    await until(is_free)

    async def is_held() -> bool:
        # The edits by which `listening` knows its stream are saved a little later.
        return await holds(probed) == {"users": 2, "observers": 2, "tasks": 3}

    async with listening(probed, era, uri_of(path), uri_of(path, cell_id)):
        await until(is_held)
    await until(is_free)


async def test_unsubscribing_leaves_nothing(probed: Server) -> None:
    path = probed.copy_notebook("plain.ipynb")
    async with connect_agent(probed.mcp_url, probed.token, HANDSHAKE) as agent:
        await subscribe(agent, uri_of(path))
        assert (await holds(probed))["users"] == 1
        await unsubscribe(agent, uri_of(path))

        async def is_free() -> bool:
            held = await holds(probed)
            return (held["users"], held["observers"]) == (0, 0)

        await until(is_free)


async def test_a_lost_connection_leaves_nothing(probed: Server) -> None:
    path = probed.copy_notebook("plain.ipynb")

    async def is_free() -> bool:
        return not any((await holds(probed)).values())

    await until(is_free)
    async with connect_wire(probed, STATELESS) as wire:
        wanted = {"notifications": {"resourceSubscriptions": [uri_of(path)]}}
        body, headers = wire.request("subscriptions/listen", wanted)
        async with wire.stream(body, headers) as response:
            async with aclosing(response.aiter_text()) as pieces:
                assert "acknowledged" in await anext(pieces)
            assert (await holds(probed))["users"] == 1
    await until(is_free)


async def test_a_session_that_expires_leaves_nothing(probed: Server) -> None:
    path = probed.copy_notebook("plain.ipynb")

    async def is_free() -> bool:
        return not any((await holds(probed)).values())

    await until(is_free)
    async with connect_wire(probed, HANDSHAKE) as wire:
        await wire.open()
        assert (await wire.ask("resources/subscribe", {"uri": uri_of(path)}))["result"] == {}
        assert (await holds(probed))["users"] == 1
        await until(is_free)


async def test_a_subscription_outlives_the_browser_and_the_deletion(
    server: Server, notebook: str, era: Era
) -> None:
    uri = uri_of(notebook)
    async with listening(server, era, uri) as listener:
        for name in ("ada", "bob"):
            async with join_room(server, notebook, name) as peer:
                await peer.type_text(peer.cells()[1]["id"], "x")
                assert await listener.hear() == uri
        (await server.http.delete(f"api/contents/{notebook}")).raise_for_status()
        if era == HANDSHAKE:
            await unsubscribe(listener.agent, uri)


async def test_a_server_that_stops_tells_its_listeners(start_server: Callable[..., Any]) -> None:
    server: Server = await start_server(module="jupyter_server")
    path = server.copy_notebook("plain.ipynb")
    async with connect_agent(server.mcp_url, server.token, STATELESS) as agent:
        async with agent.client.listen(resource_subscriptions=[uri_of(path)]) as subscription:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stop_process, server.process)
                with anyio.fail_after(WAIT_SECONDS):
                    # It would raise if the stream were only cut.
                    assert [event async for event in subscription] == []
    assert server.process.returncode == 0
    assert "Traceback" not in server.log_text()


# Links


def links_in(result: CallToolResult) -> list[ResourceLink]:
    return [block for block in result.content if isinstance(block, ResourceLink)]


async def test_a_cut_answer_links_to_the_whole_cell(
    server: Server, notebook: str, reader: Agent
) -> None:
    source = "for n in range(20_000): print('line', n)"
    ran = await reader.call("insert_cell", notebook=notebook, source=source, execute=True)
    [link] = links_in(ran)
    text = await text_of(reader, link.uri)
    assert len(text) > 200_000 and "| line 9999\n" in text and "omitted" not in text
    cell_id = link.uri.partition("#")[2]
    read = await reader.call("read_cell", notebook=notebook, cell=cell_id)
    assert links_in(read) == [link]
    for arguments in ({"outputs": False}, {"max_chars": 200_000, "cell": 0}):
        whole = await reader.call("read_cell", notebook=notebook, **{"cell": cell_id} | arguments)
        assert not whole.is_error and links_in(whole) == []


async def test_an_answer_has_at_most_five_links(server: Server, reader: Agent) -> None:
    cells = [nbformat.v4.new_code_cell("print(list(range(9999)))") for _ in range(7)]
    path = server.write_notebook(nbformat.v4.new_notebook(cells=cells))
    ran = await reader.call("execute_cells", notebook=path)
    assert len(links_in(ran)) == 5
    assert links_in(await reader.call("execute_code", notebook=path, code="'x' * 9999")) == []


@pytest.mark.parametrize(("version", "count"), [("2025-03-26", 0), ("2025-06-18", 1)])
async def test_a_client_from_before_links_gets_none(
    server: Server, version: str, count: int
) -> None:
    outputs = [nbformat.v4.new_output("stream", text="word " * 9_999)]
    cell = nbformat.v4.new_code_cell(outputs=outputs)
    path = server.write_notebook(nbformat.v4.new_notebook(cells=[cell]))
    async with connect_wire(server, HANDSHAKE) as wire:
        wire.headers["MCP-Protocol-Version"] = version
        body, headers = wire.initialize(version)
        response = await wire.send(body, headers)
        wire.headers["Mcp-Session-Id"] = response.headers["mcp-session-id"]
        await wire.send(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}')
        answer = answer_in(await wire.send(*wire.call("read_cell", notebook=path, cell=0)))
    kinds = [block["type"] for block in answer["result"]["content"]]
    assert kinds == ["text", *["resource_link"] * count]


async def test_without_the_notebooks_toolset_there_are_no_resources(
    start_server: Callable[..., Any], era: Era
) -> None:
    server = await start_server("--MCPExtension.toolsets=execution", module="jupyter_server")
    path = server.copy_notebook("plain.ipynb")
    async with connect_agent(server.mcp_url, server.token, era) as agent:
        with pytest.raises(MCPError) as caught:
            await agent.client.read_resource(uri_of(path))
        assert caught.value.code == -32601
        cells = [nbformat.v4.new_code_cell("print(list(range(9999)))")]
        long = server.write_notebook(nbformat.v4.new_notebook(cells=cells))
        ran = await agent.call("execute_cell", notebook=long, cell=0)
        assert not ran.is_error and links_in(ran) == []
