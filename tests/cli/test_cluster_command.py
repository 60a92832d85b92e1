"""`stylekit batch` on a cluster: --dask and --workers."""

import importlib.util
from pathlib import Path

import pytest

import stylekit as sk
from stylekit.cli import _cluster

distributed = pytest.importorskip("distributed")

LINE = ("batch", "photos", "starry.jpg", "-o", "out", "--size", 48, "--strength", 0, "--extractor")
LINE += ("compact", "--style-loss", "gram", "--style-layers", "conv1_1", "--no-progress")


@pytest.mark.slow
def test_a_cluster_paints(run, pictures):
    how = {"processes": False, "n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.LocalCluster(**how) as here:
        done = run(*LINE, "--content-layers", "conv1_1", "--dask", here.scheduler_address)
        assert done.exit_code == 0, done.output
    assert done.stdout == "out: 1 of 1 pictures; batch.csv, sheet.jpg\n"


@pytest.mark.slow
def test_processes_of_this_machine_paint(run, pictures):
    done = run(*LINE, "--workers", 1)
    assert done.exit_code == 0, done.output
    assert done.stdout == "out: 1 of 1 pictures; batch.csv, sheet.jpg\n"


def test_several_threads_a_worker_are_refused(run, pictures):
    how = {"processes": False, "n_workers": 1, "threads_per_worker": 2, "dashboard_address": ":0"}
    with distributed.LocalCluster(**how) as here:
        done = run(*LINE, "--dask", here.scheduler_address)
    assert done.exit_code == 2
    assert "would run several tasks at once: expected one thread" in done.output
    assert not Path("out/cat-starry.png").exists()


def test_two_clusters_are_refused(run, pictures):
    done = run(*LINE, "--dask", "tcp://host:8786", "--workers", 2)
    assert done.exit_code == 2
    assert done.stderr.startswith("stylekit: --dask and --workers cannot be combined: expected one")


@pytest.mark.parametrize("option", [("--dask", "tcp://host:8786"), ("--workers", 2)])
def test_without_dask_it_is_told_how_to_install_it(run, pictures, monkeypatch, option):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = run(*LINE, *option)
    assert done.exit_code == 2
    assert "pip install 'stylekit-nst[batch]'" in done.stderr


def test_an_address_without_a_scheduler(run, pictures):
    done = run(*LINE, "--dask", "nothing://here")
    assert done.exit_code == 2
    assert "--dask nothing://here cannot be reached" in done.stderr


def test_workers_share_the_free_memory(monkeypatch):
    monkeypatch.setattr("stylekit.transfer.memory.fit.free_on_host", lambda: 8_000_000_000)
    assert _cluster.shared_memory(sk.FitMemory(), 2).limit == 3_600_000_000
    for plan, workers in ((sk.FitMemory("1GB"), 2), (sk.Plan(), 2), (sk.FitMemory(), None)):
        assert _cluster.shared_memory(plan, workers) is plan
