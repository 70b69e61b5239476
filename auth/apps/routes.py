"""The associations at their well-known addresses: JSON, 200, no redirect; both platforms want exactly that."""

from typing import cast

from flask import Blueprint, Response, current_app, request

from auth.apps.associations import Associations, PublishedAssociations
from auth.guard import Anyone, allow

blueprint = Blueprint("app_associations", __name__, url_prefix="/.well-known")

_PUBLISHED_SECONDS = 3600


@blueprint.get("/assetlinks.json")
@allow(Anyone)
def get_asset_links() -> Response:
    """Say which Android apps open which addresses (Digital Asset Links)."""
    return _published(_associations().android)


@blueprint.get("/apple-app-site-association")
@allow(Anyone)
def get_site_association() -> Response:
    """Say which apps on Apple's systems open which addresses (associated domains)."""
    return _published(_associations().apple)


def _associations() -> Associations:
    return cast("PublishedAssociations", current_app.extensions["auth.apps"])()


def _published(document: bytes) -> Response:
    response = Response(document, mimetype="application/json")
    response.headers["Cache-Control"] = f"public, max-age={_PUBLISHED_SECONDS}"
    response.add_etag()
    response.make_conditional(request)
    return response
