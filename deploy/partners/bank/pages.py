"""The customer's app: pages for a phone, in Chinese, each with a second line in English where something went wrong."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, g, redirect, render_template, request
from flask.typing import ResponseReturnValue

from bank.acts import ISSUE, SIGN, UNCONFIRMED, Act, latest_act
from bank.authorization import JourneyRefused
from bank.calls import CardServiceRefused, CardServiceSilent
from bank.cards import has_unowned
from bank.customers import Customer, find_customer, list_customers
from bank.desk import Desk, LinkEnded, Look, NotLinked
from bank.links import find_link
from bank.news import list_news
from bank.picture import draw_code
from bank.sessions import SESSION_SECONDS, Session, begin_session, end_session, find_session
from bank.words import ERRORS, PURPOSES, RESULTS, STANDINGS, STATES, Words, say, say_error

COOKIE = "__Host-bank"
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'{target}; frame-ancestors 'none'; base-uri 'none'"
)
_SHANGHAI = timezone(timedelta(hours=8))
_USES = ("medical", "merchant", "identity")

pages = Blueprint("pages", __name__)


View = Callable[[Session, Customer], ResponseReturnValue]
"""What answers a request of a signed-in customer."""


def desk() -> Desk:
    """Give the bank's desk."""
    found: Desk = current_app.extensions["bank.desk"]
    return found


# ── Signing in ───────────────────────────────────────────────────────────────────────────────────────────────────


@pages.get("/sign-in")
def ask_who() -> ResponseReturnValue:
    """Show the customers whom one can be."""
    with desk().database.transaction() as connection:
        return _show("sign_in.html", customers=list_customers(connection), error=_error(request.args.get("error")))


@pages.post("/sign-in")
def sign_in() -> ResponseReturnValue:
    """Become one of the customers; there is no session yet, so what stands against foreign forms is the origin."""
    if not _is_own_form():
        return redirect("/sign-in?error=form_old", 303)
    with desk().database.transaction() as connection:
        customer = find_customer(connection, request.form.get("customer", ""))
        if customer is None:
            return redirect("/sign-in", 303)
        cookie = begin_session(connection, customer.number, desk().seconds)
    answer = redirect("/", 303)
    answer.set_cookie(COOKIE, cookie, max_age=SESSION_SECONDS, secure=True, httponly=True, samesite="Lax", path="/")
    return answer


def signed_in(view: View) -> Any:
    """Let a signed-in customer through; a form needs the session's own token besides."""

    @wraps(view)
    def guarded() -> ResponseReturnValue:
        now = desk().seconds
        with desk().database.transaction() as connection:
            session = find_session(connection, request.cookies.get(COOKIE, ""), now)
            customer = None if session is None else find_customer(connection, session.customer)
        if session is None or customer is None:
            return redirect("/sign-in", 303)
        g.form_token, g.customer = session.form_token, customer
        if request.method == "POST" and not (_is_own_form() and request.form.get("form_token") == session.form_token):
            return _show("told.html", status=400, error=say_error("form_old"))
        if not session.is_fresh(now) and request.path != "/sign-out":
            return redirect("/sign-in?error=sign_in_again", 303)
        return view(session, customer)

    return guarded


def _is_own_form() -> bool:
    """Tell whether a form was sent from a page of this app: browsers name the origin of every POST."""
    return request.headers.get("Origin") == request.host_url.rstrip("/")


@pages.post("/sign-out")
@signed_in
def sign_out(_session: Session, _customer: Customer) -> ResponseReturnValue:
    """End the session."""
    with desk().database.transaction() as connection:
        end_session(connection, request.cookies.get(COOKIE, ""))
    answer = redirect("/sign-in", 303)
    answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="Lax", path="/")
    return answer


# ── The bank, and the card in it ─────────────────────────────────────────────────────────────────────────────────


@pages.get("/")
@signed_in
def show_account(_session: Session, customer: Customer) -> ResponseReturnValue:
    """Show the account, and the way to the card."""
    return _show("account.html", customer=customer)


@pages.get("/card")
@signed_in
def show_card(session: Session, customer: Customer) -> ResponseReturnValue:
    """Show how the card stands in this app, and what can be done with it."""
    look = desk().look(session)
    with desk().database.transaction() as connection:
        act, link = latest_act(connection, customer.number), find_link(connection, customer.number)
        news = list_news(connection, link.subject)[:5] if link else []
        is_recovered = link is None and act is None and has_unowned(connection)
    told = RESULTS.get(request.args.get("result") or ("006" if look.is_changed else ""))
    error = _error(request.args.get("error")) or _error_of(look, act)
    notes = [say_error(code) for code in _notes(look, act, is_recovered=is_recovered)]
    return _show(
        "card.html",
        customer=customer,
        card=look.card,
        act=act,
        news=news,
        told=told,
        error=error,
        notes=notes,
        uses=_USES,
    )


def _notes(look: Look, act: Act | None, *, is_recovered: bool) -> list[str]:
    """Name what the customer has to know besides: an act without an answer, a silent card service, a lost database."""
    is_unanswered = act is not None and act.act != ISSUE and act.state == "open"
    all_of_them = {"unanswered": is_unanswered, "away": look.is_silent, "recovered": is_recovered}
    return [code for code, is_so in all_of_them.items() if is_so]


@pages.post("/card/<any(sign, check, pay, loss, end):act>")
def begin(act: str) -> ResponseReturnValue:
    """Lead the customer to the card service's login for an act."""
    return signed_in(lambda _session, customer: redirect(desk().begin_journey(customer.number, act), 303))()  # type: ignore[no-any-return]


@pages.get("/card/back")
@signed_in
def come_back(_session: Session, customer: Customer) -> ResponseReturnValue:
    """Take the customer back from there and do the act."""
    result = desk().finish_journey(customer.number, request.args.to_dict())
    return redirect(f"/card?result={result}", 303)


@pages.post("/card/issue")
@signed_in
def issue(_session: Session, customer: Customer) -> ResponseReturnValue:
    """Ask for an electronic card on the bank's own word."""
    desk().begin_issuance(customer)
    return redirect("/card", 303)


@pages.post("/card/code")
@signed_in
def show_code(session: Session, customer: Customer) -> ResponseReturnValue:
    """Show a fresh code, drawn here; the page asks for the next one before this one is over."""
    use = request.form.get("class", _USES[0])
    kind = "counter" if request.form.get("kind") == "counter" else "signed"
    code = desk().show_code(session, use if use in _USES else _USES[0], kind)
    picture = draw_code(code["code"])
    return _show("code.html", customer=customer, code=code, use=use, picture=picture)


@pages.get("/card/uses")
@signed_in
def show_uses(session: Session, customer: Customer) -> ResponseReturnValue:
    """Show where codes of this app were taken."""
    return _show("uses.html", customer=customer, uses=desk().list_uses(session))


# ── What went wrong ──────────────────────────────────────────────────────────────────────────────────────────────


@pages.errorhandler(CardServiceRefused)
def tell_refused(refused: CardServiceRefused) -> Response:
    """Say why the card service refused."""
    return _show("told.html", status=409, error=say_error(refused.code, refused.title))


@pages.errorhandler(CardServiceSilent)
def tell_silent(_silent: CardServiceSilent) -> Response:
    """Say that it does not answer."""
    return _show("told.html", status=503, error=say_error("silent"))


@pages.errorhandler(JourneyRefused)
def tell_journey(refused: JourneyRefused) -> Response:
    """Say what came of the login."""
    return _show("told.html", status=409, error=say_error(refused.code))


@pages.errorhandler(LinkEnded)
def tell_link_ended(_refused: LinkEnded) -> Response:
    """Say that the link has ended, and lead on to where it is made anew; the page goes there by itself."""
    try:
        onward = desk().begin_journey(g.customer.number, SIGN)
    except (CardServiceRefused, CardServiceSilent):
        return _show("told.html", status=409, error=say_error("not_linked"))
    return _show("onward.html", status=409, notes=[say_error("link_ended")], onward=onward)


@pages.errorhandler(NotLinked)
def tell_not_linked(_refused: NotLinked) -> Response:
    """Say that there is no card here."""
    return _show("told.html", status=409, error=say_error("not_linked"))


def _error(code: str | None) -> Words | None:
    return say_error(code) if code else None


def _error_of(look: Look, act: Act | None) -> Words | None:
    """Say why the act that was begun last came to nothing, where the customer has not been told in its course."""
    if act is None or act.state != "refused":
        return None
    is_untold = act.because == UNCONFIRMED or (act.act == ISSUE and look.card is None)
    return say_error(act.because or "") if is_untold else None


def _show(template: str, *, status: int = 200, **values: Any) -> Response:
    """Answer with a page that nobody keeps and no other site frames or feeds."""
    text = render_template(
        template,
        form_token=g.get("form_token", ""),
        say=say,
        states=STATES,
        standings=STANDINGS,
        purposes=PURPOSES,
        errors=ERRORS,
        yuan=_yuan,
        moment=_moment,
        seconds_to=_seconds_to,
        **{"error": None, "notes": [], **values},
    )
    answer = Response(text, status, mimetype="text/html")
    answer.headers["Content-Language"] = "zh-CN"
    answer.headers["Cache-Control"] = "no-store"
    return answer


def protect(answer: Response) -> Response:
    """Give every answer of the app its policies; forms may lead on to the card service's login alone."""
    parts = urlsplit(desk().service.authorization.partner.issuer)
    answer.headers["Content-Security-Policy"] = POLICY.format(target=f" {parts.scheme}://{parts.netloc}")
    # no-referrer would have browsers send "Origin: null" with the app's own forms
    answer.headers["Referrer-Policy"] = "same-origin"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return answer


def _yuan(fen: int) -> str:
    return f"{fen // 100:,}.{fen % 100:02}"


def _moment(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(_SHANGHAI).strftime("%m-%d %H:%M:%S")


def _seconds_to(text: str) -> int:
    return max(0, int((datetime.fromisoformat(text) - datetime.now(UTC)).total_seconds()))
