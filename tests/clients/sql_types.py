"""The connector: every SQL type there and back, NULLs among them."""

import datetime
import decimal
import io

from databricks.sql import exc

from harness import case, contains, equal, raises

UTC = datetime.timezone.utc


def one_row(ws, statement):
    """The only row of a statement, and the types of its columns."""
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return tuple(cursor.fetchone()), [d[1] for d in cursor.description]


@case("sea", "kernel")
def numbers_and_text(ws):
    """TINYINT to DOUBLE, BOOLEAN, STRING: extreme values"""
    row, types = one_row(
        ws,
        """SELECT CAST(-128 AS TINYINT) AS t, CAST(32767 AS SMALLINT) AS s, -2147483648 AS i,
           9223372036854775807L AS l, CAST(1.5 AS FLOAT) AS f, 1.7976931348623157E308D AS d, false AS b,
           'ü€🦀' AS u, '' AS e""",
    )
    equal(types, ["tinyint", "smallint", "int", "bigint", "float", "double", "boolean", "string", "string"])
    equal(row, (-128, 32767, -(2**31), 2**63 - 1, 1.5, 1.7976931348623157e308, False, "ü€🦀", ""))


@case("sea", "kernel")
def decimals_keep_their_digits(ws):
    """DECIMAL up to 38 digits, with precision and scale in the description"""
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            """SELECT CAST('99999999999999999999999999999999999999' AS DECIMAL(38,0)) AS big,
               CAST('-0.0000000001' AS DECIMAL(10,10)) AS small, CAST('1.5' AS DECIMAL(10,2)) AS padded"""
        )
        equal([(d[1], d[4], d[5]) for d in cursor.description], [("decimal", 38, 0), ("decimal", 10, 10), ("decimal", 10, 2)])
        equal([str(value) for value in cursor.fetchone()], ["9" * 38, "-1E-10", "1.50"])


@case("sea", "kernel")
def dates_and_times(ws):
    """DATE, TIMESTAMP with its instant, TIMESTAMP_NTZ without a zone, microseconds, far years"""
    row, types = one_row(
        ws,
        """SELECT DATE'0001-01-01' AS first, DATE'9999-12-31' AS last,
           TIMESTAMP'2024-06-01 12:00:00.123456+02:00' AS at, TIMESTAMP_NTZ'2024-06-01 12:00:00.123456' AS local""",
    )
    equal(types[:3], ["date", "date", "timestamp"])
    equal(row[:2], (datetime.date(1, 1, 1), datetime.date(9999, 12, 31)))
    equal(row[2].astimezone(UTC), datetime.datetime(2024, 6, 1, 10, 0, 0, 123456, UTC))
    equal(row[3], datetime.datetime(2024, 6, 1, 12, 0, 0, 123456))


@case("sea", "kernel")
def binary_and_null(ws):
    """BINARY as bytes; NULL of every simple type is None"""
    row, types = one_row(ws, "SELECT X'00FF10' AS b, X'' AS empty, CAST(NULL AS BINARY) AS none")
    equal((row, types), ((b"\x00\xff\x10", b"", None), ["binary"] * 3))
    kinds = "TINYINT SMALLINT INT BIGINT FLOAT DOUBLE BOOLEAN STRING DATE TIMESTAMP TIMESTAMP_NTZ DECIMAL(5,2)".split()
    row, _ = one_row(ws, "SELECT " + ", ".join(f"CAST(NULL AS {kind}) AS c{n}" for n, kind in enumerate(kinds)))
    equal(row, (None,) * len(kinds))


@case("sea", "kernel")
def nulls_between_values(ws):
    """a column of values and NULLs keeps their places, in rows and in Arrow"""
    statement = "SELECT * FROM VALUES (1, 'a', 1.5D), (2, NULL, NULL), (NULL, 'c', 3.5D) AS t(n, s, d)"
    expected = {"n": [1, 2, None], "s": ["a", None, "c"], "d": [1.5, None, 3.5]}
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        equal(cursor.fetchall_arrow().to_pydict(), expected)
        cursor.execute(statement)
        equal([tuple(row) for row in cursor.fetchall()], list(zip(*expected.values())))


@case("sea", "kernel")
def arrays(ws):
    """ARRAY of numbers, of text, of arrays, empty and NULL"""
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT ARRAY(1, NULL, 3) AS n, ARRAY('a', 'b') AS s, ARRAY(ARRAY(1), ARRAY(2, 3)) AS nested")
        equal([d[1] for d in cursor.description], ["array"] * 3)
        table = cursor.fetchall_arrow().to_pydict()
    equal(table, {"n": [[1, None, 3]], "s": [["a", "b"]], "nested": [[[1], [2, 3]]]})


@case("sea", "kernel")
def maps_and_structs(ws):
    """MAP and STRUCT columns, loaded from a Parquet file by COPY INTO, read back as Arrow"""
    import pyarrow
    import pyarrow.parquet

    columns = {
        "id": pyarrow.array([1, 2], pyarrow.int64()),
        "tags": pyarrow.array([[("a", 1), ("b", None)], None], pyarrow.map_(pyarrow.string(), pyarrow.int32())),
        "place": pyarrow.array(
            [{"city": "Ulm", "zip": 89073}, {"city": None, "zip": None}],
            pyarrow.struct([("city", pyarrow.string()), ("zip", pyarrow.int32())]),
        ),
    }
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    folder = ws.volume()
    put = ws.http("PUT", f"/api/2.0/fs/files{folder}/rows.parquet", data=buffer.getvalue())
    equal(put.status_code, 204)
    table = f"{ws.schema}.nested"
    ws.sql(f"CREATE TABLE {table} (id BIGINT, tags MAP<STRING, INT>, place STRUCT<city: STRING, zip: INT>)")
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"COPY INTO {table} FROM '{folder}/rows.parquet' FILEFORMAT = PARQUET")
        cursor.execute(f"SELECT * FROM {table} ORDER BY id")
        equal([d[1] for d in cursor.description], ["bigint", "map", "struct"])
        found = cursor.fetchall_arrow().to_pydict()
        cursor.execute(f"SELECT place.city FROM {table} WHERE id = 1")
        equal(cursor.fetchone()[0], "Ulm")
    equal(found["tags"], [[("a", 1), ("b", None)], None])
    equal(found["place"], [{"city": "Ulm", "zip": 89073}, {"city": None, "zip": None}])


@case("sea", "kernel")
def maps_and_structs_in_sql(ws):
    """map(..) and named_struct(..) in a SELECT"""
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT map('a', 1) AS m, named_struct('x', 1, 'y', 'b') AS s")
        found = cursor.fetchall_arrow().to_pydict()
    equal(found, {"m": [[("a", 1)]], "s": [{"x": 1, "y": "b"}]})


@case("sea", "kernel")
def intervals(ws):
    """INTERVAL as a result column"""
    row, types = one_row(ws, "SELECT INTERVAL '1' DAY AS day")
    contains(types[0], "interval")
    contains(row[0], "1")


@case("sea", "kernel")
def what_is_not_simulated_says_so(ws):
    """a form of SQL that the local workspace lacks is refused by name, with 0A000"""
    with ws.connect() as connection, connection.cursor() as cursor:
        error = raises(exc.Error, lambda: cursor.execute("CREATE VIEW v AS SELECT 1"))
    contains(error, "UNSUPPORTED_FEATURE", "CREATE VIEW", "0A000")
