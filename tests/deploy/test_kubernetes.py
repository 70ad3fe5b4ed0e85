"""The manifests of deploy/kubernetes beside docker-compose.yml. `make lint-deploy` holds them against the schemas."""

import pytest
import yaml

from tests.deploy.nginx import ROOT

MANIFESTS = ROOT / "deploy" / "kubernetes"
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
OURS = ("web", "live", "worker", "beat", "relay", "consumers", "webhooks", "migrate")


def documents(name):
    return list(yaml.safe_load_all((MANIFESTS / f"{name}.yaml").read_text(encoding="utf-8")))


def pod(name):
    return documents(name)[0]["spec"]["template"]["spec"]


@pytest.mark.parametrize("name", OURS)
def test_a_pod_runs_what_the_container_does_and_may_do_no_more(name):
    [container] = pod(name)["containers"]

    assert container.get("command") == SERVICES[name].get("command")
    assert pod(name)["securityContext"]["runAsNonRoot"] is True
    assert pod(name)["securityContext"]["runAsUser"] == 10001
    assert pod(name)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod(name)["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/tmp"}
    assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("name", [name for name in OURS if name != "migrate"])
def test_a_pod_that_hangs_is_found_out_and_one_that_goes_has_time_to(name):
    [container] = pod(name)["containers"]

    if name in ("web", "live"):
        assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"
        assert {"startupProbe", "readinessProbe"} <= set(container)
        assert container["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "10"]
        assert pod(name)["terminationGracePeriodSeconds"] >= 20
    else:
        assert container["livenessProbe"]["exec"]["command"][:4] == [
            "python",
            "-m",
            "config.healthcheck",
            "--at-work-within",
        ]


def test_a_new_version_of_the_web_server_takes_nobody_away_before_it_is_there():
    deployment, _, budget = documents("web")

    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert budget["spec"]["minAvailable"] == 1
    assert documents("beat")[0]["spec"]["strategy"] == {"type": "Recreate"}


def test_what_is_applied_is_there_and_examples_are_not_among_it():
    applied = documents("kustomization")[0]["resources"]

    assert {path.name for path in MANIFESTS.glob("*.yaml")} - set(applied) == {
        "kustomization.yaml",
        "migrate.yaml",
        "secret.example.yaml",
        "ingress.example.yaml",
    }
    assert set(applied) <= {path.name for path in MANIFESTS.glob("*.yaml")}
