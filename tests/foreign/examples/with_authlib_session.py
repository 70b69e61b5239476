"""Authlib's session: a site that proves itself by a key in place of a secret."""

# docs: authlib, a site with a key
import secrets
import time

from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

# docs end


def connect_by_key(issuer, client_id, pem, redirect_uri, browse):
    """Log a holder in, and prove who asks by a key in place of a secret."""

    # docs: authlib, a site with a key
    class ForOneMinute(PrivateKeyJWT):
        """An assertion for the issuer that lives a minute: Authlib's own is for the endpoint and lives an hour."""

        def sign(self, auth, _token_endpoint):
            self.claims = {"exp": int(time.time()) + 60}
            return super().sign(auth, issuer)

    key = ECKey.import_key(pem)
    with OAuth2Session(
        client_id,
        key,
        scope="openid",
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
        token_endpoint_auth_method="private_key_jwt",
        revocation_endpoint_auth_method="private_key_jwt",
    ) as client:
        client.register_client_auth_method(ForOneMinute(alg="ES256"))
        verifier = secrets.token_urlsafe(48)
        address, state = client.create_authorization_url(f"{issuer}/oauth/authorize", code_verifier=verifier)
        callback = browse(address)  # where the holder's browser comes back to
        client.fetch_token(
            f"{issuer}/oauth/token", authorization_response=callback, state=state, code_verifier=verifier
        )
        holder = client.get(f"{issuer}/oauth/userinfo").json()  # sub: the holder's pseudonym at this site
        # docs end
        before = client.introspect_token(f"{issuer}/oauth/introspect", client.token["access_token"]).json()
        client.revoke_token(f"{issuer}/oauth/revoke", client.token["access_token"]).raise_for_status()
        after = client.introspect_token(f"{issuer}/oauth/introspect", client.token["access_token"]).json()
    return holder, before, after
