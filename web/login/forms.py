"""Forms of the pages: only a page that this browser was shown can send one (CSRF)."""

from base64 import urlsafe_b64encode
from hmac import compare_digest

from flask import request

from auth.oauth.desk import OAuthDesk
from auth.oauth.errors import InvalidRequestError
from auth.oauth.forms import Form, read_form
from web.login.errors import FormForeign

FORM_TOKEN = "form_token"  # noqa: S105 - the name of a field
_KIND = "page-form"
_OUR_SITE = frozenset({"same-origin", "none"})
"""What Sec-Fetch-Site says of our own pages, and of somebody who reloads one (Fetch Metadata section 2.4)."""


def form_token(desk: OAuthDesk, secret: str, subject: str) -> str:
    """Make the token of a form: it follows from the browser's cookie and from what the form is about."""
    return urlsafe_b64encode(desk.stored.derive(_KIND, f"{subject}\x00{secret}")).rstrip(b"=").decode()


def read_own_form(desk: OAuthDesk, secret: str, subject: str) -> Form:
    """Read the form of this request; raises ``FormForeign``, also for what our pages do not write like this.

    Args:
        desk: makes the token again.
        secret: the browser's cookie, "" where it sent none.
        subject: what the form is about, e.g. the id of a login.
    """
    _require_our_site(desk)
    try:
        form = read_form(request.content_type, request.get_data())
    except InvalidRequestError:
        raise FormForeign from None
    given = form.get(FORM_TOKEN) or ""
    if not secret or not compare_digest(given.encode(), form_token(desk, secret, subject).encode()):
        raise FormForeign
    return form


def _require_our_site(desk: OAuthDesk) -> None:
    """Refuse what the browser itself says comes from elsewhere; browsers that say nothing have the token alone."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if (site is not None and site not in _OUR_SITE) or (origin is not None and origin != desk.issuer):
        raise FormForeign
