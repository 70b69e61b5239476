"""Every problem's own place on one page: what ``type`` of a problem document leads to."""

from html import escape

from web.problems import list_problems

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
    """Write the page from all that the running service can answer instead of what was asked for."""
    return _PAGE.format(rows="".join(_row(code, *said) for code, said in list_problems().items()))


def _row(code: str, status: int, title_zh: str, title_en: str, next_zh: str, next_en: str) -> str:
    texts = {"title_zh": title_zh, "title_en": title_en, "next_zh": next_zh, "next_en": next_en}
    return _ROW.format(code=escape(code), status=status, **{name: escape(text) for name, text in texts.items()})
