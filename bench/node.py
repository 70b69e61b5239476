"""Node and its packages, for the service beside which the authorization server is measured."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from bench.stand import ROOT


def node() -> str:
    """Find Node; raises ``RuntimeError`` that says what to do."""
    return _find("node")


def install_packages(folder: Path) -> Path:
    """Install what ``package-lock.json`` in a folder names below ``build/`` and return where; once for each lock."""
    lock = (folder / "package-lock.json").read_bytes()
    place = ROOT / "build" / "node" / f"{folder.name}-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not (place / "installed").exists():
        place.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(folder / name, place / name)
        subprocess.run([_find("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=place, check=True)
        (place / "installed").touch()
    return place


def _find(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise RuntimeError(f"{program} is not there: install Node 20 or newer, or measure without the part `oauth`")
    return found
