from pathlib import Path

from benchmarks.processes import kafka
from tests.support.kafka.kafka_node import KafkaNode


def test_command_line_gives_the_jvm_a_gigabyte_and_g1_before_the_main_class():
    node = KafkaNode("127.0.0.1:9092", Path("server.properties"), Path("logs"))
    program, *arguments = node.command(kafka.JVM_OPTIONS)
    assert program == kafka.KafkaProcess.program
    main_at = arguments.index("kafka.Kafka")
    assert arguments[main_at + 1 :] == ["server.properties"]
    assert {"-Xms1G", "-Xmx1G", "-XX:+UseG1GC"} <= set(arguments[:main_at])
