"""What of a parsed frame is to be hidden or kept, and what of that stays so where later frames miss it."""

from pipeline import Look, Parsing
from pipeline.drawing.treatment import lasting
from pipeline.faces.cover import FaceCover
from pipeline.motion.linger import Looked
from pipeline.types import Frame


def looked(frame: Frame, parsing: Parsing | None, look: Look, cover: FaceCover | None) -> Looked:
    """What an effect sees in a frame; nothing of it lingers where there are no effects.

    Args:
        parsing: the frame's; None where nothing is known of it.
        cover: where effects hide faces, what labels all that may be one, whatever the parser saw.
    """
    if parsing is None or not look.effects:
        return Looked(frame, parsing, None)
    if cover is None:
        return Looked(frame, parsing, lasting(parsing, look.effects, look.selection))
    found = cover(frame, parsing)
    stays = lasting(found.lasting, look.effects, look.selection)
    return Looked(frame, found.parsing, stays, found.faces, parsing.instances)
