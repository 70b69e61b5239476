"""What can go wrong, by what you have to do about it."""

from collections.abc import Mapping
from typing import Any


class EcardError(Exception):
    """Everything that this client raises by itself."""


class NoAnswer(EcardError):
    """The service did not answer, or not in time, also after retries: whether it did the work is not known.

    Send the same call again later with the same ``idempotency_key``; it is done once.
    """


class NotProven(EcardError):
    """A signature, certificate or token does not prove what it should: do not use what came with it."""


class Refused(EcardError):
    """The service said no, with a problem document (RFC 9457).

    Attributes:
        status: of HTTP.
        code: the stable code; docs/problems.md of the service explains each.
        problem: the whole document.
        retry_after: seconds to wait, if the service named any.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after: float | None = None) -> None:
        said = (problem.get(name) for name in ("title", "detail", "next_step"))
        super().__init__(f"{status} {problem.get('code')}: {' '.join(str(text) for text in said if text)}")
        self.status = status
        self.code = str(problem.get("code", ""))
        self.problem = problem
        self.retry_after = retry_after


class OAuthRefused(EcardError):
    """The token server said no (RFC 6749 section 5.2); ``error`` is a name of OAuth's registry."""

    def __init__(self, status: int, answer: Mapping[str, Any], retry_after: float | None = None) -> None:
        super().__init__(f"{status} {answer.get('error')}: {answer.get('error_description')}")
        self.status = status
        self.error = str(answer.get("error", ""))
        self.code = answer.get("code")
        self.retry_after = retry_after
