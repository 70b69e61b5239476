"""What each page of the operator shows."""

from functools import partial
from typing import Any

from flask import Response

from auth.institution_operators import Appointment
from auth.oauth.device_approval import AskingTerminal
from auth.oauth.forms import Form
from core.errors import Refusal
from physical.register import BEIJING
from web.device.texts import tell
from web.login.language import page_language
from web.login.page import show_page
from web.login.show import say_refusal
from web.problems import STATUS


def show_start(*, form_token: str, code: str | None) -> Response:
    """Show the page before the login; ``code`` is that of a complete address, in the one spelling that it can have."""
    return _show("device/start.html", here="/device", form_token=form_token, code=code)


def show_code_field(*, path: str, form_token: str, link: bool, refusal: Refusal | None) -> Response:
    """Ask for the code; ``link``: the login came with one under which nobody waits."""
    return _show("device/code.html", here=path, path=path, form_token=form_token, link_is_dead=link, refusal=refusal)


def show_places(*, path: str, places: list[Appointment], refusal: Refusal | None) -> Response:
    """Ask for which of his institutions the operator acts."""
    return _show("device/places.html", here=path, path=path, places=places, refusal=refusal)


def show_asking(
    *,
    path: str,
    form_token: str,
    asking: AskingTerminal,
    place: Appointment,
    several: bool,
    same: bool,
    form: Form | None,
    refusal: Refusal | None,
) -> Response:
    """Show who asks, and ask what the terminal is.

    Args:
        path: of the login's page.
        form_token: for the forms of the page.
        asking: who asks.
        place: the institution for which the operator acts; ``several`` if he has more.
        several: see ``place``.
        same: whether terminal and browser call from the same address.
        form: what the operator sent before, to be shown again.
        refusal: why it was refused.
    """
    language = page_language()
    return _show(
        "device/asking.html",
        here=path,
        path=path,
        form_token=form_token,
        asking=asking,
        software=asking.name_zh if language == "zh" else asking.name_en,
        asked_at=f"{asking.begun_at.astimezone(BEIJING):%H:%M:%S}",
        place=place,
        several=several,
        same=same,
        given=_given_again(form),
        refusal=refusal,
    )


def show_end(answer: str) -> Response:
    """Say what becomes of the terminal: ``allowed`` or ``refused``."""
    return _show("device/end.html", here=f"/device/{answer}", answer={"allowed": "done"}.get(answer, answer))


def _show(template: str, *, here: str, refusal: Refusal | None = None, **values: Any) -> Response:
    language = page_language()
    response = show_page(
        template,
        status=STATUS[refusal.kind] if refusal else 200,
        here=here,
        tell=partial(tell, language),
        said=say_refusal(refusal, language) if refusal else None,
        **values,
    )
    if refusal and refusal.retry_after:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _given_again(form: Form | None) -> dict[str, str]:
    """Give what was typed before; boxes stay as they were, the one that says "I have compared" does not."""
    kept = {name: values[0] for name, values in form.given.items()} if form else {}
    return {name: value for name, value in kept.items() if name in {"name", "site"} or name.startswith("purpose.")}
