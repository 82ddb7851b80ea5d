from benchmarks.processes.processes import Process

#: A thread that uses at least 0.2 s of CPU time and ends.
SCRIPT = """
import threading, time
def work():
    while time.thread_time() < 0.2:
        pass
thread = threading.Thread(target=work)
thread.start()
thread.join()
print("done", time.process_time())
time.sleep(60)
"""


def test_cpu_seconds_include_threads_that_have_ended(tmp_path):
    process = Process("script", ["-c", SCRIPT], log_path=tmp_path / "log")
    try:
        used = float(process.wait_for_line(r"done ([\d.]+)\n")[1])
        assert used >= 0.2
        assert used <= process.cpu_seconds() < used + 0.1
    finally:
        process.stop()
