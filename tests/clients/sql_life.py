"""The connector: statements that run on their own, and their end before their time."""

import threading
import time

from databricks.sql import exc

from harness import case, contains, equal, raises, wait_until
from sql_rows import DIGITS, MANY_ROWS, MANY, digest, expected_digest

#: Ten thousand million rows to count one by one: no machine is done with it before a case is.
LONG = f"""{DIGITS} SELECT sum(a.n * b.n + c.n * d.n + e.n * f.n + g.n * h.n + i.n * j.n) AS total
    FROM d a, d b, d c, d d, d e, d f, d g, d h, d i, d j"""


@case("sea", "kernel")
def execute_async_and_poll(ws):
    """execute_async, is_query_pending, get_async_execution_result"""
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute_async(MANY_ROWS)
        wait_until(lambda: not cursor.is_query_pending())
        equal(cursor.get_query_state().name, "SUCCEEDED")
        cursor.get_async_execution_result()
        table = cursor.fetchall_arrow()
    equal(table.num_rows, MANY)
    equal(digest(zip(*(column.to_pylist() for column in table.columns))), expected_digest())


@case("sea", "kernel")
def an_async_statement_that_fails(ws):
    """execute_async of a statement that fails: get_async_execution_result raises; the kernel gives its error"""
    with ws.connect() as connection, connection.cursor() as cursor:

        def run():
            cursor.execute_async("SELECT 1/0")
            cursor.get_async_execution_result()

        contains(raises(exc.Error, run), "DIVIDE_BY_ZERO" if ws.client == "kernel" else "FAILED")


@case("sea", "kernel")
def cancel_ends_a_running_statement(ws):
    """cursor.cancel() from another thread ends execute() within seconds; the session goes on"""
    with ws.connect() as connection, connection.cursor() as cursor:
        outcome = []

        def execute():
            try:
                cursor.execute(LONG)
                outcome.append(cursor.fetchall())
            except exc.Error as error:
                outcome.append(error)

        thread = threading.Thread(target=execute, daemon=True)
        thread.start()
        # Either backend knows the statement's id only once the first answer is there, 10 seconds after the start.
        end = time.monotonic() + 60
        while thread.is_alive() and time.monotonic() < end:
            try:
                cursor.cancel()
            except exc.Error:
                pass
            thread.join(0.5)
        equal(thread.is_alive(), False)
        if not isinstance(outcome[0], exc.Error):
            raise AssertionError(f"expected an error of the cancelled statement, found {outcome[0]!r}")
        with connection.cursor() as other:
            other.execute("SELECT 'alive'")
            equal(other.fetchone()[0], "alive")


@case("sea", "kernel")
def cancel_of_an_async_statement(ws):
    """execute_async, cancel: the state becomes CANCELLED"""
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute_async(LONG)
        equal(cursor.is_query_pending(), True)
        cursor.cancel()
        wait_until(lambda: cursor.get_query_state().name == "CANCELLED")


@case("sea", "kernel")
def a_cursor_is_used_again(ws):
    """a second execute() on a cursor drops the first result, also one half read"""
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute(MANY_ROWS)
        equal(cursor.fetchone().id, 0)
        cursor.execute("SELECT 'second' AS s")
        equal([row.s for row in cursor.fetchall()], ["second"])
