"""What is asked of a video, and how it comes: as a body or in a form."""

from pathlib import Path
from typing import Any

import pytest

from pipeline import Look, ParserSettings
from streamer.offline import Rendering
from streamer.web.jobs.work import do_job, rendering
from tests.support.media import Clip
from tests.support.service import Running, run_with

ASKED = {"parser": "lite", "precision": "auto", "size": [256, 448], "effect": [], "on": "all", "every": 1}


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("start=5&end=5", "query/end"),
        ("start=-1", "query/start"),
        ("end=0", "query/end"),
        ("start=nan", "query/start"),
        ("every=0", "query/every"),
        ("effect=cut", "query/effect"),
        ("effect=background=/etc/passwd", "query/effect"),
        ("effect=blur&view=masks", "query/view"),
        ("on=Face", "query/on"),
        ("legend=auto&colours=person", "query/legend"),
        ("view=window", "query/view"),
        ("opacity=2", "query/opacity"),
        ("size=100x100", "query/size"),
    ],
)
def test_wishes_that_cannot_be(query: str, pointer: str) -> None:
    async def work(running: Running) -> None:
        answer = await running.client.post(f"/api/v1/videos?{query}", content=b"x")
        assert answer.status_code == 422, answer.text
        assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]

    run_with(work)


def _form(*parts: tuple[str, bytes], end: bytes = b"--x--\r\n") -> bytes:
    lines = (b"--x\r\nContent-Disposition: form-data; " + name.encode() + b"\r\n\r\n" + body + b"\r\n"
             for name, body in parts)  # fmt: skip
    return b"".join(lines) + end


FILE = 'name="file"; filename="../../a.mp4"'
MULTIPART = "multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    ("kind", "body", "status", "problem"),
    [
        ("multipart/form-data", _form((FILE, b"x")), 400, "bad-request"),
        (MULTIPART, b"no form", 400, "bad-request"),
        (MULTIPART, _form((FILE, b"x"), end=b""), 400, "bad-request"),
        (MULTIPART, _form((FILE, b"x"), (FILE, b"y")), 422, "validation"),
        (MULTIPART, _form(('name="file"', b"x")), 422, "validation"),
        (MULTIPART, _form(), 422, "validation"),
        (MULTIPART, _form((FILE, b"")), 422, "validation"),
        (MULTIPART, _form((FILE, b"#EXTM3U")), 415, "unsupported-format"),
        ("video/mp4", b"", 422, "validation"),
        ("video/mp4", b"#EXTM3U", 415, "unsupported-format"),
    ],
)
def test_what_is_no_video_in_a_form_is_refused_and_leaves_nothing(
    kind: str, body: bytes, status: int, problem: str
) -> None:
    async def work(running: Running) -> None:
        answer = await running.client.post("/api/v1/videos", content=body, headers={"content-type": kind})
        assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{problem}"), answer.text
        assert not list(running.made.inner.state.jobs.folder.uploads.iterdir())
        assert (await running.client.get("/api/v1/jobs")).json() == []

    run_with(work)


def test_the_file_of_a_form_is_stored_as_it_is_whatever_its_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = Clip(size=(96, 128)).make(tmp_path / "clip.mp4").read_bytes()

    async def work(running: Running) -> None:
        jobs = running.made.inner.state.jobs
        monkeypatch.setattr(jobs.runner, "changed", lambda: None)  # nobody begins the job
        whole = _form(('name="note"', b"hello"), (FILE, clip))

        async def pieces() -> Any:
            for at in range(0, len(whole), 977):
                yield whole[at : at + 977]

        headers = {"content-type": MULTIPART, "idempotency-key": "12345678"}
        answer = await running.client.post("/api/v1/videos?start=1&hide=Hair", content=pieces(), headers=headers)
        assert answer.status_code == 202, answer.text
        job = jobs.store.get(answer.json()["id"])
        assert jobs.folder.upload(job.upload).read_bytes() == clip
        assert job.request["start_s"] == 1
        assert job.request["look"]["hide"] == ["Hair"]
        # The same as a body is the same job; asked for otherwise it is another.
        again = await running.client.post("/api/v1/videos?start=1&hide=Hair", content=clip, headers=headers | RAW)
        assert (again.status_code, again.json()["id"]) == (202, answer.json()["id"])
        other = await running.client.post("/api/v1/videos?start=2&hide=Hair", content=clip, headers=headers | RAW)
        assert other.status_code == 422

    run_with(work)


RAW = {"content-type": "video/mp4"}


def test_a_job_is_rendered_as_it_was_asked_for() -> None:
    look = {"opacity": 0.3, "outline": False, "tags": False, "hide": ["Hair"], "only": [], "view": "masks",
            "colours": "person", "legend": "off"}  # fmt: skip
    asked = {**ASKED, "start_s": 1.5, "end_s": 3.0, "look": look, "faces": True}
    assert rendering(asked) == Rendering(
        ParserSettings("lite", size=(256, 448), faces=True),
        Look(0.3, outline=False, tags=False, hidden=frozenset({"Hair"}), view="masks", colours="person"),
        start_s=1.5,
        end_s=3.0,
        force=True,
    )


def test_a_job_of_an_earlier_version_is_still_done() -> None:
    expected = Rendering(ParserSettings("lite"), Look(effect=("blur",), on="Face"), 2, force=True)
    assert rendering({**ASKED, "size": None, "effect": ["blur"], "on": "Face", "every": 2}) == expected


@pytest.mark.slow
def test_an_excerpt_is_written_alone_and_without_masks(tmp_path: Path) -> None:
    source = Clip(size=(96, 128), ticks=tuple(range(0, 512 * 12, 512))).make(tmp_path / "clip.mp4")
    paths = {"source": str(source), "out": str(tmp_path / "video.mp4"), "masks": str(tmp_path / "masks.hpm")}
    excerpt = do_job({**ASKED, **paths, "start_s": 0.1, "end_s": 0.4}, lambda progress: None)
    assert 0 < excerpt["frames"] < 12
    assert not Path(paths["masks"]).exists()
    assert do_job({**ASKED, **paths}, lambda progress: None)["frames"] == 12
    assert Path(paths["masks"]).exists()
