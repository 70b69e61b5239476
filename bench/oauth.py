"""The authorization server: each request against an empty route of ours, and beside oidc-provider on Node.

Level with oidc-provider means: with one that keeps what it has granted in PostgreSQL, as ours does.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from urllib.parse import urlencode

from bench.node import install_packages, node
from bench.oauth_seed import (
    REDIRECT,
    VERIFIER,
    SeededPartner,
    make_access_tokens,
    make_codes,
    make_refresh_tokens,
    sign_assertion,
    sign_proof,
    sow_beside,
    sow_partner,
)
from bench.report import Report, wide
from bench.rounds import ratio, take_turns
from bench.seed import sow
from bench.services import run_ours
from bench.stand import ROOT, Service, Stand, open_stand, run_program, send

_ROUNDS = 5
_MANY, _EMPTY = 400, 1500
_USES_OF_A_TOKEN = 5
"""A token lives for five minutes: one call of five pays for reading it."""
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_EMPTY_ROUTE = "empty route (GET /livez)"
_BESIDE, _IN_MEMORY = "oidc-provider, in PostgreSQL", "oidc-provider, in memory"
Make = Callable[[int], list[bytes]]
OfService = Callable[[Service], Make]


def run(report: Report) -> None:
    """Measure tokens, introspection, and a resource behind a bound token."""
    report.heading("The authorization server")
    with open_stand() as stand:
        seeded = sow(stand)
        partner = sow_partner(seeded)
        database = stand.postgres.url(stand.postgres.create_database()).replace("+psycopg", "")
        with (
            run_ours(stand, seeded) as ours,
            _run_beside(stand, partner, _BESIDE, database) as durable,
            _run_beside(stand, partner, _IN_MEMORY) as forgetful,
        ):
            for name, goal, own, theirs in _contests(partner):
                asked = {_BESIDE: _asking(durable, theirs(durable)), _IN_MEMORY: _asking(forgetful, theirs(forgetful))}
                _contest(report, name, goal, {"ours": _asking(ours, own), **asked, _EMPTY_ROUTE: _empty(ours)})
        seeded.runtime.close()


def _contests(partner: SeededPartner) -> Sequence[tuple[str, float | None, Make, OfService]]:
    codes, fresh, tokens = (partial(make, partner) for make in (make_codes, make_refresh_tokens, make_access_tokens))
    return (
        (
            "a code becomes tokens, client by private_key_jwt",
            None,
            lambda count: [_redeem(partner, "/oauth/token", code) for code in codes(count)],
            lambda beside: (
                lambda count: [_redeem(partner, "/token", code) for code in sow_beside(beside, "codes", count)]
            ),
        ),
        (
            "a refresh token becomes an access token, client by private_key_jwt",
            None,
            lambda count: [_refresh(partner, "/oauth/token", token) for token in fresh(count)],
            lambda beside: (
                lambda count: [_refresh(partner, "/token", token) for token in sow_beside(beside, "refresh", count)]
            ),
        ),
        (
            "introspection of an access token, client by private_key_jwt",
            None,
            lambda count: _introspections(partner, "/oauth/introspect", tokens(count // _USES_OF_A_TOKEN)),
            lambda beside: (
                lambda count: _introspections(
                    partner, "/token/introspection", sow_beside(beside, "opaque", count // _USES_OF_A_TOKEN)
                )
            ),
        ),
        (
            "a resource (userinfo) behind a bound token and its proof",
            3,
            lambda count: _calls(partner, "/oauth/userinfo", tokens(count // _USES_OF_A_TOKEN)),
            lambda beside: (
                lambda count: _calls(partner, "/me", sow_beside(beside, "opaque", count // _USES_OF_A_TOKEN))
            ),
        ),
    )


def _contest(
    report: Report,
    name: str,
    goal: float | None,
    contestants: Mapping[str, Callable[[], float]],
) -> None:
    costs = take_turns(contestants, _ROUNDS)
    report.note()
    report.costs(costs, name)
    in_empty_routes = ratio(costs, "ours", _EMPTY_ROUTE)
    if goal is None:
        report.note(f"- {name}: {wide(in_empty_routes)} empty routes")
        report.at_least(f"{name}, against {_BESIDE}", ratio(costs, _BESIDE, "ours"), 1)
    else:
        report.at_most(f"{name}, in empty routes", in_empty_routes.middle, goal, "empty routes")
        report.note(f"- {name}, against {_BESIDE}: {wide(ratio(costs, _BESIDE, 'ours'), '×')}")
    report.note(f"- {name}, against {_IN_MEMORY}: {wide(ratio(costs, _IN_MEMORY, 'ours'), '×')}")


def _asking(service: Service, make: Make) -> Callable[[], float]:
    return lambda: send(service, make(_MANY), status=200).service


def _empty(service: Service) -> Callable[[], float]:
    request = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1:8460\r\n\r\n"
    return lambda: send(service, [request] * _EMPTY, status=200).service


def _run_beside(
    stand: Stand, partner: SeededPartner, name: str, database: str | None = None
) -> AbstractContextManager[Service]:
    settings = stand.folder / f"{name}.json"
    settings.write_text(json.dumps(partner.settings() | {"database": database}))
    folder = ROOT / "bench" / "oidc_provider"
    modules = install_packages(folder)
    command = [node(), str(folder / "server.mjs"), "{port}", str(settings), str(modules)]
    return run_program(stand, name, command, {"NODE_ENV": "production", "NODE_NO_WARNINGS": "1"})


def _redeem(partner: SeededPartner, path: str, code: str) -> bytes:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
    return _post(partner, path, form, proven=True)


def _refresh(partner: SeededPartner, path: str, token: str) -> bytes:
    return _post(partner, path, {"grant_type": "refresh_token", "refresh_token": token}, proven=True)


def _introspections(partner: SeededPartner, path: str, tokens: Sequence[str]) -> list[bytes]:
    return [_post(partner, path, {"token": token}, proven=False) for token in _used(tokens)]


def _calls(partner: SeededPartner, path: str, tokens: Sequence[str]) -> list[bytes]:
    return [_call(partner, path, token) for token in _used(tokens)]


def _used(tokens: Sequence[str]) -> Iterator[str]:
    return itertools.chain.from_iterable(itertools.repeat(token, _USES_OF_A_TOKEN) for token in tokens)


def _post(partner: SeededPartner, path: str, form: dict[str, str], *, proven: bool) -> bytes:
    identity = {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": sign_assertion(partner)}
    body = urlencode({**form, **identity}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
    if proven:
        headers["DPoP"] = sign_proof(partner, "POST", path)
    return _request("POST", path, headers, body)


def _call(partner: SeededPartner, path: str, token: str) -> bytes:
    headers = {"Authorization": f"DPoP {token}", "DPoP": sign_proof(partner, "GET", path, token)}
    return _request("GET", path, headers, b"")


def _request(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1:8460",
        *(f"{name}: {text}" for name, text in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
