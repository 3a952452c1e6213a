"""The programs of README.md and of the guide run as they are written."""

import ast
import asyncio
import re
import types
from pathlib import Path

import pytest
from brokers import Broker

import private_me._bus

HERE = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def own_bus(monkeypatch):
    monkeypatch.setattr(private_me._bus, "_default", None)


def test_the_programs_of_the_readme_run(capsys):
    text = "\n".join(BLOCK.findall((HERE / "README.md").read_text()))
    code = compile(text, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    async def run() -> None:
        await types.FunctionType(code, {"__name__": "readme"})()

    asyncio.run(run())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Result: about AI trends, for did:key:z6Mk")
    assert lines[1].startswith("Received: {'type': 'notification'")
    assert lines[2:] == ["True", "identity in 50 words", "D", "I", "D", "INVALID_INPUT"]


def test_the_programs_of_the_guide_run(capsys, monkeypatch, tmp_path):
    guide = HERE.parent / "docs" / "guides" / "python.md"
    if not guide.exists():
        pytest.skip("the guide is in the repository alone")
    broker = Broker()
    monkeypatch.setenv("NATS_URL", broker.url)
    monkeypatch.chdir(tmp_path)
    try:
        for program in BLOCK.findall(guide.read_text()):
            exec(compile(program, str(guide), "exec"), {"__name__": "guide"})
    finally:
        broker.end()
    assert capsys.readouterr().out.splitlines() == [
        "paid 7",
        "REVOKED",
        "hello",
        "about identity connected",
        "kept the sources are in",
        "['call accepted', 'call answered']",
        "4",
        "True",
    ]
