"""How every page of the holder is made: language, policy, headers. Other packages' pages are made here as well."""

from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Response, current_app, render_template, request
from jinja2 import StrictUndefined
from jinja2.environment import Environment

from web.login.files import page_files
from web.login.language import in_this_language, language_tag, page_language
from web.login.texts import LANGUAGES, say

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'{targets}; frame-ancestors 'none'; base-uri 'none'"
)


def show_page(
    template: str,
    *,
    status: int = 200,
    here: str | None = None,
    locales: str | None = None,
    goes_to: str | None = None,
    **values: Any,
) -> Response:
    """Answer with a page.

    Args:
        template: name below ``templates/``; it extends ``login/base.html``.
        status: of HTTP.
        here: the address at which a GET shows this page; where the switch of languages leads. Default: this request's.
        locales: ui_locales of the authorization request, if there is one.
        goes_to: address outside to which the answer to a form of this page may redirect; no other one can be reached.
        values: for the template.
    """
    language = page_language(locales)
    text = render_template(
        template,
        say=partial(say, language),
        language=language,
        tag=language_tag(language),
        languages=[other for other in LANGUAGES if other != language],
        tag_of=language_tag,
        switch=partial(_switched, here),
        link=in_this_language,
        files=page_files(),
        host=_issuer_host(),
        **values,
    )
    response = Response(text, status, mimetype="text/html")
    response.headers["Content-Language"] = language_tag(language)
    response.headers["Content-Security-Policy"] = page_policy(goes_to)
    # no-referrer would have browsers send "Origin: null" with our own forms
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Vary"] = "Accept-Language, Cookie"
    return response


def go_to(address: str) -> Response:
    """Send the browser on with a GET (RFC 9110 section 15.4.4)."""
    return Response(status=303, headers={"Location": address, "Referrer-Policy": "same-origin"})


def page_policy(goes_to: str | None = None) -> str:
    """Write the Content-Security-Policy of a page; Chromium holds redirects after a form to form-action as well."""
    return _POLICY.format(targets=f" {form_target(goes_to)}" if goes_to else "")


def form_target(address: str) -> str:
    """Name the origin of an address as a source of a policy; it knows no IPv6, so there the scheme has to do."""
    parts = urlsplit(address)
    return f"{parts.scheme}:" if "[" in parts.netloc else f"{parts.scheme}://{parts.netloc}"


def prepare_templates(environment: Environment) -> None:
    """Have a template fail that asks for what it was not given."""
    environment.undefined = StrictUndefined
    environment.trim_blocks = environment.lstrip_blocks = True


def _switched(here: str | None, language: str) -> str:
    """Give the address of the page that is shown in another language."""
    kept = [] if here else [(name, value) for name, value in request.args.items(multi=True) if name != "lang"]
    return f"{here or request.path}?{urlencode([*kept, ('lang', language)])}"


def _issuer_host() -> str:
    issuer: str = current_app.extensions["core.ground"].settings.issuer
    return urlsplit(issuer).netloc
