"""`ecard keys revoke-certificate` and `crl`: how the card centre stops believing a certificate."""

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from cli.key_store_options import Surroundings
from cli.keys import keys
from sm.city_revocation import CRL_LIFE, find_city_crl
from sm.keystore import FileKeyStore

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
SECRET = "a secret for tests, long enough"


@pytest.fixture
def run(tmp_path):
    def run(*arguments, at=NOW):
        environment = {"ECARD_KEYSTORE_SECRET": SECRET, "ECARD_KEYSTORE_PATH": str(tmp_path / "keys")}
        return CliRunner(env=environment).invoke(keys, arguments, obj=Surroundings(clock=lambda: at))

    assert run("init").exit_code == 0
    return run


def crl_of(tmp_path):
    return find_city_crl(FileKeyStore(tmp_path / "keys", SECRET))


def test_a_revoked_certificate_stands_on_every_later_list(run, tmp_path):
    assert run("revoke-certificate", "0A:0b").exit_code == 0
    second = run("revoke-certificate", "ff", at=NOW + timedelta(days=1))
    assert "no. 2" in second.output
    found = crl_of(tmp_path)
    assert found.revoked == {0x0A0B: NOW, 0xFF: NOW + timedelta(days=1)}


def test_a_refreshed_list_keeps_its_entries_and_lives_on(run, tmp_path):
    run("revoke-certificate", "0a")
    later = NOW + CRL_LIFE
    assert run("crl", at=later - timedelta(seconds=1)).exit_code == 0
    stale = run("crl", at=later)
    assert stale.exit_code == 1
    assert "stale" in stale.output
    assert run("crl", "--refresh", at=later).exit_code == 0
    assert crl_of(tmp_path).next_update == later + CRL_LIFE


def test_a_dry_run_revokes_nothing(run, tmp_path):
    assert run("revoke-certificate", "0a", "--dry-run").exit_code == 0
    assert crl_of(tmp_path) is None
    assert "no certificate was ever revoked" in run("crl").output


@pytest.mark.parametrize("serial", ["", "xyz", "0", "0" * 41])
def test_a_serial_that_is_none_is_wrong_usage(run, serial):
    assert run("revoke-certificate", serial).exit_code == 2
