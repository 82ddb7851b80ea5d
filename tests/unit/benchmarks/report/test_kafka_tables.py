from benchmarks.report import document, kafka_tables, results
from benchmarks.report.results import (
    KAFKA,
    KAFKA_FLUSH,
    RAW,
    STANDALONE,
    THREE_PROCESSES,
    Results,
)
from benchmarks.throughput import startup, throughput

BATCHES = throughput.HUNDRED_PIPELINED
SEQUENTIAL = throughput.SINGLE_SEQUENTIAL


def _rows(table):
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines()]


def _section(rendered, title):
    return rendered.partition(f"### {title}\n\n")[2].partition("\n\n")[0]


def _add(found, case, acks, subject, requests, **cpu_by_process):
    metrics = {results.REQUESTS: requests, results.RECORDS: requests, results.MEGABYTES: 0.1}
    metrics[results.CPU] = sum(cpu_by_process.values())
    metrics |= {f"{name} {results.CPU}": value for name, value in cpu_by_process.items()}
    found.add(case.with_acks(acks), subject, metrics)


def _measured():
    """Slower than Kafka with acks=1, faster with acks=all."""
    found = Results()
    for acks, kafka, requests in ((1, KAFKA, 200), (-1, KAFKA_FLUSH, 50)):
        _add(found, BATCHES, acks, STANDALONE, 100, ringlog=40)
        _add(found, BATCHES, acks, THREE_PROCESSES, 50, gateway=60, partition=70)
        _add(found, BATCHES, acks, kafka, requests, kafka=20)
    _add(found, SEQUENTIAL, 1, STANDALONE, 30, ringlog=80)
    _add(found, SEQUENTIAL, 1, KAFKA, 40, kafka=50)
    return found


def test_produce_table_has_kafka_of_equal_durability_beside_each_row():
    header, _, *rows = _rows(_section(document.render(_measured(), {}, ""), "Produce"))
    at = header.index("Kafka requests/s")
    assert header[at : at + 4] == ["Kafka requests/s", "ratio", "Kafka CPU us/request", "ratio"]
    beside = {(row[0], row[1]): row[at : at + 4] for row in rows}
    leader, synced = BATCHES.with_acks(1), BATCHES.with_acks(-1)
    assert beside[leader, STANDALONE] == ["200", "0.50", "20.0", "2.00"]
    assert beside[synced, STANDALONE] == ["50.0", "2.00", "20.0", "2.00"]
    assert beside[leader, THREE_PROCESSES] == ["200", "0.25", "20.0", "6.50"]


def test_goals_count_the_cases_that_reach_them_and_name_the_worst():
    _, _, *rows = _rows(kafka_tables.goals(_measured()))
    batches, synced_batches = BATCHES.with_acks(1), BATCHES.with_acks(-1)
    assert [row[:2] + row[3:] for row in rows] == [
        ["produce, acks=1", STANDALONE, "1.00", "no, only 0 of 2 cases", "0.50", batches],
        ["produce, acks=all", STANDALONE, "1.00", "yes", "2.00", synced_batches],
        [
            *("produce in batches, acks=1", THREE_PROCESSES),
            *("0.60", "no, only 0 of 1 cases", "0.25", batches),
        ],
        ["produce in batches, acks=all", THREE_PROCESSES, "0.60", "yes", "1.00", synced_batches],
    ]


def test_missed_cases_show_the_cpu_time_of_each_process():
    _, _, *rows = _rows(kafka_tables.missed(_measured()))
    assert [row[:2] for row in rows] == [
        [SEQUENTIAL.with_acks(1), STANDALONE],
        [BATCHES.with_acks(1), STANDALONE],
        [BATCHES.with_acks(1), THREE_PROCESSES],
    ]
    assert rows[2][3:] == [
        *("0.60", "0.25", "50.0", "200", "130", "20.0"),
        "gateway 60.0, partition 70.0",
    ]


def test_start_table_has_kafka_beside_ringlog():
    found = Results()
    for subject, seconds in ((RAW, 0.1), (STANDALONE, 0.5), (KAFKA, 5)):
        case = startup.BARE_PYTHON if subject == RAW else startup.FIRST_ANSWER
        found.add(case, subject, {results.SECONDS: seconds})
    header, _, *rows = _rows(_section(document.render(found, {}, ""), "Start and memory"))
    assert header[4:6] == ["Kafka", "ratio"]
    assert [row[1:6] for row in rows] == [
        [RAW, "s", "0.10", "-", "-"],
        [STANDALONE, "s", "0.50", "5.00", "0.10"],
    ]


def test_report_does_not_mention_kafka_if_it_was_not_measured():
    found = Results()
    _add(found, BATCHES, 1, STANDALONE, 100, ringlog=40)
    assert "kafka" not in document.render(found, {}, "").lower()
