"""The machine on which something was measured, in a few lines."""

import platform
import ssl
from importlib.metadata import version
from pathlib import Path

_PACKAGES = (
    "cryptography", "fastapi", "flask", "flask-smorest", "gmssl", "granian", "gunicorn", "psycopg", "pyjwt", "qrcode",
    "redis", "sqlalchemy", "uvicorn", "zxing-cpp",
)  # fmt: skip


def describe_machine() -> list[str]:
    """Name processor, memory, system, interpreter and the packages that are measured."""
    memory = int(_field("/proc/meminfo", "MemTotal").split()[0]) / 2**20
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return [
        f"{_cores()} × {_field('/proc/cpuinfo', 'model name')}, {memory:.0f} GB, Linux {platform.release()}",
        f"Python {platform.python_version()}, {ssl.OPENSSL_VERSION}",
        packages,
    ]


def _cores() -> int:
    return sum(line.startswith("processor") for line in Path("/proc/cpuinfo").read_text().splitlines())


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "0 unknown"
