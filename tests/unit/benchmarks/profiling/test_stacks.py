from pathlib import Path

from benchmarks.profiling import stacks

ROOT = Path(stacks.__file__).parents[2]
LINES = f"""\
run (/lib/python3.11/asyncio/runners.py);Session.read ({ROOT}/gateway_svc/net/session.py);\
decode (<decode ProduceRequest v9>) 6
run (/lib/python3.11/asyncio/runners.py);Session.read ({ROOT}/gateway_svc/net/session.py);\
encode (/lib/python3.11/json/encoder.py) 3
run (/lib/python3.11/asyncio/runners.py);poll (/venv/site-packages/grpc/aio/_channel.py) 1
run (/lib/python3.11/asyncio/runners.py) 2
"""


def _read(tmp_path):
    path = tmp_path / "recorded"
    path.write_text(LINES)
    return stacks.read(path)


def test_time_is_counted_for_the_innermost_layer_of_ringlog(tmp_path):
    assert stacks.by_layer(_read(tmp_path)) == {
        "gateway_svc.wire": 6,
        "gateway_svc.net": 3,
        "grpc": 1,
        "outside ringlog": 2,
    }


def test_time_is_counted_for_the_running_function_and_its_callers(tmp_path):
    samples = _read(tmp_path)
    assert stacks.by_function(samples)["encode (/lib/python3.11/json/encoder.py)"] == 3
    assert stacks.by_ancestor(samples) == {"Session.read (gateway_svc/net/session.py)": 9}
