"""What is not installed fails with what to do, and nothing is skipped."""

import pytest

from tests.foreign import apache, node
from tests.oauth.clients_of_tests import make_relying_party
from tests.servers import free_port


def test_missing_packages_name_the_command_that_installs_them(monkeypatch, tmp_path):
    monkeypatch.setattr(node, "PACKAGES", tmp_path / "nowhere")
    with pytest.raises(pytest.fail.Exception, match=r"deploy/bootstrap\.sh test"):
        node.require_packages()


def test_a_missing_apache_names_the_command_that_installs_it(monkeypatch, town, tmp_path):
    monkeypatch.setattr(apache, "MODULES", tmp_path)
    with pytest.raises(pytest.fail.Exception, match="sudo apt-get install -y libapache2-mod-auth-openidc"):
        apache.run_site(town, free_port(), make_relying_party(town.inside)).__enter__()
