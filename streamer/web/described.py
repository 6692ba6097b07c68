"""The OpenAPI document, with what the gate answers before any route is asked."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

from streamer.web.models import ProblemAnswer
from streamer.web.problems import documented

EVERYWHERE = ("bad-host", "bad-origin", "no-token", "internal")
_OF_THE_FRAMEWORK = ("HTTPValidationError", "ValidationError")
"""Shapes that it would answer with; here every error is a problem."""


def described(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """Makes the application's document, once."""
    make = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(make())
        assert app.openapi_schema is not None
        return app.openapi_schema

    return document


def _complete(found: dict[str, Any]) -> None:
    everywhere = {str(status): told for status, told in documented(*EVERYWHERE).items()}
    for operations in found["paths"].values():
        for operation in operations.values():
            operation["responses"] = dict(sorted((operation["responses"] | everywhere).items()))
    shapes = found["components"]["schemas"]
    for name in _OF_THE_FRAMEWORK:
        shapes.pop(name, None)
    shapes["ProblemAnswer"] = ProblemAnswer.model_json_schema()
    found["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "Where the service was started with a token."}
    }
    found["security"] = [{}, {"token": []}]
