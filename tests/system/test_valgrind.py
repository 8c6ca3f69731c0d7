"""heraldd and herald under valgrind: no leak, no descriptor left open, nothing read that was not written. (Sanitizers
see most of that, too; not what libraries do that were built without them. The library: test_library.py.)"""

import subprocess

import pytest
from herald_harness import new_name, new_secret
from herald_harness.command import command_environment, herald

KINDS = "definite,indirect,possible"


@pytest.fixture
def memcheck(plain, monkeypatch, tmp_path):
    """What a command is run under; where its complaints go. The deadlines are longer: it makes everything slow."""
    monkeypatch.setenv("HERALDD", str(plain / "heraldd"))
    monkeypatch.delenv("HERALD", raising=False)
    monkeypatch.setattr("herald_harness.clock._seconds", 60.0)
    complaints = tmp_path / "complaints"
    return ["valgrind", "-q", "--error-exitcode=9", "--leak-check=full", f"--show-leak-kinds={KINDS}", "--track-fds=yes",
            f"--errors-for-leak-kinds={KINDS}", f"--log-file={complaints}"], complaints


def test_a_server_is_clean_under_valgrind(start, memcheck):
    """A client registers, logs in, publishes; one is refused; another server comes and goes; SIGTERM."""
    under, complaints = memcheck
    server = start(under=under, shards=1, hash_threads=1)
    name, secret = new_name(), new_secret()
    server.client().register(name, secret).close()
    speaker = server.client().login(name, secret)
    server.client().send_some(b"nonsense\n")
    child = start(parent=server)
    server.wait_log(msg="link up")
    listener = child.anonymous()
    speaker.publish({"say": "hello"})
    for client in (speaker, listener):
        client.hear(say="hello")
    child.stop()
    server.wait_log(msg="link down")
    server.stop()  # with status 0, not 9
    assert complaints.read_text() == ""


def test_a_command_is_clean_under_valgrind(start, memcheck, tmp_path):
    under, complaints = memcheck
    server = start()
    listener = server.anonymous()
    done = subprocess.run([*under, herald(), "post", "--server", server.address, "-"], input='hello\n{"say":"hi"}\n', text=True,
                          capture_output=True, env=command_environment(tmp_path), timeout=60, check=False)
    assert (done.returncode, complaints.read_text()) == (0, ""), done.stderr
    listener.hear()
    listener.hear(say="hi")
