"""The connector: statements that change tables, and what they count."""

from harness import case, equal


def run(cursor, statement):
    """Runs a statement and gives its only row as a dictionary."""
    cursor.execute(statement)
    return cursor.fetchone().asDict()


def check_rowcount(ws, cursor, expected):
    """The kernel counts rows for the cursor; the Statement Execution backend leaves -1."""
    equal(cursor.rowcount, expected if ws.client == "kernel" else -1)


@case("sea", "kernel")
def create_and_drop(ws):
    """CREATE and DROP of a schema, a table and a volume; statements without rows"""
    schema = ws.schema + "_more"
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {schema} COMMENT 'of a case'")
        cursor.execute(f"CREATE TABLE {schema}.t (id BIGINT NOT NULL, s STRING)")
        equal(cursor.fetchall(), [])
        cursor.execute(f"CREATE VOLUME {schema}.v")
        cursor.execute(f"SHOW TABLES IN {schema}")
        equal([row.tableName for row in cursor.fetchall()], ["t"])
        cursor.execute(f"DROP TABLE {schema}.t")
        cursor.execute(f"DROP VOLUME {schema}.v")
        cursor.execute(f"DROP SCHEMA {schema}")
        cursor.execute("SHOW SCHEMAS IN main")
        equal([row for row in cursor.fetchall() if schema.endswith("." + row.databaseName)], [])


@case("sea", "kernel")
def insert_update_delete_count_rows(ws):
    """num_affected_rows of INSERT, UPDATE and DELETE, and the table after them"""
    table = f"{ws.schema}.counted"
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {table} (id BIGINT, n INT)")
        inserted = run(cursor, f"INSERT INTO {table} VALUES (1, 10), (2, 20), (3, 30)")
        equal(inserted, {"num_affected_rows": 3, "num_inserted_rows": 3})
        check_rowcount(ws, cursor, 3)
        equal(run(cursor, f"UPDATE {table} SET n = n + 1 WHERE id <= 2"), {"num_affected_rows": 2})
        check_rowcount(ws, cursor, 2)
        equal(run(cursor, f"DELETE FROM {table} WHERE id = 3"), {"num_affected_rows": 1})
        check_rowcount(ws, cursor, 1)
        equal(run(cursor, f"DELETE FROM {table} WHERE id = 3"), {"num_affected_rows": 0})
    equal(ws.sql(f"SELECT * FROM {table} ORDER BY id"), [["1", "11"], ["2", "21"]])


@case("sea", "kernel")
def merge_counts_what_it_did(ws):
    """MERGE: updated, deleted and inserted rows"""
    table = f"{ws.schema}.merged"
    ws.sql(f"CREATE TABLE {table} AS SELECT * FROM VALUES (1, 'a'), (2, 'b'), (3, 'c') AS t(id, s)")
    with ws.connect() as connection, connection.cursor() as cursor:
        counts = run(
            cursor,
            f"""MERGE INTO {table} AS t
                USING (SELECT * FROM VALUES (1, 'A'), (2, 'gone'), (9, 'new') AS v(id, s)) AS u ON t.id = u.id
                WHEN MATCHED AND u.s = 'gone' THEN DELETE
                WHEN MATCHED THEN UPDATE SET s = u.s
                WHEN NOT MATCHED THEN INSERT *""",
        )
        check_rowcount(ws, cursor, 3)
    affected = {"num_affected_rows": 3, "num_updated_rows": 1, "num_deleted_rows": 1, "num_inserted_rows": 1}
    equal(counts, affected)
    equal(ws.sql(f"SELECT * FROM {table} ORDER BY id"), [["1", "A"], ["3", "c"], ["9", "new"]])


@case("sea", "kernel")
def create_table_as_select(ws):
    """CREATE TABLE AS and INSERT OVERWRITE"""
    table = f"{ws.schema}.made"
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {table} AS SELECT 1 AS id UNION ALL SELECT 2")
        cursor.execute(f"INSERT OVERWRITE {table} SELECT 7")
        cursor.execute(f"SELECT id FROM {table}")
        equal([row.id for row in cursor.fetchall()], [7])
        cursor.execute(f"SELECT id FROM {table} VERSION AS OF 0 ORDER BY id")
        equal([row.id for row in cursor.fetchall()], [1, 2])
