"""A holder at the login page, which is not there yet: what it would ask the server to do."""

from dataclasses import dataclass
from typing import Any

from auth.oauth.interactions import Approval, complete_interaction, deny_interaction, get_interaction
from tests.oauth.clients_of_tests import OAuthClient, answer_of
from tests.service import Service


@dataclass
class Holder:
    """A person with an electronic card at level L3 on a phone."""

    service: Service
    card: str
    device: str

    def approve(self, interaction: str, **changes: Any) -> str:
        """Log in and allow everything; return the address the browser goes to."""
        desk = self.service.runtime.oauth.desk
        with self.service.database.transaction() as connection:
            found = get_interaction(desk, connection, interaction, browser=None)
        given = {
            "card": self.card,
            "device": self.device,
            "acr": "L3",
            "amr": ("hwk", "pin"),
            "authenticated_at": self.service.clock(),
            "scopes": found.request.scopes,
        }
        return complete_interaction(desk, found, Approval(**{**given, **changes}))

    def deny(self, interaction: str) -> str:
        desk = self.service.runtime.oauth.desk
        with self.service.database.transaction() as connection:
            found = get_interaction(desk, connection, interaction, browser=None)
        return deny_interaction(desk, found)

    def code_for(self, client: OAuthClient, changes: dict[str, Any] | None = None, **approval: Any) -> str:
        """Go the whole way to a code."""
        return answer_of(self.approve(client.begin(**changes or {}), **approval))["code"]

    def tokens_for(self, client: OAuthClient, changes: dict[str, Any] | None = None, **approval: Any) -> dict[str, Any]:
        """Go the whole way to tokens."""
        answer = client.redeem(self.code_for(client, changes, **approval))
        assert answer.status_code == 200, answer.text
        return answer.json()


def make_holder(service: Service, number: int = 1) -> Holder:
    phone = service.enroll(card=service.make_card(number))
    return Holder(service, phone.card, phone.device)
