"""The worker: tells what happened, makes statements, seals the audit trail, clears what has expired."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from auth.kept_answers import forget_answers
from auth.models import signed_requests
from auth.oauth.grants import end_links_that_ran_out
from auth.oauth.housekeeping import forget_what_is_over
from channels.carriage.book import enter_in_book
from channels.certificates import warn_of_ends
from channels.issuance.finishing import finish_one
from channels.issuance.records import forget_numbers
from channels.news import record_news
from channels.notices import tell_events
from channels.request_log.requests import forget_requests
from channels.webhooks import deliver_some, forget_delivered
from core.clock import to_millis, to_text
from core.errors import Refusal
from core.outbox import Event as OutboxEvent
from ecard.enrollment_records import end_all_expired
from qr.statements.claims import forget_makings, oldest_kept
from qr.statements.parts import forget_files
from qr.statements.storing import make_next
from web.deliverers import delivering
from web.runtime import Runtime

_REQUEST_DAYS = 400
"""Evidence of signed requests is kept for more than a year, for disputes; its nonces long outlive the 300 s window."""
_HOUSEKEEPING_SECONDS = 30.0
_log = structlog.get_logger("web.worker")


class Worker:
    """Does one round of everything; several workers beside each other do no harm."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._clean_at = 0.0

    def run(self, stopping: Event, *, pause: float = 0.2) -> None:
        """Work until told to stop; a round that fails is logged and tried again."""
        settings = self._runtime.ground.settings
        with (
            delivering(partial(self._try, self.deliver), stopping, settings.delivery_threads),
            delivering(partial(self._try, self.issue), stopping, settings.issuance_threads, name="issue"),
            delivering(partial(self._try, self.make_statement), stopping, 1, name="statement"),
        ):
            self._work(stopping, pause)

    def _work(self, stopping: Event, pause: float) -> None:
        while not stopping.is_set():
            busy = self._try(self.tell) + self._try(self.seal)
            if time.monotonic() >= self._clean_at:
                self._try(self.clean)
                self._clean_at = time.monotonic() + _HOUSEKEEPING_SECONDS
            if not busy:
                stopping.wait(pause)

    def tell(self) -> int:
        """Turn waiting events into notices for phones and news for channels."""
        ground = self._runtime.ground
        with ground.database.transaction() as connection:
            return tell_events(connection, at=ground.clock(), also=self._tell_channels)

    def deliver(self) -> int:
        """Post news that is due to a channel; no transaction is open while the network is asked."""
        return deliver_some(self._runtime.news)

    def issue(self) -> int:
        """Take one card that a bank has asked for further; its port is asked with no transaction open."""
        return int(finish_one(self._runtime.issuance))

    def make_statement(self) -> int:
        """Make one file of a day that is closed, in many short transactions."""
        return int(make_next(self._runtime.statements))

    def seal(self) -> int:
        """Chain what the audit trail has got since the last time."""
        ground = self._runtime.ground
        with ground.database.transaction() as connection:
            sealed, sequence, head = ground.audit.seal(connection)
        if sealed:
            # kept outside of the database by whoever keeps the logs: the proof against a chain that was made anew
            _log.info("audit_head", sequence=sequence, head=head, sealed=sealed)
        return sealed

    def clean(self) -> int:
        """End enrollments whose time is over and forget what short memory and old nonces held."""
        ground = self._runtime.ground
        oldest_request = to_millis(ground.clock()) - _REQUEST_DAYS * 86_400_000
        with ground.database.transaction() as connection:
            end_all_expired(connection, ground.clock())
            connection.execute(sa.delete(signed_requests).where(signed_requests.c.received_at < oldest_request))
            forget_what_is_over(connection, ground.clock())
            forget_delivered(connection, ground.clock())
            forget_answers(connection, ground.clock())
            forget_numbers(connection, ground.clock())
            forget_requests(connection, ground.clock())
            end_links_that_ran_out(ground, connection)
            oldest = oldest_kept(ground.clock())
            forget_makings(connection, oldest)
            forget_files(connection, oldest)
        self._warn_of_certificates()
        return self._runtime.durable_ephemeral.forget_expired()

    def _warn_of_certificates(self) -> None:
        """Tell which certificates of channels end soon: whoever reads the logs, and by an event the channel itself."""
        with self._runtime.ground.database.transaction() as connection:
            ending = warn_of_ends(self._runtime.channels, connection)
        for certificate in ending:
            ends = to_text(certificate.not_after)
            _log.warning("certificate_expiring", channel=certificate.channel, serial=certificate.serial, ends_at=ends)

    def _tell_channels(self, connection: Connection, events: Sequence[OutboxEvent]) -> None:
        enter_in_book(connection, events)
        record_news(connection, events, self._runtime.news.name, self._runtime.ground.clock())

    def _try(self, work: Callable[[], int]) -> int:
        try:
            return work()
        except Refusal as refusal:
            _log.warning("worker_waits", code=refusal.code)
        except Exception as fault:  # noqa: BLE001 - one poisoned event must not end what seals and clears
            _log.error("worker_fault", exc_info=fault)
        return 0
