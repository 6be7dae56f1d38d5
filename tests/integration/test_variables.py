"""What agents see of a kernel's variables, and that asking leaves no trace."""

from __future__ import annotations

import pytest

from ..agent import Agent, text
from .test_executions import RUNS_ON

pytestmark = pytest.mark.anyio

SETUP = """
import math, collections
from os.path import join
import numpy as np
import pandas as pd

class Fussy:
    def __repr__(self):
        raise RuntimeError("asked")
    __len__ = __str__ = __repr__

def add(a: int, b=2):
    "Add two numbers."
    return a + b

number, words, fussy = 42, ["a", "b"], Fussy()
table = pd.DataFrame({"x": range(1000), "y": "z"})
array = np.arange(6.0).reshape(2, 3)
nested = {"fussy": fussy, "long": "x" * 1000}
exec = globals = "shadowed"
"""


@pytest.fixture
async def prepared(agent: Agent, notebook: str) -> str:
    assert "status: ok" in await agent.execute(notebook, SETUP)
    return notebook


async def test_variables_are_listed_with_what_they_are(agent: Agent, prepared: str) -> None:
    lines = (await agent.tell("list_variables", notebook=prepared)).splitlines()
    listed = {line.split()[1]: line for line in lines}
    assert set(listed) == {
        *("Fussy", "add", "number", "words", "fussy", "table", "array", "nested"),
        *("exec", "globals"),
    }
    assert listed["number"] == "| number  int  42"
    assert listed["words"] == "| words  list  len 2  ['a', 'b']"
    assert listed["add"] == "| add  function  (a: int, b=2)"
    assert listed["fussy"] == "| fussy  Fussy  <Fussy>"
    assert listed["array"] == "| array  numpy.ndarray  2x3"
    assert "DataFrame  1000x2" in listed["table"] and "kB" in listed["table"]
    assert len(listed["nested"]) < 120


async def test_a_pattern_chooses_variables(agent: Agent, prepared: str) -> None:
    answer = await agent.tell("list_variables", notebook=prepared, pattern="a*")
    assert [line.split()[1] for line in answer.splitlines()] == ["add", "array"]
    answer = await agent.tell("list_variables", notebook=prepared, pattern="nothing*")
    assert answer == "no variables"


async def test_a_variable_is_inspected(agent: Agent, prepared: str) -> None:
    async def inspected(name: str) -> str:
        return await agent.tell("inspect_variable", notebook=prepared, name=name)

    assert "(a: int, b=2)" in (function := await inspected("add"))
    assert "| Add two numbers." in function
    table = await inspected("table")
    assert "dtypes: x: int64" in table and "| 0  0  z" in table and "| 4  4  z" in table
    assert "min 0.0, max 5.0, mean 2.5" in await inspected("array")
    assert "<Fussy>" in await inspected("fussy")
    assert "Join" in await inspected("join")
    assert "(x, /)" in await inspected("math.sqrt")


@pytest.mark.parametrize("name", ["nothing", "number.nothing", "a b", "f()", ""])
async def test_what_is_no_variable_is_a_clear_error(agent: Agent, prepared: str, name: str) -> None:
    answer = await agent.call("inspect_variable", notebook=prepared, name=name)
    assert answer.is_error and repr(name) in text(answer)


async def test_asking_leaves_no_trace(agent: Agent, prepared: str) -> None:
    await agent.execute(prepared, "before = None")
    await agent.execute(prepared, "before = sorted(vars()), list(_ih)")
    await agent.tell("list_variables", notebook=prepared)
    await agent.tell("inspect_variable", notebook=prepared, name="table")
    answer = await agent.execute(prepared, "print((sorted(vars()), list(_ih)) == before)")
    assert "| True" in answer
    answer = await agent.tell("read_notebook", notebook=prepared)
    assert "In[" not in answer


async def test_variables_are_seen_while_a_cell_runs(agent: Agent, prepared: str) -> None:
    busy = await agent.run(prepared, RUNS_ON, wait_seconds=0.7)
    assert "status: running" in busy
    assert "| number  int  42" in await agent.tell("list_variables", notebook=prepared)
    assert "Add two" in await agent.tell("inspect_variable", notebook=prepared, name="add")
    await agent.tell("interrupt_kernel", notebook=prepared)
