# SPDX-License-Identifier: GPL-3.0-or-later
"""All mutants, at most 80, and the promises that they attack."""

from __future__ import annotations

from mutation import bulk, entry_points, guard, guard_client, http_and_providers, inventory, locking, observations, power_and_restore, snapshots

# Each promise of docs/promises.md, by the start of its row. Every one has a mutant.
PROMISES = {
    "sent_once": "A change is sent once",
    "unknown": "Uncertain results are read back",
    "rerun_is_safe": "A rerun is safe",
    "deletes_what_is_named": "Only selected snapshots are deleted",
    "restores_what_is_named": "Only the requested snapshot",
    "changed": "`changed` is true exactly",
    "outcome_is_right": "`not_applied`, `failed` and `unknown` are correct",
    "starts_again": "A server stopped for its snapshot",
    "lists": "A list that changes",
    "odd_rows": "One odd row never breaks",
    "unknown_age": "If an age is unknown",
    "exists": "A server that does not exist",
    "own_outcome": "In a bulk task",
    "one_at_a_time": "Tasks of one user on one machine",
    "secrets": "No secret is shown",
    "nothing_followed": "Data from a provider or server is never executed",
    "inventory": "An inventory file provides all hosts",
    "credentials": "Credentials from an inventory file",
    "upgrade": "A guarded upgrade ends",
    "proven": "`rolled_back` is proven",
    "before_snapshot": "What can be known before the snapshot",
    "observed": "An upgrade is confirmed only if",
    "confirmed": "An upgrade that a person confirms",
    "selected": "The role upgrades the packages that are selected",
    "no_false_alarm": "A check that failed before",
    "batch": "In a batch",
    "schedule": "A schedule on a runner",
}

MUTANTS = [
    mutant
    for module in (
        http_and_providers, entry_points, snapshots, power_and_restore, locking, bulk, guard, guard_client, inventory, observations,
    )
    for mutant in module.MUTANTS
]
