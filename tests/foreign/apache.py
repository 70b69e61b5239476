"""Apache with mod_auth_openidc before an application that knows nothing of logins."""

import contextlib
import json
import secrets
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.foreign.front import QuietHandler, threaded_server
from tests.foreign.node import EXAMPLES
from tests.foreign.town import Town, private_key_of, public_key_of
from tests.oauth.clients_of_tests import OAuthClient
from tests.servers import account, becomes_ready, end, server_folder, start, tail

MODULES = Path("/usr/lib/apache2/modules")
PROGRAM = Path("/usr/sbin/apache2")
SET_UP = "sudo apt-get install -y libapache2-mod-auth-openidc"
LOADED = ("mpm_event", "authn_core", "authz_core", "authz_user", "ssl", "proxy", "proxy_http", "auth_openidc")

AROUND = """\
ServerRoot "{folder}"
PidFile "{folder}/pid"
DefaultRuntimeDir "{folder}"
Mutex "file:{folder}" default
ErrorLog "{folder}/error.log"
LogLevel warn
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
KeepAlive Off
{modules}
SSLEngine on
SSLCertificateFile "{folder}/front.pem"
SSLCertificateKeyFile "{folder}/front.key"
SSLSessionCache none
ProxyPass / http://127.0.0.1:{behind}/
OIDCCABundlePath "{folder}/front.pem"
{defined}
Include "{folder}/apache.conf"
"""
BY_KEY = """\
OIDCPrivateKeyFiles "{folder}/client.key"
OIDCPublicKeyFiles "{folder}/client.pub"
OIDCProviderTokenEndpointAuth private_key_jwt
"""


@dataclass
class Site:
    """A site behind Apache, and a visitor's browser."""

    town: Town
    address: str
    log: Path
    read: int = 0

    def why(self) -> str:
        """Return what Apache wrote into its log since this was asked the last time."""
        written = self.log.read_text()
        new, self.read = written[self.read :], len(written)
        return new

    def visit(self, browse=None) -> httpx.Response:
        """Ask for a page; where the browser is sent to log in, do so and come back. Returns the last answer."""
        trusted = self.town.front.certificate.for_calling()
        with httpx.Client(verify=trusted, trust_env=False, base_url=self.address) as visitor:
            answer = visitor.get("/page")
            assert answer.status_code == 302, answer.text
            back = visitor.get((browse or self.town.browse)(answer.headers["Location"]))
            return visitor.get(back.headers["Location"]) if back.status_code == 302 else back


class Echo(QuietHandler):
    """An application that shows the headers it is given."""

    def answer(self) -> None:
        shown = {name: value for name, value in self.headers.items() if name.startswith("OIDC")}
        self.write(200, [("Content-Type", "application/json")], json.dumps(shown).encode())

    do_GET = answer  # noqa: N815 - the library's name


@contextlib.contextmanager
def run_site(town: Town, port: int, client: OAuthClient) -> Iterator[Site]:
    """Run Apache on a port until the block ends; fails with what to install where it is not there."""
    if not (PROGRAM.exists() and (MODULES / "mod_auth_openidc.so").exists()):
        pytest.fail(SET_UP, pytrace=False)
    site = f"https://127.0.0.1:{port}"
    with threaded_server(Echo) as behind, server_folder("apache") as folder:
        _write_settings(town, folder, port, behind, client)
        log = folder / "error.log"
        process = start([PROGRAM, "-DFOREGROUND", "-f", folder / "httpd.conf"], folder / "start.log")
        try:
            if not becomes_ready(process, lambda: _ask(port), ConnectionError):
                raise AssertionError(tail(log if log.exists() else folder / "start.log"))
            yield Site(town, site, log)
        finally:
            end(process)


def _write_settings(town: Town, folder: Path, port: int, behind: int, client: OAuthClient) -> None:
    if client.key is not None:
        (folder / "client.key").write_text(private_key_of(client))
        (folder / "client.pub").write_text(public_key_of(client))
    for file in (town.front.certificate.authorities, town.front.certificate.key, EXAMPLES / "apache.conf"):
        shutil.copy(file, folder)
    names = {"issuer": town.issuer, "client": client.id, "secret": client.secret or "none"}
    names |= {"site": f"https://127.0.0.1:{port}", "passphrase": secrets.token_urlsafe(24)}
    defined = "\n".join(f'Define {name} "{value}"' for name, value in names.items())
    modules = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in LOADED)
    said = AROUND.format(folder=folder, port=port, behind=behind, modules=modules, defined=defined)
    said += BY_KEY.format(folder=folder) if client.key else ""
    (folder / "httpd.conf").write_text(said)
    for file in folder.iterdir():
        if owner := account():
            shutil.chown(file, owner)


def _ask(port: int) -> None:
    socket.create_connection(("127.0.0.1", port)).close()
