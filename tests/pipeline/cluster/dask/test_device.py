"""Each Dask worker sees one GPU."""

import pytest

from a2pipe.pipeline.cluster.dask.device import device_of


@pytest.mark.parametrize(
    ("name", "visible", "device"),
    [
        ("0", "", "0"),
        ("3", "", "3"),
        ("1", "4,6", "6"),
        ("cluster-7-0", "4,6", "4"),
        ("cluster-7-1", "GPU-a,GPU-b", "GPU-b"),
        ("cluster-7", "2", "2"),
    ],
)
def test_each_worker_has_the_device_of_its_number(name, visible, device):
    assert device_of(name, visible) == device
