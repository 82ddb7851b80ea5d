"""`ringlog health` against a real server."""

import asyncio

import pytest

from common.rpc.server import RpcServer
from ringlog.cli.health import addresses_of
from ringlog.cli.main import main
from tests.support.processes.ports import ReservedPort


def status_of(*words, ready):
    """The exit status of `ringlog health` beside a server that is or is not ready."""

    async def run():
        server = RpcServer([], address="localhost:0")
        await server.start()
        try:
            await server.set_ready(ready)
            return await asyncio.to_thread(main, ["health", f"localhost:{server.port}", *words])
        finally:
            await server.stop(grace_s=0)

    return asyncio.run(run())


def test_a_service_that_is_ready_is_healthy(capsys):
    assert status_of(ready=True) == 0
    assert capsys.readouterr().out.endswith(": SERVING\n")


def test_a_service_that_is_not_ready_is_unhealthy(capsys):
    assert status_of(ready=False) == 1
    assert capsys.readouterr().out.endswith(": NOT_SERVING\n")


def test_liveness_can_be_checked_instead_of_readiness():
    assert status_of("--service", "", ready=False) == 0


def test_an_unknown_service_name_is_reported(capsys):
    assert status_of("--service", "breakfast", ready=True) == 1
    assert "NOT_FOUND" in capsys.readouterr().out


def test_an_unreachable_server_is_unhealthy_and_reported(capsys):
    unused_port = ReservedPort()
    try:
        assert main(["health", unused_port.address]) == 1
    finally:
        unused_port.release()
    assert "UNAVAILABLE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("0.0.0.0:7000", "localhost:7000"),
        ("[::]:7000", "localhost:7000"),
        ("partition-0:7000", "partition-0:7000"),
    ],
)
def test_the_address_is_that_of_the_listen_setting(variable, address):
    assert addresses_of({"RINGLOG_GRPC_LISTEN": variable}) == (address,)


def test_default_addresses_are_those_of_the_services():
    assert [one.rpartition(":")[2] for one in addresses_of({})] == ["9192", "9292", "9392"]
