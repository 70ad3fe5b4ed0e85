"""What can rot in the files that run the checks: the names in there of what stands in the Makefile and elsewhere."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent.parent
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):(?!=)", MAKEFILE, re.MULTILINE))
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
JOBS = WORKFLOW["jobs"]
STEPS = [step for job in JOBS.values() for step in job["steps"]]
MAKE = re.compile(r"^\s*make (?:--no-print-directory )?([a-z-]+)", re.MULTILINE)


def run_by(text):
    return set(MAKE.findall(text))


def pins_of(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {line.partition("==")[0].lower(): line for line in lines if "==" in line}


def test_the_workflow_runs_targets_of_make_that_there_are():
    called = {target for step in STEPS for target in run_by(step.get("run", ""))}

    assert called == {"lint", "lint-api", "lint-deploy", "audit", "coverage", "simulate", "fuzz", "storm"}
    assert called <= TARGETS


def test_what_must_pass_before_a_change_lands_is_in_the_workflow():
    called = {target for step in STEPS for target in run_by(step.get("run", ""))}
    wanted = run_by((ROOT / ".ci/run").read_text(encoding="utf-8"))

    assert wanted <= TARGETS
    assert wanted - {"test-all", "test-browser"} <= called  # the workflow measures the tests while it runs them


def test_what_others_wrote_is_taken_at_one_commit():
    used = [step["uses"] for step in STEPS if "uses" in step]

    assert used
    assert [action for action in used if not re.fullmatch(r"[a-z-]+/[a-z-]+@[0-9a-f]{40}", action)] == []


def test_a_job_may_do_only_what_it_needs():
    assert WORKFLOW["permissions"] == {}
    for name, job in JOBS.items():
        if name != "publish":
            assert job["permissions"] == {"contents": "read"}, name


def test_the_image_is_published_for_tags_and_after_everything_else():
    publish = JOBS["publish"]

    assert publish["if"] == "github.event_name == 'push' && github.ref_type == 'tag'"
    assert set(publish["needs"]) == set(JOBS) - {"publish"}


def test_every_hook_runs_a_target_of_make_that_there_is():
    [local] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]

    called = {target for hook in local["hooks"] for target in run_by(hook["entry"])}
    assert called <= TARGETS
    parts = set(re.search(r"^lint: (.*)$", MAKEFILE, re.MULTILINE).group(1).split())
    assert parts <= called | {"lint-deploy"}


def test_every_target_is_explained_or_part_of_one_that_is():
    explained = set(re.findall(r"^\t@echo \"make ([a-z-]+)", MAKEFILE, re.MULTILINE))
    parts = set(re.findall(r"^lint: (.*)$", MAKEFILE, re.MULTILINE)[0].split()) | {"lint-workflows", "secrets", "help"}

    assert explained >= TARGETS - parts
    [phony] = [set(line.split()) for line in [" ".join(re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE))]]
    assert phony == TARGETS


def test_the_requirements_pin_no_package_twice_in_two_versions():
    for name in ("requirements-dev.txt", "requirements-audit.txt"):
        own, base = pins_of(name), pins_of("requirements.txt")
        assert {package: line for package, line in own.items() if base.get(package, line) != line} == {}


def test_what_is_measured_is_what_there_is_of_the_service():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]

    apps = set(tools["importlinter"]["root_packages"])
    assert set(tools["coverage"]["run"]["source"]) == apps
    looked_at = re.search(r"--recursive manage\.py \\\n\t\t([a-z ]+?) 2>&1", MAKEFILE).group(1)
    assert set(looked_at.split()) == apps
