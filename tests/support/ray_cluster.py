"""A Ray cluster on loopback, of a head without cores and nodes of some cores each; and programs that join it.

    python -m tests.support.ray_cluster nodes 2 1    2 nodes of 1 core: prints its address and their processes, until
                                                     stdin ends
    python -m tests.support.ray_cluster run WORDS    as `python -m streamer WORDS`

Ray takes 127.0.0.1 in an address for the machine's address in its network, where nothing listens: in here it does not.
"""

import json
import os
import socket
import sys
import time
from contextlib import ExitStack
from typing import Any

PATIENCE_S = 240.0
STORE_BYTES = 100 << 20
LOOPBACK = "127.0.0.1"


def stay_on_loopback() -> None:
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_agent_register_timeout_ms": "300000"}
    from ray._private import services

    services.get_node_ip_address = lambda *_, **__: LOOPBACK
    get_node = services.get_node

    def patient(*words: Any) -> Any:
        """A node that starts is waited for half a minute, which a busy machine may need twice."""
        until_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                return get_node(*words)
            except RuntimeError:
                if time.monotonic() > until_s:
                    raise
                time.sleep(0.2)

    services.get_node = patient


def free_ports(count: int) -> list[int]:
    with ExitStack() as sockets:
        found = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in found:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in found]


def _node() -> dict[str, Any]:
    """Ports that are named need not be waited for: Ray gives its helpers half a minute to name theirs."""
    metrics, listen, environment, export = free_ports(4)
    return {
        "node_ip_address": LOOPBACK,
        "object_store_memory": STORE_BYTES,
        "metrics_agent_port": metrics,
        "dashboard_agent_listen_port": listen,
        "runtime_env_agent_port": environment,
        "metrics_export_port": export,
    }


def nodes(count: int, cores: int) -> None:
    stay_on_loopback()
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, **_node()}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        added = [cluster.add_node(num_cpus=cores, wait=False, **_node()) for _ in range(count)]
        cluster.wait_for_nodes(timeout=300)
        pids = [each.all_processes["raylet"][0].process.pid for each in added]
        sys.stdout.write(json.dumps({"address": cluster.address, "pids": pids}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        cluster.shutdown()


def run(words: list[str]) -> None:
    stay_on_loopback()
    from streamer.__main__ import main

    sys.argv = ["streamer", *words]
    main()


if __name__ == "__main__":
    if sys.argv[1] == "nodes":
        nodes(int(sys.argv[2]), int(sys.argv[3]))
    else:
        run(sys.argv[2:])
