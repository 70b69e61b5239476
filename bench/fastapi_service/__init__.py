"""The two hot routes on FastAPI, uvicorn, async psycopg and async Redis, doing the same work as the real service.

DPoP token and proof (remembered tokens, keys kept), proof spent and calls counted in Redis, card and phone asked in
PostgreSQL, code minted by libcrypto; signed request and code verified by libcrypto, and in one transaction: evidence,
lock of the card, redemption, event, audit entry. Shared with the service are only formats and cryptography (sm,
qr.signed_code, the audit entry's MAC) and the wiring of keys; edge, token reading, SQL and stores are its own, as
written by somebody who knows the framework. uvicorn runs without its optional C parts (uvloop, httptools).
"""
