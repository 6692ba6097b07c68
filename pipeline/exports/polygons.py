"""Outlines of masks as polygons, in pixels of the picture."""

import cv2

from pipeline.exports.parts import Part

TOLERANCE_PX = 1.0
"""Corners may lie so far beside the outline."""
MIN_CORNERS = 3


def polygons(part: Part) -> list[list[float]]:
    """The outer outlines of a part, each as x, y, x, y, …, as COCO has them: holes are filled.

    They run within a quarter of a pixel of its edge.
    """
    # Contours go through the centres of pixels: of a mask of twice the size, a quarter of a pixel from the edge.
    twice = cv2.resize(part.mask, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    found = cv2.findContours(twice, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    rings = [cv2.approxPolyDP(each, 2 * TOLERANCE_PX, True).reshape(-1, 2) for each in found]
    left, top = part.box[:2]
    return [
        [round(float(value), 2) for x, y in ring for value in (left + (x + 0.5) / 2, top + (y + 0.5) / 2)]
        for ring in rings
        if len(ring) >= MIN_CORNERS
    ]
