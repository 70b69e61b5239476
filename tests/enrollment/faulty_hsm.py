from dataclasses import dataclass, field

from physical.hsm import CardHsm, CardKeyReference, ExternalAuthentication, HsmError, HsmHealth


@dataclass
class FaultyHsm:
    """An HSM that fails with these errors, by the name of the command, and counts what it was asked."""

    inner: CardHsm | None = None
    faults: dict[str, HsmError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def verify_internal_authentication(self, card: CardKeyReference, challenge: bytes, answer: bytes) -> None:
        self._note("verify_internal_authentication")
        assert self.inner is not None
        self.inner.verify_internal_authentication(card, challenge, answer)

    def external_authentication(self, card: CardKeyReference, card_random: bytes) -> ExternalAuthentication:
        self._note("external_authentication")
        assert self.inner is not None
        return self.inner.external_authentication(card, card_random)

    def health(self) -> HsmHealth:
        return HsmHealth("faulty", "development")

    def _note(self, command: str) -> None:
        self.asked.append(command)
        if command in self.faults:
            raise self.faults[command]
