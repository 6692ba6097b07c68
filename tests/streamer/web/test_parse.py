"""Pictures over HTTP, with a network that is loaded in this process."""

import asyncio
import base64
import io
import json
import zlib
from pathlib import Path
from threading import Event
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline import CIHP, Box, Face, load_parser
from pipeline.exports.rle import decoded, mask_of
from pipeline.faces.attributes import FaceAttributes
from pipeline.geometry import Point, Size
from streamer.stills.messages import Asked, Parse
from streamer.web.models import FacesAnswer, ParseAnswer, ProblemAnswer
from streamer.web.settings import WorkSettings
from streamer.web.stills.queue import Place
from tests.support.guesses import use_made_up
from tests.support.service import Running, black, dying, portrait, run_with, street

pytestmark = pytest.mark.slow
PARSE = "/api/v1/parse"


async def _parsed(running: Running, query: str = "", body: bytes | None = None, **headers: str) -> dict[str, Any]:
    answer = await running.client.post(PARSE + query, content=body or street(), headers=headers)
    assert answer.status_code == 200, answer.text
    ParseAnswer.model_validate(answer.json())
    found: dict[str, Any] = answer.json()
    return found


def _picture(data: bytes) -> np.ndarray:
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return found


def test_an_answer_is_what_the_parser_sees() -> None:
    async def work(running: Running) -> None:
        answer = await _parsed(running, "?labels=raw")
        picture = _picture(street())
        parsing = load_parser().still(picture)
        labels = _picture(base64.b64decode(answer["labels"]["data"]))
        assert np.array_equal(labels, parsing.labels)
        assert answer["picture"] | {"format": ""} == {
            "width": picture.shape[1], "height": picture.shape[0], "format": "", "orientation": 1
        }  # fmt: skip
        boxes = [tuple(each["box"]) for each in answer["people"]]
        assert sorted(boxes) == sorted(tuple(each.box) for each in parsing.people)
        areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in boxes]
        assert areas == sorted(areas, reverse=True)
        assert [each["person_id"] for each in answer["people"]] == list(range(1, len(boxes) + 1))
        assert len(boxes) >= 2
        for part in answer["parts"]:
            assert part["share"] == pytest.approx(parsing.share(part["label"]), abs=0.001)

    run_with(work)


def test_masks_are_the_same_in_each_encoding() -> None:
    async def work(running: Running) -> None:
        png, rle, polygon, none = [
            await _parsed(running, f"?masks={form}") for form in ("png", "rle", "polygon", "none")
        ]
        size = Size(png["picture"]["height"], png["picture"]["width"])
        for person, person_rle, outlined in zip(png["people"], rle["people"], polygon["people"], strict=True):
            for part, part_rle, ring in zip(person["parts"], person_rle["parts"], outlined["parts"], strict=True):
                left, top, right, bottom = part["box"]
                whole = np.zeros(size, np.uint8)
                image = Image.open(io.BytesIO(base64.b64decode(part["mask"]["data"])))
                whole[top:bottom, left:right] = np.asarray(image)
                assert whole.sum() == part["area_px"]
                assert np.array_equal(mask_of(decoded(part_rle["mask"]["counts"]), size), whole)
                assert all(len(each) >= 6 for each in ring["mask"]["polygons"])
        assert not any("mask" in part for person in none["people"] for part in person["parts"])

    run_with(work)


def test_an_answer_can_be_cut_down() -> None:
    async def work(running: Running) -> None:
        whole = await _parsed(running)
        heads = await _parsed(running, "?parts=Face,hair&masks=none")
        labels = {part["label"] for person in heads["people"] for part in person["parts"]}
        assert labels
        assert labels <= {"Face", "Hair"}
        sure = max(each["score"] for each in whole["people"])
        few = await _parsed(running, f"?min_score={sure - 0.0001:.5f}")
        assert 1 <= len(few["people"]) < len(whole["people"])
        refused = await running.client.post(f"{PARSE}?parts=Nose", content=street())
        assert refused.status_code == 422
        assert "Nose" in refused.json()["detail"]

    run_with(work)


def test_views_are_pictures_of_the_result() -> None:
    async def work(running: Running) -> None:
        answer = await _parsed(running)
        shape = (answer["picture"]["height"], answer["picture"]["width"])
        cells = (answer["map"]["height"], answer["map"]["width"])
        got = {name: await running.client.get(link) for name, link in answer["links"].items()}
        assert all(each.status_code == 200 for each in got.values())
        assert all(each.headers["cache-control"] == "private, no-store" for each in got.values())
        original, overlay = _picture(got["picture"].content), _picture(got["overlay"].content)
        assert original.shape == overlay.shape == (*shape, 3)
        assert np.abs(original.astype(int) - overlay).mean() > 0.5
        cutout = _picture(got["cutout"].content)
        assert cutout.shape == (*shape, 4)
        maps = np.frombuffer(zlib.decompress(got["maps"].content, -15), np.uint8).reshape(2, *cells)
        labels = np.asarray(Image.open(io.BytesIO(got["labels"].content)))
        assert np.array_equal(maps[0], labels)
        assert np.array_equal(maps[1], _picture(got["instances"].content))
        palette = Image.open(io.BytesIO(got["labels"].content)).convert("RGB")
        assert np.array_equal(np.asarray(palette)[..., ::-1], CIHP.palette[labels])
        areas = sum(each["area"] for each in got["coco"].json()["annotations"])
        assert areas == sum(part["area_px"] for part in answer["parts"])
        hair = answer["links"]["overlay"] + "?only=Hair&outline=false&tags=false"
        only = _picture((await running.client.get(hair)).content)
        assert np.abs(only.astype(int) - original).mean() < np.abs(overlay.astype(int) - original).mean()
        lossless = await running.client.get(answer["links"]["overlay"].replace(".jpg", ".png"))
        assert lossless.headers["content-type"] == "image/png"
        no_such = await running.client.get(answer["links"]["overlay"].replace("overlay.jpg", "picture.gif"))
        assert no_such.status_code == 404

    run_with(work)


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("?view=overlay", "*/*", "image/jpeg"),
        ("?view=overlay", "image/png", "image/png"),
        ("?view=cutout&keep=Face", "*/*", "image/png"),
        ("", "application/vnd.coco+json", "application/vnd.coco+json"),
    ],
)
def test_a_view_alone(query: str, accept: str, kind: str) -> None:
    async def work(running: Running) -> None:
        answer = await running.client.post(PARSE + query, content=street(), headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)

    run_with(work)


def test_a_form_is_as_good_as_a_body_and_names_are_not_used() -> None:
    async def work(running: Running) -> None:
        raw = await _parsed(running, "?masks=none")
        form = await running.client.post(f"{PARSE}?masks=none", files={"file": ("../../x.sh", street(), "text/plain")})
        assert form.status_code == 200
        assert form.json()["people"] == raw["people"]
        for files in ({}, [("a", black()), ("b", black())]):
            answer = await running.client.post(PARSE, files=files)
            assert answer.status_code in (400, 422)
            ProblemAnswer.model_validate(answer.json())

    run_with(work)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"hello", 415, "not-a-picture"),
        (b"GIF89a" + bytes(99), 415, "unsupported-format"),
        (street()[:5000], 422, "truncated-picture"),
        (b"", 422, "validation"),
    ],
)
def test_what_is_no_picture_is_a_problem(body: bytes, status: int, kind: str) -> None:
    async def work(running: Running) -> None:
        answer = await running.client.post(PARSE, content=body)
        assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{kind}")

    run_with(work)


@pytest.mark.parametrize(
    "query",
    [
        "?masks=bits", "?size=100x100", "?size=4096x4096", "?size=big", "?min_score=2", "?frame=1", "?view=all",
        "?effect=background=/etc/passwd", "?effect=melt", "?effect=blur&on=Nose", "?parser=",
    ],
)  # fmt: skip
def test_wishes_that_cannot_be(query: str) -> None:
    async def work(running: Running) -> None:
        answer = await running.client.post(PARSE + query, content=street())
        if query == "?parser=":  # none named is the default
            assert answer.status_code == 200
            return
        assert answer.status_code == 422
        assert answer.json()["errors"]
        assert "root:" not in answer.text

    run_with(work)


def test_a_parser_that_is_not_served() -> None:
    async def work(running: Running) -> None:
        answer = await running.client.post(f"{PARSE}?parser=m2fp", content=street())
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/unknown-parser")
        rows = (await running.client.get("/api/v1/parsers")).json()
        assert {row["name"]: row["served"] for row in rows} == {"lite": True, "m2fp": False, "m2fp-single": False}

    run_with(work)


def test_pictures_are_answered_by_themselves() -> None:
    """As they would be alone, whatever came before them or comes between."""

    async def work(running: Running) -> None:
        async def people(body: bytes) -> Any:
            answer = await _parsed(running, "?masks=rle", body, **{"Cache-Control": "no-store"})
            return answer["people"]

        pictures = [street(0.5), street(3.0)]
        alone = [await people(each) for each in pictures]
        assert alone[0] != alone[1]
        mixed = await asyncio.gather(*(people(each) for each in pictures * 4))
        assert mixed == alone * 4

    run_with(work, work=WorkSettings(workers=1, max_wait_s=120.0, deadline_s=120.0))


def test_a_repeated_picture_is_not_parsed_again() -> None:
    seen: list[Asked] = []

    async def work(running: Running) -> None:
        first = await _parsed(running)
        again = await _parsed(running)
        assert (first["cached"], again["cached"]) == (False, True)
        assert again["people"] == first["people"]
        both = await asyncio.gather(*(_parsed(running, "", street(2.0)) for _ in range(3)))
        assert len({each["id"] for each in both}) == 1
        assert len([each for each in seen if isinstance(each, Parse)]) == 2
        fresh = await _parsed(running, "", None, **{"Cache-Control": "no-store"})
        assert (fresh["id"], fresh["links"]) == (None, None)
        assert len([each for each in seen if isinstance(each, Parse)]) == 3

    run_with(work, before=seen.append)


def test_an_effect_leaves_nothing_of_the_picture_that_came() -> None:
    """Every view is of the covered picture, and so is the one that is kept."""

    async def work(running: Running) -> None:
        plain = await _parsed(running)
        blurred = await _parsed(running, "?effect=fill=red&on=all")
        assert blurred["people"] == plain["people"]
        person = _picture((await running.client.get(plain["links"]["instances"])).content)
        solid = cv2.erode((person == 1).astype(np.uint8), np.ones((7, 7), np.uint8))
        assert solid.any()
        for name in ("picture", "cutout"):
            shown = _picture((await running.client.get(blurred["links"][name])).content)
            theirs = cv2.resize(solid, shown.shape[1::-1], interpolation=cv2.INTER_NEAREST)
            colours = shown[theirs > 0]
            red = (colours[:, 2] > 200) & (colours[:, 1] < 60) & (colours[:, 0] < 60)
            assert red.mean() > 0.99, name
        view = await running.client.post(f"{PARSE}?view=picture&effect=fill=red", content=street())
        assert np.abs(_picture(view.content).astype(int) - _picture(street())).max() > 100
        bodies = [each.body for each in running.made.desk.keeper]
        assert bodies.count(street()) == 1  # of the plain one

    run_with(work)


def test_faces_are_found_with_whose_they_are_and_what_it_costs() -> None:
    async def work(running: Running) -> None:
        seen = load_parser(faces=True).still(_picture(portrait()))
        assert seen.faces
        answer = (await running.client.post("/api/v1/faces", content=portrait())).json()
        FacesAnswer.model_validate(answer)
        assert len(answer["faces"]) == len(seen.faces)
        found, face = answer["faces"][0], seen.faces[0]
        assert np.abs(np.subtract(found["box"], face.box)).max() <= 2
        assert np.abs(np.subtract(found["points"], face.points)).max() <= 2
        assert found["score"] == pytest.approx(face.score, abs=0.02)
        assert found["person_id"] == 1
        parsed = await _parsed(running, "?faces=true", portrait())
        assert parsed["faces"] == answer["faces"]
        assert "faces" not in await _parsed(running, "", portrait())
        hidden = await _parsed(running, "?faces=true&min_score=1", portrait())
        assert [each["person_id"] for each in hidden["faces"]] == [None] * len(seen.faces)
        usage = answer["resource_usage"]
        assert usage["memory_mb"] is None or usage["memory_mb"] > 10
        link = answer["links"]["overlay"].replace(".jpg", ".png")
        overlay = _picture((await running.client.get(f"{link}?opacity=0&tags=false")).content)
        left, top, right, _ = found["box"]
        edge = overlay[top, left + 4 : right - 4].reshape(-1, 3).astype(int)
        assert np.abs(edge - (0, 191, 255)).max(1).min() < 20  # drawn in the colour of faces

    run_with(work)


def test_estimates_are_given_where_the_service_was_started_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_made_up(monkeypatch, tmp_path)

    async def work(running: Running) -> None:
        answer = (await running.client.post("/api/v1/faces", content=portrait())).json()
        FacesAnswer.model_validate(answer)
        (face,) = answer["faces"]
        seen = FaceAttributes()(_picture(portrait()), Face(Box(*face["box"]), _points(face["points"]), 0.9))
        assert face["age"] == pytest.approx(seen.age_years, abs=3)  # the picture was decoded smaller
        assert face["p_male"] == pytest.approx(seen.p_male, abs=0.1)
        assert face["gender"] in ("male", "female", "unsure", None)
        assert face["looks"] == 1
        assert face["age_range"][0] < face["age"] < face["age_range"][1]
        assert (await _parsed(running, "?faces=true", portrait()))["faces"] == answer["faces"]

    run_with(work, work=WorkSettings(workers=1, age_gender=True))


def _points(pairs: list[list[float]]) -> tuple[Point, ...]:
    return tuple(Point(*each) for each in pairs)


def test_who_hides_faces_hides_what_the_parser_alone_would_not() -> None:
    """As in files and streams: the detector's faces too, and the hair of a head that may turn."""

    async def work(running: Running) -> None:
        parsing = load_parser().still(_picture(portrait()))
        hair = parsing.mask("Hair", full_size=True) & ~parsing.mask("Face", full_size=True)
        covered = await _parsed(running, "?effect=fill=red&on=Face", portrait())
        shown = _picture((await running.client.get(covered["links"]["picture"])).content).astype(int)
        red = (shown[..., 2] > 180) & (shown[..., 1] < 90) & (shown[..., 0] < 90)
        assert red[parsing.mask("Face", full_size=True)].mean() > 0.95
        assert hair.sum() > 100
        assert red[hair].mean() > 0.8

    run_with(work)


def test_a_batch_is_answered_in_order_and_one_bad_picture_spoils_none() -> None:
    async def work(running: Running) -> None:
        files = [("files", street(0.5)), ("files", b"nonsense"), ("files", black()), ("files", street(0.5))]
        answer = await running.client.post(f"{PARSE}/batch?masks=none", files=files)
        assert answer.headers["content-type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in answer.text.splitlines()]
        assert [(line["index"], line["status"]) for line in lines] == [(0, 200), (1, 415), (2, 200), (3, 200)]
        assert lines[0]["result"]["people"] == lines[3]["result"]["people"]
        assert lines[2]["result"]["people"] == []
        assert lines[1]["problem"]["type"] == "/problems/not-a-picture"
        too_many = await running.client.post(f"{PARSE}/batch", files=[("files", black())] * 33)
        assert too_many.status_code in (400, 422)
        assert running.made.app.pool.queue.estimate_s(0.0) == 0

    run_with(work)


def test_a_picture_whose_process_died_is_parsed_by_another() -> None:
    async def work(running: Running) -> None:
        await _parsed(running)
        assert running.made.app.pool.restarts == 1

    run_with(work, before=dying(1))


def test_a_picture_that_ends_two_processes_is_refused() -> None:
    async def work(running: Running) -> None:
        first = await running.client.post(PARSE, content=black())
        assert (first.status_code, first.json()["type"]) == (503, "/problems/worker-died")
        assert first.headers["retry-after"]
        await running.ready()
        again = await running.client.post(PARSE, content=black())
        assert (again.status_code, again.json()["type"]) == (422, "/problems/poison")
        await _parsed(running)

    run_with(work, before=dying(99, only=lambda asked: isinstance(asked, Parse) and asked.body == black()))


def test_a_deadline_ends_a_request_on_time_and_frees_its_place_when_the_process_is_free() -> None:
    held, taken = Event(), Event()

    def hold(asked: Asked) -> None:
        taken.set()
        assert held.wait(120)

    async def work(running: Running) -> None:
        try:
            answers = await asyncio.gather(
                *(
                    running.client.post(PARSE, content=body, headers={"X-Deadline-S": "0.3"})
                    for body in (black(), street())
                )
            )
            assert [each.status_code for each in answers] == [504, 504]
            assert taken.is_set()
            queue = running.made.app.pool.queue
            assert (len(queue), queue.waiting) == (1, 0)  # the one in the process; the other left the line
        finally:
            held.set()
        async with asyncio.timeout(30):
            while len(running.made.app.pool.queue):
                await asyncio.sleep(0.01)
        for given in ("soon", "-1", "0", "nan", "1e9"):
            refused = await running.client.post(PARSE, content=black(), headers={"X-Deadline-S": given})
            assert refused.status_code == 422

    run_with(work, before=hold)


def test_too_many_are_refused_late_with_the_time_to_come_back() -> None:
    held = Event()

    async def work(running: Running) -> None:
        queue = running.made.app.pool.queue
        for _ in range(30):
            queue.served(Place("", " ", 0.0), 2.0)
        try:
            waiting = [
                asyncio.create_task(running.client.post(PARSE, content=black(96, 128 + index))) for index in range(3)
            ]
            async with asyncio.timeout(30):
                while queue.waiting < 2:
                    await asyncio.sleep(0.01)
            refused = await running.client.post(PARSE, content=street())
            assert refused.status_code == 429
            problem = refused.json()
            assert problem["type"] == "/problems/too-busy"
            assert 1 <= problem["retry_after_s"] == int(refused.headers["retry-after"]) <= 5
            assert problem["waiting"] == 2
            assert (await running.client.get("/healthz")).status_code == 200
        finally:
            held.set()
        assert [each.status_code for each in await asyncio.gather(*waiting)] == [200] * 3
        assert (await running.client.post(PARSE, content=street())).status_code == 200

    def hold(asked: Asked) -> None:
        assert held.wait(120)

    run_with(work, before=hold)
