# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a server with nothing but a shell: until its probe is complete, the time is up, or waiting can't help."""

from __future__ import annotations

import pytest

from ansible_collections.rewind.vps.plugins.module_utils._wait.polling import Clock
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.reconnect import wait_for_server
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.server_access import MAX_ERROR_CHARS, ServerUnavailable, ssh_error

PROBE = "begin\nboot aaaaaaaa\nend\n"
REFUSED = "Failed to connect to the host via ssh: ssh: connect to host 192.0.2.1 port 22: Connection refused"
CHANGED_KEY = "@@@@@@\r\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\nHost key verification failed."


class Server:
    """Answers each attempt with a text, or raises it as the error; the last answer is repeated. Every attempt takes ten seconds."""

    def __init__(self, *answers: str | ServerUnavailable) -> None:
        self.answers = list(answers)
        self.now = 0.0
        self.attempts = 0
        self.limits: list[float] = []

    def run_probe(self, seconds: float) -> str:
        self.now += 10
        self.attempts += 1
        self.limits.append(seconds)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, ServerUnavailable):
            raise answer
        return answer

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def wait(self, seconds: float) -> tuple[str, str]:
        return wait_for_server(self.run_probe, seconds, Clock(monotonic=lambda: self.now, sleep=self.sleep))


def test_until_the_probe_is_complete():
    server = Server(ServerUnavailable(REFUSED), "Welcome\n", "begin\nboot aaaa", PROBE)
    assert server.wait(300) == (PROBE, "")
    assert server.attempts == 4


@pytest.mark.parametrize("answer", [ServerUnavailable(REFUSED), "Welcome\n"])
def test_until_the_time_is_up(answer):
    server = Server(answer)
    output, error = server.wait(60)
    assert output == "" and error in ("ssh: connect to host 192.0.2.1 port 22: Connection refused", "the probe did not complete")
    assert 60 <= server.now <= 80
    assert server.limits[0] == 60 and min(server.limits) == 20, "an attempt that hangs does not outlast the time by much"


def test_refused_logins_are_few_so_that_no_program_blocks_the_controller():
    """While a server boots, pam_nologin refuses all users but root."""
    refused = ServerUnavailable("root@192.0.2.1: Permission denied (publickey).")
    server = Server(refused, refused, refused, PROBE)
    assert server.wait(300) == (PROBE, "") and server.now == 90
    server = Server(refused)
    assert "Permission denied" in server.wait(300)[1]
    assert server.attempts <= 10 and 300 <= server.now <= 320


@pytest.mark.parametrize("error", [CHANGED_KEY, "host key for server web1 does not match"])
def test_a_changed_host_key_is_reported_at_once(error):
    server = Server(ServerUnavailable(error))
    output, reported = server.wait(300)
    assert (output, server.attempts) == ("", 1)
    assert "host key" in reported.lower()


def test_an_error_is_one_line_of_limited_length():
    assert ssh_error("Failed to connect to the host via ssh: a\r\n  b\n") == "a b"
    sent = 'Data could not be sent to remote host "192.0.2.1". Make sure this host can be reached over ssh: '
    assert ssh_error(f"{sent}ssh: connect to host 192.0.2.1: Connection refused\r\n") == "ssh: connect to host 192.0.2.1: Connection refused"
    assert ssh_error(sent) == sent.strip(), "ssh said nothing"
    assert len(ssh_error("x" * 10000)) == MAX_ERROR_CHARS
