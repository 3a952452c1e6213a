"""The guides and the examples of frameworks run as they are written; without a framework, the error says what to install."""

import importlib.util
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

import private_me._bus

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FRAMEWORKS = {
    "autogen": ("autogen_core", "private-me-autogen[autogen]"),
    "ag2": ("ag2", "private-me-autogen[ag2]"),
    "agent_framework": ("agent_framework", "private-me-autogen[agent-framework]"),
}
GUIDES = {
    "autogen": (["autogen_core", "autogen_agentchat", "autogen_ext"], ["paid 7", "refused", "NOT_ALLOWED", "['user', 'writer', 'critic']"]),
    "ag2": (["ag2"], ["MALFORMED_MESSAGE", "True"]),
    "agent-framework": (["agent_framework"], ["pay alice", "REPLAYED", "NOT_ALLOWED"]),
}
EXAMPLES = {
    "autogen_processes": ("autogen_core", ["paid 7", "refused", "NOT_ALLOWED", "7 left the house"]),
    "ag2_hub": ("ag2", ["pay alice", "NOT_ALLOWED", "MALFORMED_MESSAGE", "NOT_ALLOWED"]),
    "agent_framework_peers": ("agent_framework", ["boss says: somebody says: pay alice", "REPLAYED", "NOT_ALLOWED", "INVALID_SIGNATURE"]),
}


def needs(*modules: str) -> None:
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install './python[autogen,ag2,agent-framework]'")


@pytest.mark.parametrize("name", GUIDES)
def test_the_programs_of_a_guide_run(name, capsys, monkeypatch):
    modules, printed = GUIDES[name]
    needs(*modules)
    guide = ROOT / "docs" / "guides" / f"{name}.md"
    if not guide.exists():
        pytest.skip("the guides are in the repository alone")
    monkeypatch.setattr(private_me._bus, "_default", None)
    logging.disable()
    try:
        for program in BLOCK.findall(guide.read_text()):
            exec(compile(program, str(guide), "exec"), {"__name__": "guide"})
    finally:
        logging.disable(logging.NOTSET)
    assert capsys.readouterr().out.splitlines() == printed


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name):
    module, printed = EXAMPLES[name]
    needs(module)
    program = ROOT / "examples" / "python" / f"{name}.py"
    if not program.exists():
        pytest.skip("the examples are in the repository alone")
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line[20:] for line in lines[:-1]] == printed and lines[-1] == "All as expected."


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_without_a_framework_the_error_says_what_to_install(name):
    framework, extra = FRAMEWORKS[name]
    program = f"import sys; sys.modules[{framework!r}] = None\nimport private_me\nimport private_me.{name}"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT / "python", capture_output=True, text=True)
    assert done.returncode == 1
    assert f"ImportError: private_me.{name} needs" in done.stderr and f"pip install '{extra}'" in done.stderr


def test_the_package_needs_no_framework():
    program = "import sys, private_me; print([each for each in sys.modules if each.partition('.')[0] in ('autogen_core', 'ag2', 'agent_framework')])"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT / "python", capture_output=True, text=True).stdout == "[]\n"
