"""The workers of a batch: processes on this machine, or a Dask cluster."""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stylekit._checks import InputError, SetupError, explain
from stylekit.cli._app import load_tensorflow, tell


def check_cluster(address: str | None, workers: int | None) -> None:
    """Raise an error for both ``--dask`` and ``--workers``, or for either without Dask."""
    if address and workers:
        raise InputError(
            explain(
                "--dask and --workers cannot be combined",
                expected="one of them",
                hint="start the workers of a scheduler with: dask worker",
            )
        )
    if (address or workers) and importlib.util.find_spec("distributed") is None:
        raise SetupError(
            explain(
                "several workers need Dask, which is not installed",
                hint="run pip install 'stylekit-nst[batch]'",
            )
        )


@contextmanager
def connected(address: str | None, workers: int | None) -> Iterator[Any]:
    """Yield a Dask client of the scheduler at `address` or of new local workers, or None.

    The client is None if neither `address` nor `workers` is given. Local workers share the CPUs of
    this machine. Dask's memory limit is turned off for local workers, because Dask would pause or
    kill a worker that reaches the limit.

    Raises
    ------
    InputError
        If the scheduler does not answer.
    """
    if not address and not workers:
        yield None
        return
    from distributed import Client, LocalCluster

    if address:
        try:
            client = Client(address)
        except (OSError, ValueError) as error:
            raise InputError(
                explain(
                    f"--dask {address} cannot be reached ({error})",
                    expected="the address that dask scheduler prints, such as tcp://host:8786",
                )
            ) from error
        with client:
            yield client
        return
    threads = str(max(1, processors() // (workers or 1)))
    # TensorFlow reads these when it starts. Without them, each worker would use all CPUs.
    env = dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"), threads)
    how: dict[str, Any] = {
        "n_workers": workers,
        "threads_per_worker": 1,
        "memory_limit": 0,
        "env": env,
    }
    how |= {"dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}
    with LocalCluster(**how, preload=__name__) as here, Client(here) as own:
        yield own


@contextmanager
def executor(address: str | None, workers: int | None) -> Iterator[Any]:
    """Yield an executor on the client of `connected`, or None without a client.

    Tasks that have not finished at the end of the block are cancelled.
    """
    with connected(address, workers) as client:
        if client is None:
            yield None
            return
        from stylekit.batch import ClusterExecutor

        made = ClusterExecutor(client)
        try:
            yield made
        finally:
            made.shutdown(wait=False, cancel_futures=True)


def dask_setup(worker: Any) -> None:
    """Set up a local worker of `connected`. Dask requires this function name.

    Ctrl-C is sent to all processes of a terminal. Workers ignore it, and the command ends the batch
    after the workers' current steps.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.showwarning = tell
    load_tensorflow()


def processors() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def shared_memory(plan: Any, workers: int | None) -> Any:
    """Return `plan`; without a memory limit, limit it to one worker's share of the free memory."""
    from stylekit.transfer import FitMemory
    from stylekit.transfer.memory.fit import SHARE, free_memory

    if workers and isinstance(plan, FitMemory) and plan.limit is None and (free := free_memory()):
        return dataclasses.replace(plan, limit=int(SHARE * free / workers))
    return plan
