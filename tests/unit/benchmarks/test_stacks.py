from pathlib import Path

from benchmarks import stacks

ROOT = Path(stacks.__file__).parent.parent
LINES = f"""\
process 1:"ringlog";thread (0x1): "MainThread";run (/lib/python3.11/asyncio/runners.py:44);\
serve ({ROOT}/gateway_svc/net/session.py:10);decode ({ROOT}/gateway_svc/wire/schema.py:5) 6
process 1:"ringlog";thread (0x1): "MainThread";run (/lib/python3.11/asyncio/runners.py:44);\
serve ({ROOT}/gateway_svc/net/session.py:12);dumps (/lib/python3.11/json/encoder.py:7) 3
process 1:"ringlog";thread (0x2): "poller";poll (/venv/site-packages/grpc/aio/_x.py:7) 1
"""


def _read(tmp_path):
    path = tmp_path / "recorded"
    path.write_text(LINES)
    return stacks.read(path)


def test_a_sample_belongs_to_the_innermost_layer_of_ours(tmp_path):
    layers = stacks.by_layer(_read(tmp_path))
    assert layers == {"gateway_svc.wire": 6, "gateway_svc.net": 3, "grpc": 1}


def test_a_function_is_counted_on_all_its_lines(tmp_path):
    found = _read(tmp_path)
    functions = stacks.by_function(found)
    assert functions["decode (gateway_svc/wire/schema.py)"] == 6
    assert functions["dumps (/lib/python3.11/json/encoder.py)"] == 3
    assert stacks.by_ancestor(found)["serve (gateway_svc/net/session.py)"] == 9
