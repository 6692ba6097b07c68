"""Mask propagation: a parsing of one frame, carried to others by optical flow.

Where a frame cannot be explained by the parsed one, something has come into view; such pixels take the label of the
nearest one that can be explained. (A forward-backward check costs a second flow and found nothing better.)
Between two parsed frames each pixel is carried from the side that explains it better.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Size
from pipeline.motion.faces import moved
from pipeline.motion.flow import Field, Flow, Follower, Grey, grid, is_cut, torn
from pipeline.people.instances import MAX_PEOPLE, boxed
from pipeline.types import Face, LabelMap, Parsing, Person

KEPT = 90
"""Frames from which a parsing can still be carried: three seconds at 30 a second, 2 MB."""
STRIDE = 3
"""Frames that are caught up with in one step; more at once and fast limbs are lost."""
MAX_STEPS = 6
"""Steps in which a late parsing is caught up with, longer ones if need be: about 10 ms."""
MAX_AHEAD = 16
"""Parsings of frames still to come that are kept; of more, the first to come are forgotten."""

MIN_LOST_LEVELS = 32
"""Levels of grey by which a pixel must differ from what was carried to it to be something else."""
MAX_LOST_SHARE = 0.6
"""Maximum share of the picture that may be something else; beyond it the light has changed."""
THREAD_PX = 5
"""Bits of a carried mask that are thinner than this, in pixels of the map, may be threads."""
LEVELS_A_FRAME = 1.0
"""Between two sides, each frame of distance counts as so many levels of grey of difference."""
SAME_PERSON_IOU = 0.5
"""Boxes carried to one frame from two sides that overlap so much are of one person."""


class Motion:
    """The last frames of a stream, through which parsings are carried to the newest. For one thread at a time."""

    def __init__(self, kept: int = KEPT) -> None:
        """
        Args:
            kept: frames that are remembered; what was parsed before them cannot be carried any more.
        """
        self._greys: deque[Grey] = deque(maxlen=kept)
        self._parsings: deque[Parsing] = deque()
        """The one that is carried, and those of frames still to come."""
        self._follower: Follower | None = None

    def add(self, grey: Grey) -> None:
        """The next frame. After a cut nothing is carried that was parsed before it."""
        if self._greys and is_cut(self._greys[-1], grey):
            self._greys.clear()
        self._greys.append(grey)

    def carry(self, parsing: Parsing) -> Parsing | None:
        """The parsing of the newest frame, carried from this one or from one given before.

        Args:
            parsing: the newest there is; it may come late, or be of a frame still to come, and may be given again.

        Returns:
            None if the frame that was parsed lies before those remembered, before a cut, or after the newest. If it
            was never added, the one added before it stands in.
        """
        if not self._greys:
            return None
        oldest, newest = self._greys[0], self._greys[-1]
        known = self._known(parsing, newest.index)
        if not oldest.index <= known.frame_index <= newest.index:
            return None
        if known.frame_index == newest.index:
            return known
        start = next(grey for grey in reversed(self._greys) if grey.index <= known.frame_index)
        return carry(known, self._flow(start))

    def _known(self, parsing: Parsing, index: int) -> Parsing:
        """The last parsing of a frame up to this one; if there is none, the first after it."""
        parsings = self._parsings
        if not parsings or parsings[-1].frame_index < parsing.frame_index:
            parsings.append(parsing)
        while len(parsings) > 1 and parsings[1].frame_index <= index:
            parsings.popleft()
        if len(parsings) > 1 + MAX_AHEAD:
            del parsings[1]
        return parsings[0]

    def _flow(self, start: Grey) -> Flow:
        """From this frame to the newest."""
        if self._follower is None or self._follower.start is not start:
            self._follower = Follower(start)
        ahead = [grey for grey in self._greys if grey.index > self._follower.flow.to.index]
        for index in stops(len(ahead)):
            self._follower.follow(ahead[index])
        return self._follower.flow


def stops(ahead: int) -> range:
    """The indices of the frames to step through when catching up with this many: few, and the last one."""
    stride = max(STRIDE, math.ceil(ahead / MAX_STEPS))
    return range((ahead - 1) % stride, ahead, stride)


def carry(parsing: Parsing, flow: Flow) -> Parsing:
    """The parsing as of the frame that the flow leads to; persons of whom nothing is left are left out.

    Args:
        parsing: of the frame that the flow leads from.
    """
    to = flow.to
    labels, instances, people = parsing.labels, parsing.instances, parsing.people
    if labels.any() or people:
        whence = _whence(flow, parsing.map_size)
        labels, instances = _taken(labels, whence), _taken(instances, whence)
        thread = _threads(labels, flow)
        labels[thread], instances[thread] = 0, 0
        instances, people = boxed(instances, people, to.frame_size)
    return replace(
        parsing,
        labels=labels,
        instances=instances,
        people=people,
        frame_index=to.index,
        pts_s=to.pts_s,
        captured_s=to.captured_s,
        frame_size=to.frame_size,
        faces=_moved_faces(parsing, flow, people),
    )


def _moved_faces(parsing: Parsing, flow: Flow, people: Sequence[Person]) -> tuple[Face, ...] | None:
    if not parsing.faces:
        return parsing.faces
    there = {person.track_id for person in people}
    carried = (moved(face, flow) for face in parsing.faces)
    return tuple(replace(each, person=each.person if each.person in there else None) for each in carried if each)


def between(
    before: Parsing, forward: Follower, greys: Sequence[Grey], backward: Follower, after: Parsing
) -> Iterator[Parsing]:
    """The frames between two parsed ones of the same scene, in order, each made of both.

    Args:
        before, after: the parsings.
        forward: follows from the first one's frame.
        greys: the frames between that are wanted, in order.
        backward: starts at the second one's frame.
    """
    back = [backward.follow(grey) for grey in reversed(greys)]
    for grey in greys:
        yield _joined(before, forward.follow(grey), after, back.pop())


def _whence(flow: Flow, size: Size) -> NDArray[np.int16]:
    """The place, (across, down), that each pixel of a label map is taken from: (h, w, 2)."""
    small = Size(*flow.difference.shape)
    longer = np.diag([size.width / small.width, size.height / small.height])
    # Enlarging keeps the first pixel's centre at half a pixel from the edge, and a flow is a distance between centres:
    # it only gets longer. To enlarge places instead of distances would move every mask by half a grey pixel.
    places = cv2.resize(cv2.transform(_refound(flow), longer), size[::-1], interpolation=cv2.INTER_LINEAR)
    cv2.add(places, grid(size), dst=places)
    whole, _ = cv2.convertMaps(places, None, cv2.CV_16SC2, nninterpolation=True)  # type: ignore[call-overload]
    return np.asarray(whole, np.int16)


def _refound(flow: Flow) -> Field:
    """The flow's source; what is something else comes from where the nearest pixel comes from that is not."""
    lost = (flow.difference > MIN_LOST_LEVELS).view(np.uint8)
    if not 0 < cv2.countNonZero(lost) < MAX_LOST_SHARE * lost.size:
        return flow.source
    _, nearest = cv2.distanceTransformWithLabels(lost, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    at = np.flatnonzero(lost)
    # OpenCV numbers the others from 1, row by row.
    other = np.flatnonzero(lost == 0)[nearest.ravel()[at] - 1]
    source, own = flow.source.reshape(-1, 2).copy(), grid(Size(*lost.shape)).reshape(-1, 2)
    source[at] = own[other] + source[other] - own[at]
    return source.reshape(flow.source.shape)


def _taken(ids: LabelMap, whence: NDArray[np.int16]) -> LabelMap:
    moved = cv2.remap(ids, whence, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return np.asarray(moved, np.uint8)


def _threads(labels: LabelMap, flow: Flow) -> NDArray[np.bool_]:
    """Thin bits of mask where the flow is torn: between what moved and what did not, it passes over everything."""
    solid = (labels > 0).view(np.uint8)
    thin = solid > cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((THREAD_PX, THREAD_PX), np.uint8))
    seams = cv2.resize(torn(flow.source).view(np.uint8), labels.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(thin & (seams > 0))


def _joined(before: Parsing, there: Flow, after: Parsing, back: Flow) -> Parsing:
    """Two parsings merged in the frame to which both flows lead."""
    sides = ((there.to.index - before.frame_index, before, there), (after.frame_index - back.to.index, after, back))
    (near_by, near, near_flow), (far_by, far, far_flow) = sorted(sides, key=lambda side: side[0])
    one, other = carry(near, near_flow), carry(far, far_flow)
    size = one.map_size[::-1]
    gained = np.subtract(near_flow.difference, far_flow.difference, dtype=np.float32)
    gained -= LEVELS_A_FRAME * (far_by - near_by)
    better = cv2.resize(gained, size, interpolation=cv2.INTER_LINEAR) > 0
    numbers, people = _together(one.people, other.people)
    labels, instances = (
        np.where(better, cv2.resize(theirs, size, interpolation=cv2.INTER_NEAREST_EXACT), ours).astype(np.uint8)
        for theirs, ours in ((other.labels, one.labels), (numbers[other.instances], one.instances))
    )
    instances, people = boxed(instances, people, one.frame_size)
    return replace(one, labels=labels, instances=instances, people=people)


def _together(ours: Sequence[Person], theirs: Sequence[Person]) -> tuple[NDArray[np.uint8], tuple[Person, ...]]:
    """Everybody, ours first; and the number that each of theirs has among them, 0 where there is no room for more."""
    people = list(ours)
    numbers = np.zeros(len(theirs) + 1, np.uint8)
    for number, person in enumerate(theirs, start=1):
        same = max(range(len(ours)), key=lambda index: _sameness(ours[index], person), default=-1)
        if same >= 0 and _sameness(ours[same], person) >= SAME_PERSON_IOU:
            numbers[number] = same + 1
        elif len(people) < MAX_PEOPLE:
            people.append(person)
            numbers[number] = len(people)
    return numbers, tuple(people)


def _sameness(one: Person, other: Person) -> float:
    tracked_as_one = one.track_id > 0 and one.track_id == other.track_id
    return 2.0 if tracked_as_one else one.box.iou(other.box)
