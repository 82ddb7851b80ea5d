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


def test_time_belongs_to_the_innermost_layer_of_ours(tmp_path):
    assert stacks.by_layer(_read(tmp_path)) == {
        "gateway_svc.wire": 6,
        "gateway_svc.net": 3,
        "grpc": 1,
        "outside ringlog": 2,
    }


def test_time_belongs_to_the_function_that_runs_and_to_those_that_called_it(tmp_path):
    found = _read(tmp_path)
    assert stacks.by_function(found)["encode (/lib/python3.11/json/encoder.py)"] == 3
    assert stacks.by_ancestor(found) == {"Session.read (gateway_svc/net/session.py)": 9}
