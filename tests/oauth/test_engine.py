"""Authlib is below ours for as long as it says so: what it will take away fails the tests before it is gone."""

import subprocess
import sys

import pytest
from authlib.deprecate import AuthlibDeprecationWarning, deprecate
from authlib.oauth2.rfc6749.requests import OAuth2Request

from tests.test_tree import ROOT

IMPORT_ALL = """
import warnings

said = []
warnings.showwarning = lambda message, kind, *_: said.append(f"{kind.__name__}: {message}")
import web.app
import web.runtime
print(*(line for line in said if "Authlib" in line), sep="\\n", end="")
"""


def test_a_deprecated_use_of_authlib_is_an_error_in_every_test():
    with pytest.raises(AuthlibDeprecationWarning):
        deprecate("going away", version="2.0")
    with pytest.raises(AuthlibDeprecationWarning):
        OAuth2Request("POST", "https://card.example/", body="grant_type=x")


def test_the_service_imports_nothing_of_authlib_that_goes_away():
    told = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60
    )
    assert told.stdout == ""
