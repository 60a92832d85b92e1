"""Many pictures through one recipe: here, or by the workers of a cluster."""

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
"""Traces to keep: of two sizes with six levels each, such as of photographs across and upright."""

WIDEST = 6000
"""Sides of a contact sheet in pixels, about: of many pictures each is smaller."""

PICTURES = frozenset({"initial", "keep", "mask", "style_mask", "subject"})
"""Options that may suit one picture and not another."""

COLUMNS = 8
"""Most styles that have a column each on a contact sheet."""


@dataclasses.dataclass(frozen=True)
class Batch:
    """What became of a batch.

    Attributes
    ----------
    folder : pathlib.Path
        It has the pictures, the table ``batch.csv`` and the contact sheet ``sheet.jpg``.
    rows : list of Row
        One for each picture that was painted, was found finished, or failed, in the jobs' order.
    planned : int
        Number of jobs.
    found : int
        Pictures that were finished before.
    interrupted : bool
        Whether it was cut off; the same call goes on.
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
        told = f", {self.found} of them before" if self.found else ""
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

    Started again, pictures that were painted from the same files with the same options are left as
    they are, and one that was broken off goes on from its checkpoint, with the same result. A
    picture that fails is told in its row, and the others go on.

    Parameters
    ----------
    jobs : iterable of Job
        What is painted; see `stylekit.batch.jobs`. All outputs are in one folder, which is made if
        it is not there, and gets the table ``batch.csv`` with a row a picture. Rows of other
        pictures in an earlier table are kept.
    recipe : callable
        From a content and a style, which are paths, and options to a `Recipe`: one of
        `stylekit.recipes` or `stylekit.recipes.presets`, or your own. Default: `recipes.basic`.
    checkpoint_every : int
        Steps between the writings of a run's state, at least 1.
    bits : int
        8, or 16 for TIFF.
    metadata : bool
        Whether each picture takes over its content's alpha channel and EXIF data.
    sheet : bool
        Whether a contact sheet of all finished pictures, ``sheet.jpg``, is written at the end.
    on_picture : callable, optional
        Given the row of each picture that was painted or failed.
    progress : bool
        Whether a bar is shown.
    client : distributed.Client, optional
        Of a Dask cluster, whose workers paint, each one picture at a time. They see the files under
        the same paths, and have one thread each. Callbacks see the steps in the workers. Default:
        this process paints.
    **options
        Options of the recipe and of `Recipe.run` for all pictures, such as size, strength, steps
        and extractor. A job's own options go before.

    Returns
    -------
    Batch
        Also when it is interrupted (Ctrl-C, the notebook's stop button).

    Raises
    ------
    InputError, InputTypeError, FileError
        If an option is unknown, the first picture's run refuses an option that all have in common,
        or the folder cannot be written to or is in use by another batch.
    SetupError
        If a worker of the cluster cannot take part: its stylekit is another version, it does not
        see the folder, or it has several threads.

    Notes
    -----
    The network is loaded once. Runs of one picture size share a trace (`Reuse`), whatever their
    content, their style and their strength are. Hashes of the files, and all options, are in the
    manifest of each picture under ``"batch"``; what cannot be compared is code, such as your own
    loss.

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
    """Paint jobs in this process; yield each one's number and row."""
    for index, job in jobs.items():
        bar.begin(job)
        yield index, paint(job, work, [bar, *callbacks])


def _refuse(row: Row, shared: set[str], rows: Iterable[Row | None]) -> None:
    """Raise `InputError` if an option that all have in common is refused before any is painted."""
    first = not any(other and not other.error for other in rows)
    if first and row.argument in shared - PICTURES - row.job.options.keys():
        raise InputError(row.error, argument=row.argument)


def _checked(jobs: Iterable[Job]) -> list[Job]:
    jobs = list(jobs)
    for job in jobs:
        if not isinstance(job, Job):
            raise InputTypeError(
                explain(
                    "`jobs` holds something else than a Job",
                    expected="what stylekit.batch.jobs returns",
                    received=type(job).__name__,
                ),
                argument="jobs",
            )
    return jobs


def _check_names(
    jobs: list[Job], recipe: Callable[..., Recipe], options: Iterable[str]
) -> list[str]:
    """Return the names of all options of a recipe and of its run.

    Raise an error if an option of all pictures, or of one, has another.
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
    if inspect.Parameter.VAR_KEYWORD in kinds:  # the recipe itself refuses others
        known += {*options, *of_jobs} - RUN
    check_options("the batch", options, known)
    for name in of_jobs:
        if name not in known or name in SHARED:
            fail(
                f"the jobs have an option, or their table a column, of an unknown name {name!r}",
                expected=f"an option of {name_of(recipe)} or of Recipe.run",
                hint=did_you_mean(name, set(known) - SHARED),
                argument="jobs",
            )
    return known


@contextlib.contextmanager
def alone(hidden: Path, lock: str, owner: str, argument: str = "folder") -> Iterator[None]:
    """Keep others out of what is written; in the end, remove what has nothing in it.

    Parameters
    ----------
    hidden : pathlib.Path
        A folder for what is not finished, which is made.
    lock : str
        Name of a file in it.
    owner : str
        What the error says, such as "the folder a is in use by another batch".
    argument : str
        What named the place that is written to.

    Raises
    ------
    FileError
        If another process, or run of this one, has the lock, or the folder cannot be made.
    """
    with contextlib.ExitStack() as held:
        try:
            hidden.mkdir(exist_ok=True)
            held.enter_context(locked(hidden / lock))
        except BlockingIOError as error:
            hint = "wait until that has ended, or write to another place"
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
    """Write a contact sheet of the pictures of jobs; a row has a content's, if it can."""
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
    except StylekitError as error:  # the pictures are there all the same
        warnings.warn(f"The contact sheet was not written: {error}", stacklevel=3)


class _Progress(Callback):
    """A bar over pictures, and what is being painted beside it."""

    def __init__(self, total: int, found: int, shown: bool) -> None:
        bar = {"unit": "picture", "disable": not shown, "miniters": 0}  # it moves between pictures
        self._bar = tqdm(total=total, initial=found, **bar)
        self._name = ""

    def begin(self, job: Job) -> None:
        """Tell of a picture that begins."""
        self._name = job.output.name
        self._bar.set_postfix_str(self._name)

    def __call__(self, step: Step) -> None:
        """Tell of a step."""
        self._bar.set_postfix_str(f"{self._name}, step {step.index} of {step.steps}", refresh=False)
        self._bar.update(0)

    def end(self) -> None:
        """Tell of a picture that is written, or has failed."""
        self._bar.update()

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()
