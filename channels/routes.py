from dataclasses import asdict
from typing import Any, cast

from flask import current_app

from auth.blueprints import ApiBlueprint
from auth.channel_requests import Channel
from auth.guard import Anyone, DeviceKey, allow
from channels.desk import ChannelDesk, NewsDesk
from channels.news import list_news
from channels.notices import list_notices
from channels.schemas import (
    NewsKeysSchema,
    NewsPageSchema,
    NewsQuerySchema,
    NoticesQuerySchema,
    NoticesSchema,
    OwnChannelSchema,
    PlatformCertificatesSchema,
)
from channels.shown import show_channel
from core.clock import to_text
from core.ground import Ground
from sm.answer_keys import AnswerKey
from sm.der import write_pem

blueprint = ApiBlueprint(
    "notices", __name__, url_prefix="/v1/notices", description="What happened to the holder's card."
)

news = ApiBlueprint("news", __name__, url_prefix="/v1", description="What channels are told of the cards they carry.")

platform = ApiBlueprint(
    "platform", __name__, url_prefix="/v1/platform-certificates", description="With which keys we sign."
)
own_channel = ApiBlueprint(
    "channel", __name__, url_prefix="/v1/channel", description="What a partner app is registered as."
)


@blueprint.get("")
@allow(DeviceKey)
@blueprint.arguments(NoticesQuerySchema(), location="query")
@blueprint.response(200, NoticesSchema)
def get_notices(caller: DeviceKey, given: dict[str, Any]) -> dict[str, Any]:
    """Fetch what this phone has to be told; also a phone that no longer carries the card learns why."""
    ground = cast("Ground", current_app.extensions["core.ground"])
    with ground.database.transaction() as connection:
        notices, following = list_notices(connection, caller.proof.thumbprint, **given)
    items = [asdict(notice) | {"happened_at": to_text(notice.happened_at)} for notice in notices]
    return {"items": items, "next": following}


@news.get("/news")
@allow(Channel, scope="news", standing="any")
@news.arguments(NewsQuerySchema(), location="query")
@news.response(200, NewsPageSchema)
def get_news(caller: Channel, given: dict[str, Any]) -> dict[str, Any]:
    """Read your news in its own order, behind a position; who lost everything begins at 0 and ends in our state.

    Go on with ``after`` = ``next`` until ``more`` is false. Nothing ever turns up behind a position that was read.
    Keep the highest ``sequence`` of each card.
    """
    ground = cast("Ground", current_app.extensions["core.ground"])
    limit = given["limit"]
    with ground.database.transaction() as connection:
        found = list_news(connection, caller.id, after=given["after"], limit=limit + 1)
    items, following = found[:limit], found[:limit][-1].position if found else given["after"]
    return {"items": [one.message() for one in items], "next": following, "more": len(found) > limit}


@news.get("/news-keys")
@allow(Anyone)
@news.response(200, NewsKeysSchema)
def get_news_keys() -> dict[str, Any]:
    """Fetch the keys that sign news (webhook-signature): Ed25519 for `v1a`, SM2 for `v1sm2`; fetch them each day."""
    desk = cast("NewsDesk", current_app.extensions["channels.news"])
    return {"keys": desk.keys().published(desk.ground.clock())}


@own_channel.get("")
@allow(Channel, standing="any")
@own_channel.response(200, OwnChannelSchema)
def get_own_channel(caller: Channel) -> dict[str, Any]:
    """See what the register says of the caller: how it stands, what it may do, and when its certificates end."""
    ground = cast("Ground", current_app.extensions["core.ground"])
    return show_channel(ground.database, caller.id, ground.clock()) | {"serial": caller.serial}


@platform.get("")
@allow(Anyone)
@platform.response(200, PlatformCertificatesSchema)
def get_platform_certificates() -> dict[str, Any]:
    """Fetch the certificates under which answers to channels are signed: the next one is here before it signs."""
    desk = cast("ChannelDesk", current_app.extensions["channels.desk"])
    return {
        "certificates": [_shown_answer_key(key) for key in desk.answer_keys().published],
        "authorities": [write_pem("CERTIFICATE", certificate.der) for certificate in desk.authorities()],
    }


def _shown_answer_key(key: AnswerKey) -> dict[str, Any]:
    return {
        "serial": key.serial,
        "state": key.ring_key.state.value,
        "not_before": to_text(key.ring_key.not_before),
        "not_after": to_text(key.ring_key.not_after),
        "certificate": write_pem("CERTIFICATE", key.certificate.der),
    }
