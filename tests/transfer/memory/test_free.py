import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from stylekit.transfer.memory import free
from stylekit.transfer.memory.free import GROUP_FILES, free_on_host, memory_groups

GB = 10**9
V1 = "30 20 0:29 {top} {at} rw,relatime shared:9 - cgroup cgroup rw,memory\n"
V2 = "41 20 0:38 {top} {at} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
OTHERS = (
    "20 1 8:1 / / rw - ext4 /dev/root rw\n"
    "32 20 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
)


@pytest.fixture
def tree(tmp_path):
    """Write files below a root, and return what is free there."""

    def free(mounts, group, files, available=100 * GB):
        files = {
            "proc/meminfo": f"MemTotal: 999 kB\nMemAvailable:   {available // 1024} kB\n",
            "proc/self/mountinfo": OTHERS + mounts,
            "proc/self/cgroup": group,
            **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
        }
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(str(text))
        return free_on_host(tmp_path)

    return free


def v1(limit, used, dropped=0):
    stat = f"cache 77\ninactive_file 5\ntotal_cache 99\ntotal_inactive_file {dropped}\n"
    return {
        "memory.limit_in_bytes": f"{limit}\n",
        "memory.usage_in_bytes": f"{used}\n",
        "memory.stat": stat,
    }


def v2(limit, used, dropped=0, high="max"):
    stat = f"anon 5\nactive_file 7\ninactive_file {dropped}\n"
    return {
        "memory.max": f"{limit}\n",
        "memory.high": f"{high}\n",
        "memory.current": f"{used}\n",
        "memory.stat": stat,
    }


def below(folder, files):
    return {f"{folder}/{name}": text for name, text in files.items()}


NO_LIMIT = 9223372036854771712  # of version 1: the largest number of pages


@pytest.mark.parametrize(
    ("mounts", "group", "files", "expected"),
    [
        pytest.param(
            V1.format(top="/", at="/sys/fs/cgroup/memory"),
            "4:cpu:/other\n3:hugetlb,memory:/job\n",
            below("memory", v1(NO_LIMIT, 9 * GB)) | below("memory/job", v1(4 * GB, 3 * GB, GB)),
            2 * GB,
            id="version 1",
        ),
        pytest.param(
            V1.format(top="/", at="/sys/fs/cgroup/memory"),
            "3:memory:/top/job/worker\n",
            below("memory/top", v1(8 * GB, 3 * GB))
            | below("memory/top/job", v1(NO_LIMIT, 2 * GB))
            | below("memory/top/job/worker", v1(7 * GB, GB)),
            5 * GB,
            id="version 1, limit on an ancestor",
        ),
        pytest.param(
            V1.format(top="/docker/4fe", at="/sys/fs/cgroup/memory"),
            "3:memory:/docker/4fe\n",
            below("memory", v1(3 * GB, GB)),
            2 * GB,
            id="version 1, a container sees its own group as the root",
        ),
        pytest.param(
            V1.format(top="/docker/4fe", at="/sys/fs/cgroup/memory"),
            "3:memory:/docker/4fe/job\n",
            below("memory", v1(9 * GB, GB)) | below("memory/job", v1(3 * GB, GB)),
            2 * GB,
            id="version 1, a group of a container",
        ),
        pytest.param(
            V1.format(top="/", at="/sys/fs/cgroup/memory"),
            "3:memory:/docker/4fe\n",
            below("memory", v1(3 * GB, GB)),
            2 * GB,
            id="version 1, the path is the one outside",
        ),
        pytest.param(
            V2.format(top="/", at="/sys/fs/cgroup"),
            "0::/user.slice/job.service\n",
            below("user.slice/job.service", v2(4 * GB, 3 * GB, GB)),
            2 * GB,
            id="version 2",
        ),
        pytest.param(
            V2.format(top="/", at="/sys/fs/cgroup"),
            "0::/system.slice/job.service/worker\n",
            below("system.slice", v2("max", 9 * GB))
            | below("system.slice/job.service", v2(4 * GB, 3 * GB))
            | below("system.slice/job.service/worker", v2("max", GB)),
            GB,
            id="version 2, limit on the parent",
        ),
        pytest.param(
            V2.format(top="/", at="/sys/fs/cgroup"),
            "0::/job\n",
            below("job", v2("max", GB, high=3 * GB)),
            2 * GB,
            id="version 2, slowed down above a limit",
        ),
        pytest.param(
            V2.format(top="/", at="/sys/fs/cgroup"),
            "0::/\n",
            v2(4 * GB, GB),
            3 * GB,
            id="version 2, a container's own root",
        ),
        pytest.param(
            V2.format(top="/..", at="/sys/fs/cgroup"),
            "0::/\n",
            v2(4 * GB, GB),
            3 * GB,
            id="version 2, mounted outside of the container",
        ),
        pytest.param(
            V2.format(top="/", at="/sys/fs/cgroup"),
            "0::/../neighbour\n",
            v2(4 * GB, GB) | below("../neighbour", v2(2 * GB, GB)),
            3 * GB,
            id="version 2, a group outside of what is mounted",
        ),
        pytest.param(
            V1.format(top="/", at="/sys/fs/cgroup/memory")
            + V2.format(top="/", at="/sys/fs/cgroup/unified"),
            "3:memory:/job\n1:name=systemd:/x\n0::/job\n",
            below("memory/job", v1(4 * GB, GB)) | below("unified/job", {"cgroup.procs": ""}),
            3 * GB,
            id="hybrid, memory in version 1",
        ),
        pytest.param(
            V2.format(top="/", at="/sys/fs/cgroup/a\\040b"),
            "0::/job\n",
            below("a b/job", v2(4 * GB, GB)),
            3 * GB,
            id="a space in the mount's path",
        ),
        pytest.param(
            V2.format(top="/", at="/sys/fs/cgroup"),
            "0::/job\n",
            below("job", v2("max", GB)),
            100 * GB,
            id="no limit",
        ),
        pytest.param(
            V2.format(top="/", at="/sys/fs/cgroup"),
            "0::/job\n",
            below("job", v2(GB, 2 * GB)),
            0,
            id="more in use than allowed",
        ),
        pytest.param(
            V2.format(top="/", at="/sys/fs/cgroup"),
            "0::/job\n",
            below("job", {"memory.max": 4 * GB}),
            100 * GB,
            id="what is used is not known",
        ),
        pytest.param("", "", {}, 100 * GB, id="no groups"),
    ],
)
def test_the_least_of_the_machine_and_its_control_groups(tree, mounts, group, files, expected):
    assert tree(mounts, group, files) == expected


def test_a_machine_may_have_less_than_its_groups(tree):
    files = below("job", v2(4 * GB, GB))
    mounts = V2.format(top="/", at="/sys/fs/cgroup")
    assert tree(mounts, "0::/job\n", files, available=2048) == 2048


def test_the_limits_of_the_process(tmp_path):
    def free(space, data):
        process = tmp_path / "proc/self"
        process.mkdir(parents=True, exist_ok=True)
        rows = f"Max data size  {data}  unlimited  bytes\nMax address space  {space}  9  bytes\n"
        (process / "limits").write_text(f"Limit  Soft Limit  Hard Limit  Units\n{rows}")
        (process / "status").write_text("VmPeak:\t 9 kB\nVmSize:\t  3000 kB\nVmData:\t  2000 kB\n")
        return free_on_host(tmp_path)

    assert free("unlimited", "unlimited") is None
    assert free(4000 * 1024, "unlimited") == 1000 * 1024
    assert free(4000 * 1024, 2500 * 1024) == 500 * 1024
    assert free(1000, "unlimited") == 0


def test_another_system(tmp_path):
    assert free_on_host(tmp_path) is None


WITHOUT_TENSORFLOW = f"import runpy; print(runpy.run_path({free.__file__!r})['free_on_host']())"


@pytest.fixture
def in_group():
    """Run a command in a control group below one with a limit, both made for it."""
    made = []

    def run(limit, *command, **options):
        try:
            own, kind = next(memory_groups())
            for folder in (top := own / f"stylekit-test-{os.getpid()}", top / "below"):
                folder.mkdir()
                made.append(folder)
            (top / GROUP_FILES[kind][0][0]).write_text(str(limit))
        except (StopIteration, OSError) as error:
            pytest.skip(f"no control group with a limit can be made here: {error!r}")
        enter = made[-1] / "cgroup.procs"
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=600,
            preexec_fn=lambda: enter.write_text(str(os.getpid())),
            **options,
        )

    yield run
    for folder in reversed(made):
        folder.rmdir()


def test_a_real_group_below_a_limit(in_group):
    done = in_group(200 * 10**6, sys.executable, "-c", WITHOUT_TENSORFLOW)
    assert 10**8 < int(done.stdout) < 2 * 10**8, done.stderr


@pytest.mark.parametrize("limit", [resource.RLIMIT_AS, resource.RLIMIT_DATA])
def test_a_real_limit_of_a_process(limit):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(limit, (4 * 10**8, 4 * 10**8)),
    )
    assert 10**8 < int(done.stdout) < 4 * 10**8, done.stderr


@pytest.mark.slow
def test_a_transfer_takes_tiles_in_a_group_with_little_memory(in_group, tmp_path):
    pictures = Path(__file__).parents[3] / "docs" / "pictures"
    done = in_group(
        850 * 10**6,
        *(sys.executable, "-m", "stylekit", "transfer"),
        *(pictures / "cat.jpg", pictures / "night.jpg", "-o", tmp_path / "out.png"),
        *("--size", "1024", "--extractor", "compact", "--style-loss", "gram"),
        *("--steps", "2", "--pyramid", "1"),
    )
    assert done.returncode == 0, done.stderr
    assert "with Tiles" in done.stderr
    assert (tmp_path / "out.png").is_file()


@pytest.mark.slow
def test_a_limit_of_the_address_space_takes_tiles_and_refuses_no_run():
    code = """
import re, resource
import keras, numpy as np, tensorflow as tf
import stylekit as sk

def allow(more):
    with open("/proc/self/status") as status:
        size = 1024 * int(re.search(r"VmSize:\\s+(\\d+)", status.read())[1])
    resource.setrlimit(resource.RLIMIT_AS, (size + more, resource.RLIM_INFINITY))

tf.zeros(())  # TensorFlow's threads take address space, not memory
network, photo = sk.CompactVGG(), np.random.default_rng(0).random((1024, 1024, 3), "float32")
terms = [sk.ContentLoss(photo), sk.GramStyleLoss(photo[:256, :256], weight=8)]
for more in (4 * 10**9, 7 * 10**8):
    allow(more)
    transfer = sk.StyleTransfer(terms, extractor=network, plan=sk.FitMemory())
    print(transfer.run(photo, 1).manifest["plan"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    ample, little = done.stdout.splitlines()
    assert ample == "Plan()"
    assert little.startswith("Tiles")
