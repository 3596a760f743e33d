# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection costs in time, CPU, memory and requests, compared with Ansible's own tasks (make benchmark)."""
