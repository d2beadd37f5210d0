"""The rules of the house that no linter knows: sizes, mirrored tests, opening words, printed tables."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

import qmq

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "server/qmq").rglob("*.py"))
SCRIPTS = [
    path for folder in ("closure", "js") for path in sorted((ROOT / folder).rglob("*.js")) if "dist" not in path.parts
]
MAX_LINES, MAX_FUNCTION = 500, 60

# Files with nothing to test but what their neighbours' tests test already.
WITHOUT_A_TEST = {
    "__main__.py",
    "client/__init__.py",
    "client/options.py",
    "wire/__init__.py",
    "core/__init__.py",
    "session/__init__.py",
    "gateway/__init__.py",
    "gateway/api/__init__.py",
}


def relative(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_source_file_is_short_and_says_what_it_is(path):
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    assert text.count("\n") <= MAX_LINES
    assert ast.get_docstring(tree)
    for item in ast.walk(tree):
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            assert item.end_lineno - item.lineno < MAX_FUNCTION, item.name


@pytest.mark.parametrize("path", SCRIPTS, ids=relative)
def test_a_script_is_short_and_says_what_it_is(path):
    text = path.read_text("utf-8")
    assert text.count("\n") <= MAX_LINES
    assert re.match(r"(#!.*\n)?(//|/\*)", text)


def test_every_source_file_has_its_test():
    names = {path.relative_to(ROOT / "server/qmq").as_posix() for path in SOURCES} - WITHOUT_A_TEST
    missing = {name for name in names if not (ROOT / "tests" / Path(name).parent / name_of_test(Path(name))).exists()}
    assert not missing


def name_of_test(path):
    return f"test_{path.stem.strip('_')}.py"


def test_public_names_are_those_listed():
    for name in qmq.__all__:
        assert getattr(qmq, name) is not None
    with pytest.raises(AttributeError):
        _ = qmq.nothing


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=relative)
def test_the_tables_in_the_documents_are_current(path):
    spec = importlib.util.spec_from_file_location("tables", ROOT / "docs/tables.py")
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    text = path.read_text("utf-8")
    assert tables.printed(text) == text, "run `make docs`"


@pytest.mark.parametrize("path", sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]), ids=relative)
def test_links_between_documents_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
        assert (path.parent / target).exists(), target
