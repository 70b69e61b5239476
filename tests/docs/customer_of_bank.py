"""Play a customer at the partner bank's pages: sign in, link the card by the phone, show a code, have it taken.

Called by a test in place of a browser: the address of the bank, and the bank's certificate.
"""

import os
import re
import ssl
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, os.environ["ROOT"])

import httpx

from cli.browser import Browser, Page, PageForm
from cli.story.login import form_of

front, certificate = sys.argv[1:]


def press(browser: Browser, page: httpx.Response, ending: str, **fields: str) -> httpx.Response:
    form: PageForm = form_of(Page(page), ending)
    return browser.send(form, **fields)


with httpx.Client(
    base_url=front, verify=ssl.create_default_context(cafile=certificate), timeout=60, trust_env=False
) as http:
    app = Browser(http, front)
    press(app, app.open("/sign-in"), "/sign-in")
    leaving = press(app, app.open("/card"), "/card/sign").headers["Location"]
    script = str(Path(__file__).with_name("browser_of_partner.py"))
    robot = [sys.executable, script, leaving, "ecard", "demo", "login", "--yes"]
    back = subprocess.run(robot, stdout=subprocess.PIPE, text=True, check=True).stdout
    told = re.search(r'id="result">([^<]+)<', app.open(back).text)
    sys.stdout.write(f"the bank's app says: {told[1] if told else 'nothing'}\n")
    shown = press(app, app.open("/card"), "/card/code", kind="counter").text
    digits = re.search(r'id="digits">([0-9]+)<', shown)
    subprocess.run(["ecard", "demo", "redeem", digits[1] if digits else ""], check=True)
