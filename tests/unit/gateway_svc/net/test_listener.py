import asyncio
import socket

import pytest

from gateway_svc.net.listener import CannotListen, Listener
from tests.unit.gateway_svc.net.serving import run


class Hello(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(b"hello")
        transport.close()


async def greeting(host: str, port: int) -> bytes:
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(host, port)
        greeted = await reader.read()
        writer.close()
        return greeted


def test_free_port_is_known_before_start():
    async def scenario() -> None:
        listener = Listener("A", "127.0.0.1", 0)
        await listener.bind()
        assert listener.port > 0
        with pytest.raises(ConnectionRefusedError):
            await greeting("127.0.0.1", listener.port)
        await listener.start(Hello)
        assert await greeting("127.0.0.1", listener.port) == b"hello"
        listener.close()

    run(scenario)


def test_empty_host_listens_on_every_address():
    async def scenario() -> None:
        listener = Listener("A", "", 0)
        await listener.bind()
        await listener.start(Hello)
        assert await greeting("127.0.0.1", listener.port) == b"hello"
        if socket.has_ipv6 and _has_ipv6_loopback():
            assert await greeting("::1", listener.port) == b"hello"
        listener.close()

    run(scenario)


def _has_ipv6_loopback() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
        return True


def test_closed_listener_accepts_no_connections():
    async def scenario() -> None:
        listener = Listener("A", "127.0.0.1", 0)
        await listener.bind()
        await listener.start(Hello)
        listener.close()
        await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            await greeting("127.0.0.1", listener.port)

    run(scenario)


def test_bind_rejects_an_address_in_use():
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(CannotListen, match=rf"127\.0\.0\.1:{port} \(MINE\): .*in use"):
                await Listener("MINE", "127.0.0.1", port).bind()

    run(scenario)


def test_bind_rejects_an_address_of_another_machine():
    async def scenario() -> None:
        with pytest.raises(CannotListen, match=r"cannot listen on 192\.0\.2\.1:0"):
            await Listener("A", "192.0.2.1", 0).bind()

    run(scenario)
