# SPDX-License-Identifier: GPL-3.0-or-later
# Thin: everything is done by tests/tools/dev.py, which any Python from 3.8 on can run.

# The first name that runs: a version manager's shim may stand on PATH and run nothing.
PYTHON ?= $(shell for name in python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 8))' >/dev/null 2>&1 && echo "$$name" && break; done)
DEV = $(or $(PYTHON),$(error No Python found: install Python 3.11 or newer, for example apt install python3 python3-venv)) \
	tests/tools/dev.py
ARGS ?=

.PHONY: help demo test sandbox lint sanity pytest molecule leaks mutants bench gates docs changelog release-check test-all run lock clean

help:
	@echo 'make demo       see an upgrade go wrong and be undone, on two clouds simulated on this machine'
	@echo 'make test       everything that CI checks'
	@echo 'make sandbox    both clouds on loopback until Ctrl-C, for example: make sandbox ARGS="--servers 3"'
	@echo 'make lint       the linters only'
	@echo 'make sanity     ansible-test sanity only'
	@echo 'make pytest     the project'"'"'s own tests only, for example: make pytest ARGS="-k retention"'
	@echo 'make molecule   the molecule scenarios of the roles and the modules'
	@echo 'make mutants    break the code on purpose, one way after the other: the tests must see each (ARGS="-k restore")'
	@echo 'make leaks      search for leaked secrets on four versions of ansible-core, from the oldest to the newest pre-release'
	@echo 'make bench      what tasks cost in time, processor, memory and requests, beside Ansible'"'"'s own (ARGS="doors fleet --profile")'
	@echo 'make gates      what else the Ansible ecosystem asks: docs lint and site, changelog, Galaxy'"'"'s import, rulebooks, sanity on other cores'
	@echo 'make docs       the documentation as web pages: tests/output/docs-site/index.html'
	@echo 'make changelog  make the release'"'"'s CHANGELOG.md of the fragments, which are used up'
	@echo 'make release-check'
	@echo '                build the release, look into it, install it into an empty environment, run its demo from there'
	@echo 'make test-all   all of the above, all slow tests, and the tests on the oldest supported ansible-core'
	@echo 'make run        any command in the tests'"'"' environment: make run ARGS="ansible-doc rewind.vps.snapshot"'
	@echo 'make lock       renew the pinned versions in tests/constraints*.txt'
	@echo 'make clean      remove what these commands made'

demo test sandbox lint sanity pytest molecule leaks mutants bench gates docs changelog release-check test-all run lock clean:
	@$(DEV) $@ $(ARGS)
