"""Doing things at the same time: reading ahead, writing behind. Both bounded."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

_END: Final = object()


@contextmanager
def read_ahead(items: Iterable[T], most: int) -> Iterator[Iterator[T]]:
    """Yield an iterator of the same items, which are made ahead, in a thread.

    Parameters
    ----------
    items : iterable
        Used by that thread alone until the block ends. What it raises is raised where
        the next item was expected.
    most : int
        Items that may wait; the thread makes no more of them.
    """
    waiting: queue.Queue[object] = queue.Queue(most)
    is_over = threading.Event()
    failures: list[BaseException] = []

    def make() -> None:
        try:
            for item in items:
                waiting.put(item)
                if is_over.is_set():
                    return
        except BaseException as error:
            failures.append(error)
        finally:
            if hasattr(items, "close"):
                items.close()
        waiting.put(_END)

    def take() -> Iterator[T]:
        while (item := waiting.get()) is not _END:
            yield item  # type: ignore[misc]
        if failures:
            raise failures[0]

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        yield take()
    finally:
        is_over.set()
        while thread.is_alive():  # it may wait for room
            while not waiting.empty():
                waiting.get_nowait()
            thread.join(0.01)


@contextmanager
def write_behind(
    write: Callable[P, object], threads: int
) -> Iterator[Callable[P, None]]:
    """Yield a function that lets `write` be called in another thread.

    It waits while all threads are busy. What a call raises is raised by one of the next
    ones, or at the end of the block, which waits for all.
    """
    pending: deque[Future[object]] = deque()

    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        while pending and (len(pending) >= threads or pending[0].done()):
            pending.popleft().result()
        pending.append(pool.submit(write, *args, **kwargs))

    with ThreadPoolExecutor(threads) as pool:
        yield call
        for future in pending:
            future.result()
