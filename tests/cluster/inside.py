"""A container with a checked load in the network of the cluster."""

import json
from typing import Any, Self

from tests.cluster.composed import GATEWAYS, Composed
from tests.support.waiting import eventually

_TOPIC = "from-within"
#: Time for the last acknowledgements and for reading the whole log again.
_VERDICT_WITHIN_S = 240


class InsideLoad:
    """A load to use in a `with`; call `verdict` once, at the end."""

    def __init__(self, cluster: Composed, image: str) -> None:
        bootstrap = ",".join(f"{name}:9092" for name in GATEWAYS)
        self._container = cluster.engine.client.containers.create(
            image,
            ["python", "-m", "tests.cluster.load_inside", bootstrap, _TOPIC],
            name=f"{cluster.project}-load",
            network=cluster.network.name,
        )

    def __enter__(self) -> Self:
        try:
            self._container.start()
            eventually(self._has_started, within_s=60, what="a load in the network")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._container.remove(force=True)

    def verdict(self) -> dict[str, Any]:
        """Stops the load; returns its `problems` and the number of `acknowledged` records."""
        self.assert_running()
        self._container.kill("SIGTERM")
        status = self._container.wait(timeout=_VERDICT_WITHIN_S)["StatusCode"]
        assert status == 0, f"the load in the network ended with {status}\n{self._log}"
        return dict(json.loads(self._log.splitlines()[-1]))

    def assert_running(self) -> None:
        self._container.reload()
        assert self._container.status == "running", f"the load in the network ended\n{self._log}"

    def _has_started(self) -> bool:
        self.assert_running()
        return "under way" in self._log

    @property
    def _log(self) -> str:
        return str(self._container.logs().decode(errors="replace"))
