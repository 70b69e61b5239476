"""The openssl command as the third opinion on signatures and key files."""

import subprocess

import pytest

from sm.der import (
    export_pkcs8,
    export_spki,
    import_pkcs8,
    import_spki,
    read_der_signature,
    read_pem,
    signature_to_der,
    write_pem,
)
from sm.providers import open_provider

MESSAGE = b"visit 2026-03-01"


@pytest.fixture(scope="module", params=["openssl", "gmssl"])
def provider(request):
    return open_provider(request.param)


@pytest.fixture
def command(tmp_path):
    def run(*arguments):
        return subprocess.run(["openssl", *arguments], cwd=tmp_path, capture_output=True, check=False, text=True)

    return run


RAW_SM3 = ("-rawin", "-digest", "sm3")


@pytest.mark.parametrize("user_id", ["1234567812345678", "ESSC-QR-B1"])
def test_the_openssl_command_verifies_our_signatures(provider, command, tmp_path, user_id):
    signer = provider.signer(provider.generate(), user_id.encode())
    (tmp_path / "public.pem").write_text(write_pem("PUBLIC KEY", export_spki(signer.public_key)))
    (tmp_path / "message").write_bytes(MESSAGE)
    (tmp_path / "signature").write_bytes(signature_to_der(signer.sign(MESSAGE)))
    verify = ("pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-in", "message", "-sigfile", "signature")
    assert command(*verify, *RAW_SM3, "-pkeyopt", f"distid:{user_id}").returncode == 0
    assert command(*verify, *RAW_SM3, "-pkeyopt", "distid:another").returncode != 0


@pytest.mark.parametrize("user_id", ["1234567812345678", "ESSC-QR-B1"])
def test_we_verify_the_openssl_commands_signatures_and_read_its_keys(provider, command, tmp_path, user_id):
    assert command("genpkey", "-algorithm", "SM2", "-out", "key.pem").returncode == 0
    assert command("pkey", "-in", "key.pem", "-pubout", "-out", "public.pem").returncode == 0
    (tmp_path / "message").write_bytes(MESSAGE)
    sign = ("pkeyutl", "-sign", "-inkey", "key.pem", "-in", "message", "-out", "signature", *RAW_SM3)
    assert command(*sign, "-pkeyopt", f"distid:{user_id}").returncode == 0
    public_key = import_spki(read_pem("PUBLIC KEY", (tmp_path / "public.pem").read_text()))
    private_key = import_pkcs8(read_pem("PRIVATE KEY", (tmp_path / "key.pem").read_text()))
    assert provider.public_key_of(private_key) == public_key
    signature = read_der_signature((tmp_path / "signature").read_bytes())
    provider.verifier(public_key, user_id.encode()).verify(MESSAGE, signature)


def test_the_openssl_command_reads_our_private_keys(provider, command, tmp_path):
    private_key = provider.generate()
    (tmp_path / "key.pem").write_text(write_pem("PRIVATE KEY", export_pkcs8(private_key)))
    assert command("pkey", "-in", "key.pem", "-pubout", "-out", "public.pem").returncode == 0
    public_key = import_spki(read_pem("PUBLIC KEY", (tmp_path / "public.pem").read_text()))
    assert public_key == provider.public_key_of(private_key)
