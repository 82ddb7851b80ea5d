"""A checked load in the network of the cluster: `python -m tests.cluster.load_inside`.

Runs in a container, on the listener INTERNAL, until SIGTERM. Its last line is the verdict.
"""

import json
import signal
import sys
import threading

from tests.support.clients.checked_load import CheckedLoad

#: A low rate, because this load runs during all tests of the cluster.
_PAUSE_S = 0.1


def main() -> None:
    """Arguments: bootstrap servers, topic."""
    bootstrap, topic = sys.argv[1:]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with CheckedLoad(bootstrap, topic, partitions=6, producers=1, pause_s=_PAUSE_S) as load:
        load.wait_for_acknowledged(1)
        send_line("under way")
        stop.wait()
        verdict = load.finish()
    send_line(json.dumps({"problems": [*verdict.problems], "acknowledged": verdict.acknowledged}))


def send_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
