# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples for Automation Controller, AWX and Event-Driven Ansible: valid references, and no secret is shown."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from builders import OPERATIONS
from support.awx_controller import AWX, content, credential_types, injected_environment
from support.managed_nodes import QUERIES, query_nodes
from support.playbook_runner import ROOT

from ansible_collections.rewind.vps.plugins.module_utils import _argspec as argspec
from ansible_collections.rewind.vps.plugins.module_utils._provider.registry import REGISTRY

RULEBOOKS = sorted((ROOT / "extensions" / "eda" / "rulebooks").glob("*.yml"))
TEMPLATES = {item["name"]: item for item in content("templates.yml")["controller_templates"]}
WORKFLOWS = {item["name"]: item for item in content("workflows.yml")["controller_workflows"]}
GUARDED = "rewind.vps: guarded upgrade"
SECRETS = {"vpsorg": {"api_token": "vps_0123456789abcdef"}, "ilkbyte": {"access_key": "access0123456789", "secret_key": "secret0123456789"}}
TYPES = {"vpsorg": "VPS.org", "ilkbyte": "Ilkbyte"}


def options_read_from(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the options that a module reads from the environment of a job."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    validation = ArgumentSpecValidator(argspec.provider_spec()).validate({})
    assert not validation.error_messages
    return argspec.normalize_params(validation.validated_parameters, environment)


@pytest.mark.parametrize("cloud", TYPES)
def test_a_credential_sets_all_required_options(cloud: str, monkeypatch: pytest.MonkeyPatch) -> None:
    filled = options_read_from(injected_environment(TYPES[cloud], **SECRETS[cloud], api_url="https://cloud.example/v1"), monkeypatch)
    assert filled["provider"] == cloud and filled["api_url"] == "https://cloud.example/v1"
    assert {name: filled[name] for name in SECRETS[cloud]} == SECRETS[cloud]
    assert options_read_from(injected_environment(TYPES[cloud], **SECRETS[cloud]), monkeypatch)["api_url"] == REGISTRY[cloud].endpoint.url


@pytest.mark.parametrize("cloud", TYPES)
def test_with_both_credentials_there_is_no_default_provider(cloud: str) -> None:
    assert injected_environment(TYPES[cloud], **SECRETS[cloud], hosts_set_provider=True)["REWIND_PROVIDER"] == ""


@pytest.mark.parametrize("cloud", TYPES)
def test_every_key_is_secret_and_only_in_the_environment(cloud: str) -> None:
    kind = credential_types()[TYPES[cloud]]
    fields = {item["id"]: item for item in kind["inputs"]["fields"]}
    secrets = {name for name, item in fields.items() if item.get("secret")}
    assert secrets == set(argspec.REQUIRED_CREDENTIALS[cloud]) == set(kind["inputs"]["required"])
    assert set(kind["injectors"]) == {"env"}
    used = {name for template in kind["injectors"]["env"].values() for name in re.findall(r"[a-z_]{5,}", re.sub("'[a-z]*'", "", template))}
    assert used == set(fields)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_job_template_has_a_playbook_and_does_not_stop_the_guard(name: str) -> None:
    template = TEMPLATES[name]
    text = (AWX / "project" / template["playbook"]).read_text("utf-8")
    # The pattern by which a controller finds playbooks. Older versions do not match ansible.builtin.import_playbook.
    assert any(re.match(r"^\s*?-?\s*?(?:hosts|include|import_playbook):\s*?.*?$", line) for line in text.splitlines())
    imported = [play["import_playbook"] for play in yaml.safe_load(text) if "import_playbook" in play]
    assert imported and all((ROOT / "playbooks" / f"{book.rpartition('.')[2]}.yml").is_file() for book in imported)
    assert (template["timeout"], template["job_slice_count"], template["allow_simultaneous"]) == (0, 1, False)
    assert "target" in {question["variable"] for question in template["survey_spec"]["spec"]}


def test_the_run_records_are_on_the_persistent_volume() -> None:
    (group,) = content("instance_groups.yml")["controller_instance_groups"]
    pod = yaml.safe_load(group["pod_spec_override"])["spec"]
    (mount,) = pod["containers"][0]["volumeMounts"]
    claims = {volume["name"]: volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"]}
    assert mount["name"] in claims and group["max_concurrent_jobs"] == 1
    for template in TEMPLATES.values():
        assert template["instance_groups"] == [group["name"]]
        assert template["extra_vars"]["guarded_upgrade_state_dir"] == mount["mountPath"]


def test_after_a_failed_upgrade_the_workflow_recovers_and_never_runs_rollback() -> None:
    for workflow in WORKFLOWS.values():
        nodes = {node["identifier"]: node for node in workflow["workflow_nodes"]}
        for node in nodes.values():
            assert set(node["related"]) == {"success_nodes", "failure_nodes", "always_nodes", "credentials"}
            is_approval = node["unified_job_template"]["type"] == "workflow_approval"
            assert is_approval or TEMPLATES[node["unified_job_template"]["name"]]["playbook"] != "rollback.yml"
        (upgrade,) = [node for node in nodes.values() if node["unified_job_template"]["name"] == GUARDED]
        followed_by = [nodes[item["identifier"]] for item in upgrade["related"]["failure_nodes"]]
        assert [TEMPLATES[node["unified_job_template"]["name"]]["playbook"] for node in followed_by] == ["recover_after_failure.yml"]


def test_an_approved_upgrade_is_confirmed_and_any_other_is_rolled_back() -> None:
    workflow = WORKFLOWS["rewind.vps: guarded upgrade with approval"]
    nodes = {node["identifier"]: node for node in workflow["workflow_nodes"]}
    approval = nodes[nodes["upgrade"]["related"]["success_nodes"][0]["identifier"]]
    after = {kind: [nodes[item["identifier"]]["unified_job_template"]["name"] for item in approval["related"][f"{kind}_nodes"]]
             for kind in ("success", "failure")}
    assert {kind: [TEMPLATES[name]["playbook"] for name in names] for kind, names in after.items()} == {
        "success": ["confirm.yml"], "failure": ["recover_after_failure.yml"]}
    assert approval["unified_job_template"]["timeout"] <= 600, "the default of guarded_upgrade_confirm_within"
    assert workflow["extra_vars"] == {"guarded_upgrade_confirm": "manual", "guarded_upgrade_confirm_wait": False}


@pytest.mark.parametrize("path", RULEBOOKS, ids=lambda path: path.stem)
def test_a_rulebook_is_valid(path: Path) -> None:
    rulesets = yaml.safe_load(path.read_text("utf-8"))
    schema = json.loads((resources.files("ansible_rulebook") / "schema" / "ruleset_schema.json").read_text("utf-8"))
    jsonschema.validate(rulesets, schema)
    for ruleset in rulesets:
        for source in ruleset["sources"]:
            assert source["ansible.eda.webhook"]["token"] == "{{ webhook_token }}", "no token would be required"
        for rule in ruleset["rules"]:
            assert re.search(r"event\.payload\.hosts in \[", rule["condition"]), "the sender would choose the servers"
            ((action, how),) = rule["action"].items()
            variables = how.get("extra_vars") or how["job_args"]["extra_vars"]
            assert variables == {"target": "{{ event.payload.hosts }}"}
            if action == "run_workflow_template":
                assert how["organization"] == WORKFLOWS[how["name"]]["organization"]
                assert how["include_events"] is False, "the request would become a variable of the job"
            else:
                assert (action, how["name"]) == ("run_playbook", "rewind.vps.guarded_upgrade")
                assert not {"retry", "retries"} & set(how), "a rolled back upgrade would be repeated"


SERVER = {"id": 12345, "name": "web1", "power_state": "running", "task_state": False, "address": None}


def test_each_successful_server_of_a_bulk_task_is_counted() -> None:
    result = {"changed": True, "by_server": {"web1": {"server": SERVER}, "web2": {"failed": True, "error": {"server": "web2"}}}, "failed_servers": []}
    (node,) = query_nodes("rewind.vps.snapshot", result)
    assert node["name"] == "web1"
    assert node["canonical_facts"] == {"rewind_server_id": "12345", "host_name": "web1"}
    assert node["facts"] == {"infra_type": "PublicCloud", "infra_bucket": "Compute", "device_type": "VM"}


def test_a_server_without_a_name_has_no_null() -> None:
    (node,) = query_nodes("rewind.vps.snapshot_restore", {"server": {**SERVER, "name": None}})
    assert node["canonical_facts"] == {"rewind_server_id": "12345", "host_name": "12345"}


@pytest.mark.parametrize("module", QUERIES)
@pytest.mark.parametrize("result", [
    {}, {"censored": "the output has been hidden"}, {"failed": True, "msg": "no"}, {"server": None}, {"server": "web1"}, {"server": {}},
    {"by_server": None}, {"by_server": []}, {"by_server": {"web1": None, "web2": "x"}}, {"results": [{"server": SERVER}]}, [], "text", None,
], ids=str)
def test_no_result_makes_a_query_fail(module: str, result: Any) -> None:
    assert query_nodes(module, result) == []


def test_every_module_that_changes_a_server_has_a_query() -> None:
    changing = {name for name, operation in OPERATIONS.items() if {"state", "start_server"} & set(operation.SPEC.options)}
    assert set(QUERIES) == {f"rewind.vps.{name}" for name in changing}
