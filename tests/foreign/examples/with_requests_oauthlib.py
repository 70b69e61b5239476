"""requests-oauthlib: a site with a secret, and an app without a key that keeps its tokens fresh."""

# docs: requests-oauthlib, a site
import secrets

from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

# docs end


def log_in(issuer, client_id, client_secret, redirect_uri, browse):
    """Learn who the holder is to this site."""
    # docs: requests-oauthlib, a site
    with OAuth2Session(client_id, scope=["openid"], redirect_uri=redirect_uri, pkce="S256") as session:
        address, _state = session.authorization_url(f"{issuer}/oauth/authorize", nonce=secrets.token_urlsafe())
        callback = browse(address)  # where the holder's browser comes back to
        basic = HTTPBasicAuth(client_id, client_secret)
        session.fetch_token(f"{issuer}/oauth/token", authorization_response=callback, auth=basic)
        userinfo = session.get(f"{issuer}/oauth/userinfo")
    holder = userinfo.json()  # sub: the holder's pseudonym at this site
    # docs end
    return {"sub": holder["sub"], "acr": holder["acr"]}


def connect_app(issuer, client_id, redirect_uri, scope, browse):
    """Get tokens as an app that was registered without DPoP, use and refresh them, and give them back."""
    # docs: requests-oauthlib, an app registered without DPoP
    token_endpoint, kept = f"{issuer}/oauth/token", {}
    with OAuth2Session(
        client_id,
        scope=scope,
        redirect_uri=redirect_uri,
        pkce="S256",
        auto_refresh_url=token_endpoint,
        auto_refresh_kwargs={"client_id": client_id},
        token_updater=kept.update,  # each refresh brings a new refresh token: keep it
    ) as session:
        address, _state = session.authorization_url(f"{issuer}/oauth/authorize")
        callback = browse(address)  # what the holder's browser hands to the app
        kept.update(session.fetch_token(token_endpoint, authorization_response=callback, include_client_id=True))
        session.get(f"{issuer}/oauth/userinfo").raise_for_status()
        # docs end
        first = dict(kept)
        session.token = {**kept, "expires_at": 1}  # as if five minutes had passed
        holder = session.get(f"{issuer}/oauth/userinfo").json()
    return first, kept, holder
