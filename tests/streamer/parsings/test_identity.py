"""What a sidecar says of the parser that made it."""

from dataclasses import replace

import pytest

from pipeline import Parser, ParserSettings, Size
from pipeline.lite.model import lite_model
from pipeline.network.options import RunOptions
from pipeline.network.runtime import Network
from streamer.parsings.identity import parser_key


@pytest.mark.parametrize(("stills", "expected"), [(True, ["any"]), (False, ["256x448", "352x352"])])
def test_pictures_of_all_shapes_are_known_by_their_one_network(stills: bool, expected: list[str]) -> None:
    """To compile one for each, only to learn its precision, takes longer than to look at them."""
    made: list[str] = []
    lite = lite_model()

    def compile_one(size: Size, options: RunOptions) -> Network:
        made.append(str(size))
        return lite.compile(size, options)

    def compile_any(options: RunOptions) -> Network:
        made.append("any")
        assert lite.compile_any is not None
        return lite.compile_any(options)

    parser = Parser(replace(lite, compile=compile_one, compile_any=compile_any), ParserSettings(precision="f32"))
    keys = {parser_key(parser, size, stills=stills).precision for size in (Size(720, 1280), Size(600, 600))}
    assert keys == {"f32"}
    assert made == expected
