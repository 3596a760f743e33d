# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: guarded_ssh
short_description: SSH whose loss fails the task, so that rescue runs
version_added: 0.1.0
author:
  - rewind.vps contributors (@rewind-vps)
description:
  - The connection plugin P(ansible.builtin.ssh#connection) with one difference. When the server can't be reached, or is lost in the
    middle of a task, the host does not become unreachable. The task fails, so that C(rescue) and C(always) run.
  - It also takes all options of P(ansible.builtin.ssh#connection), from the same variables, settings and environment variables.
  - A server on which no temporary directory can be created, for example because its disk is full, counts as lost too.
  - A server that stops responding is detected after O(server_alive_interval) times O(server_alive_count_max) seconds.
options:
  server_alive_interval:
    description:
      - Seconds of silence after which OpenSSH asks the server for an answer, its C(ServerAliveInterval). V(0) leaves this to OpenSSH
        and its configuration files, which by default wait for a silent server without end.
      - C(ServerAliveInterval) in one of the options for arguments of P(ansible.builtin.ssh#connection) comes first.
      - With C(ControlPersist), what was set when the shared connection was opened holds.
    type: int
    default: 15
    vars:
      - name: ansible_guarded_ssh_server_alive_interval
  server_alive_count_max:
    description:
      - How many of these questions may stay without an answer, OpenSSH's C(ServerAliveCountMax).
    type: int
    default: 4
    vars:
      - name: ansible_guarded_ssh_server_alive_count_max
  run_record:
    description:
      - The run record of a guarded upgrade, on the controller. Once it states that the upgrade is rolled back, every further task on the
        server fails before it starts, so that the run changes nothing on a restored server.
      - Set by the role P(rewind.vps.guarded_upgrade#role).
    type: str
    default: ""
    vars:
      - name: guarded_upgrade_active_record
  settings:
    description:
      - Values of this plugin's options that come before variables, keywords and configuration, for example C(port) and C(remote_user).
      - Set by the role P(rewind.vps.guarded_upgrade#role) after a restore, since variables may describe the server as its upgrade has left it.
    type: dict
    default: {}
    vars:
      - name: guarded_upgrade_connection_settings
  loss_fails_task:
    description:
      - With V(false), the plugin behaves exactly like P(ansible.builtin.ssh#connection). A variable can't be unset, so the role
        P(rewind.vps.guarded_upgrade#role) sets this at its end.
    type: bool
    default: true
    vars:
      - name: ansible_guarded_ssh_loss_fails_task
  terminal:
    description:
      - Whether a command may have a terminal and an open standard input. With V(false) it has neither, so a program that asks a question
        gets no answer instead of waiting for one.
      - The role P(rewind.vps.guarded_upgrade#role) sets this for its reboot, which programs such as C(molly-guard) would hold up.
    type: bool
    default: true
    version_added: 0.1.0
    vars:
      - name: ansible_guarded_ssh_terminal
  server_name:
    description:
      - What the server is called in messages.
    type: str
    vars:
      - name: inventory_hostname
notes:
  - With O(run_record) or O(settings) it shares no connection with P(ansible.builtin.ssh#connection). Its control sockets have a path of their
    own then, whatever C(control_path) says.
  - The keyword C(connection) of a task or play comes first, for example C(connection=local), although the variable C(ansible_connection)
    usually comes before keywords.
  - The failed task's result has RV(ignore:connection_lost) set to V(true), which tells it from a task that failed on a server that is there.
  - C(ignore_unreachable) does not apply, since no host becomes unreachable. C(ignore_errors) does.
  - Set the keyword C(connection) of a play, block or task, as in the example. Handlers take it from the play. If the host has the variable
    C(ansible_connection), which comes before keywords, change that with M(ansible.builtin.set_fact), which holds for the one host.
  - An asynchronous task with C(poll) above 0 goes on asking while the connection is lost, and fails at the end of its time.
seealso:
  - plugin: ansible.builtin.ssh
    plugin_type: connection
"""

EXAMPLES = r"""
- name: Change the firewall, and take the change back if it locks us out
  hosts: web
  serial: 1
  connection: rewind.vps.guarded_ssh # from here on a lost server is a failed task
  tasks:
    - name: Change the firewall
      block:
        - name: Load the new rules
          ansible.builtin.command: nft -f /etc/nftables.new
          changed_when: true

        - name: Log in once more
          ansible.builtin.wait_for_connection:
            timeout: 60
      rescue:
        - name: Go back to the snapshot
          rewind.vps.snapshot_restore:
            provider: vpsorg
            server: "{{ inventory_hostname }}"
            name: before-firewall
          delegate_to: localhost
"""

import functools
import hashlib
import json
import os

import yaml
from ansible.errors import AnsibleActionFail, AnsibleAuthenticationFailure, AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.text.converters import to_bytes, to_text
from ansible.plugins.connection import ssh as ssh_plugin
from ansible.plugins.loader import connection_loader
from ansible.utils.path import makedirs_safe, unfrackpath

from ansible_collections.rewind.vps.plugins.module_utils._text import sanitize
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.server_access import ssh_error


def add_ssh_options(documentation: str, ssh_documentation: str) -> str:
    """The documentation with ssh's options beside its own, as YAML text.

    Ansible learns a plugin's options from the text of its documentation. ssh's options differ between its versions, so they
    are those of the ssh plugin that is installed.
    """
    own, ssh = yaml.safe_load(documentation), yaml.safe_load(ssh_documentation)
    own["options"] = {**ssh["options"], **own["options"]}
    own["extends_documentation_fragment"] = ssh.get("extends_documentation_fragment", [])
    return yaml.safe_dump(own)


# Not an assignment: ansible-doc reads the assigned text without running this file, and can't read a call.
globals().update(DOCUMENTATION=add_ssh_options(DOCUMENTATION, ssh_plugin.DOCUMENTATION))


ROLLED_BACK_STATES = ("restoring", "restored", "ended")  # states of a run record, see plugin_utils/_upgrade/record.py

# Parts of the commands with which Ansible begins and ends most tasks. It takes a failure of the first one for a failure of the
# connection, in a place that a connection plugin does not reach.
CREATES_TEMPORARY_DIRECTORY = ("umask 77", "mkdir", "ansible-tmp-")
REMOVES_TEMPORARY_DIRECTORY = ("rm -f -r", "ansible-tmp-")

# Values of the keyword `connection` that mean this plugin. Others are followed.
OWN_KEYWORDS = ("", "smart", "ssh", "ansible.builtin.ssh", "ansible.legacy.ssh", "guarded_ssh", "rewind.vps.guarded_ssh")


class ConnectionLost(AnsibleActionFail, AnsibleConnectionFailure):
    """The server is lost: a failure of the task for Ansible's executor, one of the connection for actions such as reboot.

    The executor takes whatever is an AnsibleActionFail for a failed task: by the order of its `except` clauses up to
    ansible-core 2.18, by the two methods that the class comes with and the ones below since.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        self.detail = detail or message  # ssh's own error
        # Given as the result, too: actions may catch the exception and hand on no more than its `result`.
        result = {"failed": True, "msg": message, "connection_lost": True}
        super().__init__(message, result=result)
        result.pop("exception", None)  # a traceback, which up to ansible-core 2.18 is always put there

    @property
    def omit_failed_key(self) -> bool:
        """False: the result says `failed`. An AnsibleConnectionFailure would have it left out."""
        return False


class AuthenticationFailed(ConnectionLost, AnsibleAuthenticationFailure):
    """The server refuses the login, which ssh's retries and some actions tell from other failures."""

    _default_message = ""


def connection_loss_fails_task(method):
    """Let a method of the connection raise ConnectionLost where it would raise AnsibleConnectionFailure."""

    @functools.wraps(method)
    def guarded(self, *args, **kwargs):
        try:
            return method(self, *args, **kwargs)
        except ConnectionLost:
            raise
        except AnsibleConnectionFailure as failure:
            if not self.get_option("loss_fails_task"):
                raise
            kind = AuthenticationFailed if isinstance(failure, AnsibleAuthenticationFailure) else ConnectionLost
            detail = ssh_error(to_text(failure))
        # Outside of `except`, and so without the failure as its cause: Ansible would find that and call the host unreachable.
        self._lost = True
        raise kind(self._loss_message(detail), sanitize(detail))

    return guarded


class Connection(ssh_plugin.Connection):
    """ssh, but the loss of the connection fails the task.

    `transport` stays "ssh", since actions look at it.
    """

    _persistent = False  # whether the user's arguments share connections, see ssh's _build_command
    _lost = False  # whether the server was lost in the course of this task

    def set_options(self, task_keys=None, var_options=None, direct=None):
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)
        keyword = str((task_keys or {}).get("connection") or "")
        if keyword not in OWN_KEYWORDS and "{{" not in keyword:  # a template if Ansible resets the connection
            self._become_connection(keyword, {"task_keys": task_keys, "var_options": var_options, "direct": direct})

    def _become_connection(self, name, options):
        """Become the connection that the task requests. A variable would run a task with `connection: local` on the server."""
        other = connection_loader.get(name, self._play_context, os.devnull)
        if other is None:
            raise AnsibleError(f"the connection plugin {name!r} was not found")
        if self.become:
            other.set_become_plugin(self.become)
        other.set_options(**options)
        self.__class__, self.__dict__ = type(other), other.__dict__

    def get_option(self, option, hostvars=None):
        if option != "settings":
            settings = super().get_option("settings", hostvars=hostvars) or {}
            if option in settings:
                return settings[option]
        return super().get_option(option, hostvars=hostvars)

    def exec_command(self, cmd, in_data=None, sudoable=True):
        self._fail_if_rolled_back()
        if not in_data and not self.get_option("terminal"):
            in_data = b"\n"  # with input, ssh requests no terminal, and closes standard input afterwards
        was_lost_before = self._lost
        try:
            return self._exec_command(cmd, in_data=in_data, sudoable=sudoable)
        except ConnectionLost as loss:
            if was_lost_before and all(part in cmd for part in REMOVES_TEMPORARY_DIRECTORY):
                # This is the end of a task that has failed already. Before ansible-core 2.19 an exception would replace its
                # result; a status causes a warning that the directory stays there.
                return 255, b"", to_bytes(loss.message)
            raise

    @connection_loss_fails_task
    def _exec_command(self, cmd, in_data, sudoable):
        status, stdout, stderr = super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        if not self.get_option("loss_fails_task"):
            return status, stdout, stderr
        if status != 0 and all(part in cmd for part in CREATES_TEMPORARY_DIRECTORY):
            detail = to_text(stderr).strip() or to_text(stdout).strip() or f"the command ended with {status}"
            raise ConnectionLost(self._loss_message(f"no temporary directory can be created there: {detail}"))
        return status, stdout, stderr

    @connection_loss_fails_task
    def put_file(self, in_path, out_path):
        self._fail_if_rolled_back()
        return super().put_file(in_path, out_path)

    @connection_loss_fails_task
    def fetch_file(self, in_path, out_path):
        self._fail_if_rolled_back()
        return super().fetch_file(in_path, out_path)

    reset = connection_loss_fails_task(ssh_plugin.Connection.reset)

    def _fail_if_rolled_back(self) -> None:
        """Nothing more is done on a server that its guard has restored, or is about to: the run it guards only doesn't know yet."""
        path = self.get_option("run_record")
        if not path:
            return
        name = self.get_option("server_name") or self.host
        try:
            with open(path, encoding="utf-8") as file:
                record = json.load(file)
            state = str.strip(record["state"])
        except (OSError, ValueError, RecursionError, TypeError, KeyError, IndexError) as error:
            raise ConnectionLost(
                f"the run record of the upgrade of server {name} can't be read ({type(error).__name__}: {path}), so this task does not run there"
            ) from None
        if state in ROLLED_BACK_STATES:
            reason = sanitize(str(record.get("reason")))
            raise ConnectionLost(f"the guard of server {name} has started to roll back the upgrade ({reason}), so this task does not run there")

    def _build_command(self, binary, subsystem, *other_args):
        if not self.get_option("loss_fails_task"):
            return super()._build_command(binary, subsystem, *other_args)
        interval, count = self.get_option("server_alive_interval"), self.get_option("server_alive_count_max")
        if interval:  # after the user's own arguments: OpenSSH takes the first value that it is given
            other_args = ("-o", f"ServerAliveInterval={interval}", "-o", f"ServerAliveCountMax={count}", *other_args)
        command = super()._build_command(binary, subsystem, *other_args)
        if not self.get_option("run_record") and not self.get_option("settings"):
            return command
        program = command.index(to_bytes(binary)) + 1
        return [*command[:program], b"-o", b'ControlPath="%s"' % to_bytes(self._own_control_path()), *command[program:]]

    def _own_control_path(self):
        """Return the path of this connection's control socket; `none` if the user's arguments share no connection.

        A connection that was opened before the role would not notice a server that falls silent. One that was opened before a restore leads to
        a server that does not exist any more. Ansible can't reset a connection whose path is a template.
        """
        if not self._persistent:
            return "none"
        directory = unfrackpath(self.get_option("control_path_dir"))
        makedirs_safe(directory, 0o700)
        settings = json.dumps(self.get_option("settings"), sort_keys=True, default=str)
        identity = "\0".join(str(part) for part in (self.host, self.port, self.user, self.get_option("run_record"), settings))
        return os.path.join(directory, f"g{hashlib.sha256(identity.encode()).hexdigest()[:10]}")

    def _loss_message(self, detail: str) -> str:
        name = self.get_option("server_name") or self.host
        detail = sanitize(detail.rstrip(".: \r\n").replace("\r\n", " ").replace("\n", " "))
        return f"server {name} was lost: {detail}; the task has failed, so that rescue can run"
