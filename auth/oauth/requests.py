"""A request to an OAuth endpoint, free of the web framework, and its form for Authlib."""

from dataclasses import dataclass

from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload, OAuth2Request

from auth.oauth.forms import Form
from auth.proofs import DeviceProof


@dataclass(frozen=True, slots=True)
class GivenRequest:
    """A request as it came in; nothing of it is believed.

    Attributes:
        caller: from where it came, as ``auth.addresses`` counts it.
        address: the endpoint as ``htu`` of a proof must name it.
        certificate: DER of the client certificate that the trusted proxy verified; None from anybody else.
    """

    method: str
    address: str
    form: Form
    authorization: str | None = None
    proof: str | None = None
    certificate: bytes | None = None
    caller: str = ""


class FormRequest(OAuth2Request):  # type: ignore[misc]  # Authlib has no types
    """What Authlib's grants and endpoints read."""

    def __init__(self, given: GivenRequest) -> None:
        super().__init__(given.method, given.address)
        self.given = given
        self.proof: DeviceProof | None = None
        self._form = {name: values[0] for name, values in given.form.given.items()}
        self.payload = BasicOAuth2Payload(self._form)

    @property
    def form(self) -> dict[str, str]:
        return self._form
