import os

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from streamer.diagnose.sampler import Costs, Sample, Sampler, rates
from tests.support.served import served
from tests.support.service import street
from tests.support.waiting import eventually


def test_a_sample_is_of_the_processes_that_there_are() -> None:
    costs = Sampler().sample({os.getpid(): "own", 2**22 + 1: "ended"})
    (own,) = costs.samples
    assert own.role == "own"
    assert own.rss_bytes == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)
    assert own.pss_bytes is None or 0 < own.pss_bytes <= own.rss_bytes * 1.2
    assert own.cpu_s > 0
    assert costs.rss_bytes == own.rss_bytes


def test_rates_are_of_each_role_and_a_new_process_begins_at_nothing() -> None:
    def costs(at_s: float, *cpu_s: float) -> Costs:
        samples = tuple(Sample("web" if pid == 0 else "stills", pid, 1, 1, spent, 1) for pid, spent in enumerate(cpu_s))
        return Costs(at_s, 1000 + at_s, samples)

    found = rates([costs(0, 1.0), costs(2, 2.0, 50.0), costs(3, 2.5, 51.0)])
    assert found == [(1002, {"web": 0.5, "stills": 0.0}), (1003, {"web": 0.5, "stills": 1.0})]
    assert rates([costs(0, 1.0)]) == []


@pytest.mark.process
def test_the_figures_are_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    with served(tmp_path_factory.mktemp("costs") / "log", "--workers", "1", "--deadline", "2min") as running:
        assert running.ready()
        for _ in range(2):
            assert running.ask("POST", "/api/v1/parse", street()).status == 200
        assert running.ask("GET", "/no/such/4711").status == 404
        found = {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(running.ask("GET", "/metrics").body.decode())
            for sample in family.samples
        }
        assert found["m2fp_http_requests_total", "/api/v1/parse", "200", "POST"] == 2
        assert found["m2fp_http_requests_total", "404", "GET", "unmatched"] == 1
        assert found["m2fp_cache_hits_total",] == 1
        assert found["m2fp_job_states", "queued"] == found["m2fp_viewers", "live"] == 0
        assert found["m2fp_parse_stage_seconds_count", "network"] == 1
        assert found["m2fp_queue_abandoned_total",] == 0
        assert not any("4711" in label for key in found for label in key)

        def roles() -> set[str]:
            samples = running.ask("GET", "/api/v1/costs").json()["samples"]
            return {process["role"] for sample in samples for process in sample["processes"]}

        assert eventually(lambda: {"web", "stills 0"} <= roles())  # the next sample has whoever has just come
        events = running.ask("GET", "/api/v1/costs").json()
        assert events["stages"]["network_s"]["mean_s"] > 0
        assert list(events["stages"]) == ["upload_s", "queued_s", "decode_s", "network_s", "people_s", "encode_s"]
        timings = running.ask("POST", "/api/v1/parse", street(2.0)).json()["timings"]
        in_process = sum(timings[stage] for stage in ("queued_s", "decode_s", "network_s", "people_s", "encode_s"))
        assert 0 < in_process <= timings["total_s"] + 0.001
        assert min(timings["decode_s"], timings["network_s"], timings["people_s"]) > 0
