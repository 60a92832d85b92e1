"""Runs functions on a Dask cluster, one task per worker at a time."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures import wait as _wait
from typing import TYPE_CHECKING, Any

from stylekit._checks import SetupError, StylekitError, explain

if TYPE_CHECKING:
    from distributed import Client


class ClusterExecutor(Executor):
    """Runs functions on the workers of a Dask cluster.

    It differs from ``client.get_executor()`` in three ways. A function is sent to each worker once
    and keeps its state there from task to task, such as a network and its traces. Each worker has
    one task at a time, so Dask seldom counts the death of a worker against a task that it was not
    running. Every worker is checked before its first task.

    Parameters
    ----------
    client : distributed.Client
        Client of a cluster whose workers have one thread each and the same version of stylekit.

    Raises
    ------
    InputTypeError
        If `client` is not a Dask client.
    SetupError
        If Dask is not installed, there are no workers, or one has another version of stylekit.

    Examples
    --------
    >>> import distributed
    >>> import stylekit as sk
    >>> client = distributed.Client(n_workers=2, threads_per_worker=1)  # doctest: +SKIP
    >>> with sk.batch.ClusterExecutor(client) as executor:  # doctest: +SKIP
    ...     sk.sweep("photo.jpg", "starry.jpg", {"strength": [0.3, 0.6]}, executor=executor)
    """

    def __init__(self, client: Client) -> None:
        try:
            from stylekit.batch import shipped  # Dask is an extra
        except ImportError as error:
            raise SetupError(
                explain(
                    "a ClusterExecutor needs Dask, which is not installed",
                    hint="run pip install 'stylekit-nst[batch]'",
                ),
                argument="client",
            ) from error
        shipped.check_client(client)
        self._dask = shipped
        self._client = client
        self._shipped: dict[Callable[..., Any], Any] = {}
        self._waiting: deque[tuple[Future, tuple[Any, ...]]] = deque()
        self._running: dict[Any, Future] = {}
        self._closed = False
        self._lock = threading.Lock()

    def submit(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Future:
        """Return the future of ``function(*args, **options)``, which a worker computes.

        Parameters
        ----------
        function : callable
            The function to run, which is sent to each worker once.
        *args, **options
            Arguments of the function, which are sent with the task.

        Returns
        -------
        concurrent.futures.Future
            The future. If a worker cannot be used or the cluster is lost, its exception is a
            `SetupError`. If several workers died while they ran the task, it is a plain
            `StylekitError`.

        Raises
        ------
        InputTypeError
            If the function cannot be pickled.
        SetupError
            If a worker cannot be used.
        """
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if function not in self._shipped:
            kind = self._dask.Shipped
            shipped = function if isinstance(function, kind) else kind(function)
            self._shipped[function] = shipped  # before it is sent, so that `shutdown` removes it
            self._dask.register(self._client, shipped)
        future: Future = Future()
        self._waiting.append((future, (self._shipped[function].name, args, options)))
        self._fill()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more tasks, and remove the functions from the workers.

        Parameters
        ----------
        wait : bool
            Whether to wait for the tasks first.
        cancel_futures : bool
            Whether to cancel the tasks first, including those that have begun.
        """
        with self._lock:
            self._closed = True
            waiting, running = [future for future, _ in self._waiting], dict(self._running)
        if cancel_futures:
            for future in waiting:
                future.cancel()
            self._client.cancel(list(running))
        if wait:
            _wait([*waiting, *running.values()])
        for shipped in self._shipped.values():
            with contextlib.suppress(ValueError, OSError):  # refused, or the cluster is lost
                self._client.unregister_worker_plugin(shipped.name)
        self._shipped.clear()

    def _fill(self) -> None:
        """Send a task to each worker that is free."""
        with self._lock:
            try:
                free = max(1, len(self._client.nthreads())) - len(self._running)
                while self._waiting and free > 0:
                    future, args = self._waiting.popleft()
                    if future.set_running_or_notify_cancel():
                        task = self._client.submit(self._dask.run, *args, pure=False)
                        self._running[task] = future
                        task.add_done_callback(self._end)
                        free -= 1
            except Exception as error:  # the cluster is lost: no waiting task can run
                while self._waiting:
                    future, _ = self._waiting.popleft()
                    if future.set_running_or_notify_cancel():
                        future.set_exception(self._dask.failed(error))

    def _end(self, task: Any) -> None:
        """Send the next task to a worker, and set the outcome of the worker's last task."""
        with self._lock:
            future = self._running.pop(task)
        self._fill()
        try:
            future.set_result(self._dask.outcome(task))
        except StylekitError as error:
            future.set_exception(error)
