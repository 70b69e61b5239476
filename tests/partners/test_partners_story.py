"""`make run PARTNERS=1`, as a stranger runs it."""

import signal
import ssl
import subprocess

import httpx
import pytest

from tests.servers import free_port
from tests.story.playing import COMMAND, children_of, environment, play, wait_for_line

pytestmark = pytest.mark.xdist_group("story")


def test_the_story_goes_on_in_the_apps_of_a_bank_and_a_wallet(tmp_path):
    told = play(tmp_path, "--in-process", "--partners")
    assert told.returncode == 0, told.stdout + told.stderr
    for wanted in (
        "银行应用关联",
        "银行应用展码",
        "the news of it has reached the bank",
        "银行核验签发",
        "level L2",
        "钱包应用",
        "wallet: POST /v1/carriages",
    ):
        assert wanted in told.stdout
    assert children_of(tmp_path) == []


def test_the_bank_s_app_stays_up_until_the_story_is_ended(tmp_path):
    arguments = [*COMMAND, "story", "--home", str(tmp_path), "--port", str(free_port()), "--in-process", "--partners"]
    city = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment(), start_new_session=True)
    try:
        lines = wait_for_line(city, "Ctrl-C")
        (address,) = [line.split()[3] for line in lines if line.startswith("The bank's app:")]
        (certificate,) = tmp_path.glob("partners/bank-*/keys/tls-certificate.pem")
        assert (
            httpx.get(
                f"{address}/sign-in", verify=ssl.create_default_context(cafile=str(certificate)), trust_env=False
            ).status_code
            == 200
        )
    finally:
        city.send_signal(signal.SIGINT)
        city.wait(30)
        assert city.stdout is not None
        city.stdout.close()
    assert children_of(tmp_path) == []
