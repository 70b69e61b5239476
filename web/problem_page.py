"""Every problem's own place on one page: what ``type`` of a problem document leads to."""

from collections.abc import Iterator
from html import escape

from core.errors import Refusal
from web.problems import STATUS

_PAGE = """<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Problems · 错误说明</title>
<link rel="stylesheet" href="/docs/files/problems.css">
</head>
<body>
<h1>Problems · 错误说明</h1>
<p>The code of each refusal, what it says and what to do. 各错误代码的含义与处理办法。</p>
{rows}
</body>
</html>
"""
_ROW = """<section id="{code}">
<h2>{code} <small>{status}</small></h2>
<p>{title_zh}<br>{title_en}</p>
<p class="next">{next_zh}<br>{next_en}</p>
</section>
"""


def write_problem_page() -> str:
    """Write the page from the refusals that the running service can give."""
    refusals = {refusal.code: refusal for refusal in _below(Refusal)}
    return _PAGE.format(rows="".join(_row(refusals[code]) for code in sorted(refusals)))


def _below(refusal: type[Refusal]) -> Iterator[type[Refusal]]:
    for deeper in refusal.__subclasses__():
        yield deeper
        yield from _below(deeper)


def _row(refusal: type[Refusal]) -> str:
    texts = {name: escape(getattr(refusal, name)) for name in ("code", "title_zh", "title_en", "next_zh", "next_en")}
    return _ROW.format(status=STATUS[refusal.kind], **texts)
