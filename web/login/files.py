"""The style sheet, the script and the icon of the pages: named after their content, so that browsers may keep them."""

from functools import cache
from hashlib import sha256
from pathlib import Path

_FOLDER = Path(__file__).parent / "files"
_KINDS = {"pages.css": "text/css", "pages.js": "text/javascript", "icon.svg": "image/svg+xml"}


@cache
def page_files() -> dict[str, str]:
    """Give the address of each file by its plain name."""
    return {plain: f"/login/files/{named}" for named, (plain, _) in _contents().items()}


def find_page_file(given: str) -> tuple[bytes, str] | None:
    """Find a file by the last part of its address: content and type."""
    found = _contents().get(given)
    return (found[1], _KINDS[found[0]]) if found else None


@cache
def _contents() -> dict[str, tuple[str, bytes]]:
    contents = {plain: (_FOLDER / plain).read_bytes() for plain in _KINDS}
    return {_named(plain, content): (plain, content) for plain, content in contents.items()}


def _named(plain: str, content: bytes) -> str:
    stem, _, suffix = plain.rpartition(".")
    return f"{stem}.{sha256(content).hexdigest()[:16]}.{suffix}"
