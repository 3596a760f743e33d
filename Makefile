# SPDX-License-Identifier: GPL-3.0-or-later
# Thin: bootstrap.py starts nox, and noxfile.py has a session for each command.

# The first name that runs: a version manager's shim on PATH may run nothing.
PYTHON ?= $(shell for name in python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 8))' >/dev/null 2>&1 && echo "$$name" && break; done)
NOX = $(or $(PYTHON),$(error No Python found: install Python 3.11 or newer, for example apt install python3 python3-venv)) \
	tests/tools/bootstrap.py
ARGS ?=
COMMANDS = demo sandbox lint sanity pytest molecule mutants secret-scan benchmark test-real ecosystem-checks docs changelog release-check \
	run lock clean

.PHONY: help test test-all $(COMMANDS)

help:
	@echo 'make demo       watch an upgrade fail and be rolled back, at two providers simulated on this machine'
	@echo 'make test       everything that CI checks'
	@echo 'make sandbox    both simulated providers on loopback until Ctrl-C, for example: make sandbox ARGS="--servers 3"'
	@echo 'make lint       the linters only'
	@echo 'make sanity     ansible-test sanity only'
	@echo 'make pytest     the quick tests only, for example: make pytest ARGS="-k retention"'
	@echo 'make molecule   the molecule scenarios of the roles and the modules'
	@echo 'make mutants    change the code in ways that the tests must detect (ARGS="-k restore")'
	@echo 'make secret-scan'
	@echo '                search for leaked secrets on four versions of ansible-core, from the oldest to the newest pre-release'
	@echo 'make test-real  the tests with Debian machines in QEMU (make test runs three upgrades of them)'
	@echo 'make benchmark  what tasks cost in time, CPU, memory and requests, compared with Ansible'"'"'s own (ARGS="fleet role")'
	@echo 'make ecosystem-checks'
	@echo '                docs lint and site, changelog, execution environment, Galaxy'"'"'s import, rulebooks, sanity on other cores'
	@echo 'make docs       the documentation as web pages: tests/output/docs-site/index.html'
	@echo 'make changelog  write CHANGELOG.md from the fragments, and remove them'
	@echo 'make release-check'
	@echo '                build the release, check its contents, install it into an empty environment, run its demo there'
	@echo 'make test-all   everything but test-real and benchmark: the slow tests, and the tests on the oldest ansible-core, too'
	@echo 'make run        any command in the environment of the tests: make run ARGS="ansible-doc rewind.vps.snapshot"'
	@echo 'make lock       pin the newest versions in tests/constraints*.txt'
	@echo 'make clean      remove what these commands have created'

$(COMMANDS):
	@$(NOX) --session $@ -- $(ARGS)

# pytest runs beside what needs one process; each prints its output when it ends.
test test-all:
	@$(NOX) --parallel 2 --session $@
