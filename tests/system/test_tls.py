"""TLS on the stream's port: told from a line by its first bytes, held to version 1.3, and otherwise the same."""

import json
import os
import re
import select
import signal
import socket
import ssl
import threading

import pytest
from herald_harness import (Client, Library, Peer, Server, Veil, fingerprint, make_certificate, new_name, new_secret,
                            openssl, outside, run, trusting)

OWN = "tls_certificate.pem"


def own(server):
    """The certificate the server has made for itself."""
    return server.directory / OWN


def veiled(server, **veil):
    """A client over TLS that trusts the server's own certificate and nothing else."""
    return server.client(veil={"context": trusting(own(server)), **veil})


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("secured") / "data", tls="auto")
    yield server
    server.finish()


# --- versions, ciphers ------------------------------------------------------------------------------------------


def shake(server, *words):
    return openssl("s_client", "-connect", server.address, "-brief", *words)


def test_openssl_is_content_with_the_certificate(secured):
    """Signed, for this name, in time: by openssl's own rules."""
    done = shake(secured, "-CAfile", own(secured), "-verify_return_error", "-verify_hostname", "localhost", "-x509_strict")
    assert done.returncode == 0 and "TLSv1.3" in done.stderr and "Verification: OK" in done.stderr, done.stderr


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_1", "-tls1"])
def test_older_versions_are_refused_with_an_alert(secured, version):
    """TLS 1.3 alone."""
    done = shake(secured, version, "-cipher", "ALL:@SECLEVEL=0")
    assert done.returncode != 0 and "alert protocol version" in done.stderr, done.stderr


@pytest.mark.parametrize("cipher", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"])
def test_the_ciphers_of_version_1_3_are_spoken(secured, cipher):
    """Whichever of them a client has."""
    done = shake(secured, "-ciphersuites", cipher)
    assert f"Ciphersuite: {cipher}" in done.stderr, done.stderr


def test_a_cipher_cut_short_is_not(secured):
    """CCM with a short tag is for small devices, which we do not serve."""
    done = shake(secured, "-ciphersuites", "TLS_AES_128_CCM_8_SHA256:TLS_AES_128_CCM_SHA256")
    assert done.returncode != 0 and "handshake failure" in done.stderr, done.stderr


def test_there_are_no_tickets(secured):
    """Nothing of a session is kept, nothing can be resumed."""
    done = openssl("s_client", "-connect", secured.address, "-no_ign_eof")
    assert "Reused" not in done.stdout and "New, TLSv1.3" in done.stdout, done.stdout
    assert "New Session Ticket" not in done.stdout, done.stdout


def test_a_browser_is_refused_before_it_says_anything(secured):
    """Who names its protocols must name ours: a page of another port cannot be made to talk to this one."""
    done = shake(secured, "-alpn", "h2,http/1.1")
    assert done.returncode != 0 and "no application protocol" in done.stderr, done.stderr
    done = openssl("s_client", "-connect", secured.address, "-alpn", "h2,herald")
    assert "ALPN protocol: herald" in done.stdout, done.stdout


# --- the same stream --------------------------------------------------------------------------------------------


def test_clients_with_and_without_tls_share_the_stream(secured):
    """One port, one stream."""
    bare, dressed = secured.anonymous(), veiled(secured).login()
    bare.publish({"from": "bare"})
    dressed.hear(**{"from": "bare"})
    bare.hear(**{"from": "bare"})
    dressed.publish({"from": "dressed"})
    bare.hear(**{"from": "dressed"})
    dressed.hear(**{"from": "dressed"})
    dressed.send({"command": "LOGOUT"})
    dressed.expect_close(orderly=True)  # a goodbye: without one, Veil would have raised SSLEOFError
    bare.proves_to_stay()


def test_register_and_login_over_tls(secured):
    """As without it."""
    name, secret = new_name(), new_secret()
    veiled(secured).register(name, secret).close()
    client = veiled(secured).login(name, secret)
    client.publish({"x": 1})
    assert client.hear(x=1)["authenticated_user"] == name
    wrong = veiled(secured)
    wrong.send_login(name, new_secret())
    wrong.expect_refusal("LOGIN_FAILED")


def test_a_long_stream_arrives_whole(secured):
    """Many records, a reader that falls behind: in order, nothing lost."""
    listener, speaker = veiled(secured).login(), veiled(secured).login()
    activities = [{"number": number, "pad": "x" * (number * 37 % 5000)} for number in range(3000)]
    for at in range(0, len(activities), 100):
        speaker.publish(*activities[at:at + 100])
        for activity in activities[at:at + 100]:
            speaker.hear(number=activity["number"])
    for activity in activities:
        listener.hear(**activity)
    listener.close()
    speaker.close()


def test_many_readers_hear_everything_in_order(start):
    """A hundred over TLS hear byte for byte what one without hears; one of them reads only when all is said."""
    server = start(tls="auto")
    bare = server.anonymous()
    readers = [server.client(veil={}).login() for _ in range(100)]
    speakers = [server.client(veil={}).login(), server.anonymous()]
    slow_socket = socket.socket()
    slow_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow_socket.connect(("127.0.0.1", server.port))
    slow = Client(Veil(slow_socket)).login()
    for number in range(150):
        for who, speaker in enumerate(speakers):
            speaker.publish({"who": who, "number": number, "pad": "x" * (4096 if (number + who) % 3 == 0 else number)})
            speaker.publish({"who": who, "number": number, "small": True})
    heard = [bare.receive_line() for _ in range(600)]
    for who in range(2):
        said = [message for message in map(json.loads, heard) if message["activity"]["who"] == who]
        assert [message["activity"]["number"] for message in said] == [number for number in range(150) for _ in range(2)]
    for reader in [*readers, *speakers, slow]:
        assert [reader.receive_line() for _ in range(600)] == heard
        assert reader.quiet_now()
    slow.close()


class Hand:
    """TLS by hand: what is sent, and when, is the test's business."""

    def __init__(self, server, piece=1 << 16):
        self.raw, self.piece = server.connect(), piece
        self.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.inner, self.outer = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = trusting(own(server)).wrap_bio(self.inner, self.outer, server_hostname="localhost")
        self.does(self.tls.do_handshake)

    def sends(self):
        data = self.outer.read()
        for at in range(0, len(data), self.piece):
            self.raw.sendall(data[at:at + self.piece])

    def does(self, action, *arguments):
        while True:
            try:
                result = action(*arguments)
                self.sends()
                return result
            except ssl.SSLWantReadError:
                self.sends()
                data = self.raw.recv(self.piece)
                self.inner.write(data) if data else self.inner.write_eof()


def test_each_line_may_come_in_pieces(secured):
    """A byte at a time on the wire, and a record for each byte said."""
    hand = Hand(secured, piece=1)
    for byte in b'{"command":"LOGIN","username":"anonymous"}\n':
        hand.does(hand.tls.write, bytes([byte]))
    answer = b""
    while not answer.endswith(b"\n"):
        answer += hand.does(hand.tls.read, 1000)
    assert b"LOGIN_SUCCESS" in answer
    hand.raw.close()


# --- ends -------------------------------------------------------------------------------------------------------


def test_who_says_goodbye_still_gets_the_answer(secured):
    """close_notify right after the request, as `openssl s_client` does at the end of its input."""
    hand = Hand(secured)
    hand.tls.write(b'{"command":"LOGIN","username":"anonymous"}\n')
    with pytest.raises(ssl.SSLWantReadError):
        hand.tls.unwrap()
    hand.sends()
    assert b"LOGIN_SUCCESS" in hand.does(hand.tls.read, 1000)
    with pytest.raises(ssl.SSLZeroReturnError):  # its own goodbye
        hand.does(hand.tls.read, 1000)
    hand.raw.close()


def test_a_connection_cut_off_takes_nobody_along(secured):
    """No goodbye at all: it is gone, the others stay."""
    before = secured.anonymous()
    for _ in range(5):
        veiled(secured).login().abort()
    secured.connect().close()
    before.proves_to_stay()


def test_what_is_no_hello_is_refused(start):
    """First bytes that promise TLS and do not keep it; a hello, and then rubbish."""
    server = start(tls="auto")
    for rubbish in (b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"\x16{}\n",
                    b"\x16\x03\x01\x02\x00\x01\x01\xff\xff"):
        raw = server.connect()
        raw.sendall(rubbish)
        answer = raw.recv(1000)
        assert answer[:1] in (b"\x15", b"{", b""), answer
        raw.close()
    client = veiled(server).login()
    raw = socket.socket(fileno=os.dup(client.sock.fileno()))
    raw.setblocking(True)
    raw.sendall(b"\x17\x03\x03\x00\x20" + b"r" * 32)
    with pytest.raises((ssl.SSLError, OSError)):
        while client.receive():
            pass
    server.anonymous().proves_to_stay()
    server.wait_log(msg="client refused", count=4)


def test_silence_after_the_hello_is_not_waited_for(start):
    """first_message_timeout counts from the first byte on, greeting and all."""
    server = start(tls="auto", first_message_timeout="300ms")
    idle, greeted = server.connect(), veiled(server)
    idle.sendall(b"\x16\x03\x01")
    idle.settimeout(10)
    assert idle.recv(100) == b""
    with pytest.raises((ssl.SSLError, OSError, AssertionError)):
        greeted.receive()
        raise AssertionError("closed in good order")
    server.anonymous().proves_to_stay()


def test_a_stop_is_told_over_tls_too(start):
    """A server that stops says what it has to say, then goodbye."""
    server = start(tls="auto")
    client = veiled(server).login()
    server.stop()
    client.expect_close(orderly=True)


def test_a_reader_that_stands_still_is_lapped(start):
    """TLS or not, memory is bounded by the reel."""
    server = start(tls="auto", reel_segments=4, reel_segment_size="1100KiB")
    lazy = veiled(server).login()
    speaker = server.anonymous()
    for number in range(400):
        speaker.publish({"number": number, "pad": "x" * 100000})
        speaker.hear(number=number)
        if server.count_log(msg="client closed", pattern="lapped"):
            break
    server.wait_log(msg="client closed", pattern="lapped")
    lazy.close()


# --- certificates -----------------------------------------------------------------------------------------------


def shown(server):
    return re.search(r"TLS fingerprint: (\S+)", "\n".join(line.text for line in server.log))[1]


def test_the_own_certificate_is_made_once_and_its_fingerprint_told(start):
    """--tls auto: files in the data directory, the key for nobody else, the same at the next start."""
    server = start(tls="auto")
    first = shown(server)
    assert first == fingerprint(own(server))
    assert (server.directory / "tls_key.pem").stat().st_mode & 0o777 == 0o600
    client = veiled(server, host="127.0.0.1").login()
    assert fingerprint(client.sock.getpeercert(binary_form=True)) == first
    server.stop()
    again = start.restart(server, tls="auto")
    assert shown(again) == first
    veiled(again).login().proves_to_stay()
    text = "\n".join(line.text for line in again.log)
    assert "PRIVATE" not in text


def test_the_own_certificate_names_what_others_are_told(start):
    """--advertise: who follows a REDIRECT finds that name in the certificate."""
    server = start(tls="auto", advertise="chat.example")
    veiled(server, host="chat.example").login().proves_to_stay()
    with pytest.raises(ssl.SSLCertVerificationError):
        veiled(server, host="elsewhere.example")


def test_a_certificate_of_files(start, tmp_path):
    """--tls file."""
    certificate, key = make_certificate(tmp_path, names="DNS:chat.example")
    server = start(tls="file", tls_certificate=certificate, tls_key=key)
    server.client(veil={"context": trusting(certificate), "host": "chat.example"}).login().proves_to_stay()
    assert not own(server).exists()


def test_files_that_will_not_do_are_named(tmp_path):
    """Exit status 2, and which file it is."""
    certificate, key = make_certificate(tmp_path)
    other, other_key = make_certificate(tmp_path, "other")
    assert other.exists()
    for words, said in ((["--tls", "file"], "needs tls_certificate"),
                        (["--tls-key", key], "is for tls = file"),
                        (["--tls", "file", "--tls-certificate", certificate, "--tls-key", other_key], "is not that of"),
                        (["--tls", "file", "--tls-certificate", tmp_path / "none", "--tls-key", key], "there is no file")):
        done = run("--check", *words, data=tmp_path / "data")
        assert done.returncode == 2 and said in done.stderr, done.stderr
    key.chmod(0o644)
    done = run("--check", "--tls", "file", "--tls-certificate", certificate, "--tls-key", key, data=tmp_path / "data")
    assert done.returncode == 2 and f"chmod 600 {key}" in done.stderr, done.stderr


def presented(server):
    return fingerprint(Veil(server.connect()).getpeercert(binary_form=True))


def test_sighup_reads_the_certificate_again_and_drops_nobody(start, tmp_path):
    """Renewed under the same name: who is there stays, who comes sees the new one."""
    certificate, key = make_certificate(tmp_path)
    server = start(tls="file", tls_certificate=certificate, tls_key=key)
    there = server.client(veil={"context": trusting(certificate)}).login()
    old = fingerprint(certificate)
    assert presented(server) == old
    renewed, renewed_key = make_certificate(tmp_path, "renewed")
    renewed_key.replace(key)
    renewed.replace(certificate)
    mark = server.log_length()
    server.signal(signal.SIGHUP)
    server.wait_log(msg="configuration read again", after=mark)
    assert presented(server) == fingerprint(certificate) != old
    there.proves_to_stay()
    server.client(veil={"context": trusting(certificate)}).login().proves_to_stay()


def test_sighup_with_a_bad_certificate_changes_nothing(start, tmp_path):
    """It is said, and the old one serves on."""
    certificate, key = make_certificate(tmp_path)
    server = start(tls="file", tls_certificate=certificate, tls_key=key)
    there = server.client(veil={"context": trusting(certificate)}).login()
    old = fingerprint(certificate)
    certificate.write_text("nothing of the kind\n")
    mark = server.log_length()
    server.signal(signal.SIGHUP)
    server.wait_log("holds no certificate", after=mark)
    assert presented(server) == old
    there.proves_to_stay()


def test_certificates_change_while_clients_come(start, tmp_path):
    """SIGHUP after SIGHUP in a stream of newcomers: each of them gets in."""
    certificate, key = make_certificate(tmp_path)
    server = start(tls="file", tls_certificate=certificate, tls_key=key)
    for round_ in range(10):
        server.signal(signal.SIGHUP)
        for _ in range(5):
            server.client(veil={}).login().close()
        server.wait_log(msg="configuration read again", count=round_ + 1)


# --- other machines ---------------------------------------------------------------------------------------------


def test_other_machines_are_not_served_in_the_clear(tmp_path):
    """Listening beyond loopback needs TLS, or a word that it does not."""
    data = tmp_path / "data"
    for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:3780"):
        done = run("--check", listen=address, data=data)
        assert done.returncode == 2 and "--plaintext" in done.stderr and "--tls auto" in done.stderr, done.stderr
        for cure in (["--tls", "auto"], ["--plaintext"], ["--plaintext=yes"]):
            assert run("--check", *cure, listen=address, data=data).returncode == 0
        assert run("--check", "--plaintext", "no", listen=address, data=data).returncode == 2
    assert run("--check", listen="[::1]:0", data=data).returncode == 0
    done = run("--check", "-lh", "0.0.0.0", data=data)
    assert done.returncode == 2 and "-lh" in done.stderr


def from_outside(server):
    address = outside()
    return socket.create_connection((address, server.port), 10, source_address=(address, 0))


def test_a_client_of_another_machine_is_told_to_use_tls(start):
    """With TLS on, a password from elsewhere is not taken in the clear; servers may come."""
    outside()
    server = start(listen="0.0.0.0:0", tls="auto")
    client = Client(from_outside(server))
    client.send_login()
    assert "TLS" in client.expect_refusal("INVALID_MESSAGE")["info"]
    Client(Veil(from_outside(server))).login().proves_to_stay()
    peer = Peer(from_outside(server))
    peer.send({"command": "AUTHENTICATE", "secret": server.secret})
    server.wait_log(msg="link up")
    peer.close()


def test_plaintext_says_that_it_is_fine(start):
    """--plaintext: as before there was TLS."""
    outside()
    server = start(listen="0.0.0.0:0", tls="auto", plaintext=True)
    Client(from_outside(server)).login().proves_to_stay()
    Client(Veil(from_outside(server))).login().proves_to_stay()


def test_servers_connect_without_tls(secured):
    """A link over TLS is refused with a reason, not left hanging."""
    client = veiled(secured)
    client.send({"command": "AUTHENTICATE", "secret": secured.secret})
    assert "without TLS" in client.expect_refusal("INVALID_MESSAGE")["info"]


def test_without_tls_a_hello_is_refused(start):
    """A client that tries finds out at once."""
    server = start()
    with pytest.raises(ssl.SSLError):
        Veil(server.connect())
    server.anonymous().proves_to_stay()


# --- libherald --------------------------------------------------------------------------------------------------

ON, FIRST_USE = 1, 2
DONE, UNREACHABLE, UNKNOWN = 0, 3, 4


class Relay:
    """Between a client and a server: passes bytes on, until it is told not to."""

    def __init__(self, port, buffer=None):
        """buffer: so many bytes at a time, and no more in the kernel than it must have."""
        self.listening, self.port, self.piece = socket.socket(), port, buffer or 1 << 16
        if buffer is not None:
            self.listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            self.listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.listening.bind(("127.0.0.1", 0))
        self.listening.listen()
        self.address = "127.0.0.1:%d" % self.listening.getsockname()[1]
        self.cut = False
        self.flows = threading.Event()  # unless it is set, nothing is read
        self.flows.set()
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.flows.set()
        self.listening.close()
        self.thread.join(10)

    def _serve(self):
        client, _ = self.listening.accept()
        with client, socket.create_connection(("127.0.0.1", self.port)) as server:
            while True:
                for one in select.select([client, server], [], [])[0]:
                    self.flows.wait()
                    data = one.recv(self.piece)
                    if not data:
                        return
                    if one is client:
                        server.sendall(data)
                    elif not self.cut:
                        client.sendall(data)


@pytest.fixture
def session(start):
    """Makes sessions of libherald."""
    return lambda *servers, **options: start.keep(Library(*servers, **options))


def test_a_session_trusts_whom_an_authority_vouches_for(start, session, tmp_path):
    """ca=: the name or address it was asked for by."""
    certificate, key = make_certificate(tmp_path, names="IP:127.0.0.1")
    server = start(tls="file", tls_certificate=certificate, tls_key=key)
    one = session(server, tls=ON, ca=certificate)
    one.logged_in()
    one.publish({"n": 1})
    one.hears(n=1)
    one.logout()
    one.ends(DONE)
    other = session(f"localhost:{server.port}", tls=ON, ca=certificate, once=1)  # a name it is not for
    assert "nobody vouches" in other.ends(UNREACHABLE)["text"]


def test_a_session_refuses_a_stranger(secured, session):
    """Without an authority, a key or leave to meet strangers: the fingerprint is told, no word is said."""
    one = session(secured, tls=ON, once=1, user=new_name(), secret=new_secret())
    assert shown(secured) in one.ends(UNREACHABLE)["text"]
    secured.anonymous().proves_to_stay()


def test_a_session_meets_a_server_once(secured, session):
    """First use: its key is told once, before anything else; from then on it must have it."""
    one = session(secured, tls=FIRST_USE)
    one.expect("MET", server=secured.address, text=shown(secured))
    one.logged_in()
    one.logout()
    one.ends(DONE)
    again = session(secured, tls=FIRST_USE, know=shown(secured))
    again.expect("CONNECTED")
    again.logged_in()
    again.logout()
    again.ends(DONE)


def test_a_session_refuses_another_key(secured, session):
    """A server with another key than the known one: an attack, or a lost file."""
    other = "SHA256:" + "A" * 43 + "="
    for tls in (ON, FIRST_USE):
        one = session(secured, tls=tls, once=1, know=other)
        text = one.ends(UNREACHABLE)["text"]
        assert "its key has changed" in text and shown(secured) in text


def test_a_known_key_needs_no_authority(secured, session):
    """Pinned: neither name nor authority matter."""
    one = session(secured, tls=ON, know=shown(secured))
    one.logged_in()
    one.logout()
    one.ends(DONE)


def test_a_session_says_and_hears_much_over_tls(secured, session):
    """Faster than the socket takes it, in order, all of it acknowledged."""
    one = session(secured, tls=FIRST_USE, max_unsent=64 << 20)
    one.expect("MET")
    one.logged_in()
    one.tell("burst 20000")
    for number in range(20000):
        one.hears(n=number)
    one.logout()
    assert one.ends(DONE)["unsent"] == 0


def test_a_session_says_all_to_who_reads_slowly(secured, session):
    """The last words are sealed long before the socket takes them; nothing that is heard wakes the session meanwhile."""
    listener = secured.anonymous()
    with Relay(secured.port, buffer=4096) as relay:
        one = session(relay.address, tls=FIRST_USE)
        one.expect("MET")
        one.logged_in()
        relay.cut = True
        one.tell("burst 5000")
        for number in range(5000):
            listener.hear(n=number)
        one.tell("close")


def test_a_session_says_its_last_words_when_the_socket_takes_them(secured, session):
    """So many that the socket takes all but the last that was sealed: which of these it is, is the kernel's to say."""
    listener = secured.anonymous()
    for count in range(300, 3000, 300):
        with Relay(secured.port, buffer=4096) as relay:
            one = session(relay.address, tls=FIRST_USE)
            one.expect("MET")
            one.logged_in()
            relay.cut = True
            relay.flows.clear()
            one.tell(f"burst {count}")
            one.stats()  # it has been told, and has sent what it can
            relay.flows.set()
            for number in range(count):
                listener.hear(n=number)
            one.tell("close")


def test_a_session_notices_who_does_not_speak_tls(start, session):
    """A server without TLS, one that closes, one that says nothing."""
    server = start(first_message_timeout="300ms")
    text = session(server, tls=FIRST_USE, once=1, connect_timeout=2000).ends(UNREACHABLE)["text"]
    assert "TLS" in text, text
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = "127.0.0.1:%d" % mute.getsockname()[1]
        text = session(address, tls=FIRST_USE, once=1, connect_timeout=300).ends(UNREACHABLE)["text"]
        assert "greeting of TLS" in text, text


def test_a_cut_is_no_receipt(secured, session):
    """A goodbye that never came: whoever is on the path can cut, but not say that everything was taken."""
    with Relay(secured.port) as relay:
        one = session(relay.address, tls=FIRST_USE, once=1)
        one.logged_in()
        relay.cut = True  # what was said is not heard back, and the goodbye is lost
        one.publish({"n": 1})
        one.logout()
        one.ends(UNKNOWN)
