"""databricks-sdk: the Statement Execution API."""

from concurrent.futures import ThreadPoolExecutor

import requests
from databricks.sdk.errors import InvalidParameterValue, NotFound
from databricks.sdk.service.sql import (
    Disposition,
    ExecuteStatementRequestOnWaitTimeout,
    Format,
    StatementParameterListItem,
    StatementState,
)

from harness import case, contains, equal, raises, wait_until
from sql_life import LONG
from sql_rows import MANY, MANY_ROWS, digest, expected_digest


def run(ws, statement, **options):
    return ws.sdk().statement_execution.execute_statement(statement, ws.warehouse, **options)


@case("sdk")
def inline_rows(ws):
    """INLINE: rows as text, NULL as None, types in the manifest"""
    answer = run(ws, "SELECT 1 AS n, 'é' AS s, CAST(NULL AS INT) AS none, 1.50BD AS d, true AS b, DATE'2024-02-29' AS day")
    equal(answer.status.state, StatementState.SUCCEEDED)
    equal(answer.result.data_array, [["1", "é", None, "1.50", "true", "2024-02-29"]])
    columns = [(c.name, c.type_name.value, c.type_text) for c in answer.manifest.schema.columns]
    equal(columns[:2] + columns[3:4], [("n", "INT", "INT"), ("s", "STRING", "STRING"), ("d", "DECIMAL", "DECIMAL(3,2)")])


@case("sdk")
def inline_chunks(ws):
    """INLINE of more than one chunk: get_statement_result_chunk_n along next_chunk_index"""
    client = ws.sdk().statement_execution
    answer = client.execute_statement(MANY_ROWS, ws.warehouse, wait_timeout="50s")
    rows, part = list(answer.result.data_array), answer.result
    while part.next_chunk_index is not None:
        part = client.get_statement_result_chunk_n(answer.statement_id, part.next_chunk_index)
        rows.extend(part.data_array)
    equal(len(rows), MANY)
    typed = ((int(n), s, None if half is None else float(half)) for n, s, half in rows)
    equal(digest(typed), expected_digest())


@case("sdk")
def external_links_of_several_chunks(ws):
    """EXTERNAL_LINKS, ARROW_STREAM: several chunks, each downloaded without a token; equal by checksum"""
    import pyarrow

    client = ws.sdk().statement_execution
    answer = client.execute_statement(
        MANY_ROWS, ws.warehouse, disposition=Disposition.EXTERNAL_LINKS, format=Format.ARROW_STREAM, wait_timeout="50s"
    )
    equal(answer.manifest.total_chunk_count > 1, True)
    equal((answer.manifest.total_row_count, answer.manifest.truncated), (MANY, False))
    rows = []
    for chunk in range(answer.manifest.total_chunk_count):
        (link,) = client.get_statement_result_chunk_n(answer.statement_id, chunk).external_links
        equal((link.chunk_index, link.row_offset), (chunk, len(rows)))
        got = requests.get(link.external_link, headers=link.http_headers or {}, timeout=60)
        equal(got.status_code, 200)
        table = pyarrow.ipc.open_stream(got.content).read_all()
        equal(table.num_rows, link.row_count)
        rows.extend(zip(*(column.to_pylist() for column in table.columns)))
    equal(digest(rows), expected_digest())


@case("sdk")
def links_refuse_a_token(ws):
    """a download with an Authorization header is refused by the storage origin"""
    answer = run(ws, "SELECT 1 AS n", disposition=Disposition.EXTERNAL_LINKS, format=Format.ARROW_STREAM)
    link = answer.result.external_links[0].external_link
    refused = requests.get(link, headers={"Authorization": f"Bearer {ws.token}"}, timeout=60)
    equal(400 <= refused.status_code < 500, True)


#: Text with everything that CSV quotes.
QUOTED = "SELECT * FROM VALUES (1, 'a,\"b'), (2, NULL) AS t(n, s) ORDER BY n"


@case("sdk")
def external_json(ws):
    """EXTERNAL_LINKS with JSON_ARRAY: rows as text, NULL as null"""
    answer = run(ws, QUOTED, disposition=Disposition.EXTERNAL_LINKS, format=Format.JSON_ARRAY)
    got = requests.get(answer.result.external_links[0].external_link, timeout=60).json()
    equal(got, [["1", 'a,"b'], ["2", None]])


@case("sdk")
def external_csv(ws):
    """EXTERNAL_LINKS with CSV: a header, quoted text"""
    answer = run(ws, QUOTED, disposition=Disposition.EXTERNAL_LINKS, format=Format.CSV)
    got = requests.get(answer.result.external_links[0].external_link, timeout=60).text
    contains(got, "n,s", '"a,""b"')


@case("sdk")
def parameters(ws):
    """named parameters with types, NULL as no value"""
    values = [("n", "INT", "41"), ("d", "DECIMAL(5,2)", "1.5"), ("day", "DATE", "2024-02-29"), ("none", "STRING", None)]
    items = [StatementParameterListItem(name=name, type=kind, value=value) for name, kind, value in values]
    answer = run(ws, "SELECT :n + 1, :d, :day, :none", parameters=items)
    equal(answer.result.data_array, [["42", "1.50", "2024-02-29", None]])


@case("sdk")
def a_row_limit_truncates(ws):
    """row_limit=10: ten rows, truncated in the manifest"""
    answer = run(ws, MANY_ROWS, row_limit=10, wait_timeout="50s")
    equal((len(answer.result.data_array), answer.manifest.truncated), (10, True))
    equal([row[0] for row in answer.result.data_array], [str(n) for n in range(10)])


@case("sdk")
def no_wait_and_poll(ws):
    """wait_timeout=0s: the answer comes at once, get_statement leads to the rows"""
    client = ws.sdk().statement_execution
    answer = client.execute_statement(MANY_ROWS, ws.warehouse, wait_timeout="0s")
    equal(answer.status.state in (StatementState.PENDING, StatementState.RUNNING), True)
    equal(answer.result, None)
    over = (StatementState.SUCCEEDED, StatementState.FAILED)
    wait_until(lambda: client.get_statement(answer.statement_id).status.state in over, seconds=60)
    found = client.get_statement(answer.statement_id)
    equal((found.status.state, found.manifest.total_row_count), (StatementState.SUCCEEDED, MANY))


@case("sdk")
def cancel_of_a_running_statement(ws):
    """cancel_execution: CANCELED, and it stays so"""
    client = ws.sdk().statement_execution
    answer = client.execute_statement(LONG, ws.warehouse, wait_timeout="0s")
    client.cancel_execution(answer.statement_id)
    wait_until(lambda: client.get_statement(answer.statement_id).status.state == StatementState.CANCELED)


@case("sdk")
def a_timeout_that_cancels(ws):
    """on_wait_timeout=CANCEL: CANCELED after wait_timeout"""
    answer = run(ws, LONG, wait_timeout="5s", on_wait_timeout=ExecuteStatementRequestOnWaitTimeout.CANCEL)
    equal(answer.status.state, StatementState.CANCELED)


@case("sdk")
def failures_carry_class_and_state(ws):
    """a failing statement: FAILED with error code, message and SQLSTATE, no exception"""
    for statement, error_class, state in [
        ("SELEC 1", "PARSE_SYNTAX_ERROR", "42601"),
        ("SELECT * FROM main.default.nowhere", "TABLE_OR_VIEW_NOT_FOUND", "42P01"),
        ("SELECT 1/0", "DIVIDE_BY_ZERO", "22012"),
    ]:
        status = run(ws, statement).status
        equal((status.state, status.error.error_code.value), (StatementState.FAILED, "BAD_REQUEST"))
        contains(status.error.message, f"[{error_class}]", state)
        equal(status.sql_state, state)


@case("sdk")
def bad_requests_raise(ws):
    """an unknown statement is NotFound; a bad wait_timeout and an unknown warehouse are refused"""
    client = ws.sdk().statement_execution
    raises(NotFound, lambda: client.get_statement("01f00000-0000-0000-0000-000000000000"))
    raises(InvalidParameterValue, lambda: run(ws, "SELECT 1", wait_timeout="3s"))
    raises((NotFound, InvalidParameterValue), lambda: client.execute_statement("SELECT 1", "ffffffffffffffff"))


@case("sdk")
def a_default_catalog_and_schema(ws):
    """catalog= and schema= of a statement resolve short names"""
    ws.sql(f"CREATE TABLE {ws.schema}.t AS SELECT 42 AS n")
    catalog, schema = ws.schema.split(".")
    equal(run(ws, "SELECT n FROM t", catalog=catalog, schema=schema).result.data_array, [["42"]])


@case("sdk")
def changes_count_rows(ws):
    """INSERT, UPDATE, DELETE and MERGE answer their counts"""
    table = f"{ws.schema}.counted"
    run(ws, f"CREATE TABLE {table} (id BIGINT, s STRING)")
    equal(run(ws, f"INSERT INTO {table} VALUES (1, 'a'), (2, 'b')").result.data_array, [["2", "2"]])
    equal(run(ws, f"UPDATE {table} SET s = 'c' WHERE id = 1").result.data_array, [["1"]])
    merge = f"""MERGE INTO {table} t USING (SELECT 2 AS id, 'x' AS s UNION ALL SELECT 3, 'y') u ON t.id = u.id
        WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"""
    answer = run(ws, merge)
    names = [column.name for column in answer.manifest.schema.columns]
    equal(names, ["num_affected_rows", "num_updated_rows", "num_deleted_rows", "num_inserted_rows"])
    equal(answer.result.data_array, [["2", "1", "0", "1"]])
    equal(run(ws, f"DELETE FROM {table} WHERE id > 1").result.data_array, [["2"]])
    equal(run(ws, f"SELECT * FROM {table}").result.data_array, [["1", "c"]])


@case("sdk")
def sixteen_threads_at_once(ws):
    """16 threads share one client: every answer is its own"""
    client = ws.sdk().statement_execution

    def work(worker):
        answers = [client.execute_statement(f"SELECT {worker}, {step}", ws.warehouse) for step in range(10)]
        return [answer.result.data_array for answer in answers]

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(work, range(16)))
    equal(found, [[[[str(worker), str(step)]] for step in range(10)] for worker in range(16)])
