"""The tools for files that are no notebooks, also while somebody has them open."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from sqlite3 import connect
from typing import Any
from uuid import uuid4

import anyio
import nbformat
import pytest

from ..agent import Agent, connect_agent, text
from ..peer import join_room, join_text
from ..server import Server, run_server
from .test_live_document import until

pytestmark = pytest.mark.anyio

OPTIONS = [f"--MCPExtension.toolsets={name}" for name in ("notebooks", "cells", "files")]
BINARY = bytes(range(256))


@pytest.fixture(scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    base = tmp_path_factory.mktemp("files")
    async with run_server(base, *OPTIONS, module="jupyter_server") as server:
        yield server


@pytest.fixture
async def author(served: Server) -> AsyncIterator[Agent]:
    async with connect_agent(served.mcp_url, served.token) as agent:
        yield agent


@pytest.fixture
def script(served: Server) -> str:
    """A text file of this test's own."""
    path = f"script-{uuid4().hex[:8]}.py"
    (served.root / path).write_text("def f():\n    return 'é😀'\n\nprint(f())\n")
    return path


async def refusal(agent: Agent, tool: str, **arguments: Any) -> str:
    answer = await agent.call(tool, **arguments)
    assert answer.is_error
    return text(answer)


async def test_only_listing_files_is_offered_unless_the_toolset_is_chosen(agent: Agent) -> None:
    offered = {tool.name for tool in (await agent.client.list_tools()).tools}
    assert {name for name in offered if "file" in name} == {"list_files"}


async def test_lines_are_read_with_what_is_left(author: Agent, served: Server) -> None:
    (served.root / "long.txt").write_text("".join(f"line {i}\n" for i in range(300)))
    part = await author.tell("read_file", path="long.txt", offset=10, limit=2)
    assert part == "long.txt, lines 10-11 of 300\nline 10\nline 11"
    cut = await author.tell("read_file", path="long.txt", max_chars=80)
    assert 'to read on: read_file(path="long.txt", offset=11)' in cut
    assert (await author.tell("read_file", path="long.txt")).endswith("line 299")


async def test_files_are_listed_page_by_page(author: Agent, served: Server) -> None:
    (served.root / "pages/below").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "c.md", "below/d.txt"):
        (served.root / "pages" / name).write_text(name)
    listing = {"directory": "pages", "recursive": True, "pattern": "*.txt", "limit": 2}
    first = (await author.tell("list_files", **listing)).splitlines()
    assert [line.split()[0] for line in first] == ["pages/a.txt", "pages/b.txt", "1"]
    rest = await author.tell("list_files", **listing, offset=2)
    assert rest.startswith("pages/below/d.txt") and "more" not in rest


async def test_files_and_directories_are_written(author: Agent, served: Server) -> None:
    await author.tell("write_file", path="new/deep/a.txt", content="a\n")
    assert (served.root / "new/deep/a.txt").read_text() == "a\n"
    await author.tell("write_file", path="new/empty/", content="")
    assert (served.root / "new/empty").is_dir()
    again = {"path": "new/deep/a.txt", "content": "b\n"}
    assert "exists already" in await refusal(author, "write_file", **again)
    assert "-a\n+b" in await author.tell("write_file", **again, overwrite=True)
    assert (served.root / "new/deep/a.txt").read_text() == "b\n"


async def test_an_edit_finds_text_that_is_indented_otherwise(
    author: Agent, served: Server, script: str
) -> None:
    answer = await author.tell(
        "edit_file", path=script, old_text="return 'é😀'  ", new_text="return 'ß'"
    )
    assert "-    return 'é😀'\n+    return 'ß'" in answer
    assert (served.root / script).read_text() == "def f():\n    return 'ß'\n\nprint(f())\n"
    many = {"path": script, "old_text": "f()", "new_text": "g()"}
    assert "contains 'f()' 2 times" in await refusal(author, "edit_file", **many)
    await author.tell("edit_file", **many, replace_all=True)
    assert (served.root / script).read_text().count("g()") == 2
    assert "read_file" in await refusal(author, "edit_file", **many)


async def test_line_ends_stay_those_of_the_file(author: Agent, served: Server) -> None:
    (served.root / "dos.txt").write_bytes(b"a\r\nb\r\nc\r\n")
    await author.tell("edit_file", path="dos.txt", old_text="a\nb", new_text="a\nx\nb")
    assert (served.root / "dos.txt").read_bytes() == b"a\r\nx\r\nb\r\nc\r\n"
    await author.tell("write_file", path="dos.txt", content="a\r\nb\n", overwrite=True)
    assert (served.root / "dos.txt").read_bytes() == b"a\r\nb\r\n"


async def test_agents_editing_one_file_at_once_lose_nothing(author: Agent, served: Server) -> None:
    (served.root / "many.txt").write_text("".join(f"<{i}>\n" for i in range(20)))

    async def edit(number: int) -> None:
        old, new = f"<{number}>", f"done {number}"
        await author.tell("edit_file", path="many.txt", old_text=old, new_text=new)

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(edit, number)
    assert (served.root / "many.txt").read_text() == "".join(f"done {i}\n" for i in range(20))


async def test_an_open_file_is_read_as_it_is_typed(
    author: Agent, served: Server, script: str
) -> None:
    async with join_text(served, script) as person:
        await person.type_text("  # typing", after="print(f())")

        async def is_read() -> str:
            return await author.tell("read_file", path=script)

        with anyio.fail_after(5):
            while "# typing" not in (answer := await is_read()):
                pass
    assert answer.startswith(f"{script}, 4 lines, open live\n")


async def test_reading_an_open_file_does_not_make_the_store_of_changes_grow(
    author: Agent, served: Server, script: str
) -> None:
    def stored() -> int:
        with closing(connect(store)) as database:
            return int(database.execute("SELECT count(*) FROM yupdates").fetchone()[0])

    async with join_text(served, script):
        await author.tell("read_file", path=script)
        [store] = served.root.parent.rglob(".jupyter_ystore.db")
        before = stored()
        await author.tell("read_file", path=script)
        await author.tell("read_file", path=script)
        assert stored() == before > 0


async def test_an_edit_leaves_what_a_person_types_at_the_same_time(
    author: Agent, served: Server, script: str
) -> None:
    typed = "# typed by a person: é😀" * 10
    async with join_text(served, script) as person:

        async def edit() -> None:
            for number in range(10):
                await author.tell(
                    "edit_file", path=script, old_text="def f", new_text=f"n{number} = 1\ndef f"
                )

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(edit)
            await person.type_text(typed, after="print(f())")
        await person.wait_until(lambda: "n9 = 1" in str(person.text))
        whole = "".join(f"n{i} = 1\n" for i in range(10)) + (
            f"def f():\n    return 'é😀'\n\nprint(f()){typed}\n"
        )
        assert str(person.text) == whole
        await until(lambda: (served.root / script).read_text() == whole)
        new = whole.replace("print", "show")
        answer = await author.tell("write_file", path=script, content=new, overwrite=True)
        assert "changed live" in answer
        await person.wait_until(lambda: str(person.text) == new)
        assert (served.root / script).read_text() == new  # Saved before the answer.


async def test_an_open_file_is_not_replaced_by_an_upload(
    author: Agent, served: Server, script: str
) -> None:
    data = b64encode(b"x").decode()
    async with join_text(served, script) as person:
        answer = await refusal(author, "upload_file", path=script, data=data, overwrite=True)
        assert "somebody has its content open" in answer and "write_file" in answer
        assert "return" in str(person.text)
        assert "return" in await author.tell("download_file", path=script)


async def test_notebooks_are_left_to_their_tools(author: Agent, served: Server) -> None:
    path = served.copy_notebook("plain.ipynb")
    before = (served.root / path).read_bytes()
    assert "read_notebook" in await refusal(author, "read_file", path=path)
    assert "edit_cell" in await refusal(
        author, "edit_file", path=path, old_text="first", new_text="x"
    )
    for write in ({"path": path, "overwrite": True}, {"path": "raw.ipynb"}):
        assert "open_notebook" in await refusal(author, "write_file", content="{}", **write)
    data = b64encode(before).decode()
    async with join_room(served, path):
        upload = {"path": path, "data": data, "overwrite": True}
        assert "tools for cells" in await refusal(author, "upload_file", **upload)
        assert "read_notebook" in await refusal(author, "download_file", path=path)
    assert (served.root / path).read_bytes() == before


async def test_a_notebook_is_uploaded_and_not_trusted(author: Agent, served: Server) -> None:
    cell = nbformat.v4.new_code_cell("1", metadata={"trusted": True})
    content = nbformat.writes(nbformat.v4.new_notebook(cells=[cell])).encode()
    data = b64encode(content).decode()
    await author.tell("upload_file", path="up/loaded.ipynb", data=data)
    assert "[0]" in await author.tell("read_notebook", notebook="up/loaded.ipynb")
    model = await served.get("api/contents/up/loaded.ipynb")
    assert not model["content"]["cells"][0]["metadata"].get("trusted")
    junk = b64encode(b'{"cells": []}').decode()
    assert "no notebook" in await refusal(author, "upload_file", path="junk.ipynb", data=junk)


async def test_binary_files_go_both_ways(author: Agent, served: Server) -> None:
    data = b64encode(BINARY).decode()
    assert "256 bytes" in await author.tell("upload_file", path="up/all.bin", data=data)
    assert (served.root / "up/all.bin").read_bytes() == BINARY
    head, _, content = (await author.tell("download_file", path="up/all.bin")).partition("\n")
    assert head == "up/all.bin, base64" and b64decode(content) == BINARY
    answer = await refusal(author, "read_file", path="up/all.bin")
    assert "256 bytes" in answer and "download_file" in answer
    assert "no base64" in await refusal(author, "upload_file", path="x", data="?")
    assert "exists" in await refusal(author, "upload_file", path="up/all.bin", data=data)
    assert "is a directory" in await refusal(author, "download_file", path="up")
    assert "is a directory" in await refusal(
        author, "upload_file", path="up", data=data, overwrite=True
    )


async def test_sensitive_and_hidden_files_are_kept(author: Agent, served: Server) -> None:
    kept = served.root / "kept"
    kept.mkdir()
    for name in ("prod.env", "server.PEM", "id_rsa", "credentials.json"):
        (kept / name).write_text("secret")
    (kept / "plain.txt").symlink_to(kept / "id_rsa")
    (kept / ".hidden").write_text("hidden")
    for path in ("prod.env", "server.PEM", "id_rsa", "credentials.json", "plain.txt"):
        for tool in ("read_file", "download_file"):
            assert "is kept from agents" in await refusal(author, tool, path=f"kept/{path}")
    for path in ("kept/../.env", ".git/config", "a/.git/config", ".ssh/authorized_keys"):
        answer = await refusal(author, "write_file", path=path, content="x", overwrite=True)
        assert "is kept from agents" in answer
    assert "There is no file" in await refusal(author, "read_file", path="kept/.hidden")
    for path in ("kept/.other", "kept/.dir/file"):
        assert "hidden" in await refusal(author, "write_file", path=path, content="x")
        assert "hidden" in await refusal(author, "upload_file", path=path, data="eA==")
    assert "out of the server's root" in await refusal(author, "read_file", path="../x")
    assert sorted(p.name for p in kept.iterdir() if p.name.startswith(".")) == [".hidden"]


async def test_what_the_settings_allow_is_had(start_server: Callable[..., Any]) -> None:
    server = await start_server(
        *OPTIONS,
        "--MCPExtension.sensitive_files=[]",
        "--ContentsManager.allow_hidden=True",
        "--MCPExtension.max_upload_bytes=100",
        module="jupyter_server",
    )
    (server.root / "large.bin").write_bytes(BINARY)
    async with connect_agent(server.mcp_url, server.token) as agent:
        await agent.tell("write_file", path=".env", content="A=1\n")
        assert "A=1" in await agent.tell("read_file", path=".env")
        data = b64encode(BINARY).decode()
        for answer in (
            await refusal(agent, "upload_file", path="x.bin", data=data),
            await refusal(agent, "download_file", path="large.bin"),
        ):
            assert "256 bytes, and at most 100" in answer


async def test_a_server_for_reading_writes_no_files(start_server: Callable[..., Any]) -> None:
    server = await start_server(*OPTIONS, "--MCPExtension.read_only=True", module="jupyter_server")
    async with connect_agent(server.mcp_url, server.token) as agent:
        offered = {tool.name for tool in (await agent.client.list_tools()).tools}
    assert {"read_file", "download_file"} <= offered
    assert not {"write_file", "edit_file", "upload_file"} & offered


async def test_a_name_that_no_disk_takes_is_refused_and_leaves_nothing(
    served: Server, author: Agent
) -> None:
    before = sorted(served.root.rglob("*"))
    name = "n" * 300
    for tool, arguments in (
        ("write_file", {"path": f"{name}.txt", "content": "x"}),
        ("write_file", {"path": f"{name}/a.txt", "content": "x"}),
        ("upload_file", {"path": f"{name}.bin", "data": "eA=="}),
        ("open_notebook", {"notebook": f"{name}.ipynb", "create": True}),
    ):
        assert "name too long" in await refusal(author, tool, **arguments)
    assert sorted(served.root.rglob("*")) == before


async def test_a_link_that_leads_in_a_circle_is_refused(served: Server, author: Agent) -> None:
    for name in ("circle", "circle.ipynb"):
        (served.root / name).symlink_to(served.root / name)
    for tool, arguments in (
        ("read_file", {"path": "circle"}),
        ("write_file", {"path": "circle", "content": "x", "overwrite": True}),
        ("write_file", {"path": "circle/a.txt", "content": "x"}),
        ("edit_file", {"path": "circle", "old_text": "a", "new_text": "b"}),
        ("download_file", {"path": "circle"}),
        ("list_files", {"directory": "circle"}),
        ("open_notebook", {"notebook": "circle.ipynb", "create": True}),
        ("read_notebook", {"notebook": "circle.ipynb"}),
    ):
        answer = await refusal(author, tool, **arguments)
        assert "circle" in answer and "inside the Jupyter server" not in answer, (tool, answer)
    await author.tell("list_files")
    await author.tell("list_notebooks")
