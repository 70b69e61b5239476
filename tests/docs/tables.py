"""Tables in docs/ that are made from the code. `python -m tests.docs.tables` writes them anew."""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path
from types import ModuleType

from channels.doctor.mistakes import MISTAKES
from core.errors import Refusal
from core.settings import Settings
from ecard.schemas import _REASONS
from physical.chip.errors import ADVICE, ChipError
from sm.errors import SmError
from tests.docs.pages import ROOT, text_of
from tests.fapi2 import modules, requirements
from web.problems import _HTTP_TITLES, STATUS

PACKAGES = ("core", "auth", "physical", "ecard", "qr", "channels", "web", "sm", "cli")
NEEDS_A_READER = "physical.chip.pcsc"  # the one module that imports pyscard, which a server does not have
RUNS_AT_IMPORT = "cli.__main__"

_CERTIFICATE_CODE = re.compile(r'InvalidCertificate\(\s*"(\w+)",\s*"([^"]+)"')
_PLACE = re.compile(r"(<!-- (\w+): made by python -m tests\.docs\.tables -->\n).*?(<!-- end -->)", re.DOTALL)


ABANDONED = {
    "wrong_pin": "the PIN was wrong",
    "last_try_kept": "one try of the PIN was left, and it was not used",
    "pin_locked": "the chip has locked its PIN",
    "card_removed": "the card was taken away in the middle",
    "card_mute": "the card did not answer in time",
    "card_error": "the card refused a command; the reader shows which",
    "operator": "the operator or the holder stopped, or nobody presented a card",
}
"""What a reader may give as the reason of an abandoned enrollment."""

SETTINGS = {
    "environment": "production refuses whatever is for development only",
    "home": "folder of the embedded database, and of `keys` unless `ECARD_KEYSTORE_PATH` names another",
    "database_url": "`postgresql+psycopg://user:password@host/name`; without it an SQLite file below the home folder",
    "redis_url": "`redis://host:6379/0`; without it the database keeps the short memory",
    "issuer": "the service's address as phones and terminals see it: issuer of tokens, audience of proofs",
    "region": "GB/T 2260 code of the city; 99… exists nowhere and is refused in production",
    "listen_host": "address to listen on; TLS ends at the proxy in front",
    "listen_port": "port to listen on",
    "workers": "processes; one for each core",
    "threads": "threads of each process; each may hold a database connection",
    "keystore_secret": "opens the key store",
    "keystore_path": "the key store's folder; without it `keys` below the home folder",
    "sm2_provider": "`openssl`, or `gmssl` (slow, not for production); `sdf` has no adapter yet",
    "card_hsm": "host:port of the card HSM; without it, in development only, a soft one in the process",
    "card_hsm_link_key": "64 hex digits shared with the card HSM",
    "code_life_seconds": "how long a code lives",
    "address_requests_per_minute": "limit for each address (of IPv6: each /64) of phones without a token and of all"
    " at the OAuth endpoints; the phones of one operator share few addresses",
    "phone_requests_per_minute": "limit for each phone",
    "codes_per_minute": "limit of codes for each phone",
    "client_requests_per_minute": "limit at the OAuth endpoints for each client that has proven itself; apps prove"
    " nothing and are limited by address and holder",
    "client_failures_per_minute": "failed proofs of one client from one address after which that address has to wait",
    "holder_tokens_per_minute": "limit of token answers for each holder, over all clients",
    "holder_grants_per_minute": "limit of what each holder can allow, over all clients",
    "device_authorizations_per_minute": "limit for each address from which terminals ask to be enrolled",
    "terminals_per_institution_day": "terminals that an institution's operators may allow in 24 hours",
    "terminal_requests_per_minute": "limit for each terminal, in each worker process",
    "enrollment_seconds": "life of a terminal session and of the enrollment begun with it",
    "enrollments_per_terminal_day": "limit in 24 hours",
    "enrollments_per_card_day": "limit in 24 hours",
    "pin_failures_per_terminal_day": "wrong PINs in 24 hours after which a terminal enrolls nobody",
    "round_trip_ceiling_ms": "slowest INTERNAL AUTHENTICATE that still counts as a card in this reader",
    "max_devices": "phones that may carry one card; a further one ends the oldest",
    "logins_per_holder_hour": "logins that one holder may approve in an hour, with all cards and phones together",
    "wrong_login_codes_per_phone_hour": "login codes that were nobody's, in an hour, after which a phone is refused",
    "wrong_login_codes_per_address_hour": "the same for each address that phones call from",
    "examinations_per_minute": "signatures explained for one address, or one channel ([partners](partners.md))",
    "delivery_threads": "threads of each worker that post news to channels",
    "issuance_threads": "threads of each worker that ask banks and issue the cards they vouch for",
    "delivery_ports": "ports that an address for news may have, as a JSON list",
    "visit_minutes": "life of a visit token",
    "offline_upload_days": "how old an offline acceptance may be when it is handed in",
    "token_seconds": "life of an access token",
    "token_algorithm": "what signs tokens of clients and phones; `SGD_SM3_SM2` for a deployment of SM algorithms alone",
    "trusted_proxy": "address of the one proxy whose headers `ClientCert` and `ClientAddress` are believed; without it"
    " none is",
    "body_limit": "bytes of the largest request",
    "log_json": "JSON lines; false writes lines for people",
}
"""What each setting is for, in the operator's words."""


# ── What there is ────────────────────────────────────────────────────────────────────────────────────────────────


def import_the_product() -> list[ModuleType]:
    """Import every module of the product, so that every refusal is defined."""
    packages = [importlib.import_module(name) for name in PACKAGES]
    names = [
        module.name
        for package in packages
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if module.name not in {NEEDS_A_READER, RUNS_AT_IMPORT}
    ]
    return [*packages, *(importlib.import_module(name) for name in names)]


def errors_below(root: type) -> dict[str, type]:
    """Map the codes of a root's subclasses to them; of two with one code the lower package's counts."""
    import_the_product()
    ours = [error for error in below(root) if error.__module__.split(".")[0] in PACKAGES]
    by_layer = sorted(ours, key=lambda error: PACKAGES.index(error.__module__.split(".")[0]), reverse=True)
    return {error.code: error for error in sorted(by_layer, key=lambda error: error.code)}


def below(root: type) -> set[type]:
    return {deeper for child in root.__subclasses__() for deeper in {child, *below(child)}}


def certificate_codes() -> dict[str, str]:
    """Map the codes under which certificates are refused to what is said: they are given where it is raised."""
    texts = [text_of(path) for package in ("sm", "qr") for path in sorted((ROOT / package).rglob("*.py"))]
    found = sorted({said for text in texts for said in _CERTIFICATE_CODE.findall(text)})
    return {code: "; ".join(sentence for known, sentence in found if known == code) for code, _ in found}


# ── The tables ───────────────────────────────────────────────────────────────────────────────────────────────────


def problems() -> str:
    rows = [
        (
            anchored(code),
            STATUS[refusal.kind],
            in_both(refusal.title_zh, refusal.title_en),
            in_both(refusal.next_zh, refusal.next_en),
            f"`{refusal.__module__}.{refusal.__name__}`",
        )
        for code, refusal in errors_below(Refusal).items()
    ]
    return table(("code", "status", "what it says", "what to do", "defined as"), rows)


def http() -> str:
    taken = errors_below(Refusal)
    rows = [
        (f"`{code}`" if code in taken else anchored(code), status, in_both(zh, en))
        for status, (code, zh, en) in sorted(_HTTP_TITLES.items())
    ]
    return table(("code", "status", "what it says"), rows)


def abandoned() -> str:
    rows = [(anchored(f"abandoned_{reason}"), ABANDONED[reason]) for reason in _REASONS]
    return table(("code", "meaning"), rows)


def reader() -> str:
    rows = [
        (f"`{code}`", in_both(error.title.zh, error.title.en), in_both(*ADVICE[error.next_step]))
        for code, error in errors_below(ChipError).items()
    ]
    return table(("code", "what it says", "what to do"), rows)


def keys() -> str:
    rows = [(f"`{code}`", first_line(error)) for code, error in errors_below(SmError).items()]
    return table(("code", "meaning"), rows)


def certificates() -> str:
    rows = [(f"`{code}`", sentence) for code, sentence in certificate_codes().items()]
    return table(("code", "meaning"), rows)


def mistakes() -> str:
    return table(("code", "what is wrong"), [(f"`{code}`", in_both(one.zh, one.en)) for code, one in MISTAKES.items()])


def settings() -> str:
    rows = [
        (f"`ECARD_{name.upper()}`", default_of(name), limits_of(name), SETTINGS[name]) for name in Settings.model_fields
    ]
    return table(("variable", "default", "allowed", "what it is"), rows)


def fapi_modules() -> str:
    return table(("module", "mark", "test", "note"), modules.rows())


def fapi_requirements() -> str:
    return table(("section", "what is asked", "mark", "shown by", "note"), requirements.rows())


TABLES: dict[str, Callable[[], str]] = {
    "problems": problems,
    "http": http,
    "abandoned": abandoned,
    "reader": reader,
    "keys": keys,
    "certificates": certificates,
    "mistakes": mistakes,
    "settings": settings,
    "fapi_modules": fapi_modules,
    "fapi_requirements": fapi_requirements,
}


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = list(header)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def anchored(code: str) -> str:
    return f'<a id="{code}"></a>`{code}`'


def in_both(chinese: str, english: str) -> str:
    return f"{chinese}<br>{english}"


def first_line(error: type) -> str:
    return (error.__doc__ or "").strip().splitlines()[0]


def default_of(name: str) -> str:
    default = Settings.model_fields[name].get_default()
    if default is None:
        return "–"
    return f"`{getattr(default, 'value', default)}`"


def limits_of(name: str) -> str:
    field = Settings.model_fields[name]
    words = {"ge": "from {}", "le": "to {}", "multiple_of": "in steps of {}"}
    said = [
        words[attribute].format(getattr(rule, attribute))
        for rule in field.metadata
        for attribute in words
        if getattr(rule, attribute, None) is not None
    ]
    if isinstance(field.annotation, type) and issubclass(field.annotation, Enum):
        said.append(" or ".join(f"`{member.value}`" for member in field.annotation))
    said += [f"`{rule.pattern}`" for rule in field.metadata if getattr(rule, "pattern", None)]
    if "SecretStr" in str(field.annotation):
        said.append("a secret")
    return " ".join(said)


# ── Where they stand ─────────────────────────────────────────────────────────────────────────────────────────────


def places() -> dict[Path, str]:
    """Map each page that holds a made table to what it should say."""
    return {
        page: renewed(text_of(page)) for page in sorted((ROOT / "docs").rglob("*.md")) if _PLACE.search(text_of(page))
    }


def renewed(text: str) -> str:
    return _PLACE.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}\n{found[3]}", text)


def main() -> None:
    for page, text in places().items():
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
