import gc
import subprocess
import sys
from contextlib import suppress

import pytest

from common.runtime.runtime_tuning import (
    collect_garbage_less_often,
    importing_without_collections,
)

LIMITED = """
import resource, sys
from common.runtime.process import set_up_logging
from common.runtime.runtime_tuning import raise_descriptor_limit
soft, hard = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
set_up_logging("INFO")
limit = raise_descriptor_limit()
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (limit, hard)
print(limit)
"""


@pytest.mark.parametrize(("soft", "hard", "is_low"), [(256, 8192, False), (256, 1024, True)])
def test_the_soft_descriptor_limit_is_raised_and_a_low_one_logged(soft, hard, is_low):
    command = [sys.executable, "-c", LIMITED, str(soft), str(hard)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(result.stdout) == hard
    assert ("WARNING" in result.stderr and str(hard) in result.stderr) == is_low


def test_present_objects_are_frozen_and_all_thresholds_are_raised():
    before = gc.get_threshold()
    try:
        collect_garbage_less_often()
        assert gc.get_freeze_count() > 0
        assert gc.isenabled()
        assert all(new > old for new, old in zip(gc.get_threshold(), before, strict=True))
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


@pytest.mark.parametrize("error", [None, ImportError], ids=["done", "failed"])
def test_imports_run_without_collections_and_what_they_made_is_frozen(error):
    try:
        with suppress(ImportError), importing_without_collections():
            assert not gc.isenabled()
            made = [[]]
            if error:
                raise error
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
        assert not any(made is tracked for tracked in gc.get_objects())
    finally:
        gc.unfreeze()
