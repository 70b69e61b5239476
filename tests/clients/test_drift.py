"""What is checked in is what the service's description gives, and partners need nothing of ours to use it."""

import ast
import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest

from clients.generate import FOLDER, fetch_document, generated_files
from clients.surface import read_surface
from tests.foreign.node import NODE

TYPESCRIPT = FOLDER / "typescript"
WALLET = FOLDER.parent / "deploy" / "partners" / "wallet"
PYTHON = FOLDER / "python" / "ecard_client"
FROM_THE_REGISTRY = {"asn1crypto", "cryptography", "gmssl", "httpx", "jwt", "ecard_client"}
SET_UP = "run deploy/bootstrap.sh test: it installs Node and the packages of clients/typescript"


@pytest.fixture(scope="module")
def document():
    return fetch_document()


def test_the_generated_files_are_those_of_the_description(document):
    drifted = [
        path
        for path, content in generated_files(document).items()
        if (FOLDER / path).read_text(encoding="utf-8") != content
    ]
    assert drifted == [], "the description has changed: run `make clients` and look at the difference"


def test_a_changed_description_is_noticed(document):
    before, changed = generated_files(document), deepcopy(document)  # other tests of the file read the same document
    changed["paths"]["/v1/channel"]["get"]["summary"] += " And more."
    after = generated_files(changed)
    assert {path for path in before if before[path] != after[path]} == {
        "python/ecard_client/operations.py",
        "typescript/src/operations.ts",
    }


def test_the_calls_are_those_of_partners_alone(document):
    calls = {(one.group, one.path) for one in read_surface(document).operations}
    assert ("Channel", "/v1/news") in calls
    assert ("OAuth", "/oauth/token") in calls
    assert not [path for _group, path in calls if path.startswith(("/v1/cards", "/v1/redemptions", "/v1/terminal"))]


def test_the_python_client_needs_packages_of_the_registry_alone():
    imported = {
        name.split(".")[0]
        for path in PYTHON.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in names_of(node)
    }
    assert imported - sys.stdlib_module_names == FROM_THE_REGISTRY


def names_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


@pytest.mark.parametrize("folder", [TYPESCRIPT, WALLET], ids=lambda folder: folder.name)
def test_the_types_of_typescript_hold(folder: Path):
    compiler = TYPESCRIPT / "node_modules" / "typescript" / "bin" / "tsc"
    if not (NODE.exists() and compiler.exists()):
        pytest.fail(SET_UP, pytrace=False)
    checked = subprocess.run([NODE, compiler, "--noEmit", "-p", folder], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_locks_of_npm_name_no_address():
    for lock in FOLDER.parent.rglob("package-lock.json"):
        if "node_modules" not in lock.parts:
            packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
            assert [name for name, package in packages.items() if "://" in package.get("resolved", "")] == [], lock
