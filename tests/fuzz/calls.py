"""JSON-RPC messages and tool calls, right and wrong; arguments follow the tools' own schemas."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY

from ..agent import HANDSHAKE, STATELESS, Era
from .texts import numbers, paths, special_texts, texts, values

NOTEBOOKS = ["plain.ipynb", "rich.ipynb"]
CELLS = ["0", "1", "-1", "all", "0-2", "first", "start", "end", "0,2", "second"]
CODES = [
    "1+1",
    "print('x' * 99)",
    "1/0",
    "x = 1",
    "",
    "%nope",
    "import sys; print('a', file=sys.stderr)",
]

KNOWN: Mapping[str, st.SearchStrategy[Any]] = {
    "notebook": st.sampled_from(NOTEBOOKS),
    "cell": st.sampled_from([*CELLS, 0, 1, -1]),
    "cells": st.sampled_from(CELLS),
    "after": st.sampled_from([*CELLS, 0]),
    "code": st.sampled_from(CODES),
    "source": st.one_of(st.sampled_from(CODES), texts),
    "kernel": st.sampled_from(["", "one", "nope"]),
    "path": st.one_of(st.sampled_from(["text.txt", "dir/new.txt", "new.txt"]), paths),
    "directory": st.sampled_from(["", "dir", "out"]),
    "execution": st.integers(0, 40).map("r{}".format),
    "old_text": st.sampled_from(["1", "x", "print", "\n"]),
    "environment": st.sampled_from(["python3", "nope", "dir"]),
    "wait_seconds": st.sampled_from([0, 0.05, 5, 0.5]),
}
"""What a call needs for getting anywhere."""

SLOW = {"restart_kernel", "shutdown_kernel", "start_kernel"}
"""What starts processes, and is called less often."""


@dataclass(frozen=True)
class Message:
    """A request as it goes over the wire. `tool` is what it calls, if anything."""

    body: bytes
    headers: Mapping[str, str | None] = field(default_factory=dict)
    era: Era = STATELESS
    method: str = "POST"
    tool: str = ""


def dump(value: Any) -> bytes:
    """JSON as Python has it: NaN and lone surrogates are let through."""
    return json.dumps(value).encode()


def of_schema(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """What fits a JSON schema of a tool's argument, or almost."""
    if "anyOf" in schema:
        return st.one_of([of_schema(each) for each in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "string": texts,
        "integer": st.integers(),
        "number": numbers,
        "boolean": st.booleans(),
    }
    return kinds.get(str(schema.get("type")), values)


@st.composite
def arguments(draw: Any, tool: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of one tool: most as it wants them, some of the right type, some of any."""
    properties = tool["inputSchema"].get("properties", {})
    required = tool["inputSchema"].get("required", [])
    given: dict[str, Any] = {}
    for name, schema in properties.items():
        if name not in required and draw(st.integers(0, 2)):
            continue
        known = KNOWN.get(name, of_schema(schema))
        kind = draw(st.integers(0, 9))
        if kind < 7:
            given[name] = draw(known)
        elif kind < 9:
            hostile = paths if name in ("notebook", "path", "directory") else of_schema(schema)
            given[name] = draw(hostile)
        else:
            given[name] = draw(values)
    mutation = draw(st.integers(0, 19))
    if mutation == 0 and given:
        del given[draw(st.sampled_from(sorted(given)))]
    elif mutation == 1:
        given[draw(texts)] = draw(values)
    if isinstance(given.get("wait_seconds"), float | int) and given["wait_seconds"] > 5:
        given["code"] = given["source"] = "1" if "code" in given or "source" in given else None
        given = {name: value for name, value in given.items() if value is not None}
    return given


@st.composite
def tool_calls(draw: Any, tools: Sequence[Mapping[str, Any]]) -> Message:
    tool = draw(st.sampled_from(tools))
    if tool["name"] in SLOW and draw(st.integers(0, 9)):
        tool = draw(st.sampled_from([each for each in tools if each["name"] not in SLOW]))
    given = draw(arguments(tool))
    return request(
        "tools/call", {"name": tool["name"], "arguments": given}, draw(eras), tool["name"]
    )


eras = st.sampled_from([HANDSHAKE, STATELESS])


def request(method: str, params: Any, era: Era, tool: str = "", number: Any = 1) -> Message:
    headers: dict[str, str | None] = {}
    if era == STATELESS:
        meta = {PROTOCOL_VERSION_META_KEY: era, CLIENT_CAPABILITIES_META_KEY: {}}
        if isinstance(params, dict):
            params = {"_meta": meta, **params}
        name = params.get("name", params.get("uri")) if isinstance(params, dict) else None
        headers = {"Mcp-Method": method, "Mcp-Name": name}
    body = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return Message(dump(body), {k: _header(v) for k, v in headers.items()}, era, "POST", tool)


def _header(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    kept = "".join(each for each in value if " " <= each < "\x7f").strip()
    return kept[:200] or None


METHODS = [
    *("initialize", "ping", "tools/list", "tools/call", "resources/list", "resources/read"),
    *("resources/templates/list", "resources/subscribe", "resources/unsubscribe"),
    *("completion/complete", "prompts/list", "prompts/get", "logging/setLevel", "server/discover"),
    *(
        "notifications/initialized",
        "notifications/cancelled",
        "notifications/progress",
        "roots/list",
    ),
    *("sampling/createMessage", "elicitation/create", "tasks/get", "", "__init__", "tools/call\0"),
]

uris = st.one_of(
    st.sampled_from(
        [
            "notebook:///plain.ipynb",
            "notebook:///plain.ipynb#first",
            "notebook:///rich.ipynb",
            "notebook:///",
        ]
    ),
    paths.map("notebook:///{}".format),
    st.tuples(paths, texts).map(lambda each: f"notebook:///{each[0]}#{each[1]}"),
    st.sampled_from(["file:///etc/passwd", "notebook:", "notebook:///%00", "notebook:///%ff#%fe"]),
    texts,
)
refs = st.one_of(
    st.sampled_from(
        [
            {"type": "ref/resource", "uri": "notebook:///{+path}"},
            {"type": "ref/resource", "uri": "notebook:///{+path}#{cell}"},
            {"type": "ref/prompt", "name": "x"},
        ]
    ),
    values,
)
completions = st.fixed_dictionaries(
    {
        "ref": refs,
        "argument": st.fixed_dictionaries(
            {"name": st.sampled_from(["path", "cell", "x"]), "value": paths}
        ),
    },
    optional={
        "context": st.fixed_dictionaries({"arguments": st.fixed_dictionaries({"path": paths})})
    },
)
all_params = st.one_of(
    values,
    st.fixed_dictionaries({"uri": uris}),
    st.fixed_dictionaries({"cursor": st.one_of(texts, values)}),
    st.fixed_dictionaries({"name": texts, "arguments": values}),
    completions,
    st.fixed_dictionaries({"requestId": values, "reason": texts}),
    st.fixed_dictionaries({"_meta": values}),
    st.fixed_dictionaries({"protocolVersion": texts, "capabilities": values, "clientInfo": values}),
)


@st.composite
def resource_calls(draw: Any) -> Message:
    """What reads resources and completes them, almost right."""
    era = draw(eras)
    method, params = draw(
        st.one_of(
            st.tuples(st.just("resources/read"), st.fixed_dictionaries({"uri": uris})),
            st.tuples(st.just("resources/list"), st.fixed_dictionaries({"cursor": texts})),
            st.tuples(st.just("completion/complete"), completions),
            st.tuples(st.just("resources/unsubscribe"), st.fixed_dictionaries({"uri": uris})),
        )
    )
    return request(method, params, era)


@st.composite
def rpc_messages(draw: Any) -> Message:
    """Anything but a proper tool call."""
    era = draw(eras)
    method = draw(st.one_of(st.sampled_from(METHODS), texts))
    message = request(method, draw(all_params), era, number=draw(st.one_of(st.integers(), values)))
    kind = draw(st.integers(0, 9))
    if kind < 5:
        return message
    body, headers = message.body, dict(message.headers)
    if kind == 5:
        body = draw(st.one_of(values.map(dump), st.binary(max_size=200), special_texts.map(_bytes)))
    elif kind == 6:
        cut = draw(st.integers(0, len(body)))
        body = body[:cut] + draw(st.binary(max_size=4)) + body[cut + draw(st.integers(0, 3)) :]
    elif kind == 7:
        name = draw(st.sampled_from(HEADERS))
        headers[name] = _header(
            draw(st.one_of(texts, st.sampled_from(["2024-11-05", "application/json"])))
        )
    elif kind == 8:
        body = draw(st.sampled_from(EXTREME))
    else:
        whole = json.loads(body)
        part = draw(st.sampled_from(["jsonrpc", "id", "method", "params"]))
        whole[part] = draw(values)
        body = dump(whole)
    return Message(body, headers, era, draw(st.sampled_from(["POST"] * 9 + ["PUT"])))


HEADERS = [
    "Mcp-Protocol-Version",
    "Mcp-Session-Id",
    "Accept",
    "Content-Type",
    "Mcp-Method",
    "Mcp-Name",
    "Origin",
]
EXTREME = [
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"[" * 900 + b"]" * 900,
    b'{"jsonrpc":"2.0","id":' + b"9" * 6_000 + b',"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_cell","arguments":'
    + b'{"a":' * 500
    + b"1"
    + b"}" * 502,
    b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping","method":"tools/list"}',
    b'{"jsonrpc":"2.0","id":1e400,"method":"ping"}',
    b"\xff\xfe{}",
    b"\xef\xbb\xbf" + b'{"jsonrpc":"2.0","id":1,"method":"ping"}',
    b'"' + b"a" * 1_000_000 + b'"',
    b" " * 1_000_000,
    b"[" + b"1," * 300_000 + b"1]",
    b"",
]
"""Bodies that cost a careless parser its stack, its memory or its time."""


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
