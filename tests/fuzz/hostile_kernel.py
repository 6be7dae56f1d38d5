"""A kernel that sends what it is told: the code of a run is a list of messages, as JSON.

Run it with `python hostile_kernel.py <connection file>`. It keeps to the protocol but for that, so
that the next run may begin.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import zmq
from jupyter_client.session import Session

INFO = {
    "status": "ok",
    "protocol_version": "5.3",
    "implementation": "hostile",
    "implementation_version": "1",
    "language_info": {"name": "python", "version": "3", "mimetype": "", "file_extension": ".py"},
    "banner": "",
}


class HostileKernel:
    def __init__(self, connection: dict[str, Any]) -> None:
        self.session = Session(
            key=connection["key"].encode(), signature_scheme=connection["signature_scheme"]
        )
        context = zmq.Context()
        self.sockets: dict[str, Any] = {}
        kinds = {"shell": zmq.ROUTER, "control": zmq.ROUTER, "stdin": zmq.ROUTER, "iopub": zmq.PUB}
        for name, kind in kinds.items():
            self.sockets[name] = context.socket(kind)
            self.sockets[name].linger = 0
            self._bind(self.sockets[name], connection, f"{name}_port")
        heartbeat = context.socket(zmq.REP)
        self._bind(heartbeat, connection, "hb_port")
        self.heartbeat = heartbeat
        self.earlier: list[dict[str, Any]] = []
        self.count = 0

    def _bind(self, socket: Any, connection: dict[str, Any], port: str) -> None:
        socket.bind(f"{connection['transport']}://{connection['ip']}:{connection[port]}")

    def run(self) -> None:
        poller = zmq.Poller()
        for socket in (self.sockets["shell"], self.sockets["control"], self.heartbeat):
            poller.register(socket, zmq.POLLIN)
        while True:
            for socket, _ in poller.poll():
                if socket is self.heartbeat:
                    socket.send(socket.recv())
                    continue
                channel = "shell" if socket is self.sockets["shell"] else "control"
                ident, request = self.session.recv(socket, 0)
                if request["header"]["msg_type"] == "shutdown_request":
                    self.session.send(
                        socket, "shutdown_reply", {"status": "ok"}, request, ident=ident
                    )
                    return
                self.answer(channel, ident, request)

    def answer(self, channel: str, ident: list[bytes], request: dict[str, Any]) -> None:
        kind = request["header"]["msg_type"]
        self._status("busy", request)
        if kind == "kernel_info_request":
            self.session.send(
                self.sockets[channel], "kernel_info_reply", INFO, request, ident=ident
            )
        elif kind == "execute_request":
            self._execute(ident, request)
        elif kind != "interrupt_request":
            reply = kind.replace("_request", "_reply")
            self.session.send(self.sockets[channel], reply, {"status": "ok"}, request, ident=ident)
        self._status("idle", request)

    def _status(self, state: str, request: dict[str, Any]) -> None:
        content = {"execution_state": state}
        self.session.send(self.sockets["iopub"], "status", content, request, ident=b"status")

    def _execute(self, ident: list[bytes], request: dict[str, Any]) -> None:
        self.count += 1
        code = request["content"]["code"]
        plan: dict[str, Any] = {"messages": []}
        if code.startswith("{"):
            plan = json.loads(code)
        content = {"code": code[:20], "execution_count": self.count}
        self.session.send(self.sockets["iopub"], "execute_input", content, request, ident=b"input")
        for message in plan["messages"]:
            self._send(message, ident, request)
        if plan.get("replies", True):
            reply = {"status": "ok", "execution_count": self.count, "user_expressions": {}}
            self.session.send(self.sockets["shell"], "execute_reply", reply, request, ident=ident)
        self.earlier = [*self.earlier[-3:], request["header"]]

    def _send(self, message: dict[str, Any], ident: list[bytes], request: dict[str, Any]) -> None:
        parents = {
            "own": request["header"],
            "foreign": {**request["header"], "msg_id": "foreign", "session": "foreign"},
            "earlier": self.earlier[0] if self.earlier else {},
            "none": {},
        }
        header = self.session.msg_header(
            message["type"] if isinstance(message["type"], str) else "x"
        )
        header |= {"msg_type": message["type"]} | message.get("header", {})
        given = message["parent"]
        parent = parents.get(given, given) if isinstance(given, str) else given
        parts = [
            _pack(part)
            for part in (header, parent, message.get("metadata", {}), message["content"])
        ]
        for position, text in message.get("raw", {}).items():
            parts[int(position)] = text.encode(errors="surrogatepass")
        frames = [self.session.sign(parts), *parts]
        if message.get("signature") is not None:
            frames[0] = message["signature"].encode(errors="replace")
        frames = frames[: message.get("frames", 5)] + [b"buffer"] * message.get("buffers", 0)
        channel = message["channel"]
        to = ident if channel != "iopub" else [b"topic"]
        for _ in range(message.get("times", 1)):
            self.sockets[channel].send_multipart([*to, b"<IDS|MSG>", *frames])


def _pack(value: Any) -> bytes:
    if isinstance(value, dict) and set(value) == {"large"}:
        return json.dumps({"name": "stdout", "text": "x" * value["large"]}).encode()
    return json.dumps(value, default=str).encode()


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        kernel = HostileKernel(json.load(file))
    kernel.run()
