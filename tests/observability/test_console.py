"""Lines on standard error: all of them, whole, in the order of each thread."""

import io
import logging
import threading

from config.observability.console import AT_ONCE, Console


class Slow(io.StringIO):
    """A stream that takes its time, and knows what it was given at once."""

    def __init__(self):
        super().__init__()
        self.parts = []

    def write(self, text):
        self.parts.append(text)
        threading.Event().wait(0.001)
        return super().write(text)


def console(stream):
    handler = Console()
    handler.stream = stream
    return handler


def record(message, *args):
    return logging.LogRecord("desk", logging.INFO, "", 0, message, args, None)


def test_whatever_threads_write_at_once_is_there_whole_and_once():
    stream = Slow()
    handler = console(stream)

    def write(thread):
        for number in range(100):
            handler.handle(record("thread %d number %d", thread, number))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    lines = stream.getvalue().splitlines()
    assert sorted(lines) == sorted(f"thread {thread} number {number}" for thread in range(6) for number in range(100))
    for thread in range(6):
        own = [line for line in lines if line.startswith(f"thread {thread} ")]
        assert own == [f"thread {thread} number {number}" for number in range(100)]
    assert len(stream.parts) < 600  # some were taken along


def test_no_more_is_written_at_once_than_a_pipe_takes_whole_unless_one_line_is_longer():
    stream = Slow()
    handler = console(stream)
    handler._waiting.extend([f"{'x' * 3_000}\n", f"{'y' * 3_000}\n", f"{'z' * 9_000}\n", "a\n"])

    handler.handle(record("last"))

    assert [part[0] + str(part.count("\n")) for part in stream.parts] == ["x1", "y1", "z1", "a2"]
    assert all(len(part) <= AT_ONCE or part.count("\n") == 1 for part in stream.parts)


def test_what_is_filtered_is_not_written():
    stream = Slow()
    handler = console(stream)
    handler.addFilter(lambda found: found.levelno > logging.INFO)

    assert handler.handle(record("quiet")) is False
    assert stream.getvalue() == ""


def test_a_stream_that_fails_costs_its_lines_and_no_more(capsys):
    class Broken(io.StringIO):
        def write(self, text):
            raise OSError("gone")

    handler = console(Broken())

    handler.handle(record("lost"))
    handler.stream = Slow()
    handler.handle(record("written"))

    assert handler.stream.getvalue() == "written\n"
    assert "OSError: gone" in capsys.readouterr().err
