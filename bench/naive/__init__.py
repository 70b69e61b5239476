"""The service a team would write first from the same packages, and the baseline of the promised ratios.

flask-smorest with SQLAlchemy's ORM, PyJWT with the PEM text of the key, gmssl for SM2, a Redis mark before the record,
gunicorn's sync worker, no picture. It answers the same two routes with the same code format and checks token, card and
signature; it does less than the real service: bearer tokens without proof of possession, no limits, no audit entry,
no outbox event, no kept evidence, no idempotency, no lock against a loss report.
"""
