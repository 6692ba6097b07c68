"""What a request asks of its video, checked as far as it can be before there is a parsing."""

import re
from typing import Annotated, Any, Literal

from fastapi import Query, Request

from streamer.web.problems import Problem
from streamer.web.settings import ServeSettings
from streamer.web.stills.asked import names, read_size

MAX_S = 604_800.0
"""A week: no video is longer."""
_EFFECT = re.compile(r"blur|pixelate|blur-background|(fill|background)=(#[0-9a-fA-F]{6}|[a-z]{3,8})")


def wish(
    request: Request,
    parser: Annotated[str | None, Query(description="Of /parsers; by default the server's first.")] = None,
    size: Annotated[
        str | None, Query(description="HEIGHTxWIDTH of the network's input, multiples of 32.", examples=["256x448"])
    ] = None,
    faces: Annotated[bool, Query(description="Find faces, too.")] = False,
    start: Annotated[float, Query(ge=0, le=MAX_S, description="Begin at this time of the video, in seconds.")] = 0.0,
    end: Annotated[
        float | None, Query(gt=0, le=MAX_S, description="End at this time of the video; by default at its end.")
    ] = None,
    every: Annotated[int, Query(ge=1, le=1000, description="Parse each such frame; masks are carried between.")] = 1,
    effect: Annotated[
        list[str] | None, Query(description="blur, pixelate, fill=COLOUR, background=COLOUR or blur-background.")
    ] = None,
    on: Annotated[str, Query(description="What effects are on: Face,Hair, person:2, all, or not: and others.")] = "all",
    opacity: Annotated[float, Query(ge=0, le=1, description="Of the colours.")] = 0.5,
    outline: Annotated[bool, Query(description="A white line around each person.")] = True,
    tags: Annotated[bool, Query(description="Each person's number above its head.")] = True,
    hide: Annotated[str, Query(description="Classes or groups that have no colour, separated by commas.")] = "",
    only: Annotated[str, Query(description="The only classes or groups that have one.")] = "",
    view: Annotated[
        Literal["overlay", "masks", "side-by-side", "original"],
        Query(description="The frame with its masks, the masks alone, both side by side, or the frame as it is."),
    ] = "overlay",
    colours: Annotated[
        Literal["class", "person", "merged"],
        Query(description="What has a colour of its own: each class, each person, or hair, face, skin and clothes."),
    ] = "class",
    legend: Annotated[
        Literal["off", "auto", "left", "right", "below"], Query(description="Where the classes are named.")
    ] = "off",
) -> dict[str, Any]:  # fmt: skip
    """What a request asks of its video, for `streamer.web.jobs.work`. Raises Problem."""
    settings: ServeSettings = request.app.state.stills.settings
    served = settings.work.parser
    name = parser or served[0]
    if name not in served:
        raise Problem("unknown-parser", f"this server has {', '.join(served)}; start it with --parser to have others")
    if end is not None and end <= start:
        raise _cannot("end", f"end is after start, and {end:g} s is not after {start:g} s")
    for each in effect or ():
        if not _EFFECT.fullmatch(each):
            raise _cannot("effect", "effect is blur, pixelate, fill=COLOUR, background=COLOUR or blur-background")
    if effect and view != "overlay":
        raise _cannot("view", f"view {view} would show what effects are to hide: leave one of them out")
    if on != "all" and not effect:
        raise _cannot("on", "on says where an effect is, and there is none; name one, such as blur")
    if legend != "off" and colours == "person":
        raise _cannot("legend", "a legend names classes, and colours=person shows none: leave one of them out")
    look = {
        "opacity": opacity, "outline": outline, "tags": tags, "hide": names(hide), "only": names(only), "view": view,
        "colours": colours, "legend": legend,
    }  # fmt: skip
    return {
        "parser": name, "size": read_size(size), "faces": faces, "start_s": start, "end_s": end, "every": every,
        "effect": effect or [], "on": on, "look": look,
    }  # fmt: skip


def _cannot(name: str, detail: str) -> Problem:
    return Problem("validation", detail, errors=[{"pointer": f"query/{name}", "detail": detail}])
