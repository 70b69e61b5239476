"""Answers to channels are signed, refusals and faults too, from the moment on when the channel was proven."""

from flask import Flask, Response, request

from auth.guard import ANSWER_TO, AnswerTo, gate
from sm.signed_answer import HEADER, sign_answer


def sign_answers_to_channels(app: Flask) -> None:
    """Let every answer to a proven channel leave with its signature."""
    app.after_request(_sign)


def _sign(response: Response) -> Response:
    to: AnswerTo | None = request.environ.get(ANSWER_TO)
    if to is None:
        return response
    response.direct_passthrough = False  # the whole body has to be at hand
    response.headers[HEADER] = sign_answer(
        to.signer,
        serial_no=to.serial,
        status=response.status_code,
        target=to.target,
        timestamp=int(gate().ground.clock().timestamp()),
        nonce=to.nonce,
        body=b"" if request.method == "HEAD" else response.get_data(),
    )
    return response
