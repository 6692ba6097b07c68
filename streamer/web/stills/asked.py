"""What a request asks of its picture."""

import re
from typing import Annotated, Literal

from fastapi import Depends, Header, Query, Request

from pipeline.network.options import MULTIPLE
from streamer.stills.messages import Detail, Labels, Masks, Show
from streamer.web.problems import Problem
from streamer.web.settings import ServeSettings
from streamer.web.stills.desk import Wish

MAX_INPUT_PIXELS = 2**20
"""Of the network's input that a request may ask for: that of 1024x1024."""
_NO_STORE = {"no-store", "no-cache"}


def names(text: str) -> tuple[str, ...]:
    """The names in a list that is separated by commas."""
    return tuple(each.strip() for each in text.split(",") if each.strip())


def read_size(text: str | None) -> tuple[int, int] | None:
    """Height and width of the network's input. Raises Problem."""
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{2,4})x([0-9]{2,4})", text)
    height, width = (int(found[1]), int(found[2])) if found else (0, 0)
    if found is None or height % MULTIPLE or width % MULTIPLE or height * width > MAX_INPUT_PIXELS:
        detail = f"size is HEIGHTxWIDTH, multiples of {MULTIPLE}, of at most {MAX_INPUT_PIXELS} pixels, as in 384x672"
        raise Problem("validation", detail, errors=[{"pointer": "query/size", "detail": detail}])
    return height, width


def wish(
    request: Request,
    parser: Annotated[str | None, Query(description="Of /parsers; by default the server's first.")] = None,
    size: Annotated[
        str | None, Query(description="HEIGHTxWIDTH of the network's input, multiples of 32.", examples=["384x672"])
    ] = None,
    masks: Annotated[Masks, Query(description="How each part's mask is written.")] = "png",
    parts: Annotated[str, Query(description="Classes or groups of them, separated by commas.", examples=["Hair,Face"])]
    = "",
    labels: Annotated[Labels, Query(description="The map of classes, in the answer itself.")] = "none",
    min_score: Annotated[float, Query(ge=0, le=1, description="Leave out people of a lower score.")] = 0.0,
    effect: Annotated[
        list[str] | None,
        Query(description="blur, pixelate, fill=COLOUR, background=COLOUR or blur-background. The picture that came is"
              " not kept, and every view is of the covered one."),
    ] = None,
    on: Annotated[str, Query(description="What effects are on: Face,Hair, person:2, all, or not: and others.")] = "all",
    faces: Annotated[bool, Query(description="Find faces, too.")] = False,
    frame: Annotated[Literal["0"] | None, Query(description="0 takes the first frame of an animation.")] = None,
    cache_control: Annotated[str, Header(description="no-store neither uses nor keeps results.")] = "",
) -> Wish:  # fmt: skip
    """What a request asks of its picture."""
    settings: ServeSettings = request.app.state.stills.settings
    served = settings.work.parser
    name = parser or served[0]
    if name not in served:
        raise Problem("unknown-parser", f"this server has {', '.join(served)}; start it with --parser to have others")
    detail = Detail(masks, names(parts), min_score, labels)
    store = not _NO_STORE & {each.strip() for each in cache_control.lower().split(",")}
    return Wish(name, read_size(size), tuple(effect or ()), on, frame is not None, faces, detail, store)


def deadline_of(request: Request) -> float:
    """Seconds that a request may take: its own X-Deadline-S, within the server's. Raises Problem."""
    most: float = request.app.state.stills.settings.work.deadline_s
    given = request.headers.get("x-deadline-s")
    if given is None:
        return most
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", given) or not float(given) > 0:
        raise Problem("validation", "X-Deadline-S is a number of seconds above 0, as in 2.5")
    return min(most, float(given))


Wished = Annotated[Wish, Depends(wish)]


def drawn(
    opacity: Annotated[float, Query(ge=0, le=1, description="Of the overlay's colours.")] = 0.5,
    outline: Annotated[bool, Query(description="A white line around each person.")] = True,
    tags: Annotated[bool, Query(description="Each person's number above its head.")] = True,
    hide: Annotated[str, Query(description="Classes or groups that the overlay leaves out.")] = "",
    only: Annotated[str, Query(description="The only classes or groups of the overlay.")] = "",
    keep: Annotated[str, Query(description="What the cut-out keeps, written as on.")] = "all",
) -> Show:  # fmt: skip
    """How a view of a result is drawn."""
    return Show(b"", b"", "overlay", opacity, outline, tags, names(hide), names(only), keep)


Draws = Annotated[Show, Depends(drawn)]
