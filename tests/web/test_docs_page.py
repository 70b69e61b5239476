"""The documentation page stands on files of our own; a browser that shows it asks nobody else."""

import re

import pytest

from core.errors import Refusal
from tests.web.test_refusals import below
from web.problems import _HTTP_TITLES

FILES = ["docs.js", "swagger-ui.css", "swagger-ui-bundle.js"]
LOADING = re.compile(
    r"""(?:src|href|action|data|poster)\s*=\s*["']?([^"'\s>]+)"""
    r"""|url\(\s*["']?([^"')]+)"""
    r"""|@import\s+["']?([^"';]+)"""
)


@pytest.fixture
def page(shared_service):
    answer = shared_service.http.get("/docs/")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    return answer


def loaded_by(text: str) -> set[str]:
    return {next(filter(None, groups)) for groups in LOADING.findall(text)}


def test_the_page_loads_files_of_its_own_and_nothing_else(page, shared_service):
    loaded = loaded_by(page.text)
    assert loaded == {f"/docs/files/{name}" for name in FILES}
    for path in loaded:
        assert shared_service.http.get(path).status_code == 200


def test_no_script_stands_in_the_page_itself(page):
    assert re.findall(r"<script(?![^>]*\bsrc=)", page.text) == []
    assert re.findall(r"\son\w+\s*=", page.text) == []
    assert "<style" not in page.text


def test_the_page_s_policy_lets_nothing_in_from_outside(page):
    policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "http" not in page.headers["Content-Security-Policy"]
    assert "'unsafe-eval'" not in page.headers["Content-Security-Policy"]


def test_the_style_sheet_and_the_script_of_ours_name_no_other_place(shared_service):
    css = shared_service.http.get("/docs/files/swagger-ui.css").text
    assert {path for path in loaded_by(css) if not path.startswith("data:")} == set()
    script = shared_service.http.get("/docs/files/docs.js").text
    assert "://" not in script
    assert '"/openapi.json"' in script
    assert "validatorUrl: null" in script  # the library would otherwise ask a validator elsewhere


@pytest.mark.parametrize("name", FILES)
def test_a_file_comes_with_its_kind(shared_service, name):
    kinds = {".js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
    answer = shared_service.http.get(f"/docs/files/{name}")
    assert answer.headers["Content-Type"] == kinds[name[-3:]]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_problem_s_type_leads_to_its_place_on_a_page(shared_service):
    page = shared_service.http.get("/docs/problems")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    http = shared_service.http
    for problem in (answer.json() for answer in (http.get("/v1/notices"), http.put("/livez"))):
        path, _, anchor = problem["type"].partition("#")
        assert path == "/docs/problems"
        assert f'id="{anchor}"' in page.text
        assert problem["title"] in page.text
    said = {refusal.code for refusal in below(Refusal)}  # of what is loaded: commands have refusals of their own
    for code in said | {code for code, _, _ in _HTTP_TITLES.values()} | {"fault"}:
        assert page.text.count(f'id="{code}"') == 1, code


def test_the_page_of_problems_loads_its_style_and_nothing_else(shared_service):
    page = shared_service.http.get("/docs/problems")
    assert loaded_by(page.text) == {"/docs/files/problems.css"}
    assert "<script" not in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    css = shared_service.http.get("/docs/files/problems.css")
    assert css.headers["Content-Type"] == "text/css; charset=utf-8"
    assert loaded_by(css.text) == set()
