"""The language of a page: what its address says, then what the client asked for, then what the browser prefers."""

from flask import request

from web.login.texts import LANGUAGES

_TAGS = {"zh": "zh-CN", "en": "en"}


def chosen_language() -> str | None:
    """Give the language that the address names, as the switch on each page does."""
    given = request.args.get("lang", "")
    return given if given in LANGUAGES else None


def page_language(locales: str | None = None) -> str:
    """Give ``zh`` or ``en``.

    Args:
        locales: ui_locales of an authorization request (OpenID Connect Core section 3.1.2.1), best first.
    """
    asked = [locale.partition("-")[0].lower() for locale in (locales or "").split(" ")]
    preferred = next((language for language in asked if language in LANGUAGES), None)
    return chosen_language() or preferred or request.accept_languages.best_match(LANGUAGES, LANGUAGES[0])


def language_tag(language: str) -> str:
    """Give the tag for ``lang`` attributes and Content-Language."""
    return _TAGS[language]


def in_this_language(path: str) -> str:
    """Keep the language that this page's address names in the address of the next one."""
    chosen = chosen_language()
    joint = "&" if "?" in path else "?"
    return f"{path}{joint}lang={chosen}" if chosen else path
