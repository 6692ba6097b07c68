"""Rendering as tasks of Celery: the function behind the service's jobs, in a queue of your own.

pip install "m2fp-streamer" "celery[redis]"
celery -A tasks worker --concurrency 1            # on each machine: a job uses all of its cores
celery -A tasks call tasks.render --kwargs '{"source": "in.mp4", "out": "out.mp4", "masks": "out.hpm"}'

Paths are those of the workers, in a folder that all of them see. Who can write to the broker can have any file read and
written that the workers can: keep it to yourself.
"""

import os
from typing import Any

from celery import Celery, Task

from streamer import Progress
from streamer.web.jobs.work import do_job

BROKER = os.environ.get("BROKER", "redis://127.0.0.1:6379/0")
USUAL = {"parser": "lite", "precision": "auto", "size": None, "effect": [], "on": "all", "every": 1}
MAX_TRIES = 3
DAY_S = 86_400

app = Celery("tasks", broker=BROKER, backend=BROKER)
app.conf.update(
    task_acks_late=True,  # a job whose process died is done again, from what it had parsed
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,  # no machine keeps jobs waiting that another could do
    broker_transport_options={"visibility_timeout": DAY_S},  # or Redis gives out a longer job a second time
)


@app.task(bind=True)
def render(self: Task, **asked: Any) -> dict[str, int]:
    """Renders a video, and tells how far it is by the task's state."""
    redis, tries = app.backend.client, f"tries-{self.request.id}"
    tried = redis.incr(tries)
    redis.expire(tries, DAY_S)
    if tried > MAX_TRIES:
        raise RuntimeError(f"{asked['source']} ended {MAX_TRIES} processes that rendered it: given up")

    def tell(progress: Progress) -> None:
        self.update_state(state="PROGRESS", meta={"done": progress.done, "total": progress.total})

    return do_job(USUAL | asked, tell)
