# SPDX-License-Identifier: GPL-3.0-or-later
"""What the analysis finds in a play and its files, loaded by Ansible itself."""

from __future__ import annotations

import importlib
import json

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play import Play
from ansible.plugins.loader import init_plugin_loader
from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible.vars.manager import VariableManager

from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade import play_analysis, task_walk
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.play_analysis import PlayAnalysis, strategy_names
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.tag_selection import NotSelected
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.task_walk import _load_yaml

END = {"name": "End", "meta": "end_host"}
DEBUG = {"name": "Say", "ansible.builtin.debug": {"msg": "hello"}}
UNKNOWN = {"name": "Typo", "no.such.module": {}}


class Site:
    """A directory with a role like this one, whose first task is the plan, and files and roles of a user."""

    def __init__(self, path, monkeypatch):
        self.path = path
        self.write("roles/guarded/tasks/main.yml", [{"name": "Guard", "block": [{"name": "Plan", "ansible.builtin.debug": {}, "tags": ["always"]}]}])
        monkeypatch.chdir(path)

    def write(self, name, content):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
        return str(path)

    def analysis(self, servers=1, role=None, facts=None, only=("all",), skip=(), **play):
        loader = DataLoader()
        loader.set_basedir(str(self.path))
        inventory = InventoryManager(loader, sources=["web1,web2,web3,"])
        variables = VariableManager(loader, inventory)
        for name, value in (facts or {}).items():
            inventory.get_host("web1").set_variable(name, value)
        data = {"hosts": "all", "gather_facts": False, "roles": [{"role": "guarded", **(role or {})}], **play}
        loaded = Play.load(_load_yaml(loader, self.write("play.yml", data)), variable_manager=variables, loader=loader)
        loaded.only_tags, loaded.skip_tags = set(only), set(skip)
        (role,) = [one for one in loaded.roles if one.get_name() == "guarded"]
        plan = role.compile(play=loaded)[0].block[0]
        plan = plan.block[0] if hasattr(plan, "block") else plan
        return PlayAnalysis(plan, loader, "web1", ["web1", "web2", "web3"][:servers], is_own_playbook=False)

    def check(self, *tasks, roles=(), checks=(), **how):
        files = [self.write("upgrade.yml", list(tasks))]
        analysis = self.analysis(**how)
        analysis.check_selection([*files, *checks], list(roles))
        return analysis.check(files, list(roles), list(checks))

    def problem(self, *tasks, **how):
        with pytest.raises((RewindError, AnsibleError)) as caught:
            self.check(*tasks, **how)
        return str(caught.value)


@pytest.fixture(scope="module")
def collection_finder():
    """Ansible's, as in ansible-playbook; other tests import the collection without it, and with it their imports fail."""
    importlib.import_module("ansible_collections.rewind.vps.plugins.module_utils._state.local_state")  # for a fixture of all tests
    init_plugin_loader()
    yield
    type(AnsibleCollectionConfig.collection_finder)._remove()


@pytest.fixture
def site(tmp_path, monkeypatch, collection_finder):
    return Site(tmp_path, monkeypatch)


# --- every way to leave the play


@pytest.mark.parametrize("task", [
    END, {"ansible.builtin.meta": "end_play"}, {"ansible.legacy.meta": "end_batch"}, {"action": "meta end_host"}, {"meta": "end_hots"},
    {"action": {"module": "ansible.builtin.meta end_host"}}, {"local_action": "meta clear_host_errors"}, {"meta": "refresh_inventory"},
    {"action": "{{ leave }} end_host", "vars": {"leave": "meta"}}, {"action": "{{ unknown_here }} end_host"}, {"meta": "end_role"},
    {"block": [DEBUG], "rescue": [{"block": [DEBUG], "always": [END]}]},
], ids=str)
def test_a_task_that_ends_the_play_is_found_in_any_spelling(site, task):
    assert "upgrade.yml" in site.problem(DEBUG, task)
    site.write("inner.yml", [task])
    assert "inner.yml" in site.problem({"include_tasks": "inner.yml"}) or "end_role" in str(task)


@pytest.mark.parametrize("include", [
    {"include_tasks": "deep/one.yml"}, {"include_tasks": {"file": "{{ directory }}/one.yml"}, "vars": {"directory": "deep"}},
    {"import_tasks": "deep/one.yml"}, {"include_tasks": "{{ item }}/one.yml", "loop": ["deep"]},
    {"include_tasks": "{{ x }}/one.yml", "loop": "{{ ['deep'] }}", "loop_control": {"loop_var": "x"}},
    {"include_tasks": "{{ item }}", "with_items": ["deep/one.yml"]},
    {"include_tasks": "{{ item }}", "with_first_found": ["nowhere.yml", "deep/one.yml"]}, {"include_tasks": "deep/one.yml", "loop": "{{ later }}"},
    {"include_tasks": "{{ of_the_host }}/one.yml", "when": "false"}, {"include_tasks": "{{ lookup('first_found', ['deep/one.yml']) }}"},
    {"block": [{"include_tasks": "deep/one.yml"}], "when": "later is changed"}, {"include_role": {"name": "outer"}},
    {"include_tasks": "{{ ['deep', 'x'][i] }}/one.yml", "loop": ["a"], "loop_control": {"index_var": "i"}},
    {"include_tasks": "{{ ['deep'][ansible_loop.index0] }}/one.yml", "loop": ["a"], "loop_control": {"extended": True}},
    {"include_tasks": "{{ name }}/one.yml", "loop": ["deep"], "loop_control": {"loop_var": "{{ 'name' }}"}},
    {"include_tasks": "of_item.yml", "loop": ["deep"]}, {"include_role": {"name": "plain", "tasks_from": "{{ item }}"}, "loop": ["main", "other"]},
    {"include_role": {"name": "plain", "tasks_from": "sub/nested.yml"}}, {"include_role": {"name": "plain", "tasks_from": "{{ 'other' }}"}},
    {"import_role": {"name": "outer"}},
    {"include_role": {"name": "{{ item }}", "tasks_from": "other"}, "loop": ["plain"]}, {"include_role": {"name": "depends"}},
], ids=str)
def test_everything_reachable_is_walked(site, include):
    site.write("deep/one.yml", [{"include_tasks": "two.yml"}])
    site.write("deep/two.yml", [{"block": [{"include_tasks": "three.yml"}]}])
    site.write("deep/three.yml", [END])
    site.write("roles/outer/tasks/main.yml", [{"include_tasks": "more.yml"}])
    site.write("roles/outer/tasks/more.yml", [{"include_role": {"name": "plain", "tasks_from": "other.yml"}}])
    site.write("roles/plain/tasks/main.yml", [DEBUG])
    site.write("roles/plain/tasks/other.yml", [END])
    site.write("roles/plain/tasks/sub/nested.yml", [END])
    site.write("of_item.yml", [{"include_tasks": "{{ item }}/one.yml"}])
    site.write("roles/depends/tasks/main.yml", [DEBUG])
    site.write("roles/depends/meta/main.yml", {"dependencies": [{"role": "outer"}]})
    assert "meta: end_host" in site.problem(DEBUG, include, facts={"of_the_host": "deep"})


def test_roles_checks_and_handlers_are_walked(site):
    site.write("roles/ends/tasks/main.yml", [END])
    site.write("roles/handles/handlers/main.yml", [{"name": "Restart", "include_tasks": "more.yml"}])
    site.write("roles/handles/handlers/more.yml", [END])
    site.write("roles/handles/tasks/main.yml", [DEBUG])
    site.write("handlers.yml", [{"name": "Go", "meta": "flush_handlers"}])
    assert "end_host" in site.problem(DEBUG, roles=["ends"])
    assert "end_host" in site.problem(DEBUG, roles=["handles"])
    assert "end_host" in site.problem(DEBUG, checks=[site.write("check.yml", [END])])
    assert "end_host" in site.problem(DEBUG, handlers=[END])
    assert "in a handler" in site.problem(DEBUG, handlers=[{"name": "More", "include_tasks": "handlers.yml"}])
    assert "end_play" in site.problem(DEBUG, handlers=[{"name": "More", "import_tasks": site.write("ends.yml", [{"meta": "end_play"}])}])


def test_an_end_of_a_users_role_does_not_leave_the_play(site, monkeypatch):
    site.write("roles/short/tasks/main.yml", [DEBUG, {"meta": "end_role"}, DEBUG])
    monkeypatch.setattr(play_analysis, "HAS_END_ROLE", True)
    assert site.check({"include_role": {"name": "short"}}, roles=["short"]) == []
    monkeypatch.setattr(play_analysis, "HAS_END_ROLE", False)
    assert "does not have" in site.problem(roles=["short"])


# --- errors that Ansible raises when it loads an include


@pytest.mark.parametrize(("content", "message"), [
    ([UNKNOWN], "no.such.module"), ([{"local_action": "no.such.module"}], "no.such.module"),
    ([{"action": "{{ 'no_such_module' }}"}], "no_such_module"), ([{**DEBUG, "wehn": "true"}], "wehn"),
    ([{"block": [DEBUG], "resuce": [DEBUG]}], "resuce"), ("- debug:\n   msg: a\n  msg: b\n: c", ""), ({"a": "dictionary"}, "list of tasks"),
    (["text"], ""), ([{"include_tasks": "missing.yml"}], "missing.yml"), ([{"include_role": {"name": "missing"}}], "missing"),
    ([{"include_role": {"name": "plain", "tasks_from": "missing"}}], "missing"), ([{"name": "No action"}], ""),
    ([{"include_tasks": {"file": "one.yml", "aply": {}}}], "aply"), ([{**DEBUG, "with_nonsense": [1]}], "with_nonsense"),
    ([{"import_tasks": "inner.yml"}], ""), ([{**DEBUG, "loop_control": "x"}], ""),
])
def test_what_can_not_be_loaded(site, content, message):
    site.write("roles/plain/tasks/main.yml", [DEBUG])
    site.write("roles/wrapped/tasks/main.yml", [{"include_tasks": str(site.path / "inner.yml")}])
    site.write("inner.yml", content)
    assert message in site.problem({"include_tasks": "inner.yml", "when": "false"})
    assert message in site.problem(roles=["wrapped"])


def test_what_ansible_fails_to_load_without_a_message_of_its_own(site, monkeypatch):
    """As since ansible-core 2.19 for tags in a list in a list."""
    def fail(*arguments, **keywords):
        raise TypeError("unhashable type")
    monkeypatch.setattr(task_walk, "load_list_of_blocks", fail)
    assert "upgrade.yml, which Ansible can't load: unhashable type" in site.problem(DEBUG)


def test_what_is_known_at_run_time_only_is_a_warning(site):
    (warning,) = site.check(DEBUG, {"name": "Later", "include_tasks": "{{ registered.stdout }}.yml"})
    assert "upgrade.yml" in warning and "(Later)" in warning and "known at run time only" in warning
    (warning,) = site.check({"include_role": {"name": "{{ item }}"}, "loop": "{{ registered.results }}"})
    assert "known at run time only" in warning
    for include in ({"include_tasks": "missing.yml", "when": "registered is changed"}, {"include_tasks": "{{ x | default('missing') }}.yml"},
                    {"include_role": {"name": "missing"}, "when": "registered is changed"}):
        (warning,) = site.check(include)
        assert "may include missing" in warning
    assert "missing.yml" in site.problem({"include_tasks": "{{ x }}.yml"}, facts={"x": "missing"})
    site.write("known.yml", [DEBUG])
    (warning,) = site.check({"set_fact": {"x": "other"}}, {"include_tasks": "{{ x }}.yml"}, facts={"x": "known"})
    assert "may include other files" in warning and "x, which a task before it sets" in warning
    assert site.check({"include_tasks": "again.yml"}, facts={"again": site.write("again.yml", [
        {"include_tasks": "again.yml", "when": "tries | int < 5", "vars": {"tries": "{{ tries | default(0) | int + 1 }}"}},
    ])}) == [], "a retry"


def test_the_files_of_an_included_role(site):
    site.write("roles/plain/tasks/main.yml", [DEBUG])
    site.write("roles/plain/tasks/other.yml", [DEBUG])
    assert site.check({"include_role": {"name": "plain", "tasks_from": "{{ unknown_here | default(omit) }}"}}) == []
    assert site.check({"include_role": {"name": "plain", "tasks_from": "{{ item }}"}, "loop": ["main", "other"]}) == []
    (warning,) = site.check({"include_role": {"name": "plain", "tasks_from": "{{ registered.stdout }}"}})
    assert "known at run time only" in warning
    assert "missing" in site.problem({"include_role": {"name": "plain", "tasks_from": "{{ item }}"}, "loop": ["main", "missing"]})


def test_more_includes_than_are_walked(site, monkeypatch):
    monkeypatch.setattr(task_walk, "MAX_INCLUDES", 3)
    site.write("inner.yml", [DEBUG])
    (warning,) = site.check({"include_tasks": "inner.yml", "loop": [1, 2, 3, 4, 5]})
    assert "more than 3 different includes" in warning


# --- errors that Ansible raises outside of the tasks


REGISTER = {**DEBUG, "register": "said"}


@pytest.mark.parametrize("meta", ["flush_handlers", "clear_facts"])
def test_conditions_of_meta_tasks(site, meta):
    for condition in ("unknown_here", "unknown_here is changed", "a ===", "1 is no_such_test", "web1_only.missing"):
        assert "has a when that can't be evaluated" in site.problem(REGISTER, {"meta": meta, "when": condition}, facts={"web1_only": {}})
        assert "has a when" in site.problem({"block": [{"meta": meta}], "when": condition}, facts={"web1_only": {}})
    for condition in (
        "said is changed", ["true", "said.x.y"], "ansible_facts.x.y", "hostvars['web2'].x", "unknown_here is defined", "own | default(false)",
    ):
        assert site.check(REGISTER, {"meta": meta, "when": condition}) == []
    assert site.check({"set_fact": {"made": True}}, {"meta": meta, "when": "made"}) == []
    assert site.check({"include_vars": "x.yml"}, {"meta": meta, "when": "made"}) == []
    handlers = [{"name": "Forget", "meta": meta, "when": "unknown_here"}]
    assert ("has a when" if meta == "clear_facts" else "in a handler") in site.problem(DEBUG, handlers=handlers)
    site.write("later.yml", [{"meta": meta, "when": "unknown_here"}])
    assert "has a when" in site.problem(DEBUG, servers=3, strategy="free", post_tasks=[{"include_tasks": "later.yml"}])


@pytest.mark.parametrize("keyword", [{"remote_user": "{{ x }}"}, {"become_user": "{{ x }}"}, {"vars": {"ansible_user": "{{ x }}"}}], ids=str)
def test_keywords_of_a_reset_of_the_connection(site, keyword):
    assert "that can't be evaluated" in site.problem({"meta": "reset_connection", **keyword})
    assert site.check({"meta": "reset_connection", **keyword}, facts={"x": "root"}) == []
    assert site.check({**DEBUG, "register": "x"}, {"meta": "reset_connection", **keyword}) == []


@pytest.mark.parametrize("include", [{"public": "maybe"}, {"allow_duplicates": "{{ x }}"}, {"rolespec_validate": "maybe"}], ids=str)
def test_keywords_of_an_included_role(site, include):
    site.write("roles/plain/tasks/main.yml", [DEBUG])
    (keyword,) = include
    assert f"has a {keyword}" in site.problem({"include_role": {"name": "plain", **include}})
    assert site.check({"include_role": {"name": "plain", keyword: "{{ true }}"}}, {"include_role": {"name": "plain", keyword: False}}) == []


def test_an_action_plugin_that_can_not_be_loaded(site):
    for number, code in enumerate(("import no_such_library", "def (:", "x = 1")):
        site.write(f"roles/broken{number}/tasks/main.yml", [{f"broken{number}": {}}])
        site.write(f"roles/broken{number}/action_plugins/broken{number}.py", code)
        site.write(f"roles/broken{number}/library/broken{number}.py", "")
        assert f"uses broken{number}, whose action plugin can't be loaded" in site.problem(roles=[f"broken{number}"])


def test_a_handler_that_does_not_exist_is_found_where_it_is_notified(site):
    notifies = {**DEBUG, "notify": "restart {{ what }}", "vars": {"what": "app"}}
    assert "notifies the handler restart app" in site.problem(notifies)
    for handler in ({"name": "restart app"}, {"name": "Other", "listen": "restart app"}, {"name": "restart {{ 'app' }}"}):
        assert site.check(notifies, handlers=[{**DEBUG, **handler}]) == []
    site.write("roles/app/tasks/main.yml", [{**DEBUG, "notify": ["app : restart", "restart"]}])
    site.write("roles/app/handlers/main.yml", [{**DEBUG, "name": "restart"}])
    assert site.check(roles=["app"]) == []
    assert "restart" in site.problem({**DEBUG, "notify": "restart"}, roles=["app"]), "the role with it is included later"
    assert site.check({**DEBUG, "notify": "{{ item }}", "loop": ["a"]}) == [], "known at run time only"
    later = {"include_role": {"name": "{{ registered.stdout }}"}}
    assert ["known at run time only" in warning for warning in site.check(later, {**DEBUG, "notify": "restart"})] == [True, True]
    assert site.check({**DEBUG, "notify": "a"}, handlers=[{**DEBUG, "name": "a"}, {**DEBUG, "name": "{{ unknown_here }}"}]) == []
    assert "can't be evaluated" in site.problem({**DEBUG, "notify": "a"}, handlers=[{**DEBUG, "name": "a"}, {**DEBUG, "name": "{{ 1 | no_filter }}"}])


def test_a_file_without_line_numbers_is_named(site):
    """Older versions of ansible-core know no lines of a file in JSON."""
    site.write("inner.yml", json.dumps([END]))
    assert "inner.yml" in site.problem({"include_tasks": "inner.yml"})


# --- tasks that Ansible fails for the whole batch


@pytest.mark.parametrize("task", [
    {**DEBUG, "run_once": True}, {**DEBUG, "run_once": "{{ true }}"}, {"block": [DEBUG], "run_once": True}, {**DEBUG, "any_errors_fatal": True},
    {"include_tasks": {"file": "inner.yml", "apply": {"any_errors_fatal": True}}}, {"pause": {"seconds": 1}},
    {"ansible.builtin.add_host": {"name": "x"}},
    {"include_role": {"name": "plain", "apply": {"run_once": True}}}, {"action": "{{ 'pause' }} seconds=1"},
], ids=str)
def test_a_failure_of_one_server_that_would_fail_the_batch(site, task):
    site.write("inner.yml", [DEBUG])
    site.write("roles/plain/tasks/main.yml", [DEBUG])
    assert "batch" in site.problem(task, servers=3)
    assert site.check(task, servers=1) == []
    files = [site.write("hook.yml", [task])]
    assert "batch" in site.problem(checks=files, servers=3)
    if "pause" in str(task):
        assert "strategy" in site.problem(task, strategy="free") and "strategy" in site.problem(task, strategy="ansible.builtin.host_pinned")


def test_tasks_that_every_server_runs_by_itself(site):
    tasks = [{**DEBUG, "run_once": "{{ false }}"}, {**DEBUG, "delegate_to": "localhost"}, {"group_by": {"key": "x"}}, {**DEBUG, "throttle": 1}]
    assert site.check(*tasks, servers=3) == site.check(*tasks, servers=3, strategy="free") == []


@pytest.mark.parametrize("keyword", ["run_once", "any_errors_fatal", "throttle"])
def test_keywords_that_ansible_can_not_evaluate(site, keyword):
    assert keyword in site.problem({**DEBUG, keyword: "{{ unknown_here }}"}, servers=2)
    assert "throttle" in site.problem({**DEBUG, "throttle": "many"})
    assert "throttle" in site.problem({**DEBUG, "throttle": None})


@pytest.mark.parametrize("task", [{"meta": "end_play"}, {"meta": "clear_host_errors"}, {"pause": {}}, {**DEBUG, "run_once": True}, UNKNOWN])
def test_tasks_beside_the_role_matter_where_servers_are_not_in_step(site, task):
    site.write("later.yml", [task])
    for play in ({"post_tasks": [{"include_tasks": "later.yml"}]}, {"pre_tasks": [{"include_tasks": "later.yml"}]}):
        assert site.check(DEBUG, servers=3, **play) == site.check(DEBUG, servers=1, strategy="free", **play) == []
        site.problem(DEBUG, servers=3, strategy="free", **play)
        site.problem(DEBUG, servers=3, strategy="host_pinned", **play)


def test_harmless_tasks_beside_the_role(site):
    tasks = [{"meta": "end_host"}, {"include_role": {"name": "guarded"}}, {"include_tasks": "{{ registered.stdout }}"}, DEBUG]
    assert site.check(DEBUG, servers=3, strategy="free", post_tasks=tasks) == []


# --- keywords of the play and options of the command line


@pytest.mark.parametrize(("how", "message"), [
    ({"max_fail_percentage": 20}, "max_fail_percentage"), ({"debugger": "on_failed"}, "debugger: on_failed"),
    ({"strategy": "debug"}, "strategy debug"), ({"role": {"run_once": True}, "servers": 2}, "run_once"),
])
def test_plays_that_can_not_be_guarded(site, how, message):
    assert message in site.problem(DEBUG, **how)


def test_options_that_skip_or_debug_tasks(site, monkeypatch):
    from ansible import constants as C
    from ansible import context
    with monkeypatch.context() as patch:
        patch.setattr(context, "CLIARGS", {"step": True})
        assert "--step" in site.problem(DEBUG)
    value_of = C.config.get_config_value
    monkeypatch.setattr(C.config, "get_config_value", lambda name, *args, **kwargs: name == "ENABLE_TASK_DEBUGGER" or value_of(name, *args, **kwargs))
    assert "the task debugger" in site.problem(DEBUG)


def test_tags_select_all_of_it_or_nothing(site):
    tagged = {**DEBUG, "tags": ["php"]}
    assert site.check(tagged, role={"tags": ["upgrade"]}, only=["upgrade"]) == [], "the role's tags apply to the user's tasks too"
    with pytest.raises(NotSelected):
        site.check(tagged, only=["nginx"])
    with pytest.raises(NotSelected):
        site.check(UNKNOWN, only=["nginx"])
    assert "does not select the tasks of the role" in site.problem(tagged, only=["php"])
    assert "would be skipped" in site.problem(tagged, skip=["php"])
    assert site.check({**DEBUG, "tags": ["never"]}, skip=["other"]) == []
    with pytest.raises(NotSelected):
        site.check(DEBUG, role={"tags": ["never", "upgrade"]})
    assert site.check(DEBUG, role={"tags": ["never", "upgrade"]}, only=["upgrade"]) == []


def test_the_plays_collections(site):
    assert site.analysis().user_collections == []
    assert site.analysis(collections=["ansible.builtin"]).user_collections == []
    assert site.analysis(collections=["acme.tools"]).user_collections == ["acme.tools", "ansible.legacy"]
    assert site.analysis(collections=["acme.tools", "ansible.builtin"]).user_collections == ["acme.tools", "ansible.builtin"]


def test_strategies():
    assert "linear" in strategy_names("linear") and "linear" in strategy_names("ansible.builtin.linear") and "linear" in strategy_names(None)
    assert strategy_names("debug") >= {"debug", "linear"}
    assert strategy_names("host_pinned") >= {"host_pinned", "free"} and "linear" not in strategy_names("free")
    assert strategy_names("no_such_strategy") == set()
