"""What the page of each step shows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any

from flask import Response
from markupsafe import Markup

from auth.login.desk import LoginDesk
from auth.login.finish import Step
from auth.login.logins import app_address, login_code
from auth.login.records import MOST_WRONG_NUMBERS
from auth.oauth.authorization_requests import AuthorizationRequest
from auth.oauth.clients import Client
from auth.oauth.scopes import OFFLINE, OPENID
from core.errors import Kind, Refusal
from qr.image import draw_svg
from web.login.dates import say_moment
from web.login.language import page_language
from web.login.page import show_page
from web.login.purposes import Visit
from web.login.texts import TEXTS, say
from web.problems import STATUS

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, in the language of the page, and the host that the browser goes on to."""

    name: str
    host: str


@dataclass(frozen=True, slots=True)
class Said:
    """What went wrong, in the language of the page; ``more`` are numbers and times that belong to it."""

    title: str
    next: str
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownScope:
    """A scope on the consent page; one that is required cannot be unticked."""

    name: str
    text: str
    required: bool


def show_step(
    desk: LoginDesk, step: Step, visit: Visit, *, form_token: str, again: str, refusal: Refusal | None = None
) -> Response:
    """Show the page of a step.

    Args:
        desk: of the login.
        step: what the login needs; of those that need the holder.
        visit: the login.
        form_token: for the forms of the page.
        again: where the holder begins anew once the login has ended.
        refusal: what became of the form that was sent last, if it was refused.
    """
    locales = _locales(visit)
    language, path = page_language(locales), f"/login/{visit.login.id}"
    template, values = _PAGES[step](desk, visit, language)
    status = STATUS[Kind.GONE] if step is Step.DENIED else 200
    return show_page(
        template,
        status=STATUS[refusal.kind] if refusal else status,
        here=path,
        locales=locales,
        goes_to=None if leaves_by_page(visit) or not visit.interaction else visit.interaction.request.redirect_uri,
        path=path,
        form_token=form_token,
        asked=_asked(visit, language),
        said=say_refusal(refusal, language) if refusal else None,
        again=again,
        **values,
    )


def show_onward(visit: Visit, address: str) -> Response:
    """Send the browser back to a client's site by a page, so that its way there does not count as that of a form."""
    locales = _locales(visit)
    asked = _asked(visit, page_language(locales))
    here = f"/login/{visit.login.id}"
    return show_page("login/onward.html", here=here, locales=locales, address=address, asked=asked)


def leaves_by_page(visit: Visit) -> bool:
    """Tell whether the way back to the client begins with a page of ours, not with a redirect.

    Chromium holds everything that follows a form to form-action, also where a client's own redirects lead: a site that
    leads its visitor on to its other host would never be reached. An app must be reached by the redirect: after a page
    of ours the system no longer knows that somebody has pressed a button.
    """
    return visit.interaction is None or visit.interaction.client.profile.stays_in_browser


def say_refusal(refusal: Refusal, language: str) -> Said:
    """Put a refusal into the language of the page."""
    titles = (refusal.title_zh, refusal.next_zh) if language == "zh" else (refusal.title_en, refusal.next_en)
    return Said(*titles, tuple(_more(refusal, language)))


def _more(refusal: Refusal, language: str) -> Iterator[str]:
    left, until = refusal.extra.get("tries_left"), refusal.extra.get("locked_until")
    if isinstance(left, int):
        yield say(language, "number.left", left=left)
    if isinstance(until, str):
        yield say(language, "raise.locked_until", moment=say_moment(language, datetime.fromisoformat(until)))


def _locales(visit: Visit) -> str | None:
    return visit.interaction.request.ui_locales if visit.interaction else None


def _asked(visit: Visit, language: str) -> Asked:
    described = visit.described
    return Asked(described.name_zh if language == "zh" else described.name_en, described.host)


def _show_waiting(desk: LoginDesk, visit: Visit, _language: str) -> tuple[str, Values]:
    address = app_address(desk, visit.login)
    seconds = max(0, ceil((visit.login.expires_at - desk.ground.clock()).total_seconds()))
    picture = Markup(draw_svg(address))  # noqa: S704 - digits and signs of our own drawing
    values = {"code": login_code(desk, visit.login), "app_address": address, "picture": picture}
    times = {"seconds": seconds, "minutes": ceil(seconds / 60)}
    return "login/waiting.html", {**values, **times, "seen": visit.login.state == "seen"}


def _show_number(_desk: LoginDesk, visit: Visit, _language: str) -> tuple[str, Values]:
    wrong = visit.login.wrong_numbers
    return "login/number.html", {"tries_left": MOST_WRONG_NUMBERS - wrong if wrong else None}


def _show_raise(_desk: LoginDesk, visit: Visit, language: str) -> tuple[str, Values]:
    return "login/raise.html", {"level": say(language, f"level.{visit.login.needed_level}")}


def _show_consent(_desk: LoginDesk, visit: Visit, language: str) -> tuple[str, Values]:
    assert visit.interaction is not None
    assert visit.login.acr is not None
    described, asked = visit.described, visit.interaction
    scopes = [
        ShownScope(scope.name, scope.zh if language == "zh" else scope.en, scope.name == OPENID)
        for scope in described.scopes
    ]
    duration = _duration(asked.client, asked.request, language)
    return "login/consent.html", {
        "scopes": scopes,
        "duration": duration,
        "level": say(language, f"level.{visit.login.acr}"),
    }


def _duration(client: Client, request: AuthorizationRequest, language: str) -> str:
    if OFFLINE in request.scopes and client.profile.refresh_days:
        return say(language, "consent.days", days=client.profile.refresh_days)
    if client.profile.consent_days:
        return say(language, "consent.remembered", days=client.profile.consent_days)
    return say(language, "consent.once")


def _show_ended(_desk: LoginDesk, visit: Visit, language: str) -> tuple[str, Values]:
    because = f"ended.{visit.login.ended_because}"
    return "login/ended.html", {"why": say(language, because if because in TEXTS else "ended.other")}


_PAGES: dict[Step, Callable[[LoginDesk, Visit, str], tuple[str, Values]]] = {
    Step.CODE: _show_waiting,
    Step.NUMBER: _show_number,
    Step.RAISE: _show_raise,
    Step.AGREE: _show_consent,
    Step.DENIED: _show_ended,
}
