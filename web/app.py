"""The Flask application: packages' routes behind one guard, problems, request ids, limits."""

from importlib.metadata import version
from pathlib import Path

import flask_swagger_ui
from flask import Blueprint, Flask, Response, request, send_from_directory

import auth.login.routes
import channels.carriage.routes
import channels.doctor.routes
import channels.h5_entries.routes
import channels.issuance.routes
import channels.request_log.routes
import channels.routes
import channels.sandbox.routes
import channels.statements.routes
import ecard.routes
import physical.routes
import qr.routes
from auth.apps.routes import blueprint as app_associations
from auth.guard import Anyone, allow
from auth.login.purposes import DEVICE
from auth.oauth.routes import blueprint as oauth_server
from auth.routes import blueprint as oauth
from channels.sandbox.desk import SandboxDesk
from core.errors import Malformed, Missing
from ecard.levels import card_level
from web.device.purpose import DEVICE_PURPOSE
from web.device.routes import blueprint as device_pages
from web.edge import Edge
from web.health import blueprint as health
from web.login import refusals
from web.login.account import blueprint as account_pages
from web.login.page import prepare_templates
from web.login.purposes import PAGE_PURPOSES
from web.login.routes import blueprint as login_pages
from web.login.steps import LoginSteps
from web.openapi import describe, name_callers
from web.other_origins import let_other_origins_read
from web.problem_page import write_problem_page
from web.problems import install_problems
from web.request_log import log_requests_of_channels
from web.runtime import Runtime
from web.sandbox_faults import fail_on_purpose
from web.signed_answers import sign_answers_to_channels

_SWAGGER = Path(flask_swagger_ui.__file__).parent / "dist"
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self';"
    " frame-ancestors 'none'"
)

_PAGES = Path(__file__).parent / "pages"
_DOCS_FILES = {"docs.js": _PAGES, "problems.css": _PAGES, "swagger-ui.css": _SWAGGER, "swagger-ui-bundle.js": _SWAGGER}

docs = Blueprint("docs", __name__, url_prefix="/docs")


_API = (
    physical.routes.blueprint,
    physical.routes.terminals,
    ecard.routes.enrollments,
    ecard.routes.cards,
    auth.login.routes.requests,
    auth.login.routes.holdings,
    qr.routes.codes,
    qr.routes.redemptions,
    channels.routes.blueprint,
    channels.routes.own_channel,
    channels.routes.news,
    channels.routes.platform,
    channels.issuance.routes.blueprint,
    channels.doctor.routes.doctor,
    channels.sandbox.routes.sandbox,
    channels.request_log.routes.request_log,
    channels.statements.routes.statements,
    channels.carriage.routes.carried,
    channels.carriage.routes.carriages,
    channels.carriage.routes.of_card,
    channels.h5_entries.routes.blueprint,
)
"""What stands in the description of the API."""
_PLAIN = (oauth, oauth_server, app_associations, health, docs, login_pages, account_pages, device_pages)


def create_app(runtime: Runtime) -> Flask:
    """Make the application around a wired runtime."""
    app = Flask("ecard", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = runtime.ground.settings.body_limit
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.extensions.update(_extensions(runtime))
    prepare_templates(app.jinja_env)
    app.wsgi_app = Edge(app.wsgi_app)  # type: ignore[method-assign]
    app.before_request(_refuse_nul)
    let_other_origins_read(app)
    install_problems(app)
    sign_answers_to_channels(app)
    log_requests_of_channels(app)
    fail_on_purpose(app)  # last of the three: it goes first
    api = describe(app, version("ecard"))
    for blueprint in _API:
        api.register_blueprint(blueprint)
    for plain in _PLAIN:
        app.register_blueprint(plain)
    name_callers(app, api)
    return app


def _extensions(runtime: Runtime) -> dict[str, object]:
    """Hand each package the desk that its routes look for."""
    return {
        "core.ground": runtime.ground,
        "auth.gate": runtime.gate,
        "auth.card_level": card_level,
        "channels.desk": runtime.channels,
        "channels.carriage": runtime.carriage,
        "channels.issuance": runtime.issuance,
        "channels.sandbox": SandboxDesk(runtime.ground, runtime.login, runtime.passwords, runtime.carriage),
        "auth.error_pages": refusals,
        "auth.login": runtime.login,
        "auth.oauth": runtime.oauth,
        "auth.apps": runtime.apps,
        "ecard.desk": runtime.enrollment,
        "ecard.passwords": runtime.passwords,
        "channels.news": runtime.news,
        "qr.desk": runtime.codes,
        "qr.statements": runtime.statements,
        "web.login": LoginSteps(runtime.login, {**PAGE_PURPOSES, DEVICE: DEVICE_PURPOSE}),
        "web.runtime": runtime,
    }


@docs.get("/")
@allow(Anyone)
def get_docs() -> Response:
    """Show the API documentation from files of our own; nothing is fetched from anywhere else."""
    response = send_from_directory(_PAGES, "docs.html")
    response.headers["Content-Security-Policy"] = _DOCS_POLICY
    return response


@docs.get("/files/<name>")
@allow(Anyone)
def get_docs_file(name: str) -> Response:
    """Serve what the documentation page is made of, and nothing beside it."""
    if name not in _DOCS_FILES:
        raise Missing
    return send_from_directory(_DOCS_FILES[name], name)


@docs.get("/problems")
@allow(Anyone)
def get_problems() -> Response:
    """Show what each problem means and what to do; a problem's ``type`` points into this page."""
    return Response(write_problem_page(), mimetype="text/html", headers={"Content-Security-Policy": _DOCS_POLICY})


def _refuse_nul() -> None:
    if "\x00" in request.path or b"%00" in request.query_string:
        raise Malformed("NUL in the address")  # no text column keeps one
