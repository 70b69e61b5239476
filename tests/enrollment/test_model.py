"""An enrollment as a model (threats.md E3; trust.md, figure 14): whatever is sent in whatever order, a card comes only
of a card that proved itself, a PIN with a signature, and a yes of the very phone that began."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecard.standing import lift_loss, report_loss
from tests.enrollment.attempt import Attempt
from tests.service import Service

ORDER = {"hello": ("pending", "hello"), "complete": ("hello", "verified"), "confirm": ("verified", "issued")}
STEPS = ["hello", "complete", "confirm"]
HOSTILE = (
    "hello of another terminal",
    "hello of a slow reader",
    "hello without a proof",
    "complete without a pin",
    "complete with another signature",
    "confirm by another phone",
    "confirm another card",
    "say no",
    "give up",
    "wait to the end",
    "report the loss",
    "lift the loss",
)
FINAL = {"issued", "refused", "expired"}


@st.composite
def conversations(draw) -> list[str]:
    """The three steps with some messages put in between, sometimes one taken away."""
    messages = list(STEPS)
    for _ in range(draw(st.integers(0, 4))):
        messages.insert(draw(st.integers(0, len(messages))), draw(st.sampled_from([*STEPS, *HOSTILE])))
    if draw(st.integers(0, 3)) == 0:
        messages.pop(draw(st.integers(0, len(messages) - 1)))
    return messages


class Model:
    """What a reader of the specification expects."""

    def __init__(self) -> None:
        self.state = "pending"
        self.is_lost = False
        self.done: set[str] = set()

    def expect(self, message: str) -> None:
        if message in {"report the loss", "lift the loss"}:
            self.is_lost = message == "report the loss"
        elif message in {"hello of another terminal", "confirm by another phone"} or self.state in FINAL:
            return
        elif message in ORDER and message in self.done and message != "confirm":
            return  # the same message again: the same answer
        elif message in ORDER and self.state == ORDER[message][0] and not (self.is_lost and message != "complete"):
            self.state = ORDER[message][1]
            self.done.add(message)
        else:
            self.state = "expired" if message == "wait to the end" else "refused"


def play(attempt: Attempt, message: str, *, is_new: bool) -> None:
    other_till, other_phone = attempt.service.add_till, attempt.service.phone
    if message == "hello" and is_new and attempt.state == "pending":
        attempt.sent["hello"] = attempt.read_hello()
    acts = {
        "hello": attempt.hello,
        "complete": attempt.complete,
        "confirm": attempt.confirm,
        "hello of another terminal": lambda: attempt.hello(other_till()),
        "hello of a slow reader": lambda: attempt.hello(round_trip_ms=60_000),
        "hello without a proof": lambda: attempt.hello(internal_authentication="00" * 8),
        "complete without a pin": lambda: attempt.complete(pin_verified=False),
        "complete with another signature": lambda: attempt.complete(signature="11" * 64),
        "confirm by another phone": lambda: attempt.confirm(phone=other_phone()),
        "confirm another card": lambda: attempt.confirm("chp_" + "0" * 26),
        "say no": lambda: attempt.confirm(confirmed=False),
        "give up": attempt.abandon,
        "wait to the end": lambda: attempt.service.clock.step(120),
        "report the loss": lambda: stand(attempt, report_loss, "active"),
        "lift the loss": lambda: stand(attempt, lift_loss, "lost"),
    }
    answer = acts[message]()
    assert answer is None or answer.status_code < 500, answer.text


def stand(attempt: Attempt, change, frm: str) -> None:
    ground = attempt.service.runtime.ground
    if attempt.chip.standing == frm:
        with ground.database.transaction() as connection:
            change(ground, connection, attempt.chip.id, actor="hotline")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages=conversations())
def test_e3_no_order_of_messages_makes_a_card_without_card_pin_and_phone(sqlite_city: Service, messages):
    attempt, model = Attempt(sqlite_city).until("begin"), Model()
    for message in messages:
        play(attempt, message, is_new=message not in model.done)
        model.expect(message)
        assert attempt.state == model.state, messages
    card = attempt.electronic_card
    assert (card is not None) == (model.state == "issued") == (model.done == set(ORDER))
    assert card is None or (card.standing == "active") != model.is_lost
