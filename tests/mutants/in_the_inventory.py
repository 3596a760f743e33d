# SPDX-License-Identifier: GPL-3.0-or-later
"""Breakages of the inventory plugin, and of what tasks take from it."""

from __future__ import annotations

from mutants.mutant import Mutant

SERVERS = "plugins/inventory/servers.py"
ACCOUNTS = "plugins/plugin_utils/servers_inventory/accounts.py"
HOSTS = "plugins/plugin_utils/servers_inventory/hosts.py"
CACHED = "plugins/plugin_utils/servers_inventory/cached.py"
DRAFT = "plugins/plugin_utils/servers_inventory/draft.py"
TAKEN = "plugins/plugin_utils/host_account.py"
DOOR = "plugins/plugin_utils/module_door.py"

TESTS = "unit/plugins/test_servers_inventory.py"
TAKEN_TESTS = "unit/plugins/test_host_account.py"

MUTANTS = [
    Mutant(
        "an account that fails leaves the hosts of the others", SERVERS,
        """            raise invalid_argument(f"Account {account.name}: {result['msg']}")\n""", "            return []\n",
        (f"{TESTS}::test_an_account_that_fails_fails_the_whole_file_and_is_named",),
    ),
    Mutant(
        "a file that fails at its last host leaves the others", SERVERS,
        "        self.inventory = draft.begin(inventory)\n", "",
        (f"{TESTS}::test_what_strict_decides_about",),
    ),
    Mutant(
        "two servers of one name become one host", SERVERS, "        hosts.check_names(found)\n", "",
        (f"{TESTS}::test_two_servers_never_become_one_host",),
    ),
    Mutant(
        "a host of another file becomes another server", HOSTS, "if other is not None and other !=", "if other is None and other !=",
        (f"{TESTS}::test_another_file_has_given_the_host",),
    ),
    Mutant(
        "a server called localhost gets what is delegated to the controller", HOSTS, "name.lower() not in _THIS_MACHINE", "name not in _THIS_MACHINE",
        (f"{TESTS}::test_a_name_that_no_host_may_have_gives_way_to_the_id",),
    ),
    Mutant(
        "a host with a group's name gives the group its variables", HOSTS, " and name not in groups", "",
        (f"{TESTS}::test_no_host_has_the_name_of_a_group",),
    ),
    Mutant(
        "a group gets a host's name", SERVERS, "if safe in self._taken:", "if not safe:",
        (f"{TESTS}::test_no_host_has_the_name_of_a_group",),
    ),
    Mutant(
        "whatever the cloud calls an address is connected to", HOSTS, """    if _is_address(server["address"]):""", """    if server["address"]:""",
        (f"{TESTS}::test_only_an_ip_address_is_connected_to",),
    ),
    Mutant(
        "a name with control characters reaches the terminal", HOSTS, "    return plain_in(variables)\n", "    return variables\n",
        (f"{TESTS}::test_names_of_groups_are_sound_whatever_the_cloud_says",),
    ),
    Mutant(
        "a condition that can't be evaluated lets every server in", SERVERS,
        """        raise invalid_argument(f"The condition""", """        return True\n        raise invalid_argument(f"The condition""",
        (f"{TESTS}::test_a_filter_that_does_not_work_gives_no_hosts_whatever_strict_says",),
    ),
    Mutant(
        "--flush-cache reads the cache", SERVERS,
        "cached.unpacked(self._cache.get(key)) if may_read_cache else None", "cached.unpacked(self._cache.get(key))",
        (f"{TESTS}::test_the_cache_is_not_believed_where_the_cloud_is_to_be_asked",),
    ),
    Mutant(
        "the cache of one account answers for another of the same cloud", CACHED, "chr(0).join(account.secrets).encode()", 'b""',
        (f"{TESTS}::test_the_cache_is_not_believed_where_the_cloud_is_to_be_asked",),
    ),
    Mutant(
        "the cache is never used", SERVERS, "            self._cache[key] = cached.packed(servers)\n", "",
        (f"{TESTS}::test_the_cache_answers_in_place_of_the_accounts",),
    ),
    Mutant(
        "what Ansible says of a file is shown with the file's lines", SERVERS,
        "        if not self._is_config:\n", "        if self._is_config is None:\n",
        (f"{TESTS}::test_a_file_that_is_none_of_this_plugins_is_not_quoted",),
    ),
    Mutant(
        "a credential that a message quotes is shown", SERVERS, "plain(Scrubber(self._accounts.secrets).text(f", "plain(str(f",
        (f"{TESTS}::test_an_account_that_fails_fails_the_whole_file_and_is_named",),
    ),
    Mutant(
        "two accounts of one name are one", ACCOUNTS, "        if twice:\n", "        if not names:\n",
        (f"{TESTS}::test_what_is_not_right_is_said_before_anything_is_asked",),
    ),
    Mutant(
        "a host of another source loses what it knew", DRAFT, "and not (key in before and before[key] is value)", "and key in before",
        (f"{TESTS}::test_a_host_of_another_source_keeps_its_variables",),
    ),
    Mutant(
        "credentials go to another machine", DOOR, """on_controller=self._connection.transport == "local")""", "on_controller=True)",
        (f"{TAKEN_TESTS}::test_what_a_module_is_given",),
    ),
    Mutant(
        "credentials go to another address", TAKEN, "(account.provider, account.api_url) == (provider, api_url)", "account.provider == provider",
        (f"{TAKEN_TESTS}::test_what_is_added",),
    ),
    Mutant(
        "a task for another cloud gets this one's server", TAKEN,
        """if not provider or (given.get("provider") or provider) != provider:""", "if not provider:",
        (f"{TAKEN_TESTS}::test_what_is_added",),
    ),
    Mutant(
        "a list is cut down to the play's host", DOOR,
        """not (may_name_none or "servers" in arguments)""", """not may_name_none""",
        (f"{TAKEN_TESTS}::test_what_a_module_is_given",),
    ),
]
