# SPDX-License-Identifier: GPL-3.0-or-later
"""All mutants, at most 80, and the promises that they attack."""

from __future__ import annotations

from mutation import bulk, entry_points, guard, guard_client, http_and_providers, inventory, locking, power_and_restore, snapshots

# Each promise of docs/promises.md, by the start of its row. Every one has a mutant.
PROMISES = {
    "sent_once": "Nothing is asked for twice",
    "unknown": "What a task can't know",
    "rerun_is_safe": "A rerun is safe",
    "deletes_what_is_named": "Nothing is deleted but",
    "restores_what_is_named": "Nothing is restored but",
    "changed": "`changed` is true exactly",
    "outcome_is_right": "A failure says `not_applied`, `failed` or `unknown`",
    "starts_again": "A server that was stopped for its snapshot",
    "lists": "A list that changes",
    "own_outcome": "Of many servers in one task",
    "one_at_a_time": "Tasks of one user on one machine",
    "secrets": "No secret leaves",
    "nothing_followed": "Nothing that a cloud or a server says is run",
    "inventory": "An inventory file gives all hosts",
    "credentials": "An account's credentials",
    "upgrade": "An upgrade behind a guard",
    "batch": "Of many servers in a batch",
}

MUTANTS = [
    mutant
    for module in (
        http_and_providers, entry_points, snapshots, power_and_restore, locking, bulk, guard, guard_client, inventory,
    )
    for mutant in module.MUTANTS
]
