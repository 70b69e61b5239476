"""The modules of the suite's plan ``fapi2-security-profile-final-test-plan``, each with its test and its mark.

A test says in its docstring which module it plays, and is named after it; ``test_table.py`` keeps both in step.
"""

import ast
from dataclasses import dataclass
from pathlib import Path

PREFIX = "fapi2-security-profile-final-"
PASS = "pass"
NOT_APPLICABLE = "not applicable"
NOT_MET = "not met"
FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Module:
    """A module of the suite. ``ending`` is what its test's name says beyond the module's, where it is not a pass."""

    name: str
    mark: str = PASS
    note: str = ""
    ending: str = ""

    @property
    def test(self) -> str:
        short = self.name.removeprefix(PREFIX).lower().replace("-", "_")
        return f"test_{short}{self.ending and '_' + self.ending}"


def _module(short: str, mark: str = PASS, note: str = "", ending: str = "") -> Module:
    return Module(PREFIX + short, mark, note, ending)


MODULES = (
    # Well-behaved clients
    _module("discovery-end-point-verification"),
    _module("happy-flow", note="the suite also looks at TLS, which ends at the proxy"),
    _module("user-rejects-authentication"),
    _module("ensure-authorization-request-without-state-success"),
    _module("ensure-authorization-request-without-nonce-success", note="OpenID Connect only"),
    _module("ensure-authorization-request-with-64-char-nonce-success", note="OpenID Connect only"),
    _module("ensure-other-scope-order-succeeds", note="OpenID Connect only"),
    _module(
        "test-claims-parameter-identity-claims",
        NOT_APPLICABLE,
        "no claims about persons are given out; the metadata says so, and the suite skips the module",
        "finds_no_claims_parameter",
    ),
    _module("access-token-type-header-case-sensitivity"),
    # DPoP
    _module("check-dpop-proof-nbf-exp"),
    _module("ensure-dpopproof-with-iat-10seconds-before-succeeds"),
    _module("ensure-dpopproof-with-iat-10seconds-after-succeeds"),
    _module("ensure-mismatched-dpop-jkt-fails"),
    _module("ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt"),
    _module("ensure-token-endpoint-fails-with-mismatched-dpop-jkt"),
    _module("ensure-dpopproof-at-par-endpoint-binding-success"),
    _module("ensure-dpop-auth-code-binding-success"),
    # What stands beside a pushed request, and lengths
    _module(
        "ensure-different-nonce-inside-and-outside-request-object", note="OpenID Connect only; what was pushed counts"
    ),
    _module("ensure-different-state-inside-and-outside-request-object", note="what was pushed counts"),
    _module("ensure-authorization-request-with-long-nonce", note="refused at PAR: 384 characters, 256 are taken"),
    _module("ensure-authorization-request-with-long-state", note="taken: 1,000 characters"),
    _module("state-only-outside-request-object-not-used", note="the outer one is ignored"),
    # Authorization requests that must fail
    _module("ensure-request-object-without-redirect-uri-fails", note="refused at PAR"),
    _module(
        "ensure-registered-redirect-uri",
        note="the suite runs it for other ecosystems than plain FAPI; here addresses are registered",
    ),
    _module("plain-fapi-tolerate-unregistered-redirect-uri", note="refused at PAR"),
    _module(
        "ensure-unsigned-authorization-request-without-using-par-fails", note="error page, nothing is sent anywhere"
    ),
    _module("ensure-redirect-uri-in-authorization-request", note="refused at PAR"),
    _module("ensure-response-type-code-idtoken-fails", note="refused at PAR"),
    _module("ensure-response-type-token-fails", note="refused at PAR"),
    # Token endpoint
    _module("ensure-client-id-in-token-endpoint"),
    _module("ensure-holder-of-key-required", note="the suite also looks at TLS, which ends at the proxy"),
    _module("ensure-authorization-code-is-bound-to-client"),
    _module("attempt-reuse-authorization-code-after-one-second", note="and everything that came of the code ends"),
    _module("ensure-token-endpoint-fails-with-expired-auth-code"),
    _module("ensure-signed-client-assertion-with-RS256-fails", note="private_key_jwt only, with an RSA key for PS256"),
    _module("ensure-client-assertion-in-token-endpoint", note="private_key_jwt only"),
    _module("ensure-client-assertion-with-exp-is-5-minutes-in-past-fails", note="private_key_jwt only"),
    _module("ensure-client-assertion-with-wrong-aud-fails", note="private_key_jwt only"),
    _module("ensure-client-assertion-with-no-sub-fails", note="private_key_jwt only"),
    _module("dpop-negative-tests"),
    _module("refresh-token", note="not rotated; bound to the client, not to one DPoP key"),
    # Open Banking UK
    _module(
        "ensure-server-handles-non-matching-intent-id",
        NOT_APPLICABLE,
        "Open Banking UK only: there are no intents here, and the claims parameter is ignored",
        "knows_no_intents",
    ),
    _module(
        "test-essential-acr-sca-claim",
        NOT_APPLICABLE,
        "Open Banking UK only: its acr is not one of ours; levels are asked for by acr_values",
        "asks_for_levels_by_acr_values",
    ),
    # PAR
    _module("par-ensure-reused-request-uri-prior-to-auth-completion-succeeds"),
    _module("par-attempt-reuse-request_uri", note="error page"),
    _module("par-attempt-to-use-expired-request_uri", note="error page"),
    _module("par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted", note="private_key_jwt only"),
    _module("par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails", note="private_key_jwt only"),
    _module("par-attempt-to-use-request_uri-for-different-client", note="error page"),
    _module("par-authorization-request-containing-request_uri-form-param"),
    _module("par-attempt-invalid-http-method"),
    # PKCE
    _module("par-ensure-pkce-required"),
    _module("ensure-pkce-code-verifier-required"),
    _module("incorrect-pkce-code-verifier-rejected"),
    _module("par-plain-pkce-rejected"),
    _module("par-without-duplicate-parameters"),
    # The audience of assertions
    _module("par-test-array-as-audience-fails", note="private_key_jwt only"),
    _module("par-test-par-endpoint-url-as-audience-fails", note="private_key_jwt only"),
    _module("par-test-token-endpoint-url-as-audience-fails", note="private_key_jwt only"),
)


def played() -> list[tuple[str, str, str]]:
    """List (module, file, function) of every test that says which module it plays."""
    return [
        (said, path.name, node.name)
        for path in sorted(FOLDER.glob("test_*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and (said := ast.get_docstring(node) or "").startswith(PREFIX)
    ]


def rows() -> list[tuple[str, str, str, str]]:
    """Write the table of docs/conformance.md: module, mark, test, note."""
    files = {function: file for _, file, function in played()}
    return [
        (f"`{module.name}`", module.mark, f"`tests/fapi2/{files[module.test]}::{module.test}`", module.note)
        for module in MODULES
    ]
