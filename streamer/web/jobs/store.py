"""The jobs in a database file: what was accepted is there whenever the service starts again. For one thread."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, Literal, get_args

State = Literal["queued", "running", "done", "failed", "cancelled"]
Kind = Literal["video", "picture", "batch"]
OVER = ("done", "failed", "cancelled")
MAX_ATTEMPTS = 3
MAX_REMOVED = 100
"""Recordings that were removed to make room are told of, so many of them."""
_TABLES = """
create table if not exists job (
    id text primary key, state text not null, version integer not null, created_s real not null, started_s real,
    ended_s real, attempt integer not null, request text not null, upload text not null, done integer, total integer,
    problem text, kind text not null default 'video', media_type text);
create index if not exists job_state on job (state, created_s);
create table if not exists idempotency (key text primary key, body text not null, job text not null);
create table if not exists forgotten (id text primary key, at_s real not null);
create table if not exists removed (file text primary key, size_bytes integer not null, at_s real not null);
"""
_LATER = {"kind": "text not null default 'video'", "media_type": "text"}
"""Columns that a database of an earlier version does not have."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job, as it was when it was read. Times are Unix time."""

    id: str
    state: State
    version: int
    """Grows with every change."""
    created_s: float
    started_s: float | None
    ended_s: float | None
    attempt: int
    request: dict[str, Any]
    upload: str
    """The name of the file that came, in the folder of uploads."""
    done: int | None
    total: int | None
    problem: dict[str, str] | None
    kind: Kind
    media_type: str | None
    """Of what a job of pictures made; None before that."""

    @property
    def is_over(self) -> bool:
        return self.state in OVER


@dataclass(frozen=True, slots=True)
class RemovedFile:
    """A recording or clip that was removed to make room."""

    name: str
    size_bytes: int
    removed_s: float
    """When, as Unix time."""


class KeyReused(Exception):
    """Raised for an idempotency key that was given with another body."""


class JobStore:
    """Every change is whole or not there, also where the process is killed in it."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        """
        Args:
            clock: Unix seconds.
        """
        self._clock = clock
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.row_factory = sqlite3.Row
        self._base.execute("pragma journal_mode = wal")
        self._base.execute("pragma synchronous = full")
        self._base.executescript(_TABLES)
        have = {row["name"] for row in self._base.execute("pragma table_info(job)")}
        for name, kind in _LATER.items():
            if name not in have:
                self._base.execute(f"alter table job add column {name} {kind}")

    def close(self) -> None:
        self._base.close()

    def recover(self) -> None:
        """At the start: what ran when the service ended waits again; what has ended it three times has failed."""
        problem = {"type": "crashed-thrice", "detail": f"it was begun {MAX_ATTEMPTS} times and never came to its end"}
        with self._changing():
            self._base.execute(
                "update job set state = 'failed', version = version + 1, ended_s = ?, problem = ?"
                " where state = 'running' and attempt >= ?",
                (self._clock(), json.dumps(problem), MAX_ATTEMPTS),
            )
            self._base.execute("update job set state = 'queued', version = version + 1 where state = 'running'")

    def known(self, key: str, body: str) -> Job | None:
        """The job that a key was given for before. Raises KeyReused."""
        row = self._base.execute("select body, job from idempotency where key = ?", (key,)).fetchone()
        if row is None:
            return None
        if row["body"] != body:
            raise KeyReused
        return self.get(row["job"])

    def create(
        self, request: dict[str, Any], upload: str, key: str | None = None, body: str = "", kind: Kind = "video"
    ) -> Job:
        """A new job; it and its key are there together or not at all. Raises KeyReused."""
        job_id = f"j_{token_urlsafe(15)}"
        with self._changing():
            if key is not None and (found := self.known(key, body)) is not None:
                return found
            self._base.execute(
                "insert into job (id, state, version, created_s, attempt, request, upload, kind)"
                " values (?, 'queued', 1, ?, 0, ?, ?, ?)",
                (job_id, self._clock(), json.dumps(request), upload, kind),
            )
            if key is not None:
                self._base.execute("insert or replace into idempotency values (?, ?, ?)", (key, body, job_id))
            return self._there(job_id)

    def get(self, job_id: str) -> Job | None:
        row = self._base.execute("select * from job where id = ?", (job_id,)).fetchone()
        return None if row is None else _job(row)

    def all(self) -> list[Job]:
        """The newest first."""
        rows = self._base.execute("select * from job order by created_s desc, rowid desc limit 1000")
        return [_job(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """The number of jobs in each state."""
        rows = self._base.execute("select state, count(*) from job group by state")
        return dict.fromkeys(get_args(State), 0) | dict(tuple(row) for row in rows)

    def position(self, job: Job) -> int:
        """Jobs before it, and itself; jobs of videos and of pictures wait apart from each other."""
        row = self._base.execute(
            "select count(*) from job where state = 'queued' and created_s <= ? and (kind = 'video') = ?",
            (job.created_s, job.kind == "video"),
        ).fetchone()
        return int(row[0])

    def waiting(self, *kinds: Kind) -> int:
        """How many jobs of these kinds wait."""
        row = self._base.execute(
            f"select count(*) from job where state = 'queued' and kind in ({_marks(kinds)})", kinds
        ).fetchone()
        return int(row[0])

    def begin(self, *kinds: Kind) -> Job | None:
        """The job of these kinds that has waited longest, which is running from now on; None if none waits.

        No kinds are all kinds.
        """
        kinds = kinds or get_args(Kind)
        with self._changing():
            row = self._base.execute(
                f"select id from job where state = 'queued' and kind in ({_marks(kinds)})"
                " order by created_s, rowid limit 1",
                kinds,
            ).fetchone()
            if row is None:
                return None
            self._base.execute(
                "update job set state = 'running', version = version + 1, started_s = ?, attempt = attempt + 1"
                " where id = ?",
                (self._clock(), row["id"]),
            )
            return self._there(row["id"])

    def progress(self, job_id: str, done: int, total: int | None) -> None:
        self._base.execute(
            "update job set done = ?, total = ?, version = version + 1 where id = ? and state = 'running'",
            (done, total, job_id),
        )

    def again(self, job_id: str, problem: dict[str, str]) -> None:
        """Its process died: it waits again, or has failed. What is over, or was forgotten, stays so."""
        with self._changing():
            job = self.get(job_id)
            if job is None or job.attempt < MAX_ATTEMPTS:
                self._base.execute(
                    "update job set state = 'queued', version = version + 1 where id = ? and state = 'running'",
                    (job_id,),
                )
                return
        self.end(job_id, "failed", problem)

    def give_back(self, job_id: str) -> None:
        """It was ended for no fault of its own, with the service: it waits again, and this was no attempt."""
        self._base.execute(
            "update job set state = 'queued', version = version + 1, attempt = attempt - 1"
            " where id = ? and state = 'running'",
            (job_id,),
        )

    def end(
        self, job_id: str, state: State, problem: dict[str, str] | None = None, media_type: str | None = None
    ) -> None:
        """It is over; what is over stays as it is."""
        told = None if problem is None else json.dumps(problem)
        self._base.execute(
            "update job set state = ?, version = version + 1, ended_s = ?, problem = ?, media_type = ? where id = ?"
            " and state in ('queued', 'running')",
            (state, self._clock(), told, media_type, job_id),
        )

    def forget(self, job_id: str) -> None:
        """Removes a job; that it was there is remembered."""
        with self._changing():
            self._base.execute("delete from job where id = ?", (job_id,))
            self._base.execute("delete from idempotency where job = ?", (job_id,))
            self._base.execute("insert or replace into forgotten values (?, ?)", (job_id, self._clock()))
            self._base.execute("delete from forgotten where at_s < ?", (self._clock() - 30 * 86400,))

    def was_here(self, job_id: str) -> bool:
        return self._base.execute("select 1 from forgotten where id = ?", (job_id,)).fetchone() is not None

    def note_removed(self, file: str, size_bytes: int) -> None:
        """A recording was removed to make room."""
        with self._changing():
            self._base.execute("insert or replace into removed values (?, ?, ?)", (file, size_bytes, self._clock()))
            self._base.execute(
                "delete from removed where rowid not in (select rowid from removed order by at_s desc, rowid desc"
                " limit ?)",
                (MAX_REMOVED,),
            )

    def removed(self) -> list[RemovedFile]:
        """The recordings that were removed to make room, the last first."""
        rows = self._base.execute("select file, size_bytes, at_s from removed order by at_s desc, rowid desc")
        return [RemovedFile(*row) for row in rows]

    def _there(self, job_id: str) -> Job:
        job = self.get(job_id)
        assert job is not None
        return job

    @contextmanager
    def _changing(self) -> Iterator[None]:
        self._base.execute("begin immediate")
        try:
            yield
            self._base.execute("commit")
        except BaseException:
            if self._base.in_transaction:  # a full disk may have ended it
                self._base.execute("rollback")
            raise


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _job(row: sqlite3.Row) -> Job:
    values = {key: row[key] for key in row.keys()}  # noqa: SIM118  (a row's keys, not its values)
    values["request"] = json.loads(values["request"])
    values["problem"] = None if values["problem"] is None else json.loads(values["problem"])
    return Job(**values)
