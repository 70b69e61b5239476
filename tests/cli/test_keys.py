"""`ecard keys` as an operator uses it."""

import json
import stat
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from cli import main
from cli.key_store_options import Surroundings
from core.clock import SteppingClock
from sm.ceremony_log import LOG_FILE
from sm.city_keys import (
    CITY_CA,
    CITY_KEYS,
    CODE_HANDLE,
    CODE_SIGNING,
    VISIT_TOKEN,
    code_ring,
    read_hierarchy,
)
from sm.der import import_pkcs8, read_pem
from sm.keystore import FileKeyStore
from sm.providers import open_provider

SECRET = "a secret for these tests"
START = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = 86400


@pytest.fixture(scope="module")
def provider():
    return open_provider()


class Desk:
    """An operator's desk: a directory, a secret in the environment, a clock."""

    def __init__(self, folder, environment="development"):
        self.folder = folder
        self.directory = folder / "keys"
        self.clock = SteppingClock(START)
        self.variables = {
            "ECARD_KEYSTORE_SECRET": SECRET,
            "ECARD_KEYSTORE_PATH": str(self.directory),
            "ECARD_ENVIRONMENT": environment,
        }

    def run(self, *arguments, **variables):
        words = ["keys", *map(str, arguments)]
        return CliRunner(env=self.variables | variables).invoke(main, words, obj=Surroundings(self.clock))

    def did(self, *arguments, **variables):
        result = self.run(*arguments, **variables)
        assert result.exit_code == 0, result.output
        return result.stdout

    def store(self, secret=SECRET):
        return FileKeyStore(self.directory, secret)

    def save(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


@pytest.fixture
def founded(desk):
    desk.did("init")
    return desk


def states(desk):
    return {key.kid: str(key.state) for key in code_ring(desk.store()).keys}


def snapshot(directory):
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


# ── init ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_init_makes_every_key_of_a_city(desk):
    said = desk.did("init")
    names = desk.store().names()
    for name in [key.name for key in CITY_KEYS] + [CODE_SIGNING.format(kid=1), CODE_HANDLE.format(kid=1)]:
        assert f"made {name}\n" in said
        assert name in names
    assert states(desk) == {1: "current", 2: "next"}
    assert desk.store().environment == "development"


def test_init_again_changes_nothing(founded):
    before = snapshot(founded.directory)
    assert "nothing to do" in founded.did("init")
    assert snapshot(founded.directory) == before


def test_init_makes_a_key_that_is_missing_and_leaves_the_others(founded):
    audit = founded.store().symmetric("city/audit")
    (founded.directory / "entries" / "city~visit-token.json").unlink()
    assert founded.did("init") == f"made {VISIT_TOKEN}\n"
    assert founded.store().symmetric("city/audit") == audit


def test_init_saves_certificates_that_openssl_verifies(founded):
    folder = founded.directory / "certificates"
    for issued, issuer in (("province", "ministry"), ("city", "province")):
        command = ["openssl", "verify", "-partial_chain", "-vfyopt", "distid:1234567812345678"]
        at = str(int((START + timedelta(days=1)).timestamp()))
        command += ["-attime", at, "-trusted", str(folder / f"{issuer}.pem"), str(folder / f"{issued}.pem")]
        assert subprocess.run(command, check=False, capture_output=True, timeout=30).returncode == 0


def test_the_certificates_name_the_region_and_say_that_they_are_for_development(desk):
    desk.did("init", "--region", "990200")
    hierarchy = read_hierarchy(desk.store())
    assert hierarchy.city.subject_common_name == "Development City CA 990200"
    assert hierarchy.ministry.subject_common_name == "Development Ministry Root CA"


def test_a_dry_run_of_init_writes_nothing(desk):
    plan = json.loads(desk.did("init", "--dry-run"))
    assert plan["action"] == "create"
    assert not desk.directory.exists()


def test_init_refuses_a_store_of_another_environment(founded):
    result = founded.run("init", "--environment", "production")
    assert result.exit_code == 1
    assert "wrong_environment" in result.stderr


def test_init_in_production_refuses_a_short_secret(desk):
    result = found_production(desk, ECARD_KEYSTORE_SECRET="short")
    assert result.exit_code == 1
    assert "weak_secret" in result.stderr


# ── The secret ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_secret_nothing_happens(desk):
    result = desk.run("init", ECARD_KEYSTORE_SECRET="")
    assert result.exit_code == 2
    assert "ECARD_KEYSTORE_SECRET" in result.stderr


def test_the_secret_is_read_from_a_file(founded):
    path = founded.save("secret", SECRET + "\n")
    path.chmod(0o600)
    assert "city/ca" in founded.did("list", "--secret-file", path, ECARD_KEYSTORE_SECRET="")


def test_a_secret_file_that_others_may_read_is_warned_about(founded):
    path = founded.save("secret", SECRET)
    path.chmod(0o644)
    assert "others may read" in founded.run("list", "--secret-file", path, ECARD_KEYSTORE_SECRET="").stderr


@pytest.mark.parametrize("option", ["--keystore-secret", "--secret"])
def test_no_argument_takes_the_secret(founded, option):
    assert founded.run("list", option, SECRET, ECARD_KEYSTORE_SECRET="").exit_code == 2
    assert founded.run("list", f"{option}={SECRET}", ECARD_KEYSTORE_SECRET="").exit_code == 2


def test_the_wrong_secret_is_refused_in_one_line(founded):
    result = founded.run("list", ECARD_KEYSTORE_SECRET="another")
    assert result.exit_code == 1
    assert result.stderr == "Error: wrong_secret: the secret does not open this key store\n"


# ── list and show ────────────────────────────────────────────────────────────────────────────────────────────────


def test_list_tells_level_kind_and_purpose(founded):
    said = founded.did("list")
    assert any(line.split()[:3] == ["ministry/root-ca", "ministry", "sm2"] for line in said.splitlines())
    assert "encrypts personal data" in said
    assert "current" in said


def test_show_tells_the_public_key_only(founded, provider):
    private_key = founded.store().private_key(CITY_CA)
    said = founded.did("show", CITY_CA)
    assert provider.public_key_of(private_key).hex() in said
    assert "BEGIN PUBLIC KEY" in said
    assert private_key.secret_bytes().hex() not in said


def test_nothing_that_is_shown_holds_a_secret(founded):
    store = founded.store()
    for name in store.names():
        entry, content = store.read(name)
        if entry.kind != "document":
            assert content.hex() not in founded.did("show", name)


def test_show_tells_certificates_and_rings(founded):
    assert "BEGIN CERTIFICATE" in founded.did("show", "city/ca-certificate")
    assert '"state":"current"' in founded.did("show", "city/code-ring")
    assert "no public part" in founded.did("show", "city/audit")
    assert len(founded.did("show", "city/token-signing/phone-es256-1").split()[-1]) == 128


def test_show_refuses_an_unknown_name(founded):
    result = founded.run("show", "city/nothing")
    assert result.exit_code == 1
    assert "key_not_found" in result.stderr


def test_the_commands_work_where_no_store_is_only_by_saying_so(desk):
    result = desk.run("list")
    assert result.exit_code == 1
    assert "there is no key store" in result.stderr


# ── rotate, withdraw, rewrap in development ──────────────────────────────────────────────────────────────────────


def test_rotate_goes_on_to_the_next_key_with_a_warning(founded):
    founded.clock.step(5)
    result = founded.run("rotate")
    assert result.exit_code == 0
    assert "Warning: development keys" in result.stderr
    assert states(founded) == {1: "retired", 2: "current", 3: "next"}


def test_rotate_refuses_while_the_next_key_is_too_young(founded):
    founded.clock.step(4)
    result = founded.run("rotate")
    assert result.exit_code == 1
    assert "key_not_usable" in result.stderr
    assert states(founded) == {1: "current", 2: "next"}


def test_a_longer_lead_makes_the_next_key_wait(founded):
    founded.clock.step(5)
    founded.did("rotate", "--lead", 3600)
    founded.clock.step(3599)
    assert founded.run("rotate").exit_code == 1
    founded.clock.step(1)
    founded.did("rotate")


@pytest.mark.parametrize("command", [["rotate"], ["withdraw", "1"], ["rewrap", "city"]])
def test_a_dry_run_writes_the_plan_and_changes_nothing(founded, command):
    founded.clock.step(5)
    before = snapshot(founded.directory)
    plan = json.loads(founded.did(*command, "--dry-run"))
    assert plan["action"] == command[0]
    assert snapshot(founded.directory) == before


def test_withdraw_stops_a_key_for_good(founded):
    founded.clock.step(5)
    founded.did("withdraw", 1)
    assert states(founded) == {1: "withdrawn", 2: "current", 3: "next"}


def test_withdraw_warns_when_no_key_signs_any_more(founded):
    result = founded.run("withdraw", "1")
    assert result.exit_code == 0
    assert "no code key signs" in result.stderr


def test_withdraw_refuses_a_key_that_never_was(founded):
    result = founded.run("withdraw", "9")
    assert result.exit_code == 1
    assert "there is no code key 9" in result.stderr


@pytest.mark.parametrize("level", ["ministry", "province", "city"])
def test_rewrap_keeps_the_data_keys(founded, level):
    before = founded.store().symmetric("city/audit")
    assert "sealed anew" in founded.did("rewrap", level)
    assert founded.store().symmetric("city/audit") == before


def test_what_was_done_stands_in_the_log(founded):
    founded.clock.step(5)
    founded.did("rotate")
    said = founded.did("ceremonies")
    assert "create done  by nobody" in said
    assert "rotate done  by nobody" in said
    assert said.splitlines()[-1].startswith("head ")


def test_a_changed_log_is_told(founded):
    path = founded.directory / LOG_FILE
    path.write_bytes(path.read_bytes().replace(b'"done"', b'"gone"'))
    result = founded.run("ceremonies")
    assert result.exit_code == 1
    assert "ceremony_log_broken" in result.stderr


# ── Production: two people ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def production(tmp_path):
    desk = Desk(tmp_path, "production")
    assert found_production(desk).exit_code == 0
    return desk


def operator_options(desk):
    options = []
    for name in ("alice", "bob"):
        if not (desk.folder / f"{name}.pem").exists():
            public_key = desk.did("new", "--out", desk.folder / f"{name}.pem").strip()
            desk.save(f"{name}.pub", public_key)
        options += ["--operator", f"{name}={(desk.folder / f'{name}.pub').read_text()}"]
    return options


def found_production(desk, **variables):
    command = [
        "init",
        "--environment",
        "production",
        "--region",
        "330200",
        "--organization",
        "A city",
        *operator_options(desk),
    ]
    return conduct(desk, command, ["alice", "bob"], **variables)


def conduct(desk, command, approvers, **variables):
    """Dry run, approvals, and the command with both."""
    plan = desk.save("plan.json", desk.did(*command, "--dry-run", **variables))
    approvals = []
    for number, name in enumerate(approvers):
        text = desk.did("approve", plan, "--operator", name, "--key", desk.folder / f"{name}.pem")
        approvals += ["--approval", desk.save(f"approval-{number}.json", text)]
    return desk.run(*command, "--plan", plan, *approvals, **variables)


def test_a_production_store_is_founded_by_two_operators(production):
    store = production.store()
    assert store.environment == "production"
    assert read_hierarchy(store).city.subject_common_name == "City CA 330200"
    assert "create done  by alice, bob" in production.did("ceremonies")


def test_a_production_store_is_not_founded_by_one_operator(tmp_path):
    desk = Desk(tmp_path, "production")
    result = desk.run("init", "--operator", operator_options(desk)[1], "--dry-run")
    assert result.exit_code == 1
    assert "ceremony_refused" in result.stderr
    command = ["init", *operator_options(desk)]
    assert conduct(desk, command, ["alice"]).exit_code == 1
    assert conduct(desk, command, ["alice", "alice"]).exit_code == 1
    assert desk.run(*command).exit_code == 1
    assert not desk.directory.exists()


@pytest.mark.parametrize("command", [["rotate"], ["withdraw", "1"], ["rewrap", "city"]])
def test_in_production_nobody_acts_alone(production, command):
    production.clock.step(DAY)
    before = snapshot(production.directory / "entries")
    refused = production.run(*command)
    assert refused.exit_code == 1
    assert "two operators approve" in refused.stderr
    assert conduct(production, command, ["alice"]).exit_code == 1
    assert conduct(production, command, ["alice", "alice"]).exit_code == 1
    assert snapshot(production.directory / "entries") == before
    done = conduct(production, command, ["alice", "bob"])
    assert done.exit_code == 0, done.output
    assert snapshot(production.directory / "entries") != before


def test_an_approved_rotation_happens_once(production):
    production.clock.step(DAY)
    assert conduct(production, ["rotate"], ["alice", "bob"]).exit_code == 0
    again = production.run(
        "rotate",
        *("--plan", production.folder / "plan.json"),
        *("--approval", production.folder / "approval-0.json"),
        *("--approval", production.folder / "approval-1.json"),
    )
    assert again.exit_code == 1
    assert states(production) == {1: "retired", 2: "current", 3: "next"}


def test_approvals_for_one_act_do_not_serve_another(production):
    production.clock.step(DAY)
    plan = production.save("plan.json", production.did("rewrap", "city", "--dry-run"))
    approvals = []
    for name in ("alice", "bob"):
        text = production.did("approve", plan, "--operator", name, "--key", production.folder / f"{name}.pem")
        approvals += ["--approval", production.save(f"{name}.json", text)]
    result = production.run("withdraw", "1", "--plan", plan, *approvals)
    assert result.exit_code == 1
    assert "for something else" in result.stderr


def test_a_plan_of_yesterday_is_not_approved_and_not_carried_out(production):
    plan = production.save("plan.json", production.did("rewrap", "city", "--dry-run"))
    production.clock.step(DAY)
    result = production.run("approve", plan, "--operator", "alice", "--key", production.folder / "alice.pem")
    assert result.exit_code == 1
    assert "expired" in result.stderr


def test_a_text_that_is_no_plan_is_refused(production):
    plan = production.save("plan.json", "{}")
    result = production.run("approve", plan, "--operator", "alice", "--key", production.folder / "alice.pem")
    assert result.exit_code == 1
    assert "malformed" in result.stderr


# ── new ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_new_writes_a_private_key_for_its_owner_only_and_shows_the_public_one(desk, provider):
    path = desk.folder / "terminal.pem"
    public_key = desk.did("new", "--out", path).strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    private_key = import_pkcs8(read_pem("PRIVATE KEY", path.read_text()))
    assert provider.public_key_of(private_key).hex() == public_key


def test_openssl_reads_a_new_private_key(desk):
    path = desk.folder / "terminal.pem"
    public_key = desk.did("new", "--out", path).strip()
    command = ["openssl", "pkey", "-in", str(path), "-noout", "-text"]
    text = subprocess.run(command, check=True, capture_output=True, timeout=30).stdout.decode()
    assert "SM2" in text
    assert f"04{public_key}" in "".join(text.split()).replace(":", "")


def test_new_never_writes_over_a_file(desk):
    path = desk.save("terminal.pem", "precious")
    result = desk.run("new", "--out", path)
    assert result.exit_code == 2
    assert path.read_text() == "precious"


@pytest.mark.parametrize("given", ["alice", "alice=", "alice=00", "alice=" + "00" * 64, "alice=zz"])
def test_an_operator_needs_a_name_and_a_key_on_the_curve(desk, given):
    assert desk.run("init", "--operator", given).exit_code == 2
