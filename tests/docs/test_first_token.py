"""What the operators' page prints for a new partner works as it stands, from nothing to the first token and after."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from cli.phone import Phone
from core.clock import system_clock
from core.settings import Settings
from tests.docs.pages import ROOT, fenced
from tests.login.robot import RobotHolder
from tests.persons import REGION
from tests.redemption.processes import make_city, open_inside, run_processes
from tests.servers import free_port

PAGE = ROOT / "docs" / "operations.md"
REDIRECT = "https://bank.example/cb"


def printed(beginning: str) -> str:
    """Give the one block of commands that begins so."""
    (block,) = [block for block in fenced(PAGE, "sh") if block.startswith(beginning)]
    return block


@dataclass
class Desk:
    """A partner's and an operator's desk in one folder, and a holder with a phone beside it."""

    folder: Path
    variables: dict[str, str]
    issuer: str
    phone: Phone

    def run(self, commands: str) -> str:
        """Run commands as they are printed; variables that they set are known to the next ones."""
        script = f"source ./known\n{commands}\n{{ declare -p CLIENT KID NEW 2>/dev/null || true; }} > known\n"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def known(self, name: str) -> str:
        return self.run(f'printf %s "${name}"\n')

    def first_token(self, kid: str, key: str = "partner.pem") -> list[str]:
        """Run the printed program; the holder does what it says. Return its answers."""
        command = [sys.executable, "first_token.py", self.issuer, self.known("CLIENT"), kid, key, REDIRECT]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, cwd=self.folder, env=self.variables, **pipes) as program:
            lines = [program.stdout.readline()]
            if lines[0].startswith("201"):
                address = program.stdout.readline().split()[1]
                with httpx.Client(trust_env=False) as browser:
                    came_back = RobotHolder(self.issuer, self.phone).log_in(browser, address)
                program.stdin.write(came_back.headers["Location"] + "\n")
                program.stdin.flush()
            program.stdin.close()
            lines += program.stdout.read().replace("came back to: ", "").splitlines()
        return lines


@pytest.fixture
def desk(sqlite_url: str, tmp_path: Path) -> Iterator[Desk]:
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    city = make_city(tmp_path / "city")
    where = {"home": city.folder, "keystore_secret": city.secret, "database_url": sqlite_url, "region": REGION}
    settings = Settings(**where, issuer=issuer, listen_port=port)
    inside = open_inside(settings)
    with contextlib.ExitStack() as stack:
        stack.callback(inside.http.close)
        phone = inside.enroll(card=inside.make_card(1))
        stack.enter_context(run_processes(settings, tmp_path / "serve.log"))
        phone.http, phone.now = stack.enter_context(httpx.Client(base_url=issuer, trust_env=False)), system_clock
        assert phone.sign_in().status_code == 200
        folder = tmp_path / "desk"
        folder.mkdir()
        (folder / "known").touch()
        (folder / "first_token.py").write_text(*fenced(PAGE, "python"))
        yield Desk(folder, variables_of(settings, city.secret), issuer, phone)
    inside.runtime.close()


def variables_of(settings: Settings, secret: str) -> dict[str, str]:
    return {
        "PATH": f"{Path(sys.prefix, 'bin')}:{os.environ['PATH']}",
        "ISSUER": settings.issuer,
        "ECARD_HOME": str(settings.home),
        "ECARD_DATABASE_URL": settings.database_url.get_secret_value(),
        "ECARD_KEYSTORE_SECRET": secret,
        "ECARD_ISSUER": settings.issuer,
        "ECARD_REGION": REGION,
    }


def test_a_partner_comes_from_nothing_to_its_first_token_changes_its_key_and_is_suspended(desk):
    desk.run(printed("openssl genpkey"))
    shown = desk.run(printed("CLIENT=$(ecard clients register --profile partner"))
    assert "Example Bank" in shown
    assert "good" in shown
    assert "private" not in (desk.folder / "partner.jwk").read_text()
    first, kid = desk.first_token(desk.known("KID")), desk.known("KID")
    assert first[0].startswith('201 {"request_uri"')
    assert first[-1].startswith('200 {"access_token"')
    assert "id_token" in first[-1]

    again = printed("openssl genpkey").replace("partner.pem", "partner-2.pem").replace("partner.jwk", "partner-2.jwk")
    desk.run(again)
    changed = desk.run(printed("NEW=$(ecard clients add-key"))
    assert "would be withdrawn" in changed
    assert "withdrawn" in changed
    assert desk.first_token(kid)[0].startswith("401")
    assert desk.first_token(desk.known("NEW"), "partner-2.pem")[-1].startswith("200")

    suspend, reinstate = printed("ecard clients set-standing").splitlines()
    desk.run(suspend + "\n")
    assert desk.first_token(desk.known("NEW"), "partner-2.pem")[0].startswith("401")
    desk.run(reinstate + "\n")
    assert desk.first_token(desk.known("NEW"), "partner-2.pem")[0].startswith("201")


def test_an_app_is_entered_listed_and_taken_out(desk):
    block = printed("APP=$(ecard clients register")
    shown = desk.run(block.replace("https://card.example.gov.cn", desk.issuer.replace("http://", "https://")))
    assert "cn.example.app" in shown
    assert shown.rstrip().endswith("removed")
