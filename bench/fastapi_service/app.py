from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import redis.asyncio
from fastapi import FastAPI

from bench.fastapi_service.phones import Tokens
from bench.fastapi_service.routes import router
from bench.fastapi_service.stores import Connections
from bench.fastapi_service.terminals import Parties
from core.ids import new_id
from core.settings import Settings
from sm.token_keys import PHONE_ES256, open_p256, token_ring
from web.runtime import open_runtime

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


class AnswerHeaders:
    """Adds the service's headers and a request id to every answer."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS, (b"x-request-id", new_id("req").encode())]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def create_app() -> FastAPI:
    """Make the application from the same settings as the real service."""
    app = FastAPI(title="fastapi", lifespan=_lifespan)
    app.include_router(router)
    app.add_middleware(AnswerHeaders)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = Settings()
    runtime = open_runtime(settings)
    state = app.state
    state.issuer, state.life = settings.issuer, settings.code_life_seconds
    state.codes_per_minute = settings.codes_per_minute
    state.codes, state.provider, state.audit = runtime.codes, runtime.provider, runtime.ground.audit
    state.tokens = Tokens(open_p256(token_ring(runtime.store, PHONE_ES256).current().public_key), settings.issuer)
    state.connections = Connections()
    await state.connections.open(settings.database, 4)
    assert settings.redis_url
    state.redis = redis.asyncio.Redis.from_url(settings.redis_url.get_secret_value(), socket_timeout=0.2)
    state.parties = Parties(state)
    try:
        yield
    finally:
        await state.connections.close()
        await state.redis.aclose()
        runtime.close()
