from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from auth.schemas import Whole, shown_member
from channels.h5_entries.entering import ACTS
from channels.h5_entries.errors import EntryTakesNoMore

_DIGEST = r"^[A-Za-z0-9_-]{43}$"
_PRINTABLE = r"^[\x20-\x7e]{1,%d}$"


class H5EntrySchema(Schema):
    act = fields.String(
        required=True,
        validate=validate.OneOf(list(ACTS)),
        metadata={"example": "sign", "description": "what the holder comes for; in the H5 form it is `_api_name`"},
    )
    state = fields.String(
        required=True,
        validate=Whole(_PRINTABLE % 1024),
        metadata={"example": "5b1e07c2", "description": "comes back with the code as it is: draw one for each entry"},
    )
    code_challenge = fields.String(
        required=True,
        validate=Whole(_DIGEST),
        metadata={
            "example": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "description": "base64url of the SHA-256 of a verifier that you keep (PKCE, S256)",
        },
    )
    dpop_jkt = fields.String(
        required=True,
        validate=Whole(_DIGEST),
        metadata={
            "example": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
            "description": "thumbprint (RFC 7638) of the key that redeems the code and uses the token",
        },
    )
    nonce = fields.String(
        load_default=None,
        validate=Whole(_PRINTABLE % 256),
        metadata={"example": "n-9f2c71", "description": "comes back in the ID token"},
    )
    redirect_uri = fields.String(
        load_default=None,
        metadata={
            "example": "https://bank.example/ecard/back",
            "description": "of your client's, letter by letter; may be left out where it has one alone",
        },
    )

    def handle_error(self, error: ValidationError, data: Any, *, many: bool, **_more: Any) -> None:  # noqa: ARG002 - marshmallow's signature
        """Say of what is too much that it is to be left out, and why; its name alone, if it looks like one of ours."""
        found: Mapping[str, Any] = error.messages if isinstance(error.messages, dict) else {}
        unknown = [name for name, said in found.items() if said == [self.error_messages["unknown"]]]
        if unknown:
            names = sorted({shown_member(name) for name in unknown})[:10]
            raise EntryTakesNoMore("; ".join(f"{name}: {self.error_messages['unknown']}" for name in names))


class OpenedH5EntrySchema(Schema):
    url = fields.String(
        required=True,
        metadata={
            "format": "uri",
            "description": "open it in the app's web view or in the system's browser: once, as it is",
        },
    )
    expires_in = fields.Integer(
        required=True, metadata={"example": 90, "description": "seconds until which it has to be opened"}
    )
