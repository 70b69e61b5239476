"""Play the holder's browser and phone for one login: print where the browser goes at last. Called by a test."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.environ["ROOT"])

import httpx

from cli.browser import Browser, Page
from cli.story.login import form_of

address = sys.argv[1]
origin = address.partition("/oauth/")[0]
with httpx.Client(base_url=origin, timeout=60, trust_env=False) as http:
    browser = Browser(http, origin)
    waiting = Page(browser.open(address))
    phone = [*sys.argv[2:], waiting.code]
    told = subprocess.run(phone, capture_output=True, text=True, check=True).stdout
    number = re.findall(r"^number (\d+)", told, re.MULTILINE)[-1]
    consent = Page(browser.send(form_of(Page(browser.open(waiting.address)), "/number"), number=number))
    left = browser.send(form_of(consent, "/consent"))
    sys.stdout.write(left.headers["Location"] if left.is_redirect else Page(left).onward)
