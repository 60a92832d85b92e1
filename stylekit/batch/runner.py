"""Runs a batch, in this process or on the workers of a cluster."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import math
import shutil
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylekit._checks import (
    FileError,
    InputError,
    InputTypeError,
    StylekitError,
    check_options,
    did_you_mean,
    explain,
    fail,
    integer,
    name_of,
    unwritable,
)
from stylekit._defaults import BATCH_SHEET, BATCH_TABLE, PREVIEW_SIZE
from stylekit.batch.listing import Job, prepared
from stylekit.batch.table import Table
from stylekit.batch.work import HIDDEN, LOCK, SHARED, Row, Work, finished, paint
from stylekit.image import contact_sheet, read_image, write_image
from stylekit.recipes import Recipe, basic
from stylekit.recipes.recipe import RUN
from stylekit.transfer import Plan, Reuse, Step
from stylekit.transfer.callbacks import Callback, as_callbacks, tqdm
from stylekit.transfer.lock import locked
from stylekit.transfer.style_transfer import as_extractor

if TYPE_CHECKING:
    from distributed import Client

KEPT = 12
"""Maximum number of traces to keep. It is sufficient for pictures of two sizes, such as landscape
and portrait, with six levels each."""

WIDEST = 6000
"""Approximate largest side of a contact sheet in pixels."""

PICTURES = frozenset({"initial", "keep", "mask", "style_mask", "subject"})
"""Options that may be invalid for one picture and valid for others."""

COLUMNS = 8
"""Maximum number of styles for which a contact sheet has one column per style."""


@dataclasses.dataclass(frozen=True)
class Batch:
    """The outcome of a batch.

    Attributes
    ----------
    folder : pathlib.Path
        The folder with the pictures, the table ``batch.csv`` and the contact sheet ``sheet.jpg``.
    rows : list of Row
        One row for each picture that was painted, was already finished, or failed, in the order of
        the jobs.
    planned : int
        Number of jobs.
    found : int
        Number of pictures that were already finished.
    interrupted : bool
        Whether the batch was interrupted. Calling `run` with the same arguments continues it.
    """

    folder: Path
    rows: list[Row]
    planned: int
    found: int
    interrupted: bool

    @property
    def failed(self) -> list[Row]:
        """The rows of the pictures that failed."""
        return [row for row in self.rows if row.error]

    def __repr__(self) -> str:
        told = f", {self.found} of them in an earlier run" if self.found else ""
        told += f", {len(self.failed)} failed" if self.failed else ""
        told += ", interrupted" if self.interrupted else ""
        done = len(self.rows) - len(self.failed)
        return f"Batch({str(self.folder)!r}: {done} of {self.planned} pictures{told})"


def run(
    jobs: Iterable[Job],
    *,
    recipe: Callable[..., Recipe] = basic,
    checkpoint_every: int = 20,
    bits: int = 8,
    metadata: bool = True,
    sheet: bool = True,
    on_picture: Callable[[Row], Any] | None = None,
    progress: bool = True,
    client: Client | None = None,
    **options: Any,
) -> Batch:
    """Paint many pictures, one after the other, and write each when it is finished.

    If the function is called again, finished pictures are kept if their files and options have not
    changed. A picture that was interrupted continues from its checkpoint, with the same result. If
    a picture fails, the batch continues, and the row of the picture has the reason.

    Parameters
    ----------
    jobs : iterable of Job
        The pictures to paint; see `stylekit.batch.jobs`. All outputs must be in one folder. It is
        created if necessary, and also receives the table ``batch.csv``. Rows of other pictures in
        an earlier table are kept.
    recipe : callable
        A function ``(content, style, **options) -> Recipe``, such as one of `stylekit.recipes` or
        `stylekit.recipes.presets`. Content and style are paths. If `tile` is given and the function
        has a parameter ``size``, the content is an array whose sides are valid for `tile`, and
        ``size`` is None. Default: `recipes.basic`.
    checkpoint_every : int
        Number of steps between writes of the checkpoint, at least 1.
    bits : int
        8, or 16 for TIFF.
    metadata : bool
        Whether each picture gets its content's alpha channel and EXIF data.
    sheet : bool
        Whether a contact sheet of all finished pictures, ``sheet.jpg``, is written at the end.
    on_picture : callable, optional
        Called with the row of each picture that was painted or failed.
    progress : bool
        Whether a progress bar is shown.
    client : distributed.Client, optional
        Client of a Dask cluster whose workers paint one picture at a time each. Each worker must
        have one thread, and find the files under the same paths as this process. Callbacks run in
        the workers. By default, pictures are painted in this process.
    **options
        Options of the recipe and of `Recipe.run` for all pictures, such as size, strength, steps
        and extractor. The options of a job take precedence.

    Returns
    -------
    Batch
        The outcome, which is also returned if the batch is interrupted (Ctrl-C, or the stop button
        of a notebook).

    Raises
    ------
    InputError, InputTypeError, FileError
        If an option is unknown, the first picture shows that a shared option is invalid, or the
        folder cannot be written to or is in use by another batch.
    SetupError
        If a worker of the cluster has another version of stylekit, does not see the folder, or has
        several threads.

    Notes
    -----
    The network is loaded once. Runs of the same picture size share a trace (`Reuse`), even if
    contents, styles and strengths differ. The manifest of each picture has the hashes of the files
    and all options under ``"batch"``. Changes of code, such as the code of a custom loss, are not
    detected.

    Examples
    --------
    >>> import stylekit as sk
    >>> todo = sk.batch.jobs("photos", "starry.jpg", "painted")  # doctest: +SKIP
    >>> sk.batch.run(todo, size=512, strength=0.6)  # doctest: +SKIP
    """
    jobs = _checked(jobs)
    known = _check_names(jobs, recipe, options)
    folder = prepared(jobs, bits)
    callbacks = as_callbacks(options.pop("callbacks", ()))
    plan = options.pop("plan", None) or Plan()
    extractor = options.pop("extractor", None)
    work = Work(
        recipe,
        None if extractor is None else as_extractor(extractor),
        plan if isinstance(plan, Reuse) else Reuse(plan, most=KEPT),
        options,
        integer(checkpoint_every, "checkpoint_every", low=1),
        bits,
        bool(metadata),
    )
    rows: list[Row | None] = [None] * len(jobs)
    found, interrupted = 0, False
    with alone(folder / HIDDEN, LOCK, f"the folder {folder} is in use by another batch"):
        table = Table(folder / BATCH_TABLE, [job.output.name for job in jobs])
        try:
            for index, job in enumerate(jobs):
                if row := finished(job, work):
                    rows[index] = row
                    found += 1
                    shutil.rmtree(folder / HIDDEN / job.output.name, ignore_errors=True)
            left = {index: job for index, job in enumerate(jobs) if rows[index] is None}
            with contextlib.ExitStack() as held:
                bar = held.enter_context(_Progress(len(jobs), found, progress))
                if client is None:
                    painted = _painted(left, work, callbacks, bar)
                else:
                    from stylekit.batch import cluster  # Dask is an extra

                    painted = cluster.painted(client, left, work, callbacks, folder)
                for index, row in held.enter_context(contextlib.closing(painted)):
                    rows[index] = row
                    _refuse(row, {*known, "recipe", "weights"}, rows)
                    table.write(filter(None, rows))
                    bar.end()
                    if on_picture is not None:
                        on_picture(row)
        except KeyboardInterrupt:
            interrupted = True
        table.write(filter(None, rows))
        if sheet and not interrupted:
            _write_sheet(folder / BATCH_SHEET, [row.job for row in rows if row and not row.error])
    return Batch(folder, [*filter(None, rows)], len(jobs), found, interrupted)


def _painted(
    jobs: dict[int, Job], work: Work, callbacks: list[Callback], bar: _Progress
) -> Generator[tuple[int, Row]]:
    """Paint jobs in this process; yield each job's number and row."""
    for index, job in jobs.items():
        bar.begin(job)
        yield index, paint(job, work, [bar, *callbacks])


def _refuse(row: Row, shared: set[str], rows: Iterable[Row | None]) -> None:
    """Raise `InputError` if a shared option is invalid and no picture has been painted yet."""
    first = not any(other and not other.error for other in rows)
    if first and row.argument in shared - PICTURES - row.job.options.keys():
        raise InputError(row.error, argument=row.argument)


def _checked(jobs: Iterable[Job]) -> list[Job]:
    jobs = list(jobs)
    for job in jobs:
        if not isinstance(job, Job):
            raise InputTypeError(
                explain(
                    "`jobs` must be an iterable of Job",
                    expected="what stylekit.batch.jobs returns",
                    received=type(job).__name__,
                ),
                argument="jobs",
            )
    return jobs


def _check_names(
    jobs: list[Job], recipe: Callable[..., Recipe], options: Iterable[str]
) -> list[str]:
    """Return the names of all options of a recipe and of `Recipe.run`.

    Raise an error if the recipe cannot be used, or an option has none of these names.
    """
    own = list(inspect.signature(recipe).parameters.values()) if callable(recipe) else []
    kinds = {one.kind for one in own}
    named = [one for one in own if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    pictures = [one.name for one in named if one.kind is not one.KEYWORD_ONLY][:2]
    names = [one.name for one in named if one.name not in pictures]
    known = [*names, *sorted(RUN - {"checkpoint"})]
    of_jobs = dict.fromkeys(name for job in jobs for name in job.options)
    required = [one.name for one in named if one.default is one.empty]
    missing = set(required) - {*pictures, *options, *of_jobs}
    if missing or (len(pictures) < 2 and inspect.Parameter.VAR_POSITIONAL not in kinds):
        told = f"{name_of(recipe)}, which takes {', '.join(required)}"
        raise InputTypeError(
            explain(
                "the recipe cannot be used",
                expected="a function from a content and a style to a Recipe",
                received=told if required else repr(recipe),
            ),
            argument="recipe",
        )
    if inspect.Parameter.VAR_KEYWORD in kinds:  # the recipe itself checks the names
        known += {*options, *of_jobs} - RUN
    check_options("the batch", options, known)
    for name in of_jobs:
        if name not in known or name in SHARED:
            fail(
                f"unknown job option or table column {name!r}",
                expected=f"an option of {name_of(recipe)} or of Recipe.run",
                hint=did_you_mean(name, set(known) - SHARED),
                argument="jobs",
            )
    return known


@contextlib.contextmanager
def alone(hidden: Path, lock: str, owner: str, argument: str = "folder") -> Iterator[None]:
    """Hold a lock in a hidden folder, and remove the folder in the end if it is empty.

    The operating system releases the lock when the process ends, even if it is killed.

    Parameters
    ----------
    hidden : pathlib.Path
        A folder for unfinished files, which is created.
    lock : str
        Name of the file in `hidden` that is locked.
    owner : str
        Message of the error that is raised if the lock is held, such as "the folder a is in use by
        another batch".
    argument : str
        Name of the argument that contains the output path, for `error.argument`.

    Raises
    ------
    FileError
        If the lock is held by another process or another call, or the folder cannot be created.
    """
    with contextlib.ExitStack() as held:
        try:
            hidden.mkdir(exist_ok=True)
            held.enter_context(locked(hidden / lock))
        except BlockingIOError as error:
            hint = "wait until it has ended, or choose another output"
            raise FileError(explain(owner, hint=hint), argument=argument) from error
        except OSError as error:
            raise unwritable(f"the folder {hidden}", hidden, error, argument) from error
        try:
            yield
        finally:
            held.close()
            for path in (*sorted(hidden.rglob("*"), reverse=True), hidden):
                with contextlib.suppress(OSError):  # a file, or a folder that is not empty
                    path.rmdir()


def _write_sheet(path: Path, jobs: list[Job]) -> None:
    """Write a contact sheet of the pictures of jobs, with one row per content if possible."""
    if not jobs:
        return
    styles = list(dict.fromkeys(job.style for job in jobs))
    times, left = divmod(len(jobs), len(styles))
    grid = 1 < len(styles) <= COLUMNS and not left
    columns = math.ceil(math.sqrt(len(jobs)))
    if grid and [job.style for job in jobs] == styles * times:
        columns = len(styles)
    size = min(PREVIEW_SIZE, max(16, WIDEST // max(columns, math.ceil(len(jobs) / columns))))
    try:
        pictures = [read_image(job.output, size) for job in jobs]
        names = [job.output.stem for job in jobs]
        write_image(path, contact_sheet(pictures, names, columns, size=size))
    except StylekitError as error:  # the pictures themselves are written
        warnings.warn(f"The contact sheet was not written: {error}", stacklevel=3)


class _Progress(Callback):
    """A progress bar over pictures that shows the step of the current picture."""

    def __init__(self, total: int, found: int, shown: bool) -> None:
        bar = {"unit": "picture", "disable": not shown, "miniters": 0}  # redraw at every step
        self._bar = tqdm(total=total, initial=found, **bar)
        self._name = ""

    def begin(self, job: Job) -> None:
        """Show the name of the picture that begins."""
        self._name = job.output.name
        self._bar.set_postfix_str(self._name)

    def __call__(self, step: Step) -> None:
        """Show a step."""
        self._bar.set_postfix_str(f"{self._name}, step {step.index} of {step.steps}", refresh=False)
        self._bar.update(0)

    def end(self) -> None:
        """Count a picture that was written or has failed."""
        self._bar.update()

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()
