"""Rules about the code base itself that neither the linter nor the import contracts can express."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ["auth", "channels", "cli", "core", "ecard", "migrations", "physical", "qr", "sm", "web"]
LAYERS = [name for name in PACKAGES if name != "migrations"]
LONGEST_FILE = 400  # lines

# Folders that hold no text of ours.
NOT_OURS = {".git", ".venv", "build", "var", "__pycache__", "node_modules"}

# Process entry points that must read the environment before any settings exist: path → why.
MAY_READ_ENVIRONMENT = {
    "core/settings.py": "the one place that reads the settings",
    "cli/story/stage.py": "hands its own environment on to the processes it starts",
}

WEB_LIBRARIES = {"flask", "flask_smorest", "marshmallow"}


# ── What is in the tree ──────────────────────────────────────────────────────────────────────────────────────────


def product_files() -> list[Path]:
    """Every Python file that is installed."""
    packages = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    return sorted([*packages, *ROOT.glob("wsgi.py")])


def files_of_the_tests() -> list[Path]:
    return sorted((ROOT / "tests").rglob("*.py"))


@functools.cache
def texts() -> dict[str, str]:
    """Return path and text of every text file of the project."""
    ours = (path for path in ROOT.rglob("*") if path.is_file() and not is_made_by_tools(path.relative_to(ROOT)))
    contents = {name_of(path): path.read_bytes() for path in ours}
    return {name: content.decode(errors="replace") for name, content in contents.items() if b"\0" not in content}


def is_made_by_tools(relative: Path) -> bool:
    return any(part in NOT_OURS or part.endswith(("_cache", ".egg-info", ".hypothesis")) for part in relative.parts)


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported_by(path: Path) -> Iterator[str]:
    """Yield the full names of the modules that a file imports."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def names_in(path: Path) -> Iterator[str]:
    """Yield every name and attribute that a file mentions, with `a.b` for an attribute of a plain name."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
            if isinstance(node.value, ast.Name):
                yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.alias):
            yield node.name


def calls_in(path: Path) -> Iterator[str]:
    """Yield the names of the plain functions that a file calls."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


# ── How it is written ────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_imported_for_the_type_checker_alone():
    hidden = "TYPE_" + "CHECKING"
    assert [name_of(path) for path in product_files() if hidden in names_in(path)] == []


def test_the_product_does_not_print():
    assert [name_of(path) for path in product_files() if "print" in calls_in(path)] == []


def test_no_secret_can_come_from_the_random_module():
    assert [name_of(path) for path in product_files() if "random" in imported_by(path)] == []


def test_only_the_settings_read_the_environment():
    found = {name_of(path) for path in product_files() if reads_environment(path)}
    assert found - set(MAY_READ_ENVIRONMENT) == set()


def reads_environment(path: Path) -> bool:
    whole = {"os.environ", "os.environb", "os.getenv", "os.getenvb"}
    from_os = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.ImportFrom) and node.module == "os"]
    parts = {f"os.{alias.name}" for node in from_os for alias in node.names}
    return bool(whole & (parts | set(names_in(path))))


def test_files_are_short_enough_to_be_read_at_once():
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in product_files()}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_modules_are_named_for_an_act_or_a_thing():
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "service", "services", "manager", "managers"}
    assert [name_of(path) for path in product_files() if vague & {path.stem, path.parent.name}] == []


def test_no_test_is_left_out():
    left_out = {"pytest.skip", "skipif", "skip", "xfail", "importorskip"}
    assert [name_of(path) for path in files_of_the_tests() if left_out & set(names_in(path))] == []


# ── Who knows whom ───────────────────────────────────────────────────────────────────────────────────────────────


def test_only_routes_schemas_the_guard_and_web_know_the_web_framework():
    found = [path for path in product_files() if WEB_LIBRARIES & {name.split(".")[0] for name in imported_by(path)}]
    assert [name_of(path) for path in found if not may_know_the_web(path.relative_to(ROOT))] == []


def may_know_the_web(path: Path) -> bool:
    is_edge = {"routes", "schemas"} & {path.stem, *path.parent.parts}
    guard = {Path("auth") / name for name in ("arrived.py", "guard.py", "blueprints.py", "repeated_requests.py")}
    return bool(is_edge) or path.parts[0] == "web" or path in guard


def test_only_the_command_line_knows_the_entry_point_of_the_web_server():
    assert [name_of(path) for path in product_files() if "wsgi" in imported_by(path) and path.parts[-2] != "cli"] == []


@functools.cache
def imports() -> grimp.ImportGraph:
    present = [name for name in LAYERS if any((ROOT / name).glob("*.py"))]
    return grimp.build_graph(*present, include_external_packages=True, cache_dir=None)


@pytest.mark.parametrize("forbidden", ["smartcard", "physical.chip.pcsc"])
def test_the_issuer_s_side_of_physical_never_reaches_the_reader(forbidden):
    issuer_side = {name for name in imports().modules if is_in(name, "physical") and not is_in(name, "physical.chip")}
    assert [chain for name in sorted(issuer_side) if (chain := chain_between(name, forbidden))] == []


def test_the_chip_side_imports_nothing_of_ours_but_sm():
    found = {
        f"{importer} imports {imported}"
        for importer in imports().modules
        if is_in(importer, "physical.chip")
        for imported in imports().find_modules_directly_imported_by(importer)
        if imported.split(".")[0] in LAYERS and not is_in(imported, "physical.chip") and not is_in(imported, "sm")
    }
    assert found == set()


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def chain_between(importer: str, imported: str) -> tuple[str, ...] | None:
    return imports().find_shortest_chain(importer, imported) if imported in imports().modules else None


# ── What must not stand in it ────────────────────────────────────────────────────────────────────────────────────

# Put together here, so that this file does not hold what it looks for.
REGISTRIES = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.", "registry" + ".yarn"]
INDEX_OPTIONS = ["--index" + "-url", "--extra-index" + "-url", "--find" + "-links"]
PLACES_OF_ONE_MACHINE = ["/ro" + "ot/", "/ho" + "me/", "/wo" + "rk/", "/opt/whe" + "els", "/opt/py" + "pi"]


@pytest.mark.parametrize("unwanted", [*REGISTRIES, *INDEX_OPTIONS, *PLACES_OF_ONE_MACHINE])
def test_the_project_names_no_registry_and_no_place_of_one_machine(unwanted):
    assert [path for path, text in texts().items() if unwanted in text] == []


def test_the_lock_names_no_address():
    assert "://" not in (ROOT / "requirements" / "lock.txt").read_text(encoding="utf-8")
