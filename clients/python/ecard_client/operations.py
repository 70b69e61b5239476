"""The calls, one class for each kind of caller.

Written by `make clients` from the service's description, version 0.1.0; do not edit.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol, cast
from urllib.parse import quote

from ecard_client import types as t


class Sender(Protocol):
    """What carries a call: it signs, retries, and turns refusals into errors."""

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        is_form: bool = False,
        idempotency_key: str | None = None,
    ) -> Any:
        """Send one call and give back the JSON of its answer."""



class ChannelCalls:
    """Calls that your channel signs (ESSC-SM2-SM3); the answers are verified."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def get_bank_issuances(self, *, out_request_no: str) -> t.Issuance:
        """Find a request by your own number: what to do when the answer to it was lost.

        Scope: issue.
        """
        return cast("t.Issuance", self._sender.send("GET", "/v1/bank-issuances", query={"out_request_no": out_request_no}))

    def post_bank_issuances(self, body: t.Ask, *, idempotency_key: str | None = None) -> t.Asked:
        """Ask for a customer's card: your own bank port is asked whether you vouch for it, then it is issued.

        The answer is the same whoever it is about. What came of it: ask again here, or wait for the news
        `issuance.finished`. An issued card is carried in your app at once: go on by token exchange. After
        five tries in vain for a person within 24 hours, in whatever channels, no more are taken.

        Scope: issue.
        """
        return cast("t.Asked", self._sender.send("POST", "/v1/bank-issuances", body=body, idempotency_key=idempotency_key))

    def get_bank_issuance(self, issuance: str) -> t.Issuance:
        """See what has come of a request; another channel's looks as if it were not there.

        Scope: issue.
        """
        return cast("t.Issuance", self._sender.send("GET", f"/v1/bank-issuances/{quote(issuance, safe='')}"))

    def get_carriages(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
        state: Literal["active", "suspended", "revoked"] | None = None,
    ) -> t.Carriages:
        """List the cards that your app carries or has carried, the first one first.

        Scope: carriage.
        """
        return cast("t.Carriages", self._sender.send("GET", "/v1/carriages", query={"after": after, "limit": limit, "state": state}))

    def get_carriage(self, carriage: str) -> t.Carriage:
        """See how a card stands in your app.

        Scope: carriage.
        """
        return cast("t.Carriage", self._sender.send("GET", f"/v1/carriages/{quote(carriage, safe='')}"))

    def post_carriage_end(self, carriage: str, body: t.Act, *, idempotency_key: str | None = None) -> t.Ended:
        """Take a card out of your app, its holder being no customer of yours any more; result 003.

        Scope: carriage.
        """
        return cast("t.Ended", self._sender.send("POST", f"/v1/carriages/{quote(carriage, safe='')}/end", body=body, idempotency_key=idempotency_key))

    def post_carriage_resume(self, carriage: str, *, idempotency_key: str | None = None) -> t.Carriage:
        """Let a card go on that you have paused.

        Scope: carriage.
        """
        return cast("t.Carriage", self._sender.send("POST", f"/v1/carriages/{quote(carriage, safe='')}/resume", idempotency_key=idempotency_key))

    def post_carriage_suspend(
        self,
        carriage: str,
        body: t.Suspend,
        *,
        idempotency_key: str | None = None,
    ) -> t.Carriage:
        """Pause a card in your app: codes that it shows die at once. Elsewhere the card stays as it is.

        Scope: carriage.
        """
        return cast("t.Carriage", self._sender.send("POST", f"/v1/carriages/{quote(carriage, safe='')}/suspend", body=body, idempotency_key=idempotency_key))

    def get_channel(self) -> t.OwnChannel:
        """See what the register says of the caller: how it stands, what it may do, and when its certificates
        end.
        """
        return cast("t.OwnChannel", self._sender.send("GET", "/v1/channel"))

    def get_channel_requests(self, *, after: str | None = None, limit: int | None = None) -> t.LoggedRequests:
        """List your requests of the last seven days, the newest first; those alone whose signature was right."""
        return cast("t.LoggedRequests", self._sender.send("GET", "/v1/channel/requests", query={"after": after, "limit": limit}))

    def get_channel_request(self, request: str) -> t.LoggedRequest:
        """Look one request up by the X-Request-Id of its answer."""
        return cast("t.LoggedRequest", self._sender.send("GET", f"/v1/channel/requests/{quote(request, safe='')}"))

    def post_channel_signature_examinations(self, body: t.ClaimedRequest) -> t.Examination:
        """Have one of your own requests examined, in any standing: sign this one as you can, put the other into
        it.
        """
        return cast("t.Examination", self._sender.send("POST", "/v1/channel/signature-examinations", body=body))

    def get_channel_statement(self, day: str, *, part: int | None = None) -> t.GetChannelStatementAnswer:
        """Fetch what happened in your app on one day, as a file (T+1).

        First the codes that were taken, then what became of the cards that your app carries, under the ids of the
        news.
        A day goes from midnight to midnight in Shanghai, is closed at 00:15 of the next one and made soon
        afterwards, which
        the news `statement.ready` tells. Fetched again it has the same bytes. Parts one after the other are the
        file.

        Scope: statements.
        """
        return cast("t.GetChannelStatementAnswer", self._sender.send("GET", f"/v1/channel/statements/{quote(day, safe='')}", query={"part": part}))

    def get_channel_statement_signature(self, day: str) -> t.GetChannelStatementSignatureAnswer:
        """Fetch the detached SM2 signature over all bytes of that file, the same each time; keep it as it comes.

        Scope: statements.
        """
        return cast("t.GetChannelStatementSignatureAnswer", self._sender.send("GET", f"/v1/channel/statements/{quote(day, safe='')}/signature"))

    def post_h5_entries(self, body: t.H5Entry, *, idempotency_key: str | None = None) -> t.OpenedH5Entry:
        """Ask for the address of a page on which the holder logs in and allows what it takes to sign, show,
        report or end.

        It is a pushed authorization request of your own client: the holder comes back to it with `code`, `state`
        and `iss`;
        redeem the code with your verifier and the key of `dpop_jkt`, then do the act under /v1/carriages or
        /v1/carriage.
        Nothing about the holder is taken in: holders prove themselves. In the sandbox they are made up.

        Scope: carriage.
        """
        return cast("t.OpenedH5Entry", self._sender.send("POST", "/v1/h5-entries", body=body, idempotency_key=idempotency_key))

    def get_news(self, *, after: int | None = None, limit: int | None = None) -> t.NewsPage:
        """Read your news in its own order, behind a position; who lost everything begins at 0 and ends in our
        state.

        Go on with `after` = `next` until `more` is false. Nothing ever turns up behind a position that was read.
        Keep the highest `sequence` of each card.

        Scope: news.
        """
        return cast("t.NewsPage", self._sender.send("GET", "/v1/news", query={"after": after, "limit": limit}))

    def delete_sandbox(self) -> None:
        """Begin anew: end all your made-up cards with their links, and put the time back. News that you have had
        stay.

        Scope: carriage.
        """
        self._sender.send("DELETE", "/v1/sandbox")

    def get_sandbox_cards(self) -> t.MadeUpCards:
        """List your made-up cards that have not ended, the first one first.

        Scope: carriage.
        """
        return cast("t.MadeUpCards", self._sender.send("GET", "/v1/sandbox/cards"))

    def post_sandbox_cards(self, body: t.MakeCard, *, idempotency_key: str | None = None) -> t.MadeUpCard:
        """Make up a card with a holder whom there is not, for your own client and nobody else's.

        Its password is the published one. No till but the sandbox's takes its codes.

        Scope: carriage.
        """
        return cast("t.MadeUpCard", self._sender.send("POST", "/v1/sandbox/cards", body=body, idempotency_key=idempotency_key))

    def post_sandbox_card_acts(
        self,
        made_up_card: str,
        body: t.HolderAct,
        *,
        idempotency_key: str | None = None,
    ) -> t.MadeUpCard:
        """Let the made-up holder do something outside your app: you are told of it as of a real holder's acts.

        Scope: carriage.
        """
        return cast("t.MadeUpCard", self._sender.send("POST", f"/v1/sandbox/cards/{quote(made_up_card, safe='')}/acts", body=body, idempotency_key=idempotency_key))

    def post_sandbox_card_logins(
        self,
        made_up_card: str,
        body: t.AnswerLogin,
        *,
        idempotency_key: str | None = None,
    ) -> t.AnsweredLogin:
        """Be the phone of a made-up holder: answer the login whose code the page shows, and get the number to
        type in.

        Logins of your own client alone.

        Scope: carriage.
        """
        return cast("t.AnsweredLogin", self._sender.send("POST", f"/v1/sandbox/cards/{quote(made_up_card, safe='')}/logins", body=body, idempotency_key=idempotency_key))

    def get_sandbox_clock(self) -> t.SandboxTime:
        """See what time it is in your sandbox.

        Scope: carriage.
        """
        return cast("t.SandboxTime", self._sender.send("GET", "/v1/sandbox/clock"))

    def put_sandbox_clock(self, body: t.Clock) -> t.SandboxTime:
        """Put the sandbox's time ahead of ours, so that codes, links and the next tries of your news come to
        their end.

        Nothing else follows it: signatures, tokens, limits and what news tell stay in our time.

        Scope: carriage.
        """
        return cast("t.SandboxTime", self._sender.send("PUT", "/v1/sandbox/clock", body=body))

    def post_sandbox_news(self, body: t.TrialNews, *, idempotency_key: str | None = None) -> t.News:
        """Have news of a kind told to you: recorded, signed, posted to your addresses and retried as real news
        is.

        Scope: news.
        """
        return cast("t.News", self._sender.send("POST", "/v1/sandbox/news", body=body, idempotency_key=idempotency_key))

    def post_sandbox_redemptions(self, body: t.TakeCode, *, idempotency_key: str | None = None) -> t.TakenCode:
        """Be the till: take a code that your app shows of a made-up card, once; refused in the words of a real
        till.

        Scope: carriage.
        """
        return cast("t.TakenCode", self._sender.send("POST", "/v1/sandbox/redemptions", body=body, idempotency_key=idempotency_key))

    def delete_sandbox_switches(self) -> None:
        """Let nothing go wrong on purpose any more.

        Scope: news.
        """
        self._sender.send("DELETE", "/v1/sandbox/switches")

    def get_sandbox_switches(self) -> t.Switches:
        """See what will go wrong, and how many times more.

        Scope: news.
        """
        return cast("t.Switches", self._sender.send("GET", "/v1/sandbox/switches"))

    def put_sandbox_switches(self, body: t.Switches) -> t.Switches:
        """Let the next answers to your signed requests, or the next tries of your trial news, go wrong on
        purpose.

        These calls themselves do not fail; null clears a switch.

        Scope: news.
        """
        return cast("t.Switches", self._sender.send("PUT", "/v1/sandbox/switches", body=body))


class HolderCalls:
    """Calls with a holder's access token, each with a proof by your DPoP key."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def get_userinfo(self) -> t.GetUserinfoAnswer:
        """Say who the holder is to this client.

        OpenID Connect Core section 5.3: a pseudonym of the client's sector, and how surely; nothing else.

        Scope: openid.
        """
        return cast("t.GetUserinfoAnswer", self._sender.send("GET", "/oauth/userinfo"))

    def get_carriage(self, *, seen: int | None = None) -> t.CarriageNow:
        """See how the holder's card stands in your app; `pending` before you have signed it.

        Scope: card.read.
        """
        return cast("t.CarriageNow", self._sender.send("GET", "/v1/carriage", query={"seen": seen}))

    def post_carriage_codes(self, body: t.CodeRequest, *, idempotency_key: str | None = None) -> t.Code:
        """Get a code to show in your app. It dies with the carriage, and its use is recorded with your channel.

        Scope: card.present.
        """
        return cast("t.Code", self._sender.send("POST", "/v1/carriage/codes", body=body, idempotency_key=idempotency_key))

    def post_carriage_end(self, body: t.Act, *, idempotency_key: str | None = None) -> t.Ended:
        """Take the card out of your app at the holder's wish (解除关联), with all that was linked; result 003.

        Scope: card.unlink.
        """
        return cast("t.Ended", self._sender.send("POST", "/v1/carriage/end", body=body, idempotency_key=idempotency_key))

    def post_carriage_loss_reports(self, body: t.Act, *, idempotency_key: str | None = None) -> t.LossReported:
        """Report the holder's card lost (挂失): no code of it is shown or taken any more, in whichever app.

        The bank function of the chip card is not covered: report it to the card's bank as well.

        Scope: card.report_loss.
        """
        return cast("t.LossReported", self._sender.send("POST", "/v1/carriage/loss-reports", body=body, idempotency_key=idempotency_key))

    def get_carriage_uses(self, *, after: str | None = None, limit: int | None = None) -> t.ShownUses:
        """See where codes that your app has shown were used, the newest first; what others have shown is not
        told.

        Scope: card.uses.
        """
        return cast("t.ShownUses", self._sender.send("GET", "/v1/carriage/uses", query={"after": after, "limit": limit}))

    def post_carriages(self, body: t.Sign, *, idempotency_key: str | None = None) -> t.Signed:
        """Sign the holder's card in your app; again, and you learn what has become of it since.

        Results: 001 signed here, 002 signed here and elsewhere before or its password was reset since, 004 carried
        already
        and the password proven, 005 payment opened, 006 changed elsewhere: sync.

        Scope: card.present.
        """
        return cast("t.Signed", self._sender.send("POST", "/v1/carriages", body=body, idempotency_key=idempotency_key))


class OAuthCalls:
    """Calls of your OAuth client to the token server; it proves itself by its key."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def post_introspect(self, body: t.PostIntrospectBody) -> t.PostIntrospectAnswer:
        """Tell a client, or a protected resource, about a token.

        RFC 7662. A token that is unknown, another client's or over is inactive, and nothing else.
        """
        return cast("t.PostIntrospectAnswer", self._sender.send("POST", "/oauth/introspect", body=body, is_form=True))

    def post_par(self, body: t.PostParBody) -> t.PostParAnswer:
        """Take an authorization request from a client itself.

        RFC 9126; the only way for partners. A DPoP proof here binds the code to its key.
        """
        return cast("t.PostParAnswer", self._sender.send("POST", "/oauth/par", body=body, is_form=True))

    def post_revoke(self, body: t.PostRevokeBody) -> t.PostRevokeAnswer:
        """Take a token back.

        RFC 7009. An access token alone, or a refresh token with all that came of its grant. One that is unknown or
        another client's is answered alike.
        """
        return cast("t.PostRevokeAnswer", self._sender.send("POST", "/oauth/revoke", body=body, is_form=True))

    def post_token(self, body: t.PostTokenBody) -> t.PostTokenAnswer:
        """Exchange what the grant type names for an access token.

        Each profile of clients has its grant types; phones that carry a card send an assertion of their key. A DPoP
        proof binds the token to its key.
        """
        return cast("t.PostTokenAnswer", self._sender.send("POST", "/oauth/token", body=body, is_form=True))


class PublicCalls:
    """What anybody may read."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def get_openid_configuration(self) -> t.GetOpenidConfigurationAnswer:
        """Say the same to OpenID Connect clients."""
        return cast("t.GetOpenidConfigurationAnswer", self._sender.send("GET", "/.well-known/openid-configuration"))

    def get_jwks(self) -> t.GetJwksAnswer:
        """Give the keys that verify tokens (RFC 7517)."""
        return cast("t.GetJwksAnswer", self._sender.send("GET", "/oauth/jwks"))

    def get_news_keys(self) -> t.NewsKeys:
        """Fetch the keys that sign news (webhook-signature): Ed25519 for `v1a`, SM2 for `v1sm2`; fetch them each
        day.
        """
        return cast("t.NewsKeys", self._sender.send("GET", "/v1/news-keys"))

    def get_platform_certificates(self) -> t.PlatformCertificates:
        """Fetch the certificates under which answers to channels are signed: the next one is here before it
        signs.
        """
        return cast("t.PlatformCertificates", self._sender.send("GET", "/v1/platform-certificates"))

    def post_sandbox_signature_examinations(self, body: t.ClaimedRequest) -> t.Examination:
        """Have a request examined whose signature is refused; need not be signed, knows channels in the sandbox
        alone.

        Send it as your program sent it, and if you can the base string that it signed: the answer shows the one
        computed
        here and the first byte that differs. Nothing is carried out and nothing kept.
        """
        return cast("t.Examination", self._sender.send("POST", "/v1/sandbox/signature-examinations", body=body))

    def get_verification_keys(self) -> t.GetVerificationKeysAnswer:
        """Fetch the signed list of the keys with which codes are verified offline."""
        return cast("t.GetVerificationKeysAnswer", self._sender.send("GET", "/v1/verification-keys"))
