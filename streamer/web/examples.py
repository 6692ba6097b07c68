"""Examples of answers, for the documentation of the API. `test_api.py` holds them to their shapes."""

from typing import Any

_RESULT = "/api/v1/results/r_ZWWXMk9IaR5qE5f_dug4"
_HEAD: dict[str, Any] = {
    "id": "r_ZWWXMk9IaR5qE5f_dug4",
    "parser": "lite",
    "cached": False,
    "timings": {
        "upload_s": 0.003,
        "queued_s": 0.0001,
        "decode_s": 0.0158,
        "network_s": 0.0743,
        "people_s": 0.0106,
        "encode_s": 0.0192,
        "total_s": 0.1201,
    },
    "links": {
        "picture": f"{_RESULT}/picture.jpg",
        "overlay": f"{_RESULT}/overlay.jpg",
        "cutout": f"{_RESULT}/cutout.png",
        "labels": f"{_RESULT}/labels.png",
        "instances": f"{_RESULT}/instances.png",
        "maps": f"{_RESULT}/maps.bin",
        "coco": f"{_RESULT}/coco.json",
    },
    "picture": {"width": 960, "height": 720, "format": "JPEG", "orientation": 1},
}
_FACE = {
    "box": [548, 91, 590, 148],
    "points": [[559.2, 114.6], [579.8, 114.1], [570.3, 126.0], [561.5, 134.7], [578.4, 134.2]],
    "score": 0.93,
    "person_id": 1,
}
PARSED: dict[str, Any] = {
    **_HEAD,
    "map": {"width": 597, "height": 448},
    "label_set": "cihp",
    "people": [
        {
            "person_id": 1,
            "score": 0.93,
            "box": [512, 80, 730, 690],
            "parts": [
                {
                    "label": "Hair",
                    "label_id": 2,
                    "area_px": 1862,
                    "share": 0.002694,
                    "box": [541, 80, 596, 131],
                    "mask": {
                        "encoding": "rle",
                        "size": [720, 960],
                        "counts": "fig;229le0HVZO>de0B\\ZO>de09N02L3N102J40000M300Mc`3Ke_L0002N000000Vmh8",
                    },
                }
            ],
        }
    ],
    "unassigned": [],
    "parts": [{"label": "Hair", "label_id": 2, "people": 1, "area_px": 1862, "share": 0.002694}],
    "faces": [_FACE],
}
FACES: dict[str, Any] = {
    **_HEAD,
    "faces": [_FACE],
    "resource_usage": {"cpu_percent": 41.2, "memory_mb": 331.0, "timestamp": 1795983858.67},
}
PROBLEM: dict[str, Any] = {
    "type": "/problems/too-busy",
    "title": "Too busy",
    "status": 429,
    "detail": "38 pictures wait, which takes about 6.2 s; this server lets 5 s wait at most",
    "request_id": "q_83e9022584f6",
    "waiting": 38,
    "retry_after_s": 2,
}
JOB: dict[str, Any] = {
    "id": "j_Unr2e5z0D-Mg9VUvt9u_",
    "kind": "video",
    "state": "running",
    "position": None,
    "attempt": 1,
    "created": "2026-11-29T20:24:18.666+00:00",
    "started": "2026-11-29T20:24:18.671+00:00",
    "ended": None,
    "progress": {"done": 120, "total": 900},
    "problem": None,
    "request": {"parser": "lite", "size": None, "effect": ["blur"], "on": "head", "every": 1},
    "links": {
        "self": "/api/v1/jobs/j_Unr2e5z0D-Mg9VUvt9u_",
        "events": "/api/v1/jobs/j_Unr2e5z0D-Mg9VUvt9u_/events",
    },
}
LATER: dict[str, Any] = {
    "id": "j_TdHqLMcdZrQkQaS0Uq5c",
    "kind": "picture",
    "state": "done",
    "position": None,
    "attempt": 1,
    "created": "2026-11-29T20:24:18.666+00:00",
    "started": "2026-11-29T20:24:18.671+00:00",
    "ended": "2026-11-29T20:24:18.790+00:00",
    "progress": None,
    "problem": None,
    "request": {
        "parser": "lite",
        "size": None,
        "effect": [],
        "on": "all",
        "first_frame": False,
        "faces": False,
        "detail": {"masks": "rle", "parts": [], "min_score": 0.0, "labels": "none"},
        "show": None,
    },
    "links": {
        "self": "/api/v1/jobs/j_TdHqLMcdZrQkQaS0Uq5c",
        "events": "/api/v1/jobs/j_TdHqLMcdZrQkQaS0Uq5c/events",
        "result": "/api/v1/jobs/j_TdHqLMcdZrQkQaS0Uq5c/result",
    },
}
STREAM: dict[str, Any] = {
    "id": "s_ae6eaf00e9c1f7dc",
    "source": "door",
    "state": "running",
    "restarts": 0,
    "last_death": None,
    "viewers": 1,
    "ended": None,
    "recording": None,
    "recording_trouble": None,
    "stats": {
        "captured": 312,
        "parsed": 301,
        "shown": 310,
        "dropped": {"late": 2},
        "captured_hz": 30.0,
        "parsed_hz": 28.9,
        "reconnects": 0,
        "offline_s": None,
        "last_loss": None,
        "mask_age_p50_s": 0.0,
        "mask_age_p95_s": 0.0333,
        "worker_restarts": 0,
    },
    "links": {"self": "/api/v1/streams/s_ae6eaf00e9c1f7dc"},
}
RECORDING: dict[str, Any] = {
    "file": "recording-door-20261129T202418Z-5f0c1d9a77be.mp4",
    "kind": "recording",
    "source": "door",
    "size_bytes": 18442310,
    "changed": "2026-11-29T20:31:07.112+00:00",
    "writing": False,
    "link": "/api/v1/recordings/recording-door-20261129T202418Z-5f0c1d9a77be.mp4",
}
REMOVED: dict[str, Any] = {
    "file": "recording-door-20261122T180011Z-9b1e5a02c4d7.mp4",
    "kind": "recording",
    "source": "door",
    "size_bytes": 91442310,
    "removed": "2026-11-29T20:31:10.204+00:00",
}
COSTS: dict[str, Any] = {
    "samples": [
        {
            "unix_s": 1795983858.67,
            "processes": [
                {"role": "web", "rss_mb": 58.7, "pss_mb": 49.1},
                {"role": "stills 0", "rss_mb": 211.9, "pss_mb": 180.8},
            ],
            "cores": {"web": 0.012, "stills 0": 0.4},
        }
    ],
    "stages": {"network_s": {"count": 12, "mean_s": 0.0743}},
    "queue": {"waiting": 0, "refused": 0, "cache_bytes": 218804, "cache_hits": 1, "cache_misses": 12},
}
