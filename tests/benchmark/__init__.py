# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection costs: time, processor, memory and requests, side by side with Ansible's own tasks (make benchmark)."""
