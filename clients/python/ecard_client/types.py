"""Types of what is sent and answered.

Written by `make clients` from the service's description, version 0.1.0; do not edit.
"""


from typing import Any, Literal, NotRequired, TypedDict

Act = TypedDict(
    "Act",
    {
        # unique for each channel, for ever
        "out_request_no": str,
    },
)
"""One act."""

AnswerLogin = TypedDict(
    "AnswerLogin",
    {
        # as the login page shows it
        "code": str,
        "decision": NotRequired[Literal["approve", "deny"]],
    },
)
"""One answer login."""

AnsweredLogin = TypedDict(
    "AnsweredLogin",
    {
        # to be typed into the page; null where it was denied
        "number": str | None,
    },
)
"""One answered login."""

AnswersSwitch = TypedDict(
    "AnswersSwitch",
    {
        # how many times more
        "times": int,
        # in development environments; one answer at a time is delayed
        "delay_ms": NotRequired[int],
        # told in place of the answer; the request was carried out
        "status": NotRequired[Literal[429, 500, 503] | None],
        # the answer's signature does not verify
        "wrong_signature": NotRequired[bool],
    },
)
"""One answers switch."""

Ask = TypedDict(
    "Ask",
    {
        # your own number, once for ever over all you do
        "out_request_no": str,
        # of your customer; kept sealed while it is worked on, then erased
        "social_security_number": str,
        # as you know your customer; kept sealed while it is worked on, then erased
        "name": str,
        # the mobile number in use with your app; kept sealed while it is worked on, then erased
        "phone": str,
    },
)
"""One ask."""

Asked = TypedDict(
    "Asked",
    {
        "id": str,
        "state": Literal["asked", "issued", "refused"],
    },
)
"""One asked."""

BaseString = TypedDict(
    "BaseString",
    {
        "escaped": str,
        "base64": str,
        "bytes": int,
        "sm3": str,
    },
)
"""One base string."""

Carriage = TypedDict(
    "Carriage",
    {
        "id": str | None,
        # the `sub` of your tokens: the card's name here
        "subject": str,
        "state": Literal["pending", "active", "suspended", "revoked"],
        "card_standing": Literal["active", "suspended", "revoked"] | None,
        "level": Literal["L1", "L2", "L3"] | None,
        # whether the card may pay at all
        "payment": bool,
        # whether it was opened in your app
        "payment_opened": bool,
        # of its latest news
        "sequence": int,
        "signed_at": str | None,
        "out_request_no": str | None,
    },
)
"""One carriage."""

CarriageNow = TypedDict(
    "CarriageNow",
    {
        "id": str | None,
        # the `sub` of your tokens: the card's name here
        "subject": str,
        "state": Literal["pending", "active", "suspended", "revoked"],
        "card_standing": Literal["active", "suspended", "revoked"] | None,
        "level": Literal["L1", "L2", "L3"] | None,
        # whether the card may pay at all
        "payment": bool,
        # whether it was opened in your app
        "payment_opened": bool,
        # of its latest news
        "sequence": int,
        "signed_at": str | None,
        "out_request_no": str | None,
        # 006 where there is news of it that you have not seen
        "result": Literal["006"] | None,
    },
)
"""One carriage now."""

Carriages = TypedDict(
    "Carriages",
    {
        "items": list["Carriage"],
        # pass as `after` for the next page
        "next": str | None,
    },
)
"""One carriages."""

ClaimedRequest = TypedDict(
    "ClaimedRequest",
    {
        "method": str,
        # path and query, as the request line has them
        "target": str,
        "header_fields": dict[str, str],
        # as it was sent
        "body": NotRequired[str],
        # the same in base64, for what is no UTF-8; counts where both are given
        "body_base64": NotRequired[str],
        # what your program signed
        "base_string": NotRequired[str],
        # the same in base64, for what is no UTF-8; counts where both are given
        "base_string_base64": NotRequired[str],
    },
)
"""One claimed request."""

Clock = TypedDict(
    "Clock",
    {
        # how far the sandbox's time is ahead of ours
        "offset_seconds": int,
    },
)
"""One clock."""

Code = TypedDict(
    "Code",
    {
        # 222 digits (signed) or 20 digits (counter)
        "code": NotRequired[str],
        "kind": NotRequired[Literal["signed", "counter"]],
        "expires_at": NotRequired[str],
        # seconds
        "life": NotRequired[int],
    },
)
"""One code."""

CodeRequest = TypedDict(
    "CodeRequest",
    {
        "kind": NotRequired[Literal["signed", "counter"]],
        "class": Literal["identity", "medical", "merchant", "gate", "test"],
        "audience": NotRequired[int],
    },
)
"""One code request."""

Difference = TypedDict(
    "Difference",
    {
        # of the first byte that differs, from 0
        "offset": int,
        "line": str,
        # » stands before the byte that differs
        "ours": str,
        "theirs": str,
    },
)
"""One difference."""

Ended = TypedDict(
    "Ended",
    {
        "id": str,
        "state": str,
        "result": str,
    },
)
"""One ended."""

Examination = TypedDict(
    "Examination",
    {
        "algorithm": str | None,
        # as it is computed here
        "base_string": "BaseString | None",
        "difference": "Difference | None",
        "app_id": str | None,
        "app_found": bool,
        "key": "ExaminedKey",
        "clock": "ExaminedClock",
        # right, wrong, unreadable or not_checked
        "signature": str,
        "diagnosis": list["Finding"],
    },
)
"""One examination."""

ExaminedClock = TypedDict(
    "ExaminedClock",
    {
        "timestamp": int | None,
        "server_time": int,
        # seconds; positive is fast
        "skew": int | None,
        "allowed": int,
    },
)
"""One examined clock."""

ExaminedKey = TypedDict(
    "ExaminedKey",
    {
        "serial_no": str | None,
        "found": bool,
        # valid, withdrawn, expired, not_yet_valid or published
        "state": str | None,
        # whether it is the published test key, which everybody has
        "published": bool,
        "not_before": str | None,
        "not_after": str | None,
    },
)
"""One examined key."""

Finding = TypedDict(
    "Finding",
    {
        "code": str,
        "detail": str,
        "zh": str,
        "en": str,
    },
)
"""One finding."""

H5Entry = TypedDict(
    "H5Entry",
    {
        # what the holder comes for; in the H5 form it is `_api_name`
        "act": Literal["sign", "show", "report_loss", "unlink"],
        # comes back with the code as it is: draw one for each entry
        "state": str,
        # base64url of the SHA-256 of a verifier that you keep (PKCE, S256)
        "code_challenge": str,
        # thumbprint (RFC 7638) of the key that redeems the code and uses the token
        "dpop_jkt": str,
        # comes back in the ID token
        "nonce": NotRequired[str | None],
        # of your client's, letter by letter; may be left out where it has one alone
        "redirect_uri": NotRequired[str | None],
    },
)
"""One h5 entry."""

HolderAct = TypedDict(
    "HolderAct",
    {
        # report the card lost, lift that, end the link with your app, reset the password (to the published one), or
        # have the card cancelled
        "act": Literal["report_loss", "lift_loss", "unlink", "reset_password", "cancel"],
    },
)
"""One holder act."""

Issuance = TypedDict(
    "Issuance",
    {
        "id": str,
        "state": Literal["asked", "issued", "refused"],
        "out_request_no": str,
        # why it was refused: not eligible, without a word about why; or your port gave no answer that can be
        # believed for 24 hours
        "because": Literal["not_eligible", "bank_silent"] | None,
        # 002: there was a card
        "result": Literal["001", "002"] | None,
        "carriage": str | None,
        # the name (sub) of the holder in your channel: go on by token exchange
        "subject": str | None,
    },
)
"""One issuance."""

LoggedRequest = TypedDict(
    "LoggedRequest",
    {
        # the X-Request-Id of its answer
        "id": str,
        "arrived_at": str,
        "method": str,
        # without ids and query
        "route": str,
        "status": int,
        # of the problem, if it was refused
        "code": str | None,
        "algorithm": str,
        # the certificate that signed it
        "serial": str,
    },
)
"""One logged request."""

LoggedRequests = TypedDict(
    "LoggedRequests",
    {
        "items": list["LoggedRequest"],
        # pass as `after` for the requests before these
        "next": str | None,
    },
)
"""One logged requests."""

LossReported = TypedDict(
    "LossReported",
    {
        "id": str,
        "state": str,
    },
)
"""One loss reported."""

MadeUpCard = TypedDict(
    "MadeUpCard",
    {
        "card": str,
        # the `sub` of your client's tokens; null without one
        "subject": str | None,
        "name": str,
        # no person's: a region that there is not, and a wrong check character
        "social_security_number": str,
        # the published one
        "password": str,
        "level": Literal["L2", "L3"],
        "standing": Literal["active", "suspended", "revoked"],
        "made_at": str,
    },
)
"""One made up card."""

MadeUpCards = TypedDict(
    "MadeUpCards",
    {
        "items": list["MadeUpCard"],
    },
)
"""One made up cards."""

MakeCard = TypedDict(
    "MakeCard",
    {
        # L3 as after a reader, L2 as on a bank's word
        "level": Literal["L2", "L3"],
    },
)
"""One make card."""

News = TypedDict(
    "News",
    {
        # the same at every try, and here
        "id": str,
        "type": str,
        # when it happened
        "timestamp": str,
        "channel": str,
        # its place in your news
        "position": int,
        # the subject (sub) under which you know the holder
        "card": str,
        # counts the news of this card
        "sequence": int,
        "data": dict[str, Any],
    },
)
"""One news."""

NewsKey = TypedDict(
    "NewsKey",
    {
        "kid": str,
        "kty": str,
        "crv": str,
        "use": str,
        "x": str,
        "y": NotRequired[str],
        # marks its signatures
        "version": str,
        "state": str,
        # the same key as Standard Webhooks writes it
        "whpk": NotRequired[str],
    },
)
"""One news key."""

NewsKeys = TypedDict(
    "NewsKeys",
    {
        "keys": list["NewsKey"],
    },
)
"""One news keys."""

NewsPage = TypedDict(
    "NewsPage",
    {
        "items": list["News"],
        # pass as `after` for what follows, now or later
        "next": int,
        # whether there is another page already
        "more": bool,
    },
)
"""One news page."""

NewsSwitch = TypedDict(
    "NewsSwitch",
    {
        # how many times more
        "times": int,
        # posted twice, lost (and tried again as after a failure), or signed wrongly
        "fault": Literal["double", "drop", "wrong_signature"],
    },
)
"""One news switch."""

OpenedH5Entry = TypedDict(
    "OpenedH5Entry",
    {
        # open it in the app's web view or in the system's browser: once, as it is
        "url": str,
        # seconds until which it has to be opened
        "expires_in": int,
    },
)
"""One opened h5 entry."""

OwnCertificate = TypedDict(
    "OwnCertificate",
    {
        "serial": str,
        "not_before": str,
        # good until strictly before
        "not_after": str,
        # within 30 days; in the sandbox by its time
        "ends_soon": bool,
    },
)
"""One own certificate."""

OwnChannel = TypedDict(
    "OwnChannel",
    {
        "id": str,
        "name_zh": str,
        "name_en": str,
        "class": str,
        "tier": int,
        # the first-tier channel of a second-tier one
        "above": str | None,
        # with the channel above
        "standing": str,
        "scopes": list[str],
        "algorithms": list[str],
        "requests_per_minute": int,
        # the certificate that signed this request
        "serial": str,
        # those that are live
        "certificates": list["OwnCertificate"],
    },
)
"""One own channel."""

PlatformCertificate = TypedDict(
    "PlatformCertificate",
    {
        "serial": str,
        "not_before": str,
        # good until strictly before
        "not_after": str,
        # next, current or retired
        "state": str,
        # PEM
        "certificate": str,
    },
)
"""One platform certificate."""

PlatformCertificates = TypedDict(
    "PlatformCertificates",
    {
        "certificates": list["PlatformCertificate"],
        # PEM: city, province, ministry; pin the last one
        "authorities": list[str],
    },
)
"""One platform certificates."""

Problem = TypedDict(
    "Problem",
    {
        "type": str,
        "title": str,
        "status": int,
        "code": str,
        # for the developer
        "detail": NotRequired[str],
        "next_step": str,
        "request_id": str,
    },
)
"""One problem."""

SandboxTime = TypedDict(
    "SandboxTime",
    {
        # how far the sandbox's time is ahead of ours
        "offset_seconds": int,
        # in the sandbox
        "now": str,
    },
)
"""One sandbox time."""

ShownUse = TypedDict(
    "ShownUse",
    {
        "id": NotRequired[str],
        "purpose": NotRequired[Literal["identity", "medical", "merchant", "gate", "test"]],
        "institution": NotRequired[str],
        "terminal": NotRequired[str],
        "rendering": NotRequired[Literal["signed", "counter"]],
        "mode": NotRequired[Literal["online", "offline"]],
        "redeemed_at": NotRequired[str],
    },
)
"""One shown use."""

ShownUses = TypedDict(
    "ShownUses",
    {
        "items": list["ShownUse"],
        # pass as `after` for the next page
        "next": str | None,
    },
)
"""One shown uses."""

Sign = TypedDict(
    "Sign",
    {
        # unique for each channel, for ever
        "out_request_no": str,
        # the highest `sequence` of this card's news that you know
        "seen": NotRequired[int | None],
    },
)
"""One sign."""

Signed = TypedDict(
    "Signed",
    {
        "id": str | None,
        # the `sub` of your tokens: the card's name here
        "subject": str,
        "state": Literal["pending", "active", "suspended", "revoked"],
        "card_standing": Literal["active", "suspended", "revoked"] | None,
        "level": Literal["L1", "L2", "L3"] | None,
        # whether the card may pay at all
        "payment": bool,
        # whether it was opened in your app
        "payment_opened": bool,
        # of its latest news
        "sequence": int,
        "signed_at": str | None,
        "out_request_no": str | None,
        "result": Literal["001", "002", "004", "005", "006"],
    },
)
"""One signed."""

Suspend = TypedDict(
    "Suspend",
    {
        # a word of your own, kept in the audit trail
        "reason": str,
    },
)
"""One suspend."""

Switches = TypedDict(
    "Switches",
    {
        "answers": "AnswersSwitch | None",
        "news": "NewsSwitch | None",
    },
)
"""One switches."""

TakeCode = TypedDict(
    "TakeCode",
    {
        # as it was scanned
        "code": str,
        # the group of merchants that the till belongs to
        "audience": NotRequired[int],
    },
)
"""One take code."""

TakenCode = TypedDict(
    "TakenCode",
    {
        "id": str,
        "result": str,
        # always test
        "purpose": str,
        "rendering": Literal["signed", "counter"],
        "redeemed_at": str,
    },
)
"""One taken code."""

TrialNews = TypedDict(
    "TrialNews",
    {
        "kind": Literal["card.issued", "card.loss_reported", "card.loss_lifted", "card.cancelled", "card.password_changed", "card.password_locked", "device.ended", "code.redeemed", "code.taken_twice", "carriage.signed", "carriage.suspended", "carriage.resumed", "carriage.ended", "issuance.finished", "statement.ready"],
        # a card that there is not; each counts its own sequence
        "card": NotRequired[str],
    },
)
"""One trial news."""

GetChannelStatementAnswer = TypedDict(
    "GetChannelStatementAnswer",
    {
    },
)
"""One get channel statement answer."""

GetChannelStatementSignatureAnswer = TypedDict(
    "GetChannelStatementSignatureAnswer",
    {
    },
)
"""One get channel statement signature answer."""

GetUserinfoAnswer = TypedDict(
    "GetUserinfoAnswer",
    {
        # The pseudonym
        "sub": str,
        "acr": Literal["L1", "L2", "L3"],
    },
)
"""One get userinfo answer."""

PostIntrospectBody = TypedDict(
    "PostIntrospectBody",
    {
        # Access token or refresh token
        "token": str,
        # Is only a hint and is not needed
        "token_type_hint": NotRequired[str],
        # Of apps and of clients with a certificate, which have no other proof in the form
        "client_id": NotRequired[str],
        # With client_assertion
        "client_assertion_type": NotRequired[Literal["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]],
        # JWT by the client's key: iss and sub its id, aud the issuer, exp at most 300 s ahead, jti used once
        "client_assertion": NotRequired[str],
        # Of clients registered with client_secret_post
        "client_secret": NotRequired[str],
    },
)
"""One post introspect body."""

PostIntrospectAnswer = TypedDict(
    "PostIntrospectAnswer",
    {
        "active": bool,
        "iss": NotRequired[str],
        "client_id": NotRequired[str],
        "sub": NotRequired[str],
        "scope": NotRequired[str],
        "acr": NotRequired[str],
        "jti": NotRequired[str],
        "token_type": NotRequired[str],
        "aud": NotRequired[list[str]],
        "auth_time": NotRequired[int],
        "iat": NotRequired[int],
        "exp": NotRequired[int],
        "cnf": NotRequired[dict[str, Any]],
    },
)
"""One post introspect answer."""

PostParBody = TypedDict(
    "PostParBody",
    {
        "response_type": Literal["code"],
        # Of apps and of clients with a certificate, which have no other proof in the form
        "client_id": str,
        # One of the client's own, letter by letter; of apps on 127.0.0.1 any port
        "redirect_uri": str,
        # Names with blanks between them, each once: openid, offline_access, card.read, card.present, card.uses,
        # card.report_loss, card.unlink, card.pay, terminals.enrol
        "scope": str,
        # Base64url SHA-256 of the code_verifier (RFC 7636)
        "code_challenge": str,
        "code_challenge_method": Literal["S256"],
        # Comes back with the answer
        "state": NotRequired[str],
        # Stands in the ID token
        "nonce": NotRequired[str],
        # Whom tokens are for (RFC 8707); may stand several times
        "resource": NotRequired[str],
        # Thumbprint of the key to which the code is bound (RFC 9449 section 10)
        "dpop_jkt": NotRequired[str],
        # The least assurance level: L1, L2, L3
        "acr_values": NotRequired[str],
        # Seconds that the holder's login may be old
        "max_age": NotRequired[str],
        # none, or login and consent
        "prompt": NotRequired[str],
        # With client_assertion
        "client_assertion_type": NotRequired[Literal["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]],
        # JWT by the client's key: iss and sub its id, aud the issuer, exp at most 300 s ahead, jti used once
        "client_assertion": NotRequired[str],
        # Of clients registered with client_secret_post
        "client_secret": NotRequired[str],
    },
)
"""One post par body."""

PostParAnswer = TypedDict(
    "PostParAnswer",
    {
        "request_uri": str,
        "expires_in": int,
    },
)
"""One post par answer."""

PostRevokeBody = TypedDict(
    "PostRevokeBody",
    {
        # Access token or refresh token
        "token": str,
        # Is only a hint and is not needed
        "token_type_hint": NotRequired[str],
        # Of apps and of clients with a certificate, which have no other proof in the form
        "client_id": NotRequired[str],
        # With client_assertion
        "client_assertion_type": NotRequired[Literal["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]],
        # JWT by the client's key: iss and sub its id, aud the issuer, exp at most 300 s ahead, jti used once
        "client_assertion": NotRequired[str],
        # Of clients registered with client_secret_post
        "client_secret": NotRequired[str],
    },
)
"""One post revoke body."""

PostRevokeAnswer = TypedDict(
    "PostRevokeAnswer",
    {
    },
)
"""One post revoke answer."""

PostTokenBody = TypedDict(
    "PostTokenBody",
    {
        "grant_type": Literal["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
        # authorization_code: the code, within its minute
        "code": NotRequired[str],
        # authorization_code: as it was in the authorization request
        "redirect_uri": NotRequired[str],
        # authorization_code: what the challenge was made of
        "code_verifier": NotRequired[str],
        # refresh_token: the token
        "refresh_token": NotRequired[str],
        # refresh_token, token-exchange: fewer scopes than were allowed
        "scope": NotRequired[str],
        # For whom, of those that were allowed (RFC 8707)
        "resource": NotRequired[str],
        # device_code: what /oauth/device_authorization answered
        "device_code": NotRequired[str],
        # token-exchange: the client's statement about its customer, a JWT of a minute
        "subject_token": NotRequired[str],
        # token-exchange
        "subject_token_type": NotRequired[Literal["urn:ietf:params:oauth:token-type:jwt"]],
        # token-exchange
        "requested_token_type": NotRequired[Literal["urn:ietf:params:oauth:token-type:access_token"]],
        # jwt-bearer: JWT, ES256, by the device key of a phone that carries a card
        "assertion": NotRequired[str],
        # Of apps and of clients with a certificate, which have no other proof in the form
        "client_id": NotRequired[str],
        # With client_assertion
        "client_assertion_type": NotRequired[Literal["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]],
        # JWT by the client's key: iss and sub its id, aud the issuer, exp at most 300 s ahead, jti used once
        "client_assertion": NotRequired[str],
        # Of clients registered with client_secret_post
        "client_secret": NotRequired[str],
    },
)
"""One post token body."""

PostTokenAnswer = TypedDict(
    "PostTokenAnswer",
    {
        "access_token": str,
        # DPoP for a token bound to a key, otherwise Bearer
        "token_type": Literal["DPoP", "Bearer"],
        # Seconds
        "expires_in": int,
        # What the token allows
        "scope": str,
        # Where offline_access was allowed
        "refresh_token": NotRequired[str],
        # Where openid was allowed: who the holder is to this client, a pseudonym
        "id_token": NotRequired[str],
        # Of token exchange
        "issued_token_type": NotRequired[Literal["urn:ietf:params:oauth:token-type:access_token"]],
    },
)
"""One post token answer."""

GetOpenidConfigurationAnswer = TypedDict(
    "GetOpenidConfigurationAnswer",
    {
        "issuer": str,
        "token_endpoint": str,
        "jwks_uri": str,
        "scopes_supported": list[str],
    },
)
"""One get openid configuration answer."""

GetJwksAnswer = TypedDict(
    "GetJwksAnswer",
    {
        "keys": list[dict[str, Any]],
    },
)
"""One get jwks answer."""

GetVerificationKeysAnswer = TypedDict(
    "GetVerificationKeysAnswer",
    {
    },
)
"""One get verification keys answer."""
