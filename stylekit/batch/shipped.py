"""Functions that the workers of a Dask cluster hold, and the checks of these workers."""

from __future__ import annotations

import pickle
import pkgutil
import threading
import uuid
from collections.abc import Callable
from typing import Any

from distributed import Client, KilledWorker, Worker, WorkerPlugin, get_worker

from stylekit._checks import InputTypeError, SetupError, StylekitError, explain
from stylekit._version import __version__


class Shipped(WorkerPlugin):
    """A function that every worker of a cluster holds, including workers that join later.

    Parameters
    ----------
    function : callable
        The function, which is called for one task at a time, and may keep state between tasks.
    name : str, optional
        The plugin's name on the cluster. A plugin of the same name replaces this one. Default: a
        unique name.
    """

    def __init__(self, function: Callable[..., Any], name: str = "") -> None:
        self.function = function
        self.name = f"stylekit {name or uuid.uuid4().hex}"
        self.version = __version__
        self.problem: SetupError | None = None

    def setup(self, worker: Worker) -> None:
        """Check a worker. Dask calls this method when the function arrives at the worker.

        Raises
        ------
        SetupError
            If the worker cannot be used. Each later task on this worker also raises the error.
        """
        self._alone = threading.Lock()
        try:
            self.check(worker)
        except SetupError as error:
            self.problem = error
            raise

    def check(self, worker: Worker) -> None:
        """Raise `SetupError` if the worker has another version of stylekit, or several threads."""
        if self.version != __version__:
            raise _other_version(worker.address, __version__, self.version)
        if worker.state.nthreads != 1:
            raise SetupError(
                explain(
                    f"the Dask worker {worker.address} would run several tasks at once",
                    expected="one thread per worker",
                    received=f"{worker.state.nthreads} threads",
                    hint="start it with --nthreads 1, or a local Client with "
                    "threads_per_worker=1: TensorFlow uses all CPU cores for one picture",
                ),
                argument="client",
            )

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Run a task."""
        if self.problem:
            raise self.problem
        with self._alone:
            return self.function(*args, **options)


def run(name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Run a task in a worker."""
    shipped: Any = get_worker().plugins.get(name)
    if shipped is None:
        raise replaced()
    return shipped(*args, **options)


def outcome(task: Any) -> Any:
    """Return the result of a task, a Dask future that has ended.

    Raises
    ------
    SetupError
        If a worker cannot be used, or the cluster is lost.
    StylekitError
        If several workers died while they ran the task.
    """
    try:
        return task.result()
    except KilledWorker as error:
        raise StylekitError(
            explain(
                f"{error.allowed_failures + 1} workers died while they ran this task",
                hint="read what the last worker printed, and check whether memory ran out. Run the "
                "same call again to retry the task",
            ),
            argument="client",
        ) from error
    except SetupError:
        raise
    except Exception as error:  # the cluster is lost, or a worker cannot unpickle the task
        raise failed(error) from error


def register(client: Client, shipped: Shipped) -> None:
    """Send a function to each worker, including workers that join later."""
    try:
        client.register_plugin(shipped, name=shipped.name)
    except (TypeError, AttributeError, ImportError, pickle.PicklingError) as error:
        raise InputTypeError(
            explain(
                f"the recipe, the network, a callback or an option cannot be sent to the workers "
                f"({error})",
                expected="objects that can be pickled",
                hint="define them in a module that the workers can also import",
            ),
            argument="client",
        ) from error


def failed(error: Exception) -> SetupError:
    """Return the error for a cluster that is lost, or has failed in another way."""
    return SetupError(
        explain(
            f"the cluster failed ({type(error).__name__}: {error})",
            hint="read what its scheduler and workers print. Run the same call again",
        ),
        argument="client",
    )


def replaced() -> SetupError:
    """Return the error of a batch that was stopped by another batch."""
    return SetupError(
        explain(
            "another batch in the same folder has stopped this one", hint="wait until it has ended"
        ),
        argument="client",
    )


def check_client(client: Any) -> None:
    """Raise an error if `client` is not a Dask client, or a worker cannot be used.

    Raises
    ------
    InputTypeError
        If `client` is not a Dask client.
    SetupError
        If there are no workers, or a worker has another version of stylekit.
    """
    if not isinstance(client, Client):
        raise InputTypeError(
            explain(
                "`client` is not a Dask client",
                expected="a distributed.Client",
                received=type(client).__name__,
            ),
            argument="client",
        )
    # The function is in the standard library, so it also runs in a worker without stylekit.
    place = "stylekit._version:__version__"
    versions = client.run(pkgutil.resolve_name, place, on_error="return")
    if not versions:
        raise SetupError(
            explain("the cluster has no workers", hint="start some with: dask worker ADDRESS"),
            argument="client",
        )
    for address, version in versions.items():
        if version != __version__:
            raise _other_version(address, version, __version__)


def _other_version(address: str, version: Any, own: str) -> SetupError:
    if isinstance(version, Exception):
        version = f"none that can be imported ({version})"
    return SetupError(
        explain(
            f"the Dask worker {address} has another version of stylekit",
            expected=f"version {own}, as here",
            received=version,
            hint=f"run pip install 'stylekit-nst[batch]=={own}' in the worker's environment, and "
            "start it again",
        ),
        argument="client",
    )
