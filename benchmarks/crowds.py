"""Made-up crowds: cut-out people that move fast over pictures without people, with faces at known places.

The people come from a folder with `img/` (pictures), `inst/` (a PNG of the same stem: 0 nobody, k the k-th person, 255
not to be used) and pictures without anybody, `img/none_*`. Where a cut-out has its face is found on the cut-out itself,
at its full size, by the detector at a high score: what is measured is whether it is found again small, in a crowd,
moving, turned, cut by the edge, in the dark. A third of those who walk are people seen from the side, if there are any.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline import Box, Face, FaceDetector, Size

Bgr = NDArray[np.uint8]
FRAME = Size(720, 1280)
GREY = (128, 128, 128)
RATE = 25
SIDE = 480
"""Pixels of the square in which each picture is looked at: one network for all of them."""
SURE = 0.8
"""Minimum score of the detector on a cut-out whose face counts."""
MIN_CUT_OUT_PX = 24
"""Minimum height of a face in the picture that it is from."""
MIN_FACE_PX, MAX_FACE_PX = 16, 110
"""Heights of faces in the crowds."""
SCENE_S = 4.0
"""Seconds from cut to cut."""
MIN_TURN = 0.35
"""Of the distance between the eyes, how far the nose of a face that is seen from the side is from their middle."""
TILTED_DEGREES, FAST_PX, CUT_FRAMES, DARK = 15.0, 10.0, 5, 0.25
"""From where on a face counts as tilted and as fast (in a frame), how long as new, and the light of dark scenes."""
SHUTTER = 0.4
"""Of the time of a frame, the part in which a moving picture is smeared."""


@dataclass(frozen=True, slots=True, eq=False)
class CutOut:
    """A person with nothing around them."""

    bgr: Bgr
    alpha: NDArray[np.uint8]
    face: tuple[float, float, float, float]
    """Left, top, width and height in the picture."""
    turned: bool
    """Whether the face is seen from the side."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A face in a frame: an ellipse."""

    x: float
    y: float
    width: float
    height: float
    angle: float
    """Degrees, clockwise."""
    shown: float
    """Share of the ellipse that is in the picture and before everybody else, in [0, 1]."""
    kinds: tuple[str, ...] = ()
    """Why it is hard to find."""

    def mask(self, size: Size) -> NDArray[np.uint8]:
        """255 where it is."""
        drawn = np.zeros(size, np.uint8)
        cv2.ellipse(drawn, ((self.x, self.y), (self.width, self.height), self.angle), (255,), cv2.FILLED)
        return drawn


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A frame of a crowd."""

    bgr: Bgr
    faces: tuple[Truth, ...]
    visible: tuple[NDArray[np.uint8], ...]
    """What is to be seen of each face: (H, W), 255 or 0."""


def cut_outs(folder: Path, most: int, seed: int = 0) -> list[CutOut]:
    """People of a folder with one sure face each."""
    detector = FaceDetector(pixels=SIDE * SIDE, min_score=SURE)
    paths = [each for each in sorted((folder / "img").iterdir()) if not each.stem.startswith("none")]
    found: list[CutOut] = []
    for index in np.random.default_rng(seed).permutation(len(paths)):
        bgr = cv2.imread(str(paths[index]))
        inst = cv2.imread(str(folder / "inst" / f"{paths[index].stem}.png"), cv2.IMREAD_UNCHANGED)
        if bgr is None or inst is None or inst.shape[:2] != bgr.shape[:2]:
            continue
        found.extend(_of_picture(np.asarray(bgr, np.uint8), inst, detector))
        if len(found) >= most:
            return found[:most]
    return found


def _of_picture(bgr: Bgr, inst: NDArray[np.uint8], detector: FaceDetector) -> Iterator[CutOut]:
    faces = detector(_in_square(bgr))
    for number in range(1, int(inst[inst < 255].max(initial=0)) + 1):
        alpha = np.where(inst == number, np.uint8(255), np.uint8(0))
        left, top, width, height = cv2.boundingRect(alpha)
        theirs = [
            each for each in faces if alpha[each.box.top : each.box.bottom, each.box.left : each.box.right].mean() > 160
        ]
        if len(theirs) != 1 or height < 1.2 * width:
            continue
        area = np.s_[top : top + height, left : left + width]
        # By itself, too: of somebody against the light there is nothing left but the outline.
        alone = detector(_in_square(np.where(alpha[area][..., None] > 0, bgr[area], np.uint8(GREY[0]))))
        if len(alone) == 1 and alone[0].box.bottom - alone[0].box.top >= MIN_CUT_OUT_PX:
            yield _cut_out(bgr[area], alpha[area], alone[0])


def _cut_out(bgr: Bgr, alpha: NDArray[np.uint8], face: Face) -> CutOut:
    left, top, right, bottom = face.box
    around = (left, top, right - left, bottom - top)
    return CutOut(np.ascontiguousarray(bgr), cv2.blur(alpha, (3, 3)), around, _is_turned(face))


def _in_square(bgr: Bgr) -> Bgr:
    """A picture with grey at its right and below; one that is larger than the square stays larger."""
    height, width = bgr.shape[:2]
    side = max(SIDE, height, width)
    return np.asarray(cv2.copyMakeBorder(bgr, 0, side - height, 0, side - width, cv2.BORDER_CONSTANT, value=GREY))


def _is_turned(face: Face) -> bool:
    left, right, nose = (np.array(each) for each in face.points[:3])
    across = right - left
    apart = max(1.0, float(np.hypot(*across)))
    return abs(float((nose - (left + right) / 2) @ across)) / apart**2 > MIN_TURN


def backgrounds(folder: Path) -> list[Bgr]:
    """Pictures without anybody, as large as a frame."""
    paths = sorted((folder / "img").glob("none*"))
    read = [cv2.imread(str(path)) for path in paths]
    return [_filling(np.asarray(bgr, np.uint8)) for bgr in read if bgr is not None]


def _filling(bgr: Bgr) -> Bgr:
    scale = max(FRAME.height / bgr.shape[0], FRAME.width / bgr.shape[1])
    large = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(large[: FRAME.height, : FRAME.width])


@dataclass(slots=True, eq=False)
class _Walker:
    person: CutOut
    scale: float
    x: float
    y: float
    speed: tuple[float, float]
    """Frame pixels a frame."""
    sway: float
    """Degrees to each side."""
    phase: float
    mirrored: bool

    def step(self) -> None:
        self.x, self.y, self.phase = self.x + self.speed[0], self.y + self.speed[1], self.phase + 0.12

    def placed(self) -> NDArray[np.float32]:
        """From the cut-out to the frame: (2, 3)."""
        height, width = self.person.alpha.shape
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), self.sway * np.sin(self.phase), self.scale)
        if self.mirrored:
            turn = turn @ np.array([[-1, 0, width], [0, 1, 0], [0, 0, 1]])
        turn[:, 2] += (self.x - width / 2, self.y - height / 2)
        return np.asarray(turn, np.float32)


def scenes(people: Sequence[CutOut], empty: Sequence[Bgr], seconds: float, seed: int) -> Iterator[Shot]:
    """A video of crowds, with a cut every few seconds; every fourth scene is dark."""
    random = np.random.default_rng(seed)
    turned = [each for each in people if each.turned] or people
    shown = 0
    for number in range(int(np.ceil(seconds / SCENE_S))):
        ground = empty[random.integers(len(empty))]
        count = int(random.integers(3, 11))
        walkers = [_walker(turned if index % 3 == 0 else people, random) for index in range(count)]
        walkers.sort(key=lambda each: each.scale)
        light = DARK if number % 4 == 3 else 1.0
        for index in range(int(SCENE_S * RATE)):
            if shown >= seconds * RATE:
                return
            yield _shot(ground, walkers, light, random, is_new=index < CUT_FRAMES)
            shown += 1
            for each in walkers:
                each.step()


def _walker(people: Sequence[CutOut], random: np.random.Generator) -> _Walker:
    person = people[random.integers(len(people))]
    face = min(MAX_FACE_PX, 2.0 * person.face[3])
    scale = float(np.exp(random.uniform(np.log(MIN_FACE_PX), np.log(face)))) / person.face[3]
    speed = float(random.choice([1.0, 4.0, 10.0, 20.0]))
    angle = random.uniform(-0.4, 0.4) + (np.pi if random.random() < 0.5 else 0.0)
    fast = (speed * float(np.cos(angle)), 0.4 * speed * float(np.sin(angle)))
    # Half of them come in over the left or right edge, within the first second or two.
    x = random.uniform(0, FRAME.width)
    if random.random() < 0.5:
        x = -random.uniform(0, 200) if fast[0] > 0 else FRAME.width + random.uniform(0, 200)
    tall = person.alpha.shape[0] * scale
    y = random.uniform(0.15, 0.8) * FRAME.height + 0.4 * tall
    return _Walker(
        person,
        scale,
        float(x),
        float(y),
        fast,
        float(random.choice([3.0, 12.0, 30.0])),
        random.uniform(0, 6),
        random.random() < 0.5,
    )


def _shot(ground: Bgr, walkers: Sequence[_Walker], light: float, random: np.random.Generator, *, is_new: bool) -> Shot:
    bgr = ground.copy()
    faces: list[Truth] = []
    masks: list[NDArray[np.uint8]] = []
    for walker in walkers:
        alpha = _lay(bgr, walker)
        for mask in masks:
            mask[alpha > 127] = 0
        truth = replace(_truth(walker), kinds=tuple(_kinds(walker, light, is_new)))
        faces.append(truth)
        masks.append(truth.mask(FRAME))
    if light < 1:
        noise = random.normal(0, 4, bgr.shape).astype(np.float32)
        bgr = np.clip(light * bgr + noise, 0, 255).astype(np.uint8)
    whole = [max(1.0, np.pi / 4 * each.width * each.height) for each in faces]
    shown = [
        replace(face, shown=min(1.0, cv2.countNonZero(mask) / area)) for face, mask, area in zip(faces, masks, whole)
    ]
    return Shot(bgr, tuple(shown), tuple(masks))


def _kinds(walker: _Walker, light: float, is_new: bool) -> Iterator[str]:
    truth = _truth(walker)
    is_cut = not (
        truth.width < 2 * truth.x < 2 * FRAME.width - truth.width
        and truth.height < 2 * truth.y < 2 * FRAME.height - truth.height
    )
    kinds = {
        "from the side": walker.person.turned,
        f"tilted by {TILTED_DEGREES:.0f}+ degrees": abs(truth.angle) >= TILTED_DEGREES,
        f"{FAST_PX:.0f}+ px a frame": np.hypot(*walker.speed) >= FAST_PX,
        "cut by an edge": is_cut,
        f"{CUT_FRAMES} frames after a cut": is_new,
        "in the dark": light < 1,
    }
    return (name for name, holds in kinds.items() if holds)


def _lay(bgr: Bgr, walker: _Walker) -> NDArray[np.uint8]:
    """Draws a person into the picture, smeared by their motion; returns where they are."""
    place = walker.placed()
    person = walker.person
    how = cv2.INTER_AREA if walker.scale < 1 else cv2.INTER_LINEAR
    colours, alpha = person.bgr, person.alpha
    if walker.scale < 0.6:  # warping skips pixels where it shrinks
        share = walker.scale
        colours, alpha = (cv2.resize(each, None, fx=share, fy=share, interpolation=how) for each in (colours, alpha))
        place[:, :2] /= share
    over = np.zeros(FRAME, np.uint8)
    smear = _smear(walker.speed)
    box = _reached(place, colours.shape, pad=len(smear))
    if not box.area:
        return over
    place[:, 2] -= (box.left, box.top)
    area, size = np.s_[box.top : box.bottom, box.left : box.right], (box.right - box.left, box.bottom - box.top)
    front = cv2.warpAffine(colours, place, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    over[area] = cv2.warpAffine(alpha, place, size, flags=cv2.INTER_LINEAR)
    share = cv2.filter2D(over[area], -1, smear)[..., None].astype(np.float32) / 255
    bgr[area] = (cv2.filter2D(front, -1, smear) * share + bgr[area] * (1 - share)).astype(np.uint8)
    return over


def _reached(place: NDArray[np.float32], shape: tuple[int, ...], pad: int) -> Box:
    """The part of the frame that a cut-out of this shape may reach."""
    height, width = shape[:2]
    corners = place @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    left, top = (int(np.floor(each)) - pad for each in corners.min(axis=1))
    right, bottom = (int(np.ceil(each)) + pad for each in corners.max(axis=1))
    return Box(max(0, left), max(0, top), min(FRAME.width, right), min(FRAME.height, bottom))


def _smear(speed: tuple[float, float]) -> NDArray[np.float32]:
    across, down = (SHUTTER * each for each in speed)
    reach = int(np.ceil(max(abs(across), abs(down), 1) / 2))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
    ends = [(round(reach + side * across / 2), round(reach + side * down / 2)) for side in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], (1,))
    return (kernel / kernel.sum()).astype(np.float32)


def _truth(walker: _Walker) -> Truth:
    left, top, width, height = walker.person.face
    x, y = walker.placed() @ np.array([left + width / 2, top + height / 2, 1])
    angle = -walker.sway * float(np.sin(walker.phase))
    return Truth(float(x), float(y), width * walker.scale, height * walker.scale, angle, 1.0)
