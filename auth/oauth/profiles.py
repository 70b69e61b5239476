"""Profiles as data: what each kind of client must do, in one table (docs/decisions/0010)."""

from dataclasses import dataclass

CODE = "authorization_code"
REFRESH = "refresh_token"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"

CODE_SECONDS = 60
"""FAPI 2.0 Security Profile section 5.3.2.1: at most 60 seconds."""
REQUEST_SECONDS = 90
"""Life of a pushed request until the browser brings it; FAPI 2.0 asks for less than 600 seconds."""
INTERACTION_SECONDS = 600
"""How long the holder may take to log in and agree."""
DEVICE_SECONDS = 600
"""Life of a device code and its user code, and then of the grant that the operator allowed (RFC 8628 section 3.2)."""
REUSE_GRACE_SECONDS = 10
"""How long a rotated refresh token may be sent again by an app that lost the answer."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The rules of one kind of client.

    Attributes:
        authentications: how such a client may prove itself (RFC 7591 names).
        pushed_only: authorization requests come through PAR.
        dpop: whether tokens of such a client must be bound to a key; False leaves it to the client.
        dpop_optional: whether a single client may be registered without ``dpop``.
        dpop_nonce: whether proofs at the token endpoint must carry a nonce of ours.
        stays_in_browser: whether redirects lead to a site, which may lead its visitor on; the system opens apps.
        loopback: whether redirects to 127.0.0.1 and [::1] are taken, on any port (RFC 8252 section 7.3).
        grants: the grant types of the token endpoint.
        refresh_days: life of a grant that is refreshed; 0 for none.
        consent_days: how long the holder's consent is remembered; 0 for asking each time.
    """

    name: str
    authentications: tuple[str, ...]
    pushed_only: bool
    dpop: bool
    dpop_optional: bool
    dpop_nonce: bool
    stays_in_browser: bool
    loopback: bool
    grants: frozenset[str]
    refresh_days: int
    consent_days: int = 0


PARTNER = Profile(
    name="partner",
    authentications=("private_key_jwt", "tls_client_auth"),
    pushed_only=True,
    dpop=True,
    dpop_optional=False,
    dpop_nonce=False,
    stays_in_browser=True,
    loopback=False,
    grants=frozenset({CODE, REFRESH, EXCHANGE}),
    refresh_days=180,
)
NATIVE = Profile(
    name="native",
    authentications=("none",),
    pushed_only=False,
    dpop=True,
    dpop_optional=True,
    dpop_nonce=True,
    stays_in_browser=False,
    loopback=True,
    grants=frozenset({CODE, REFRESH}),
    refresh_days=90,
)
TERMINAL = Profile(
    name="terminal",
    authentications=("private_key_jwt", "none"),  # docs/decisions/0014: no counter keeps its maker's key secret
    pushed_only=True,
    dpop=True,
    dpop_optional=False,
    dpop_nonce=False,
    stays_in_browser=True,
    loopback=False,
    grants=frozenset({DEVICE}),
    refresh_days=0,
)
RELYING_PARTY = Profile(
    name="relying_party",
    authentications=("private_key_jwt", "tls_client_auth", "client_secret_basic", "client_secret_post"),
    pushed_only=False,
    dpop=False,
    dpop_optional=True,
    dpop_nonce=False,
    stays_in_browser=True,
    loopback=False,
    grants=frozenset({CODE}),
    refresh_days=0,
    consent_days=90,
)
PROFILES = {profile.name: profile for profile in (PARTNER, NATIVE, TERMINAL, RELYING_PARTY)}
AUTHENTICATIONS = ("private_key_jwt", "tls_client_auth", "client_secret_basic", "client_secret_post", "none")
"""All there are, the strongest first."""
