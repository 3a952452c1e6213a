"""The programs of README.md and of the guide run as they are written."""

import re
from pathlib import Path

import pytest
from authority import Workflow
from brokers import Broker

import private_me._bus

HERE = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def own_bus(monkeypatch):
    monkeypatch.setattr(private_me._bus, "_default", None)


def test_each_program_of_the_readme_runs_by_itself(capsys, monkeypatch):
    for program in BLOCK.findall((HERE / "README.md").read_text()):
        monkeypatch.setattr(private_me._bus, "_default", None)
        exec(compile(program, "README.md", "exec"), {"__name__": "readme"})
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
            for _ in range(2 if "open_audit_log" in program else 1):  # a log is gone on with
                exec(compile(program, str(guide), "exec"), {"__name__": "guide"})
    finally:
        broker.end()
    assert capsys.readouterr().out.splitlines() == [
        "paid 7",
        "REVOKED",
        "('invoice.read',) {'llm.tokens': 100000} True",
        "paid 200",
        "APPROVAL_REFUSED",
        "[0, 1, 2] [0, 1, 2]",
        "paid 50",
        "hello",
        "about identity connected",
        "kept the sources are in",
        "['call accepted', 'call answered']",
        "4",
        "['call accepted', 'call answered']",
        "8",
        "True",
        "{'price': 7} call result",
    ]


def test_the_program_of_the_guide_about_users_runs(capsys, monkeypatch):
    guide = HERE.parent / "docs" / "guides" / "agent-tokens.md"
    if not guide.exists():
        pytest.skip("the guide is in the repository alone")
    own = Workflow()
    known = {"XBIND_DIR": own.authority.dir, "AUTHORITY_URL": own.authority.url, "AUTHORITY_DID": own.authority.did}
    for name, value in {**known, "USER_TOKEN": own.users.token("alice")}.items():
        monkeypatch.setenv(name, str(value))
    try:
        [program] = BLOCK.findall(guide.read_text())
        exec(compile(program, str(guide), "exec"), {"__name__": "guide"})
    finally:
        own.end()
    assert capsys.readouterr().out.splitlines() == ["notes for alice", "SCOPE_DENIED"]
