import pytest

from dragoman.config.environment import Overrides, build_environment, read_environment, safe_base, worker_environment
from dragoman.config.problem import ConfigError
from dragoman.ingress.http.options import HttpOptions


def test_the_environment_sets_what_it_may() -> None:
    variables = {
        "DRAGOMAN_HOST": "0.0.0.0",
        "DRAGOMAN_PORT": "9000",
        "DRAGOMAN_URL": "unix:///run/dragoman.sock",
        "DRAGOMAN_LOG": "debug",
        "DRAGOMAN_SOMETHING": "else",
    }
    overrides = read_environment(variables)
    assert overrides == Overrides("0.0.0.0", 9000, "unix:///run/dragoman.sock", "debug")
    assert overrides.http(HttpOptions(port=1, body_bytes_max=5)) == HttpOptions("0.0.0.0", 9000, body_bytes_max=5)


def test_nothing_and_emptiness_override_nothing() -> None:
    assert read_environment({"DRAGOMAN_PORT": "", "DRAGOMAN_HOST": ""}) == Overrides()
    options = HttpOptions(host="::1", port=0)
    assert Overrides().http(options) == options
    assert Overrides(port=0).http(HttpOptions()).port == 0


def test_the_address_that_kubernetes_puts_under_our_name_is_left_alone() -> None:
    assert read_environment({"DRAGOMAN_PORT": "tcp://10.0.0.1:8700"}) == Overrides()


def test_every_variable_that_is_wrong_is_named_at_once() -> None:
    variables = {"DRAGOMAN_PORT": "70000", "DRAGOMAN_URL": "ftp://x", "DRAGOMAN_LOG": "loud"}
    with pytest.raises(ConfigError) as error:
        read_environment(variables)
    assert [problem.key for problem in error.value.problems] == ["DRAGOMAN_LOG", "DRAGOMAN_PORT", "DRAGOMAN_URL"]
    assert 'expected "debug" or "info"' in str(error.value)


@pytest.mark.parametrize("port", ["eighty", "80a", "-1", "+80", "8_0", "٨", "9" * 9999, "8.0", " 80"])
def test_a_port_is_plain_digits(port: str) -> None:
    with pytest.raises(ConfigError, match="DRAGOMAN_PORT"):
        read_environment({"DRAGOMAN_PORT": port})


def test_the_process_environment_is_read_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_PORT", "9001")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert read_environment().port == 9001
    assert safe_base()["TZ"] == "Asia/Tokyo"


def test_a_worker_sees_the_safe_base_and_its_sources_own_variables_only() -> None:
    host = {
        "PATH": "/bin",
        "HOME": "/home/a",
        "LC_ALL": "C.UTF-8",
        "TMPDIR": "/tmp",
        "AWS_SECRET_ACCESS_KEY": "s",
        "PYTHONPATH": "/evil",
        "LD_PRELOAD": "/evil.so",
        "DRAGOMAN_URL": "http://x",
        "SSH_AUTH_SOCK": "/s",
    }
    assert worker_environment({"MODEL": "m", "HOME": "/tmp"}, host) == {
        "PATH": "/bin",
        "HOME": "/tmp",
        "LC_ALL": "C.UTF-8",
        "TMPDIR": "/tmp",
        "MODEL": "m",
    }


def test_a_worker_has_a_path_even_where_the_host_has_none() -> None:
    assert "/usr/bin" in safe_base({})["PATH"].split(":")


def test_tools_that_build_see_what_leads_to_a_registry_and_what_is_theirs() -> None:
    told = {
        "PATH": "/bin",
        "https_proxy": "http://proxy:3128",
        "SSL_CERT_FILE": "/etc/ca.pem",
        "NODE_EXTRA_CA_CERTS": "/etc/ca.pem",
        "npm_config_registry": "https://npm.example",
    }
    assert build_environment({**told, "AWS_SECRET_ACCESS_KEY": "s", "NODE_OPTIONS": "--inspect"}) == told
