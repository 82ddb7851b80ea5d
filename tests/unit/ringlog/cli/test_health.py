"""Tests of `ringlog health` with a real server."""

import asyncio

import pytest

from common.rpc.server import RpcServer
from ringlog.cli.health import addresses_of
from ringlog.cli.main import main
from tests.support.processes.ports import ReservedPort


def check_health(*arguments, ready):
    """Returns the exit status of `ringlog health` for a server with that readiness."""

    async def run():
        server = RpcServer([], address="localhost:0")
        await server.start()
        try:
            await server.set_ready(ready)
            return await asyncio.to_thread(main, ["health", f"localhost:{server.port}", *arguments])
        finally:
            await server.stop(grace_s=0)

    return asyncio.run(run())


def test_ready_service_is_healthy(capsys):
    assert check_health(ready=True) == 0
    assert capsys.readouterr().out.endswith(": SERVING\n")


def test_service_that_is_not_ready_is_unhealthy(capsys):
    assert check_health(ready=False) == 1
    assert capsys.readouterr().out.endswith(": NOT_SERVING\n")


def test_liveness_can_be_checked_instead_of_readiness():
    assert check_health("--service", "", ready=False) == 0


def test_unknown_service_name_is_reported(capsys):
    assert check_health("--service", "unknown", ready=True) == 1
    assert "NOT_FOUND" in capsys.readouterr().out


def test_unreachable_server_is_unhealthy_and_reported(capsys):
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
def test_address_is_that_of_the_listen_setting(variable, address):
    assert addresses_of({"RINGLOG_GRPC_LISTEN": variable}) == (address,)


def test_default_addresses_are_those_of_the_services():
    assert [address.rpartition(":")[2] for address in addresses_of({})] == ["9192", "9292", "9392"]
