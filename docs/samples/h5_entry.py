"""The H5 entry as your server builds it today, with what is new: a certificate's number, a nonce, PKCE, a token's key.

`python h5_entry.py sign` prints the form to be posted to /v1/h5-entries and keeps, for `carry.py back`, what the holder
comes back to. `docs/partners.md` leads through it.
"""

import base64
import hashlib
import json
import os
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from ecard_client import Es256Key, sm2
from ecard_client.tokens import draw_verifier

PATH = "/v1/h5-entries"
KEPT = Path(os.environ.get("CARRY_FILE", "var/carry.json"))


def form_of(act: str, said: Mapping[str, str]) -> str:
    """Write the seven parameters: what is said is encrypted, and signed in clear."""
    parameters = {
        "_api_name": act,
        "_api_access_id": os.environ["PARTNER_APP_ID"],
        "_api_serial_no": os.environ["PARTNER_SERIAL"],
        "_api_timestamp": str(time.time_ns() // 1_000_000),
        "_api_nonce": secrets.token_hex(16),
    }
    clear = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    signed = parameters | {"security": clear}
    line = f"{PATH}?" + "&".join(f"{name}={signed[name]}" for name in sorted(signed))
    key = sm2.read_key(Path(os.environ["PARTNER_KEY"]).read_bytes())
    sent = parameters | {"security": _sealed(parameters, clear), "_api_signature": _base64(key.sign(line.encode()))}
    return urlencode(sent)


def _sealed(parameters: Mapping[str, str], clear: str) -> str:
    """Encrypt with SM4-GCM under the first half of the secret's SM3; opens with these parameters alone."""
    secret = Path(os.environ["PARTNER_ENVELOPE_SECRET"]).read_text(encoding="ascii").strip()
    key, iv = hashlib.new("sm3", secret.encode()).digest()[:16], secrets.token_bytes(12)
    cipher = Cipher(algorithms.SM4(key), modes.GCM(iv)).encryptor()
    place = [parameters[name] for name in ("_api_access_id", "_api_serial_no", "_api_nonce")]
    cipher.authenticate_additional_data("\n".join(place).encode())
    return _base64(iv + cipher.update(clear.encode()) + cipher.finalize() + cipher.tag)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def main(act: str) -> None:
    """Draw what belongs to one entry, keep it, and print the form."""
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    verifier, challenge = draw_verifier()
    begun = {"verifier": verifier, "state": draw_verifier()[0], "nonce": draw_verifier()[0]}
    KEPT.write_text(json.dumps(kept | begun), encoding="utf-8")
    tokens_key = Es256Key(load_pem_private_key(kept["dpop_key"].encode(), None))  # type: ignore[arg-type]  # drawn by carry.py
    named = {"state": begun["state"], "nonce": begun["nonce"]}
    sys.stdout.write(form_of(act, {**named, "code_challenge": challenge, "dpop_jkt": tokens_key.thumbprint}))


if __name__ == "__main__":
    if sys.argv[1:] not in ([act] for act in ("sign", "show", "report_loss", "unlink")):
        sys.exit("what the holder comes for: sign, show, report_loss or unlink")
    main(sys.argv[1])
