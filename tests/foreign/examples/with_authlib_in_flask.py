"""Authlib's Flask integration: a site with a secret."""

# docs: authlib, a Flask site
from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, session, url_for

# docs end


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
