# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Ansible on a machine, through OpenSSH with its control master, as users run it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from machine_helpers import openssh_options, output_of, running_machine

PLAYBOOK = shutil.which("ansible-playbook", path=f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}")
pytestmark = [pytest.mark.ansible, pytest.mark.skipif(not (PLAYBOOK and shutil.which("ssh")), reason="needs ansible-playbook and ssh")]

TASKS = r"""
- hosts: all
  gather_facts: true
  become: true
  tasks:
    - copy: {content: "copied\n", dest: "{{ root }}/etc/copied", mode: "0640"}
    - template: {src: "{{ playbook_dir }}/name.j2", dest: "{{ root }}/srv/name"}
    - file: {path: "{{ root }}/opt/app/releases", state: directory, mode: "0750"}
    - lineinfile: {path: "{{ root }}/etc/hosts", line: "127.0.0.1 added"}
    - command: cat {{ root }}/etc/copied
      register: command
    - shell: echo "$((1 + 1))"
      register: shell
      vars: {ansible_pipelining: true}
    - slurp: {src: "{{ root }}/etc/hostname"}
      register: slurp
    - shell: sleep 1; echo late
      async: 30
      poll: 1
      register: background
    - wait_for_connection: {timeout: 10}
    - assert:
        that:
          - command.stdout == "copied"
          - shell.stdout == "2"
          - slurp.content | b64decode == "web1\n"
          - background.stdout == "late"
          - ansible_facts.hostname == "web1" or root != ""
"""
REBOOT = r"""
    - reboot: {reboot_timeout: 30}
      register: rebooted
    - command: cat /etc/copied
      register: after
    - assert: {that: [rebooted.rebooted, after.stdout == "copied"]}
"""


@pytest.mark.slow  # the quick tests of the role run Ansible on machines too
@pytest.mark.duration(15)
async def test_the_common_modules_work(tmp_path, kind):
    controls = tempfile.mkdtemp(prefix="rw", dir="/tmp")  # A control socket's path must be short.
    try:
        async with running_machine(tmp_path / "s", kind) as (machine_pool, machine):
            root = "" if machine.root_inside == "/" else machine.root_inside
            play = tmp_path / "play.yml"
            play.write_text(TASKS + (REBOOT if machine.root_inside == "/" else ""))
            Path(controls, "empty.cfg").touch()
            (tmp_path / "name.j2").write_text("{{ inventory_hostname }}\n")
            (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": {"web1": {
                "ansible_host": "127.0.0.1", "ansible_port": machine.port, "ansible_user": "root", "root": root,
                "ansible_python_interpreter": machine_pool.python, "ansible_ssh_common_args": " ".join(openssh_options(machine_pool)),
                **machine.ansible_variables}}}}))
            settings = {"ANSIBLE_CONFIG": f"{controls}/empty.cfg", "ANSIBLE_HOME": controls, "ANSIBLE_SSH_CONTROL_PATH_DIR": controls,
                        "ANSIBLE_LOCAL_TEMP": f"{controls}/tmp", "ANSIBLE_NOCOLOR": "1"}
            output = await output_of("env", *(f"{name}={value}" for name, value in settings.items()),
                                     PLAYBOOK, "-i", str(tmp_path / "hosts.json"), str(play))
            assert "WARNING" not in output  # Such as a way of transferring files that failed before another one worked.
            assert (machine.disk_path / "srv/name").read_text() == "web1\n"
            assert (machine.disk_path / "etc/copied").stat().st_mode & 0o777 == 0o640
            assert machine.boots == (2 if machine.root_inside == "/" else 1)
        assert not Path("/etc/copied").exists()
    finally:
        shutil.rmtree(controls, ignore_errors=True)
