import shutil
import subprocess
import threading
import time

import pytest

from common.etcd.client import EtcdClient, EtcdRefused, EtcdUnavailable, Tls
from protos.etcd.v3 import rpc_pb2 as pb
from tests.support.processes.etcd import EtcdServer
from tests.support.processes.ports import ReservedPort
from tests.support.tools import need
from tests.support.waiting import eventually


def put(key, value=b"", lease=0):
    entry = pb.PutRequest(key=key, value=value, lease=lease)
    return pb.TxnRequest(success=[pb.RequestOp(request_put=entry)])


def get(client, key):
    entries = client.range(pb.RangeRequest(key=key)).kvs
    return entries[0].value if entries else None


@pytest.fixture
def unused_address():
    """An address without a server."""
    port = ReservedPort()
    yield port.address
    port.release()


def test_a_put_value_is_read(client, prefix):
    assert client.transact(put(prefix + b"a", b"1")).succeeded
    assert get(client, prefix + b"a") == b"1"


def test_client_uses_the_next_endpoint_after_a_failure_and_stays_there(
    shared_etcd, unused_address, prefix
):
    with EtcdClient([unused_address, shared_etcd.address]) as client:
        with pytest.raises(EtcdUnavailable, match=f"Txn at {unused_address}: UNAVAILABLE"):
            client.transact(put(prefix + b"a"))
        for _ in range(3):
            client.transact(put(prefix + b"a"))


def test_a_refusal_has_its_own_error_and_keeps_the_endpoint(shared_etcd, unused_address, prefix):
    with EtcdClient([shared_etcd.address, unused_address]) as client:
        shared_etcd.wait_until_ready(client)
        for _ in range(2):
            with pytest.raises(EtcdRefused, match="INVALID_ARGUMENT"):
                client.transact(put(b""))
        client.transact(put(prefix + b"a"))


def test_a_call_to_a_hanging_server_ends_at_its_deadline(own_etcd, own_client):
    own_etcd.pause()
    started = time.monotonic()
    with pytest.raises(EtcdUnavailable, match="DEADLINE_EXCEEDED"):
        own_client.range(pb.RangeRequest(key=b"a"))
    assert time.monotonic() - started < 30
    own_etcd.resume()


def test_a_key_is_deleted_with_its_lease(client, prefix):
    lease = client.grant_lease(60)
    assert lease.TTL == 60
    client.transact(put(prefix + b"a", b"1", lease.ID))
    assert client.renew_lease(lease.ID, timeout_s=5.0) == 60
    client.revoke_lease(lease.ID)
    assert get(client, prefix + b"a") is None
    assert client.renew_lease(lease.ID, timeout_s=5.0) == 0
    with pytest.raises(EtcdRefused, match="NOT_FOUND"):
        client.revoke_lease(lease.ID)


def test_a_watch_reports_a_deletion_before_its_start(client, prefix):
    revision = client.transact(put(prefix + b"a")).header.revision
    delete = pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=prefix + b"a"))
    client.transact(pb.TxnRequest(success=[delete]))
    client.watch(prefix + b"a", after_revision=revision, timeout_s=600).wait_for_deletion()


def test_a_watch_does_not_end_with_a_change_and_ends_when_it_is_cancelled(client, prefix):
    revision = client.transact(put(prefix + b"a")).header.revision
    watch = client.watch(prefix + b"a", after_revision=revision, timeout_s=600)
    waiting = threading.Thread(target=watch.wait_for_deletion)
    waiting.start()
    client.transact(put(prefix + b"a"))
    client.transact(put(prefix + b"b"))
    assert waiting.is_alive()
    watch.cancel()
    waiting.join(timeout=30)
    assert not waiting.is_alive()


def test_call_on_a_closed_client_is_unavailable(shared_etcd):
    with EtcdClient([shared_etcd.address]) as client:
        pass
    with pytest.raises(EtcdUnavailable, match="closed"):
        client.range(pb.RangeRequest(key=b"a"))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder with a certificate authority and the certificates of a server and a client."""
    need(shutil.which("openssl"), "openssl")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    subject = ("-subj", "/CN=ringlog")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key",
            "-out", "ca.pem", "-days", "2", *subject)  # fmt: skip
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    for name in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key",
                "-out", f"{name}.csr", *subject)  # fmt: skip
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-out", f"{name}.pem", "-days", "2",
                "-extfile", "names")  # fmt: skip
    return folder


def test_clients_without_a_certificate_are_refused_over_tls(certificates, tmp_path):
    arguments = [
        *("--cert-file", str(certificates / "server.pem")),
        *("--key-file", str(certificates / "server.key")),
        *("--trusted-ca-file", str(certificates / "ca.pem"), "--client-cert-auth"),
    ]
    client_tls = Tls(
        ca=certificates / "ca.pem",
        certificate=certificates / "client.pem",
        key=certificates / "client.key",
    )
    with EtcdServer(tmp_path, arguments, scheme="https") as server:
        with EtcdClient([server.address], client_tls) as client:
            server.wait_until_ready(client)
            client.transact(put(b"a", b"1"))
            assert get(client, b"a") == b"1"
        for tls in (None, Tls(ca=certificates / "ca.pem")):
            with EtcdClient([server.address], tls) as client, pytest.raises(EtcdUnavailable):
                get(client, b"a")


def test_a_missing_certificate_file_is_an_error_at_once(tmp_path):
    with pytest.raises(OSError, match="missing"):
        EtcdClient(["127.0.0.1:1"], Tls(ca=tmp_path / "missing"))


def test_a_restarted_server_is_reconnected(own_etcd, own_client):
    own_client.transact(put(b"a", b"1"))
    own_etcd.kill()
    with pytest.raises(EtcdUnavailable):
        get(own_client, b"a")
    own_etcd.start()
    own_etcd.wait_until_ready(own_client)
    assert eventually(lambda: get(own_client, b"a")) == b"1"
