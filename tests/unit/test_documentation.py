"""The documents say what the code does, wherever that can be compared."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from dicom_router.events import EVENT_TYPES
from dicom_router.log import Log
from dicom_router.settings import PREFIX, Settings
from tests.crash.steps import STEPS

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
# Read by the system and by docker-compose.yml, not by the router.
OTHERS_SETTINGS = {"TZ", "HTR_IP"}


def text_of(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def section(document: str, title: str) -> str:
    return text_of(document).split(f"\n## {title}\n")[1].split("\n## ")[0]


def variable(name: str, field: FieldInfo) -> str:
    return str(field.validation_alias or PREFIX + name.upper())


def shown(default: Any) -> str:
    """A default as the table has it."""
    value = default.get_secret_value() if isinstance(default, SecretStr) else default
    if value in ("", None, ()):
        return "unset"
    if isinstance(value, Path):
        return f"`./{value}`"
    if isinstance(value, tuple):
        return f"`{','.join(map(str, value))}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def declared_queues() -> Iterator[str]:
    """The names of all queues in the code, up to the first part that is not fixed."""
    for path in (ROOT / "dicom_router/queues.py", *ROOT.glob("services/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Queue":
                name = node.args[0]
                first = name.values[0] if isinstance(name, ast.JoinedStr) else name
                assert isinstance(first, ast.Constant)
                yield str(first.value)


def logged() -> set[str]:
    code = [*ROOT.glob("services/**/*.py"), *ROOT.glob("dicom_router/**/*.py")]
    return {name for path in code for name in re.findall(r"\bLog\.([A-Z_]+)\b", path.read_text())}


def targets() -> set[str]:
    return set(re.findall(r"^\.PHONY: (.+)$", text_of("Makefile"), re.MULTILINE))


def anchors(document: Path) -> set[str]:
    """The anchors of a document: of its headings as GitHub makes them, and those given by hand."""
    text = document.read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    given = re.findall(r'^<a id="([\w-]+)"></a>$', text, re.MULTILINE)
    return {heading.replace(" ", "-") for heading in kept} | set(given)


def test_readme_lists_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", section("README.md", "Settings"), re.MULTILINE)
    listed = {name: default for name, default in rows if name not in OTHERS_SETTINGS}
    assert len(rows) == len(listed) + len(OTHERS_SETTINGS)
    assert listed == {
        variable(name, field): shown(field.default) for name, field in Settings.model_fields.items()
    }


def test_compose_passes_on_only_settings_there_are() -> None:
    known = {variable(name, field) for name, field in Settings.model_fields.items()}
    passed = re.findall(r"\b((?:ROUTER|TARGET)_[A-Z_]+):", text_of("docker-compose.yml"))
    assert {name.removesuffix("_FILE") for name in passed} <= known


def test_operations_tells_of_every_queue() -> None:
    queues = set(declared_queues())
    assert "organizer.intake" in queues
    told = section("docs/operations.md", "Queues")
    assert not [name for name in queues if f"\n| `{name}" not in told]


def test_operations_names_the_log_lines_there_are_and_all_of_them() -> None:
    text = text_of("docs/operations.md")
    kinds = {name.partition(".")[0] for name in Log}
    names = set(re.findall(r"`([a-z-]+\.[a-z-]+)`", text))
    assert {name for name in names if name.partition(".")[0] in kinds} <= set(Log)
    in_use = {Log[name] for name in logged()}
    listed = set(re.findall(r"`([a-z.-]+)`", section("docs/operations.md", "Logs")))
    assert in_use <= listed


def test_integrators_tells_of_every_event() -> None:
    told = section("docs/integrators.md", "Events")
    assert not [kind.name for kind in EVENT_TYPES if f"`{kind.name}" not in told]


def test_reliability_tells_of_every_step_at_which_the_tests_crash() -> None:
    rows = re.findall(r"^\| \d+ \| `(.+?)` \|", section("docs/reliability.md", "The steps"), re.M)
    assert rows == list(STEPS)


def test_every_promise_names_a_test_there_is() -> None:
    promises = section("docs/reliability.md", "Promises").split("|---|---|\n")[1].splitlines()
    for promise in filter(None, promises):
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", promise)
        assert named, promise
        for path, name in named:
            assert f"\ndef {name}(" in text_of(path), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_make_lists_every_target() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {line.split()[1] for line in listed.stdout.splitlines()} == targets()


def test_documents_name_only_targets_there_are() -> None:
    named = {
        name
        for document in DOCUMENTS
        for name in re.findall(r"`make ([a-z]+)", document.read_text("utf-8"))
    }
    assert named <= targets()
