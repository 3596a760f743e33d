# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: servers
short_description: The servers of VPS.org and Ilkbyte accounts as hosts
version_added: 0.1.0
author:
  - rewind.vps contributors (@rewind-vps)
description:
  - Lists the servers of one or more accounts and makes a host of each, with its address in C(ansible_host) and what the cloud says of it
    in variables that begin with C(rewind_).
  - The role P(rewind.vps.guarded_upgrade#role) and the modules of this collection take the cloud, the server and the credentials from it,
    so a play for these hosts need not say them again.
  - The file's name is C(rewind_vps.yml) or ends with C(.rewind_vps.yml); C(yaml) will do as well.
  - Only reads. One request for each page of an account's servers, none where the cache has them.
extends_documentation_fragment:
  - constructed
  - inventory_cache
options:
  plugin:
    description: Marks the file as one for this plugin.
    type: str
    required: true
    choices: [rewind.vps.servers]
  accounts:
    description:
      - The accounts, where there are several. With one account its options may stand at the top of the file instead.
      - One that can't be read fails the whole file, so that no part of the servers is taken for all of them.
    type: list
    elements: dict
    suboptions:
      name: &name
        description:
          - What the account is called in the hosts' variable C(rewind_account) and in messages. Up to 64 letters, digits, dots, hyphens
            and underscores.
          - By default what O(provider) says. Two accounts can't have one name.
        type: str
      provider: &provider
        description:
          - The cloud. V(vpsorg) is VPS.org and needs C(api_token). V(ilkbyte) is Ilkbyte and needs C(access_key) and C(secret_key).
          - Needed for each account. Falls back to the environment variable E(REWIND_PROVIDER).
        type: str
        choices: [vpsorg, ilkbyte]
      api_token: &api_token
        description:
          - The API token of a VPS.org account. One that may only read is enough for the inventory itself.
          - Falls back to the environment variable E(VPS_API_TOKEN).
          - Like every option of an account it may be a template with lookups. Lookups and C(!vault) keep the token out of the file.
        type: str
      access_key: &access_key
        description:
          - The access key of an Ilkbyte account. It may be a template.
          - Falls back to the environment variables E(ILKBYTE_ACCESS_KEY), then E(ILKBYTE_ACCESSKEY).
        type: str
      secret_key: &secret_key
        description:
          - The secret key of an Ilkbyte account. It may be a template.
          - Falls back to the environment variables E(ILKBYTE_SECRET_KEY), then E(ILKBYTE_SECRETKEY).
        type: str
      api_url: &api_url
        description:
          - The base URL of the cloud's API, for example when a gateway of your own stands before it. Must be https, except to this machine.
          - Where it is not given, the environment variable E(VPS_API_URL) (VPS.org) or E(ILKBYTE_HOST) (Ilkbyte) is used, then
            V(https://admin.vps.org/api/v1) or V(https://api.ilkbyte.com).
        type: str
      api_timeout: &api_timeout
        description: Seconds that one exchange with the API may take, from 1 to 600.
        type: int
        default: 30
      validate_certs: &validate_certs
        description: Whether the API's TLS certificate is verified. With V(false) anybody on the way can read the credentials.
        type: bool
        default: true
      ca_path: &ca_path
        description: File (PEM) or folder with the certificates of the authorities to trust.
        type: path
  name: *name
  provider: *provider
  api_token: *api_token
  access_key: *access_key
  secret_key: *secret_key
  api_url: *api_url
  api_timeout: *api_timeout
  validate_certs: *validate_certs
  ca_path: *ca_path
  hostnames:
    description:
      - Jinja2 expressions for a host's name, over the host's variables. The first that gives a name which can be used is taken.
      - A name begins with a letter or a digit and consists of at most 253 letters, digits, dots, hyphens and underscores. C(localhost) and
        the name of a group can't be used. Where a later expression has to serve, a warning says so.
      - Two servers that would be one host are an error that names both. Nothing is merged.
    type: list
    elements: str
    default: [rewind_server_name, rewind_server_id]
  filters:
    description:
      - Which servers become hosts. The entries are tried in order, and the first whose condition holds decides. A server that none decides about
        is included.
      - A condition that can't be evaluated, or is neither true nor false, is an error, whatever O(strict) says.
    type: list
    elements: dict
    default: []
    suboptions:
      include:
        description: A Jinja2 expression over the host's variables, or V(true). A server for which it holds is included.
        type: str
      exclude:
        description: The same. A server for which it holds is left out.
        type: str
  strict:
    description:
      - Whether an entry of O(compose), O(groups) or O(keyed_groups) that can't be evaluated for a host is an error. Otherwise it is
        skipped for that host.
      - Accounts, O(filters) and O(hostnames) are always strict.
notes:
  - 'The variables of each host: C(rewind_provider), C(rewind_account), C(rewind_api_url), C(rewind_inventory) (the file), C(rewind_server_id),
    C(rewind_server_name), C(rewind_server_power_state), C(rewind_server_task_state), C(rewind_server_address) as M(rewind.vps.server_info) returns
    them, and C(ansible_host), which is only there if the address is an IP address. None holds a secret.'
  - The credentials stay in the memory of the program that has read the file. Where inventory and play are two programs (AWX, an inventory written
    with C(ansible-inventory --export)), give the tasks credentials in another way.
  - The credentials are used by tasks that run on the controller, for this cloud and this address. A task that runs elsewhere must be given its own.
  - Keep credentials out of the file. Before 2.19, ansible-core quotes lines of a file that is no valid YAML before this plugin has read it.
  - When a file fails, Ansible warns and goes on without its hosts. Set E(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED) to V(true), or
    C(any_unparsed_is_failed = true) in the section C([inventory]) of C(ansible.cfg), to end there instead.
  - With O(cache) the servers, their addresses and their power are as they were up to O(cache_timeout) seconds ago. C(--flush-cache) asks anew.
    The cache is read by account, holds no credentials, and is never used in place of an account that does not answer.
  - Characters other than letters, digits and underscores in the names of groups become underscores. A group can't have a host's name.
  - What the cloud says of a server is never evaluated as a template.
requirements:
  - requests (Python library)
seealso:
  - module: rewind.vps.server_info
"""

EXAMPLES = r"""
# servers.rewind_vps.yml: one account, with VPS_API_TOKEN in the environment. Try it with
#   ansible-inventory -i servers.rewind_vps.yml --graph
plugin: rewind.vps.servers
provider: vpsorg

# # Several accounts. The tokens come from a password store, a vault and the environment.
# plugin: rewind.vps.servers
# accounts:
#   - name: shop
#     provider: vpsorg
#     api_token: "{{ lookup('community.general.passwordstore', 'vps/shop') }}"
#   - name: blog
#     provider: vpsorg
#     api_token: "{{ lookup('ansible.builtin.env', 'BLOG_VPS_TOKEN') }}"
#   - provider: ilkbyte # named ilkbyte; its keys in ILKBYTE_ACCESS_KEY and ILKBYTE_SECRET_KEY
# # Both accounts have a server web1, so hosts are called shop-web1 and blog-web1.
# hostnames:
#   - rewind_account ~ '-' ~ rewind_server_name
# keyed_groups:
#   - key: rewind_account # groups account_shop, account_blog, account_ilkbyte
#     prefix: account
#   - key: rewind_server_power_state # groups power_running, power_stopped
#     prefix: power

# # Only what is named web-... and runs, as a group of its own, over another port.
# plugin: rewind.vps.servers
# provider: ilkbyte
# filters:
#   - exclude: rewind_server_power_state != 'running'
#   - include: rewind_server_name is match('web-')
#   - exclude: true
# groups:
#   web: true
# compose:
#   ansible_port: 2222
# strict: true
# # At most five minutes old.
# cache: true
# cache_plugin: ansible.builtin.jsonfile
# cache_connection: ~/.cache/rewind_vps
# cache_timeout: 300
"""

from collections.abc import Mapping
from os.path import basename
from typing import Any

import ansible.template
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.group import to_safe_group_name
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError, invalid_argument
from ansible_collections.rewind.vps.plugins.module_utils._execute import execute
from ansible_collections.rewind.vps.plugins.module_utils._redaction import Redactor
from ansible_collections.rewind.vps.plugins.module_utils._text import sanitize
from ansible_collections.rewind.vps.plugins.plugin_utils import _inventory_credentials as inventory_credentials
from ansible_collections.rewind.vps.plugins.plugin_utils._inventory import cache, hosts, staging
from ansible_collections.rewind.vps.plugins.plugin_utils._inventory.accounts import Account, AccountReader

if hasattr(ansible.template, "trust_as_template"):  # since ansible-core 2.19 only what is marked as trusted is evaluated
    def no_template(value: Any) -> Any:
        """The value, not to be evaluated."""
        return value
else:
    from ansible.utils.unsafe_proxy import wrap_var as no_template

FILE_SUFFIXES = ("rewind_vps.yml", "rewind_vps.yaml")
Host = tuple[str, dict[str, Any]]  # its name and its variables


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Reads the file, asks the accounts, and gives Ansible all hosts or none."""

    NAME = "rewind.vps.servers"

    def verify_file(self, path: str) -> bool:
        name = basename(path)
        return super().verify_file(path) and (name in FILE_SUFFIXES or name.endswith(tuple(f".{suffix}" for suffix in FILE_SUFFIXES)))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._accounts = AccountReader(self._render)
        self._host_names: set[str] = set()  # the names of hosts: no group may have one
        self._is_config = False
        inventory_credentials.unregister(path)
        try:
            self._parse(path, cache)
            return
        except RewindError as error:
            error_text = f"{error.message.rstrip('.')}.{f' Next: {error.hint}.' if error.hint else ''}"
        except Exception as error:
            error_text = self._error_text(error)
        # Outside all of them, so that the error carries no other one along.
        raise AnsibleParserError(sanitize(Redactor(self._accounts.secrets).redact_text(f"{path} gives no hosts. {error_text}")))

    def _error_text(self, error: Exception) -> str:
        """Ansible's own words of an option or an expression. Not of a file, of which it shows lines; and not those of any other exception."""
        if not self._is_config:
            return f"It can't be read ({type(error).__name__}): is it YAML, with plugin: {self.NAME}, and has its vault's password been given?"
        if isinstance(error, AnsibleError):
            return str(error)
        return f"rewind.vps made a mistake of its own ({type(error).__name__}). Next: please report this."

    def _parse(self, path: str, cache: bool) -> None:
        config = self._read_config_data(path)
        unknown = sorted(str(name) for name in config if name not in self._options)
        if unknown:
            raise invalid_argument(
                f"There are options that this plugin does not have: {', '.join(unknown)}", f"see ansible-doc -t inventory {self.NAME}",
            )
        accounts = self._accounts.read(config)
        servers = [(account, server) for account in accounts for server in self._servers(account, cache)]
        self._add([variables_for_templates(hosts.host_variables(account, server, path)) for account, server in servers])
        inventory_credentials.register(path, accounts)

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        """As in Ansible; here the file is known to be one for this plugin, and its credentials are known from here on."""
        self._accounts.collect_secrets(direct)
        self._is_config = True
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)

    def _render(self, value: Any) -> Any:
        self.templar.available_variables = self._vars
        return self.templar.template(value)

    # --- servers

    def _servers(self, account: Account, may_read_cache: bool) -> list[dict[str, Any]]:
        """The account's servers, from the cache or from the cloud."""
        if not self.get_option("cache"):
            return self._fetch(account)
        key = cache.cache_key(account)
        servers = cache.deserialize(self._cache.get(key)) if may_read_cache else None
        if servers is None:
            servers = self._fetch(account)
            self._cache[key] = cache.serialize(servers)
        else:
            self.display.vv(f"{self.NAME}: the servers of account {account.name} are from the cache")
        return servers

    def _fetch(self, account: Account) -> list[dict[str, Any]]:
        result = execute("server_info", {**account.options, "server": None}, check_mode=False, diff_mode=False)
        if result.get("failed"):
            raise invalid_argument(f"Account {account.name}: {result['msg']}")
        return result["servers"]

    # --- hosts

    def _add(self, servers: list[dict[str, Any]]) -> None:
        """Make hosts of servers, given by their variables; all of them or, with an error, none."""
        inventory = self.inventory
        found = [(self._host_name(variables), variables) for variables in servers if self._passes_filters(variables)]
        hosts.check_unique(found)
        self._host_names = {name for name, dummy in found}
        existing = {name: staging.existing_variables(inventory, name) for name, dummy in found}
        for name, variables in found:
            hosts.check_conflicts(name, existing[name], variables)
        self.inventory = staging.new(inventory)
        try:
            for name, variables in found:
                self._construct(name, variables, existing[name])
            staging.commit(self.inventory, inventory, existing)
        finally:
            self.inventory = inventory

    def _construct(self, name: str, variables: dict[str, Any], existing: dict[str, Any]) -> None:
        strict = self.get_option("strict")
        self.inventory.add_host(name)
        self.inventory.hosts[name].vars.update(existing)
        for key, value in variables.items():
            self.inventory.set_variable(name, key, value)
        everything = {"inventory_hostname": name, **existing, **variables}
        self._set_composite_vars(self.get_option("compose"), everything, name, strict=strict)
        host = self.inventory.hosts[name]
        host.vars = variables_for_templates(host.vars, exclude=existing)
        self._add_host_to_composed_groups(self.get_option("groups"), everything, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), everything, name, strict=strict)

    def _passes_filters(self, variables: dict[str, Any]) -> bool:
        for entry in self.get_option("filters") or []:
            if not isinstance(entry, Mapping) or len(entry) != 1 or not set(entry) <= {"include", "exclude"}:
                raise invalid_argument("An entry of filters is one of include and exclude, with a condition")
            ((verb, condition),) = entry.items()
            if self._evaluate_condition(condition, variables):
                return verb == "include"
        return True

    def _evaluate_condition(self, condition: Any, variables: dict[str, Any]) -> bool:
        value = condition if isinstance(condition, bool) else self._expression("filters", condition, variables)
        if isinstance(value, bool) or value in ("True", "False"):  # before ansible-core 2.19 it may come as text
            return value in (True, "True")
        raise invalid_argument(f"The condition {condition} of filters is neither true nor false for server {variables['rewind_server_name']}")

    def _host_name(self, variables: dict[str, Any]) -> str:
        rejected = []
        for expression in self.get_option("hostnames") or []:
            name = self._expression("hostnames", expression, variables)
            if hosts.is_valid_name(name, self.inventory.groups):
                if rejected:
                    self.display.warning(sanitize(f"No host can be called {rejected[0][:80]!r}, so this server of account "
                                               f"{variables['rewind_account']} is the host {name}"))
                return str(name)
            rejected.append(str(name))
        raise invalid_argument(
            f"Server {variables['rewind_server_name'][:80]!r} of account {variables['rewind_account']} can't be called what hostnames "
            f"says ({', '.join(repr(name[:80]) for name in rejected)})",
            "it must be a name that Ansible can use and that no group has: see hostnames, or leave the server out with filters",
        )

    def _expression(self, option: str, expression: Any, variables: dict[str, Any]) -> Any:
        """What an expression of the file gives for a server."""
        try:
            return self._compose(expression, variables)
        except Exception as error:  # Jinja2 raises what it likes
            error_text = type(error).__name__
        raise invalid_argument(
            f"The expression {expression} of {option} can't be evaluated for server {variables['rewind_server_name']} ({error_text})",
            "the variables that there are stand in ansible-doc -t inventory rewind.vps.servers",
        )

    def _sanitize_group_name(self, name: str) -> str:
        """Ansible's own way, whatever the configuration says; and never a host's name, which Ansible would take for the group's."""
        safe = to_safe_group_name(name, force=True, silent=True)
        if safe in self._host_names:
            raise AnsibleParserError(f"The group {safe} would have the name of a host: give keyed_groups a prefix, or choose another name")
        return safe


def variables_for_templates(variables: Mapping[str, Any], exclude: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The variables, marked as what must not be evaluated, except those of other sources."""
    return {key: value if exclude and key in exclude and exclude[key] is value else no_template(value) for key, value in variables.items()}
