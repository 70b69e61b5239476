"""What the guard does where a request has an Idempotency-Key; ``auth.kept_answers`` knows nothing of HTTP."""

import json
from collections.abc import Callable
from typing import Any, Literal

from flask import Response, current_app, request

from auth.blueprints import PLAIN_BODY
from auth.kept_answers import Answer, Asked, KeptAnswers
from core.errors import Refusal

Idempotent = Literal["kept", "own"]
REPLAY = "Idempotent-Replay"
"""The header of an answer that was given before."""
_KEY = "HTTP_IDEMPOTENCY_KEY"


def has_key(idempotent: Idempotent) -> bool:
    """Tell whether the answer to this request is kept; one look into a dictionary is all that most of them pay."""
    return _KEY in request.environ and idempotent == "kept" and request.method in {"POST", "PUT"}


def answer_once(answers: KeptAnswers, caller: str, target: str, run: Callable[[], Any]) -> Response:
    """Run the view for the first request with this key; those after it get the answer of the first."""
    asked = Asked(caller, request.environ[_KEY], request.method, target, _content())
    answer = answers.answer_once(asked, lambda: _seen(run()), _seen_refusal)
    response = Response(answer.body, answer.status, list(answer.headers))
    if answer.again:
        response.headers[REPLAY] = "true"
    return response


def _content() -> bytes:
    """Give what the body says, as the guard has read it: a channel's wrapping of the same is another one each time."""
    return json.dumps(request.environ.get(PLAIN_BODY), sort_keys=True).encode()


def _seen(made: Any) -> Answer:
    response = current_app.make_response(made)
    headers = tuple((name, value) for name, value in response.headers if name != "Content-Length")
    return Answer(response.status_code, headers, response.get_data())


def _seen_refusal(refusal: Refusal) -> Answer:
    return _seen(current_app.handle_user_exception(refusal))
