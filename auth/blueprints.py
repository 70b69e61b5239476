"""Blueprints of the API: flask-smorest, with bodies taken from the guard instead of being parsed a second time."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import request
from flask_smorest import Blueprint
from marshmallow import Schema, ValidationError
from webargs.flaskparser import FlaskParser

PLAIN_BODY = "ecard.plain_body"
"""Where the guard leaves the body that it has read as plain JSON, in the request's environ."""

View = Callable[..., Any]


class PlainBodyParser(FlaskParser):
    """Hands a view what its schema makes of the body; anything that is not in the body goes webargs' own way."""

    def use_args(self, argmap: Any, req: Any = None, *, location: str | None = None, **more: Any) -> Any:
        """Decorate a view: the loaded body comes after the caller."""
        if location not in {None, "json"} or not isinstance(argmap, Schema):
            return super().use_args(argmap, req, location=location, **more)

        def decorate(view: View) -> View:
            @wraps(view)
            def with_body(*args: Any, **kwargs: Any) -> Any:
                return view(*args, self._load(argmap), **kwargs)

            return with_body

        return decorate

    def _load(self, schema: Schema) -> Any:
        try:
            return schema.load(request.environ.get(PLAIN_BODY, {}))
        except ValidationError as error:
            self.handle_error(error, request, schema, error_status_code=None, error_headers=None)
            raise


class ApiBlueprint(Blueprint):  # type: ignore[misc]  # flask_smorest has no types
    """A blueprint whose guarded views get their body read once."""

    ARGUMENTS_PARSER = PlainBodyParser()
