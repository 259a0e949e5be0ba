"""The connector: what its metadata calls list.

Over the Statement Execution backend the columns are the server's own; the kernel gives JDBC's.
"""

from databricks.sql import exc

from harness import case, contains, equal, raises

#: This backend's name of a metadata column, by the kernel's.
SERVER_NAMES = {
    "TABLE_CAT": "catalogName",
    "TABLE_SCHEM": "namespace",
    "TABLE_NAME": "tableName",
    "TABLE_TYPE": "tableType",
    "COLUMN_NAME": "col_name",
    "TYPE_NAME": "columnType",
    "REMARKS": "remarks",
    "ORDINAL_POSITION": "ordinalPosition",
}


def listed(ws, cursor, *names):
    """All rows of the cursor, these columns of each."""
    rows = [row.asDict() for row in cursor.fetchall()]
    wire = [SERVER_NAMES[name] if ws.client == "sea" else name for name in names]
    return [tuple(row[name] for name in wire) for row in rows]


def prepare(ws):
    """Two tables in the case's schema; its catalog and schema."""
    ws.sql(f"CREATE TABLE {ws.schema}.orders (id BIGINT NOT NULL COMMENT 'key', total DECIMAL(10,2)) COMMENT 'all'")
    ws.sql(f"CREATE TABLE {ws.schema}.users (name STRING)")
    return ws.schema.split(".")


@case("sea", "kernel")
def catalogs_are_listed(ws):
    """cursor.catalogs()"""
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.catalogs()
        name = "catalog" if ws.client == "sea" else "TABLE_CAT"
        equal("main" in [row[name] for row in cursor.fetchall()], True)


@case("sea", "kernel")
def schemas_are_listed(ws):
    """cursor.schemas() of a catalog, with a pattern"""
    catalog, schema = prepare(ws)
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.schemas(catalog_name=catalog, schema_name=schema)
        name = "databaseName" if ws.client == "sea" else "TABLE_SCHEM"
        equal([row[name] for row in cursor.fetchall()], [schema])


@case("sea", "kernel")
def tables_are_listed(ws):
    """cursor.tables() of a schema: names, types, comments"""
    catalog, schema = prepare(ws)
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.tables(catalog_name=catalog, schema_name=schema)
        found = listed(ws, cursor, "TABLE_CAT", "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE", "REMARKS")
    equal(found, [(catalog, schema, "orders", "TABLE", "all"), (catalog, schema, "users", "TABLE", "")])


@case("sea", "kernel")
def tables_by_pattern_and_type(ws):
    """cursor.tables() with a pattern, and with a type that no table has"""
    catalog, schema = prepare(ws)
    pattern = "us*" if ws.client == "sea" else "us%"
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.tables(catalog_name=catalog, schema_name=schema, table_name=pattern)
        equal(listed(ws, cursor, "TABLE_NAME"), [("users",)])
        cursor.tables(catalog_name=catalog, schema_name=schema, table_types=["VIEW"])
        equal(listed(ws, cursor, "TABLE_NAME"), [])


@case("sea", "kernel")
def tables_of_all_catalogs(ws):
    """cursor.tables() without a catalog"""
    catalog, schema = prepare(ws)
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.tables(schema_name=schema)
        found = listed(ws, cursor, "TABLE_CAT", "TABLE_NAME")
    equal(found, [(catalog, "orders"), (catalog, "users")])


@case("sea", "kernel")
def columns_are_listed(ws):
    """cursor.columns() of a table: names, types, places, comments"""
    catalog, schema = prepare(ws)
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.columns(catalog_name=catalog, schema_name=schema, table_name="orders")
        found = listed(ws, cursor, "COLUMN_NAME", "TYPE_NAME", "ORDINAL_POSITION", "REMARKS")
        cursor.columns(catalog_name=catalog, schema_name=schema, table_name="orders", column_name="total")
        equal(listed(ws, cursor, "COLUMN_NAME"), [("total",)])
    contains(found[1][1], "DECIMAL")
    equal([(name, place, remarks) for name, _, place, remarks in found], [("id", 1, "key"), ("total", 2, "")])


@case("sea", "kernel")
def a_catalog_that_is_not_there(ws):
    """cursor.tables() of an unknown catalog: no rows over the kernel, an error over the other backend"""
    with ws.connect() as connection, connection.cursor() as cursor:
        if ws.client == "kernel":
            cursor.tables(catalog_name="nowhere")
            equal(cursor.fetchall(), [])
        else:
            error = raises(exc.Error, lambda: cursor.tables(catalog_name="nowhere"))
            contains(error, "nowhere", "42704")
