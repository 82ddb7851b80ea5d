import pytest

from benchmarks.throughput.jobs import Plan, chosen_jobs
from benchmarks.throughput.kafka_peers import KafkaPeers, is_steady


@pytest.mark.parametrize(
    ("cpu_us", "steady"),
    [
        ([], False),
        ([100, 100], False),
        ([100, 100, 100], True),
        ([800, 400, 200, 100], False),
        ([800, 100, 120, 90], False),
        ([800, 100, 120, 96], True),
    ],
)
def test_cpu_time_is_steady_if_it_no_longer_falls(cpu_us, steady):
    assert is_steady(cpu_us) is steady


def test_jobs_run_on_the_kafka_of_equal_durability():
    page_cache, flush = object(), object()
    peers = KafkaPeers(page_cache, flush)
    jobs = chosen_jobs(Plan(frozenset({"produce", "fetch", "latency"})))
    of_flush = {
        case for job in jobs if peers.of_equal_durability(job) is flush for case in job.cases
    }
    every = {case for job in jobs for case in job.cases}
    assert of_flush == {case for case in every if case.endswith("acks=all")}
    assert of_flush
