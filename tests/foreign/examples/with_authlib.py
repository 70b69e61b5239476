"""Authlib's client side: a Flask site with a secret, and a session that proves itself by a key."""

import secrets
import time

from authlib.integrations.flask_client import OAuth
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from flask import Flask, redirect, session, url_for
from joserfc.jwk import ECKey


def make_site(issuer, client_id, client_secret):
    """Make a site with a page that only holders of a card see."""
    # docs: authlib, a Flask site
    app = Flask(__name__)
    app.secret_key = "draw your own"
    ecard = OAuth(app).register(
        "ecard",
        client_id=client_id,
        client_secret=client_secret,
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid", "code_challenge_method": "S256"},
        authorize_params={"acr_values": "L2"},
    )

    @app.get("/login")
    def log_in():
        return ecard.authorize_redirect(url_for("come_back", _external=True, _scheme="https"))

    @app.get("/cb")
    def come_back():
        token = ecard.authorize_access_token()
        session["holder"] = token["userinfo"]["sub"]  # the holder's pseudonym at this site
        session["acr"] = token["userinfo"]["acr"]  # how surely
        return redirect("/")

    # docs end

    @app.get("/")
    def show():
        return {"holder": session["holder"], "acr": session["acr"]}

    return app


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
