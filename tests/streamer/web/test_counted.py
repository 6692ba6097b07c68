from streamer.web.streams.counted import Counted


def test_frames_are_counted_over_all_processes() -> None:
    counted = Counted()
    assert counted.frames == {"captured": 0, "parsed": 0, "shown": 0, "dropped": 0}
    assert counted.mask_age_s == {}
    for captured in (5, 9):
        counted.heard({"captured": captured, "parsed": 4, "shown": 3, "dropped": {"late": 1, "behind": 2},
                       "mask_age_p50_s": 0.1, "mask_age_p95_s": 0.2})  # fmt: skip
    assert counted.frames == {"captured": 9, "parsed": 4, "shown": 3, "dropped": 3}
    assert counted.mask_age_s == {"0.5": 0.1, "0.95": 0.2}
    counted.next_process()
    assert counted.frames == {"captured": 9, "parsed": 4, "shown": 3, "dropped": 3}
    assert counted.mask_age_s == {}
    counted.heard({"captured": 1, "parsed": 1, "shown": 0, "dropped": {}})
    assert counted.frames == {"captured": 10, "parsed": 5, "shown": 3, "dropped": 3}
