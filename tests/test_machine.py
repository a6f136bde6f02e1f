"""What a process may use of its machine, and the machine's name."""

import platform

import pytest

from a2pipe.machine import cores, host_name, versions


def test_a_process_bound_to_one_core_has_one(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3}, raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    assert cores() == 1


@pytest.mark.parametrize(("count", "found"), [(6, 6), (None, 1)])
def test_where_processes_are_not_bound_all_cores_count(monkeypatch, count, found):
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: count)
    assert cores() == found


@pytest.mark.parametrize(
    ("name", "found"), [("node7.site.org", "node7-site-org"), ("a/b", "a-b"), ("", "localhost")]
)
def test_a_name_can_be_part_of_a_file_name(monkeypatch, name, found):
    monkeypatch.setattr("socket.gethostname", lambda: name)
    assert host_name() == found


def test_versions_are_of_what_is_installed():
    found = {"python": platform.python_version(), "pytest": pytest.__version__}
    assert versions(("no-such-distribution", "pytest")) == found
