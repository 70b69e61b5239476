"""Partners who ask for what is theirs, well and badly, so that every answer is seen."""

import json
from typing import Any

from tests.channels.partners import make_partner
from tests.channels.trials import CARDS, CLOCK, SANDBOX, TILL, make_trial
from tests.service import Service
from web.app import create_app
from web.worker import Worker


def fetch_statements(service: Service) -> None:
    app, day = make_partner(service, scopes=("statements",)), service.clock().date().isoformat()
    for after in (0, 2 * 86_400):
        service.clock.step(after)
        _let_the_worker_work(Worker(service.runtime))
        for behind in ("", "?part=2", "?part=0", "/signature"):
            app.send("GET", f"/v1/channel/statements/{day}{behind}")


def _let_the_worker_work(worker: Worker) -> None:
    while worker.tell() + worker.make_statement():
        pass


def have_requests_examined(service: Service, app: Any) -> None:
    sent = {"Authorization": app.sign("GET", "/v1/channel?a=b")}
    claimed = {"method": "GET", "target": "/v1/channel", "header_fields": sent, "base_string": "GET\n"}
    app.send("POST", "/v1/channel/signature-examinations", json.dumps(claimed).encode())
    sent = app.send("GET", "/v1/channel").headers["X-Request-Id"]
    for path in (sent, "req_x", "?limit=1", "?limit=0", "?after=x", ""):
        app.send("GET", f"/v1/channel/requests{'/' if path[:1] == 'r' else ''}{path}")
    for given in (claimed, {}):
        service.http.post("/v1/sandbox/signature-examinations", json=given)
    trying = make_partner(service, "sandbox")
    trying.send("POST", "/v1/sandbox/news", b'{"kind":"card.issued"}')
    trying.send("PUT", "/v1/sandbox/switches", b'{"answers":{"times":1,"status":429},"news":null}')
    trying.send("GET", "/v1/sandbox/switches")
    trying.send("DELETE", "/v1/sandbox/switches")
    play_with_made_up_cards(service)
    app.send("POST", "/v1/sandbox/news", b'{"kind":"card.issued"}')


def play_with_made_up_cards(service: Service) -> None:
    trial = make_trial(service, pages=create_app(service.runtime))  # the pages are described nowhere
    card = trial.make_card()
    linked = trial.link(card)
    linked.sign()
    code = linked.show()
    for _ in range(2):
        trial.take(code)
    linked.call("GET", "/v1/carriage/uses")
    for _ in range(10):
        trial.ask("POST", CARDS, level="L2")
    trial.ask("GET", CARDS)
    trial.act(card, "report_loss")
    trial.act(card, "nothing")
    trial.answer(card, "BCDF-GHJK")
    trial.answer({"card": "crd_1"}, "BCDF-GHJK")
    trial.ask("POST", TILL, code="81")
    for seconds in (60, 0):
        trial.ask("PUT", CLOCK, offset_seconds=seconds)
    trial.ask("GET", CLOCK)
    trial.ask("DELETE", SANDBOX)
