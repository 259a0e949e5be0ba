"""The connector: failures, each with its error class and SQLSTATE."""

from databricks.sql import exc

from harness import case, contains, equal, raises


def check(ws, statement, error_class, state):
    """Runs a statement that must fail; afterwards the same cursor still works."""
    with ws.connect() as connection, connection.cursor() as cursor:
        error = raises(exc.ServerOperationError, lambda: cursor.execute(statement))
        contains(error, f"[{error_class}]", f"SQLSTATE: {state}")
        if ws.client == "kernel":
            equal(error.sql_state, state)
        cursor.execute("SELECT 1")
        equal(cursor.fetchone()[0], 1)


@case("sea", "kernel")
def a_syntax_error(ws):
    """PARSE_SYNTAX_ERROR, 42601"""
    check(ws, "SELEC 1", "PARSE_SYNTAX_ERROR", "42601")


@case("sea", "kernel")
def a_missing_table(ws):
    """TABLE_OR_VIEW_NOT_FOUND, 42P01"""
    check(ws, "SELECT * FROM main.default.nowhere", "TABLE_OR_VIEW_NOT_FOUND", "42P01")


@case("sea", "kernel")
def a_missing_column(ws):
    """UNRESOLVED_COLUMN.WITH_SUGGESTION, 42703"""
    ws.sql(f"CREATE TABLE {ws.schema}.t (present INT)")
    check(ws, f"SELECT presnt FROM {ws.schema}.t", "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703")


@case("sea", "kernel")
def division_by_zero(ws):
    """DIVIDE_BY_ZERO, 22012"""
    check(ws, "SELECT 1/0", "DIVIDE_BY_ZERO", "22012")


@case("sea", "kernel")
def a_text_that_is_no_number(ws):
    """CAST_INVALID_INPUT, 22018"""
    check(ws, "SELECT CAST('ten' AS INT)", "CAST_INVALID_INPUT", "22018")


@case("sea", "kernel")
def an_overflow(ws):
    """ARITHMETIC_OVERFLOW, 22003"""
    check(ws, "SELECT 9223372036854775807L + 1L", "ARITHMETIC_OVERFLOW", "22003")


@case("sea", "kernel")
def a_null_where_none_may_be(ws):
    """an INSERT of NULL into a NOT NULL column writes nothing"""
    table = f"{ws.schema}.strict"
    ws.sql(f"CREATE TABLE {table} (id BIGINT NOT NULL)")
    check(ws, f"INSERT INTO {table} VALUES (NULL)", "DELTA_NOT_NULL_CONSTRAINT_VIOLATED", "23502")
    equal(ws.sql(f"SELECT count(*) FROM {table}"), [["0"]])


@case("sea", "kernel")
def a_table_that_is_there(ws):
    """CREATE TABLE twice: TABLE_OR_VIEW_ALREADY_EXISTS, 42P07"""
    ws.sql(f"CREATE TABLE {ws.schema}.twice (id INT)")
    check(ws, f"CREATE TABLE {ws.schema}.twice (id INT)", "TABLE_OR_VIEW_ALREADY_EXISTS", "42P07")


@case("sea", "kernel")
def an_empty_statement(ws):
    """an empty text is an error, not a result"""
    with ws.connect() as connection, connection.cursor() as cursor:
        raises(exc.Error, lambda: cursor.execute("   "))
