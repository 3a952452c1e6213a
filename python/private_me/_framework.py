"""What belongs to a framework that is not there."""

from __future__ import annotations


def missing(module: str, package: str, extra: str, error: ImportError) -> ImportError:
    """What is raised where a framework, or a part of it, cannot be imported."""
    what = f"private_me.{module} needs {package}: pip install 'private-me-autogen[{extra}]' ({error})"
    return ImportError(what, name=error.name, path=error.path)
