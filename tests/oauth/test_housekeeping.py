"""What is over is forgotten, and nothing before."""

import sqlalchemy as sa

from auth.oauth.models import interactions, oauth_grants, pushed_requests, refresh_tokens, revoked_tokens
from tests.oauth.clients_of_tests import make_partner
from tests.oauth.holder import make_holder
from web.worker import Worker


def counts(service):
    tables = (pushed_requests, interactions, revoked_tokens, refresh_tokens, oauth_grants)
    with service.database.transaction() as connection:
        return [connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in tables]


def test_the_worker_forgets_what_is_over_and_nothing_before(both):
    partner, worker = make_partner(both), Worker(both.runtime)
    tokens = make_holder(both).tokens_for(partner)
    partner.post("/oauth/revoke", {"token": tokens["access_token"]})
    worker.clean()
    assert counts(both) == [1, 1, 1, 1, 1]
    both.clock.step(86400 + 600)
    worker.clean()
    assert counts(both) == [0, 0, 0, 1, 1]
    assert partner.refresh(tokens["refresh_token"]).status_code == 200
    both.clock.step(210 * 86400)
    worker.clean()
    assert counts(both) == [0, 0, 0, 0, 1]
    both.clock.step(370 * 86400)
    worker.clean()
    assert counts(both) == [0, 0, 0, 0, 0]
