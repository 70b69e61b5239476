"""What the server says of itself: RFC 8414, OpenID Connect Discovery, RFC 9728, and its keys."""

from typing import Any

from auth.device_tokens import GRANT as DEVICE_KEY_GRANT
from auth.oauth.desk import OAuthDesk
from auth.oauth.jws import CLIENT_ALGORITHMS
from auth.oauth.profiles import AUTHENTICATIONS, CODE, DEVICE, EXCHANGE, REFRESH
from auth.oauth.scopes import LEVELS, SCOPES
from sm.token_keys import PUBLISHED_LIFE

DPOP_ALGORITHMS = ("ES256",)
"""Keys in the secure hardware of phones are on P-256."""
GRANTS = (CODE, REFRESH, DEVICE, EXCHANGE, DEVICE_KEY_GRANT)
PUBLISHED_SECONDS = int(PUBLISHED_LIFE.total_seconds())
"""How long others may keep what is published here, the keys among it."""
RESOURCE_METADATA = "/.well-known/oauth-protected-resource"


def server_metadata(desk: OAuthDesk) -> dict[str, Any]:
    """Write the metadata that both well-known addresses answer with."""
    issuer = desk.issuer
    confidential = [method for method in AUTHENTICATIONS if method != "none"]
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "pushed_authorization_request_endpoint": f"{issuer}/oauth/par",
        "device_authorization_endpoint": f"{issuer}/oauth/device_authorization",
        "token_endpoint": f"{issuer}/oauth/token",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "userinfo_endpoint": f"{issuer}/oauth/userinfo",
        "jwks_uri": f"{issuer}/oauth/jwks",
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANTS),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": list(AUTHENTICATIONS),
        "token_endpoint_auth_signing_alg_values_supported": list(CLIENT_ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": list(CLIENT_ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": list(AUTHENTICATIONS),
        "revocation_endpoint_auth_signing_alg_values_supported": list(CLIENT_ALGORITHMS),
        "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
        "authorization_response_iss_parameter_supported": True,
        "require_pushed_authorization_requests": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "claims_parameter_supported": False,
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": [desk.ground.settings.token_algorithm],
        "acr_values_supported": list(LEVELS),
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash"],
        "prompt_values_supported": ["none", "login", "consent"],
        "ui_locales_supported": ["zh-CN", "en"],
        "service_documentation": f"{issuer}/docs/",
    }


def resource_metadata(desk: OAuthDesk) -> dict[str, Any]:
    """Write what a client of /v1 needs to know (RFC 9728 section 2)."""
    return {
        "resource": desk.api,
        "authorization_servers": [desk.issuer],
        "scopes_supported": list(SCOPES),
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
        "resource_documentation": f"{desk.issuer}/docs/",
    }


def key_set(desk: OAuthDesk) -> dict[str, Any]:
    """Write the keys that verify tokens, the next one and the retired one among them."""
    return {"keys": desk.token_keys().published(desk.ground.clock())}
