"""Write the generated parts of the clients from the service's OpenAPI document: `make clients`.

Partners have these files and the hand-written ones beside them, nothing of ours. tests/clients/test_drift.py fails
where what is checked in is not what this writes.
"""

import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from clients.in_python import write_python
from clients.in_typescript import write_typescript
from clients.surface import read_surface
from core.settings import Settings
from physical.soft_hsm import create_root_keys
from sm.certificates.hierarchy import development_subjects
from sm.city_keys import create_city_keys
from sm.keystore import MemoryKeyStore
from sm.providers import open_provider
from web.app import create_app
from web.runtime import wire

FOLDER = Path(__file__).parent
_REGION = "330200"


def fetch_document() -> dict[str, Any]:
    """Start the service in this process, on keys and a database that nobody keeps, and ask it for its description."""
    with tempfile.TemporaryDirectory() as folder:
        provider, store = open_provider("openssl"), MemoryKeyStore("development")
        create_city_keys(store, provider, datetime.now(UTC), development_subjects(_REGION))
        create_root_keys(store)
        database = SecretStr(f"sqlite:///{folder}/ecard.sqlite3")
        settings = Settings(home=Path(folder), database_url=database, issuer="https://card.example", region=_REGION)
        runtime = wire(settings, store, provider)
        try:
            answer = create_app(runtime).test_client().get("/openapi.json")
            document: dict[str, Any] = answer.get_json()
        finally:
            runtime.ground.database.close()
    return document


def generated_files(document: Mapping[str, Any]) -> dict[str, str]:
    """Write the files, by their paths below this folder; the same document gives the same bytes."""
    surface = read_surface(document)
    return {**write_python(surface), **write_typescript(surface)}


def main() -> None:
    """Write the files where they are checked in."""
    for path, content in generated_files(fetch_document()).items():
        (FOLDER / path).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
