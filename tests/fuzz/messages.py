"""Messages that no kernel should send."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from .notebooks import bundles, texts_of_outputs, tracebacks
from .texts import deep, texts, values

counts = st.one_of(st.integers(0, 5), values)
display = st.fixed_dictionaries(
    {"data": bundles, "metadata": values},
    optional={
        "transient": st.one_of(
            values, st.fixed_dictionaries({"display_id": st.one_of(st.just("d"), values)})
        ),
        "execution_count": counts,
    },
)
CONTENTS: dict[str, st.SearchStrategy[Any]] = {
    "stream": st.fixed_dictionaries(
        {"name": st.one_of(st.just("stdout"), values), "text": texts_of_outputs}
    ),
    "display_data": display,
    "execute_result": display,
    "update_display_data": display,
    "error": st.fixed_dictionaries(
        {"ename": texts_of_outputs, "evalue": texts_of_outputs, "traceback": tracebacks}
    ),
    "clear_output": st.fixed_dictionaries({"wait": values}),
    "execute_input": st.fixed_dictionaries({"code": values, "execution_count": counts}),
    "status": st.fixed_dictionaries(
        {
            "execution_state": st.one_of(
                st.sampled_from(["busy", "idle", "starting", "dead"]), values
            )
        }
    ),
    "execute_reply": st.fixed_dictionaries(
        {"status": st.one_of(st.sampled_from(["ok", "error", "aborted", "what"]), values)},
        optional={
            "execution_count": counts,
            "user_expressions": st.one_of(
                values,
                st.fixed_dictionaries(
                    {
                        "variables": st.one_of(
                            values, st.fixed_dictionaries({"status": st.just("ok"), "data": values})
                        )
                    }
                ),
            ),
            "payload": st.one_of(
                values,
                st.lists(
                    st.fixed_dictionaries(
                        {"source": st.just("set_next_input"), "text": values, "replace": values}
                    )
                ),
                st.lists(values),
            ),
            "ename": values,
        },
    ),
    "kernel_info_reply": values,
    "input_request": st.fixed_dictionaries({"prompt": values, "password": values}),
    "comm_open": values,
    "comm_msg": values,
    "debug_event": values,
}
CHANNELS = {"execute_reply": "shell", "kernel_info_reply": "shell", "input_request": "stdin"}
RAW = [
    "",
    "{",
    "[1",
    "null",
    "1",
    '"x"',
    "[" * 50_000,
    '{"a":' * 20_000,
    "\0",
    '{"msg_id": "\\ud800"}',
    "NaN",
]


@st.composite
def messages(draw: Any) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(CONTENTS)))
    content = draw(CONTENTS[kind])
    twist = draw(st.integers(0, 19))
    message: dict[str, Any] = {
        "channel": CHANNELS.get(kind, "iopub"),
        "type": kind,
        "parent": draw(st.sampled_from(["own"] * 7 + ["foreign", "earlier", "none"])),
        "content": content,
    }
    if twist == 0:
        message["content"] = draw(values)
    elif twist == 1 and isinstance(content, dict) and content:
        del content[draw(st.sampled_from(sorted(content)))]
    elif twist == 2:
        message["raw"] = {str(draw(st.integers(0, 3))): draw(st.sampled_from(RAW))}
    elif twist == 3:
        message["signature"] = draw(st.sampled_from(["", "0" * 64, "x", "é"]))
    elif twist == 4:
        message["frames"] = draw(st.integers(0, 4))
    elif twist == 5:
        message["times"] = draw(st.sampled_from([2, 50, 500]))
    elif twist == 6:
        message["parent"] = draw(values)
    elif twist == 7:
        message["header"] = draw(
            st.dictionaries(st.sampled_from(["msg_id", "session", "msg_type"]), values)
        )
    elif twist == 8:
        message["channel"] = draw(st.sampled_from(["shell", "iopub", "stdin", "control"]))
    elif twist == 9:
        message["type"] = draw(st.one_of(texts, values))
    elif twist == 10:
        message["content"] = {"large": draw(st.sampled_from([10_000, 1_000_000, 5_000_000]))}
    elif twist == 11:
        message["buffers"] = draw(st.integers(1, 20))
    elif twist == 12:
        message["content"] = deep(900, "dict")
    return message


plans = st.fixed_dictionaries({"messages": st.lists(messages(), min_size=1, max_size=5)})
"""The code of a run of the hostile kernel, before it is JSON."""
