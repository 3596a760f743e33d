# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: servers
short_description: Servers of VPS.org and Ilkbyte accounts as inventory source
version_added: 0.1.0
author:
  - rewind.vps contributors (@rewind-vps)
description:
  - Lists the servers of one or more accounts. Each server becomes a host with its address in C(ansible_host) and its properties in variables
    that start with C(rewind_).
  - The role P(rewind.vps.guarded_upgrade#role) and the modules of this collection use the provider, the server and the credentials of the host,
    so a play for these hosts does not need to set them.
  - The file name is C(rewind_vps.yml) or ends with C(.rewind_vps.yml). The suffix C(.yaml) works as well.
  - Only reads. Sends one request for each page of an account's servers, and none if the cache has them.
extends_documentation_fragment:
  - constructed
  - inventory_cache
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [rewind.vps.servers]
  accounts:
    description:
      - The accounts. The options of a single account can be set at the top level of the file instead.
      - If an account cannot be read, the inventory file fails as a whole, so that a partial inventory is never used.
    type: list
    elements: dict
    suboptions:
      name: &name
        description:
          - The name of the account in the host variable C(rewind_account) and in messages. Up to 64 letters, digits, dots, hyphens
            and underscores.
          - By default the value of O(provider). Names must be unique.
        type: str
      provider: &provider
        description:
          - The provider. V(vpsorg) is VPS.org and needs C(api_token). V(ilkbyte) is Ilkbyte and needs C(access_key) and C(secret_key).
          - Required for each account. Falls back to the environment variable E(REWIND_PROVIDER).
        type: str
        choices: [vpsorg, ilkbyte]
      api_token: &api_token
        description:
          - The API token of a VPS.org account. A read-only token is sufficient for the inventory itself.
          - Falls back to the environment variable E(VPS_API_TOKEN), then to the file C(~/.vps/config.json) of VPS.org's own client, if only
            its owner has access to it.
          - Every option of an account can be a template with lookups. Lookups and C(!vault) keep the token out of the file.
        type: str
      access_key: &access_key
        description:
          - The access key of an Ilkbyte account. It can be a template.
          - Falls back to the environment variables E(ILKBYTE_ACCESS_KEY), then E(ILKBYTE_ACCESSKEY).
        type: str
      secret_key: &secret_key
        description:
          - The secret key of an Ilkbyte account. It can be a template.
          - Falls back to the environment variables E(ILKBYTE_SECRET_KEY), then E(ILKBYTE_SECRETKEY).
        type: str
      api_url: &api_url
        description:
          - The base URL of the provider's API, for example of your own gateway. Must be https, except for loopback addresses.
          - Falls back to the environment variable E(VPS_API_URL) (VPS.org) or E(ILKBYTE_HOST) (Ilkbyte), then to
            V(https://admin.vps.org/api/v1) or V(https://api.ilkbyte.com). At VPS.org the path V(/api/v1) can be omitted.
        type: str
      api_timeout: &api_timeout
        description: The timeout of one API request in seconds, from 1 to 600. The default is 30, and 60 for a request that changes something.
        type: int
      validate_certs: &validate_certs
        description: Whether the API's TLS certificate is verified. With V(false) an attacker on the network can read the credentials.
        type: bool
        default: true
      ca_path: &ca_path
        description: Path of a PEM file or a directory with the trusted CA certificates.
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
      - Jinja2 expressions for the host name that use the host's variables. The first valid name is used.
      - A valid name starts with a letter or a digit and has up to 253 letters, digits, dots, hyphens and underscores. C(localhost) and the
        names of groups are not valid. If the first name is not valid, the plugin shows a warning.
      - If two servers have the same host name, the file fails with an error that names both.
    type: list
    elements: str
    default: [rewind_server_name, rewind_server_id]
  filters:
    description:
      - Select the servers that become hosts. The first entry whose condition is true decides. If there is none, the server is included.
      - A condition that cannot be evaluated, or is not a boolean, is an error, regardless of O(strict).
    type: list
    elements: dict
    default: []
    suboptions:
      include:
        description: A Jinja2 expression that uses the host's variables, or V(true). If it is true, the server is included.
        type: str
      exclude:
        description: As O(filters[].include), but the server is excluded.
        type: str
  strict:
    description:
      - Whether an entry of O(compose), O(groups) or O(keyed_groups) that cannot be evaluated for a host is an error. Otherwise it is
        skipped for that host.
      - Also whether a server that the provider lists without an id, or with that of another one, is an error. Otherwise it is skipped with a
        warning.
      - Errors in accounts, O(filters) and O(hostnames) are never skipped.
notes:
  - 'The variables of each host: C(rewind_provider), C(rewind_account), C(rewind_api_url), C(rewind_inventory) (the file), C(rewind_server_id),
    C(rewind_server_name), C(rewind_server_power_state), C(rewind_server_task_state), C(rewind_server_address) as M(rewind.vps.server_info) returns
    them, and C(ansible_host) if the address is an IP address. They contain no secret.'
  - The credentials stay in the memory of the process that reads the file. If another process runs the play (AWX, an inventory exported
    with C(ansible-inventory --export)), provide the credentials to the tasks in another way.
  - Only tasks that run on the controller use the credentials, and only for this provider and this address. Other tasks need their own.
  - Keep credentials out of the file. If it is not valid YAML, ansible-core before 2.19 shows lines of it in an error message.
  - When a file fails, Ansible warns and continues without its hosts. Set E(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED) to V(true), or
    C(any_unparsed_is_failed = true) in the section C([inventory]) of C(ansible.cfg), to stop instead.
  - With O(cache) the properties of the servers can be up to O(cache_timeout) seconds old. C(--flush-cache) refreshes them.
    The cache holds no credentials, and the plugin never uses it instead of an account that fails.
  - Characters other than letters, digits and underscores in the names of groups become underscores. A group cannot have the name of a host.
  - Data from the provider is never evaluated as a template.
requirements:
  - requests (Python library)
seealso:
  - module: rewind.vps.server_info
"""

EXAMPLES = r"""
# servers.rewind_vps.yml: one account, with VPS_API_TOKEN in the environment. To test it:
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
#   - provider: ilkbyte # its name is ilkbyte; the keys are in ILKBYTE_ACCESS_KEY and ILKBYTE_SECRET_KEY
# # Both accounts have a server web1, so the hosts are named shop-web1 and blog-web1.
# hostnames:
#   - rewind_account ~ '-' ~ rewind_server_name
# keyed_groups:
#   - key: rewind_account # groups account_shop, account_blog, account_ilkbyte
#     prefix: account
#   - key: rewind_server_power_state # groups power_running, power_stopped
#     prefix: power

# # Only running servers with names that start with web-, in a group, with another SSH port.
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
# # Cached for five minutes.
# cache: true
# cache_plugin: ansible.builtin.jsonfile
# cache_connection: ~/.cache/rewind_vps
# cache_timeout: 300
"""

from collections import Counter
from collections.abc import Mapping
from os.path import basename
from typing import Any

import ansible.template
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.inventory.group import to_safe_group_name
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError, invalid_argument
from ansible_collections.rewind.vps.plugins.module_utils._execute import execute
from ansible_collections.rewind.vps.plugins.module_utils._module import server_info
from ansible_collections.rewind.vps.plugins.module_utils._redaction import Redactor
from ansible_collections.rewind.vps.plugins.module_utils._text import sanitize
from ansible_collections.rewind.vps.plugins.plugin_utils import _inventory_accounts as inventory_accounts
from ansible_collections.rewind.vps.plugins.plugin_utils import _inventory_hosts as inventory_hosts

if hasattr(ansible.template, "trust_as_template"):  # ansible-core 2.19 and newer evaluate only trusted values
    def no_template(value: Any) -> Any:
        """Return the value; it is not evaluated."""
        return value
else:
    from ansible.utils.unsafe_proxy import wrap_var as no_template

FILE_SUFFIXES = ("rewind_vps.yml", "rewind_vps.yaml")


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Reads the file and the accounts, and adds all hosts or none."""

    NAME = "rewind.vps.servers"

    def verify_file(self, path: str) -> bool:
        name = basename(path)
        return super().verify_file(path) and (name in FILE_SUFFIXES or name.endswith(tuple(f".{suffix}" for suffix in FILE_SUFFIXES)))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._accounts = inventory_accounts.AccountReader(self._render)
        self._host_names: set[str] = set()  # no group can have one of these names
        self._has_config = False
        inventory_accounts.register(path, ())  # until the file has been read
        try:
            self._parse(path, cache)
            return
        except RewindError as error:
            error_text = f"{error.message.rstrip('.')}.{f' Next: {error.hint}.' if error.hint else ''}"
        except Exception as error:
            error_text = self._error_text(error)
        # Outside the handlers, so that this error has no context that Ansible would show.
        raise AnsibleParserError(sanitize(Redactor(self._accounts.secrets).redact_text(f"{path} provides no hosts. {error_text}")))

    def _error_text(self, error: Exception) -> str:
        """Return Ansible's text of an error in an option or an expression. Errors in the file may quote it, so their text is not shown."""
        name = type(error).__name__
        if not self._has_config:
            return f"The file cannot be read ({name}). Next: check that it is YAML with plugin: {self.NAME}, and the vault password."
        if isinstance(error, AnsibleError):
            return str(error)
        return f"Internal error in rewind.vps ({name}). Next: please report this."

    def _parse(self, path: str, cache: bool) -> None:
        config = self._read_config_data(path)
        unknown = sorted(str(name) for name in config if name not in self._options)
        if unknown:
            raise invalid_argument(
                f"Unknown options: {', '.join(unknown)}", f"see ansible-doc -t inventory {self.NAME}",
            )
        accounts = self._accounts.read(config)
        servers = [(account, server) for account in accounts for server in self._identified(account, self._servers(account, cache))]
        self._add_hosts([mark_unsafe(inventory_hosts.host_variables(account, server, path)) for account, server in servers])
        inventory_accounts.register(path, accounts)

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        """Also collect the credentials. Ansible calls this method once it has parsed the file."""
        self._accounts.collect_secrets(direct)
        self._has_config = True
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)

    def _render(self, value: Any) -> Any:
        self.templar.available_variables = self._vars
        return self.templar.template(value)

    # --- servers

    def _servers(self, account: inventory_accounts.Account, may_read_cache: bool) -> list[dict[str, Any]]:
        """Return the account's servers from the cache or from the provider."""
        if not self.get_option("cache"):
            return self._fetch(account)
        key = inventory_accounts.cache_key(account)
        servers = inventory_accounts.cached_servers(self._cache.get(key)) if may_read_cache else None
        if servers is None:
            servers = self._fetch(account)
            self._cache[key] = inventory_accounts.cache_entry(servers)
        else:
            self.display.vv(f"{self.NAME}: using the cached servers of account {account.name}")
        return servers

    def _identified(self, account: inventory_accounts.Account, servers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the servers that requests can name. The others are an error or, unless `strict` is set, skipped with a warning."""
        ids = Counter(server["id"] for server in servers)
        identified = [server for server in servers if server["id"] is not None and ids[server["id"]] == 1]
        if len(identified) < len(servers):
            others = ", ".join(str(server["name"] or server["address"]) for server in servers if server not in identified)
            problem = f"Account {account.name} lists {len(servers) - len(identified)} of {len(servers)} servers without an id of their own ({others})"
            if self.get_option("strict"):
                raise invalid_argument(problem, "check them in the provider's panel, or set strict to false to skip them")
            self.display.warning(sanitize(Redactor(self._accounts.secrets).redact_text(f"{problem}; skipped.")))
        return identified

    def _fetch(self, account: inventory_accounts.Account) -> list[dict[str, Any]]:
        result = execute(server_info, {**account.options, "server": None}, check_mode=False, diff_mode=False)
        if result.get("failed"):
            raise invalid_argument(f"Account {account.name}: {result['msg']}")
        return result["servers"]

    # --- hosts

    def _add_hosts(self, servers: list[dict[str, Any]]) -> None:
        """Add the servers with these variables as hosts; all of them or, after an error, none."""
        inventory = self.inventory
        found = [(self._host_name(variables), variables) for variables in servers if self._passes_filters(variables)]
        self._host_names = {name for name, dummy in found}
        existing = {name: inventory_hosts.existing_variables(inventory, name) for name, dummy in found}
        inventory_hosts.check_names(found, existing)
        self.inventory = InventoryData()
        self.inventory.current_source = inventory.current_source
        try:
            for name, variables in found:
                self._construct(name, variables, existing[name])
            inventory_hosts.commit(self.inventory, inventory, existing)
        finally:
            self.inventory = inventory

    def _construct(self, name: str, variables: dict[str, Any], existing: dict[str, Any]) -> None:
        strict = self.get_option("strict")
        self.inventory.add_host(name)
        self.inventory.hosts[name].vars.update(existing)
        for key, value in variables.items():
            self.inventory.set_variable(name, key, value)
        all_variables = {"inventory_hostname": name, **existing, **variables}
        self._set_composite_vars(self.get_option("compose"), all_variables, name, strict=strict)
        host = self.inventory.hosts[name]
        host.vars = mark_unsafe(host.vars, exclude=existing)
        self._add_host_to_composed_groups(self.get_option("groups"), all_variables, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), all_variables, name, strict=strict)

    def _passes_filters(self, variables: dict[str, Any]) -> bool:
        for entry in self.get_option("filters") or []:
            if not isinstance(entry, Mapping) or len(entry) != 1 or not set(entry) <= {"include", "exclude"}:
                raise invalid_argument("Each entry of filters must have one condition, include or exclude")
            ((verb, condition),) = entry.items()
            if self._evaluate_condition(condition, variables):
                return verb == "include"
        return True

    def _evaluate_condition(self, condition: Any, variables: dict[str, Any]) -> bool:
        value = condition if isinstance(condition, bool) else self._evaluate("filters", condition, variables)
        if isinstance(value, bool) or value in ("True", "False"):  # ansible-core before 2.19 may return text
            return value in (True, "True")
        raise invalid_argument(f"The condition {condition} in filters is not a boolean for server {variables['rewind_server_name']}")

    def _host_name(self, variables: dict[str, Any]) -> str:
        rejected = []
        for expression in self.get_option("hostnames") or []:
            name = self._evaluate("hostnames", expression, variables)
            if inventory_hosts.is_valid_name(name, self.inventory.groups):
                if rejected:
                    self.display.warning(sanitize(f"{rejected[0][:80]!r} is not a valid host name; using {name} for this server of account "
                                                  f"{variables['rewind_account']}"))
                return str(name)
            rejected.append(str(name))
        raise invalid_argument(
            f"Server {variables['rewind_server_name'][:80]!r} of account {variables['rewind_account']} has no valid host name "
            f"({', '.join(repr(name[:80]) for name in rejected)})",
            "set hostnames so that it gives a valid name that no group has, or exclude the server with filters",
        )

    def _evaluate(self, option: str, expression: Any, variables: dict[str, Any]) -> Any:
        """Evaluate an expression of the file for a server."""
        try:
            return self._compose(expression, variables)
        except Exception as error:  # Jinja2 can raise any exception
            error_text = type(error).__name__
        raise invalid_argument(
            f"The expression {expression} in {option} cannot be evaluated for server {variables['rewind_server_name']} ({error_text})",
            f"see ansible-doc -t inventory {self.NAME} for the available variables",
        )

    def _sanitize_group_name(self, name: str) -> str:
        """Sanitize regardless of the configuration. Reject the name of a host, since Ansible would mix up host and group."""
        safe = to_safe_group_name(name, force=True, silent=True)
        if safe in self._host_names:
            raise AnsibleParserError(f"The group {safe} would have the name of a host: set a prefix in keyed_groups, or choose another name")
        return safe


def mark_unsafe(variables: Mapping[str, Any], exclude: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the variables marked as unsafe for templates, except those of other sources."""
    return {key: value if exclude and key in exclude and exclude[key] is value else no_template(value) for key, value in variables.items()}
