"""Somebody between client and service who can change any answer: what a client notices of it is the client's merit."""

import contextlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import jwt

from tests.foreign.front import Front, Passing
from tests.oauth.clients_of_tests import Key

Change = Callable[[dict[str, Any]], None]


class Forger:
    """Changes ID tokens. His key he can pass off as the service's, so that only the claims can give him away."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.key, self.kid = Key("ES256"), f"forged-{secrets.token_hex(4)}"

    @contextlib.contextmanager
    def claiming(self, **claims: Any) -> Iterator[None]:
        """Sign ID tokens with other claims under a key that is published as the service's; None leaves a claim out."""
        with self.front.tampering(token=lambda passing: self._sign_anew(passing, claims), jwks=self._publish):
            yield

    @contextlib.contextmanager
    def breaking_signatures(self) -> Iterator[None]:
        """Change the last bytes of the ID token's signature."""
        with self.front.tampering(token=_break_signature):
            yield

    @contextlib.contextmanager
    def saying(self, endpoint: str, **members: Any) -> Iterator[None]:
        """Put other members into what an endpoint answers."""
        with self.front.tampering(**{endpoint: lambda passing: passing.change(**members)}):
            yield

    def _sign_anew(self, passing: Passing, claims: dict[str, Any]) -> None:
        given = passing.said().get("id_token")
        if given is not None:
            stated = jwt.decode(given, options={"verify_signature": False}) | claims
            kept = {name: value for name, value in stated.items() if value is not None}
            passing.change(id_token=self.key.sign(kept, kid=self.kid))

    def _publish(self, passing: Passing) -> None:
        passing.change(keys=[{**self.key.jwk, "use": "sig", "alg": "ES256", "kid": self.kid}])


def _break_signature(passing: Passing) -> None:
    given = passing.said().get("id_token")
    if given is not None:
        signed, _, signature = given.rpartition(".")
        passing.change(id_token=f"{signed}.{signature[:-4]}{'AAAA' if signature[-4:] != 'AAAA' else 'BBBB'}")
