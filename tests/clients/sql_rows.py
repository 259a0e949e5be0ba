"""The connector: fetching rows and Arrow tables, large results, parameters."""

import datetime
import decimal
import hashlib

from databricks.sql import exc

from harness import case, contains, equal, raises

#: 200,000 rows in several chunks: a cross join of ten digits.
DIGITS = "WITH d AS (SELECT * FROM VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9) AS t(n))"
MANY = 200_000
MANY_ROWS = f"""{DIGITS},
    ids AS (SELECT a.n + 10*b.n + 100*c.n + 1000*d.n + 10000*e.n + 100000*f.n AS id
            FROM d a, d b, d c, d d, d e, (SELECT n FROM d WHERE n < 2) f)
    SELECT id, concat('row ', id) AS label, CASE WHEN id % 7 = 0 THEN NULL ELSE id * 0.5D END AS half
    FROM ids ORDER BY id"""


def digest(rows):
    """A checksum of rows, in order."""
    sum_of_all = hashlib.sha256()
    for row in rows:
        sum_of_all.update(repr(tuple(row)).encode())
    return sum_of_all.hexdigest()


def expected_digest():
    """The checksum of MANY_ROWS, computed here."""
    return digest((n, f"row {n}", None if n % 7 == 0 else n * 0.5) for n in range(MANY))


@case("sea", "kernel")
def rows_one_by_one_in_parts_and_all(ws):
    """fetchone, fetchmany, iteration and fetchall share one position"""
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT n FROM VALUES (1),(2),(3),(4),(5),(6) AS t(n) ORDER BY n")
        equal(cursor.fetchone().n, 1)
        equal([row.n for row in cursor.fetchmany(2)], [2, 3])
        equal(next(iter(cursor)).n, 4)
        equal([row.n for row in cursor.fetchall()], [5, 6])
        equal(cursor.fetchone(), None)


@case("sea", "kernel")
def arrow_tables(ws):
    """fetchmany_arrow and fetchall_arrow: pyarrow tables with the column types"""
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT n, concat('x', n) AS s FROM VALUES (1L),(2L),(3L) AS t(n) ORDER BY n")
        first, rest = cursor.fetchmany_arrow(1), cursor.fetchall_arrow()
        equal([(f.name, str(f.type)) for f in rest.schema], [("n", "int64"), ("s", "string")])
        equal(first.to_pydict(), {"n": [1], "s": ["x1"]})
        equal(rest.to_pydict(), {"n": [2, 3], "s": ["x2", "x3"]})


@case("sea", "kernel")
def many_rows_by_arrow(ws):
    """200,000 rows over external links of several chunks: equal by checksum, in order"""
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute(MANY_ROWS)
        table = cursor.fetchall_arrow()
    equal(table.num_rows, MANY)
    equal(digest(zip(*(column.to_pylist() for column in table.columns))), expected_digest())


@case("sea", "kernel")
def many_rows_in_parts(ws):
    """200,000 rows by fetchmany_arrow of 7,001 at a time: parts cross the chunks' bounds, nothing is lost"""
    rows, parts = [], 0
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute(MANY_ROWS)
        while (part := cursor.fetchmany_arrow(7_001)).num_rows:
            rows.extend(zip(*(column.to_pylist() for column in part.columns)))
            parts += 1
    equal(parts, -(-MANY // 7_001))
    equal(digest(rows), expected_digest())


@case("sea")
def inline_rows_without_cloud_fetch(ws):
    """use_cloud_fetch=False: INLINE JSON_ARRAY, values of the right Python types"""
    with ws.connect(use_cloud_fetch=False) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 7 AS i, 1.25BD AS d, DATE'2024-02-29' AS day, 'é' AS s, NULL AS n, true AS b")
        equal(tuple(cursor.fetchone()), (7, decimal.Decimal("1.25"), datetime.date(2024, 2, 29), "é", None, True))


@case("sea")
def hybrid_results(ws):
    """use_hybrid_disposition=True: a small result comes with the answer, a large one by links"""
    with ws.connect(use_hybrid_disposition=True) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 'small' AS s")
        equal(cursor.fetchone()[0], "small")
        cursor.execute(MANY_ROWS)
        table = cursor.fetchall_arrow()
    equal(digest(zip(*(column.to_pylist() for column in table.columns))), expected_digest())


@case("sea", "kernel")
def no_rows_keep_their_columns(ws):
    """an empty result has a description and an Arrow schema"""
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM VALUES (1, 'a') AS t(n, s) WHERE n = 2")
        equal([d[0] for d in cursor.description], ["n", "s"])
        equal(cursor.fetchall(), [])
        cursor.execute("SELECT * FROM VALUES (1, 'a') AS t(n, s) WHERE n = 2")
        equal(cursor.fetchall_arrow().num_rows, 0)


@case("sea", "kernel")
def a_row_limit_cuts(ws):
    """cursor(row_limit=10): ten rows of a thousand"""
    with ws.connect() as connection, connection.cursor(row_limit=10) as cursor:
        cursor.execute(f"{DIGITS} SELECT a.n + 10*b.n + 100*c.n AS id FROM d a, d b, d c ORDER BY id")
        equal([row.id for row in cursor.fetchall()], list(range(10)))


@case("sea", "kernel")
def named_parameters_of_every_type(ws):
    """:name markers from Python values, NULL among them"""
    moment = datetime.datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.timezone.utc)
    values = {
        "i": 3,
        "big": 2**40,
        "f": 1.5,
        "d": decimal.Decimal("12.345"),
        "s": "it's :i ? \\ \n 🦀",
        "b": True,
        "day": datetime.date(2024, 2, 29),
        "at": moment,
        "nothing": None,
    }
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f":{name} AS {name}" for name in values), values)
        row = cursor.fetchone().asDict()
    equal(row.pop("at").astimezone(datetime.timezone.utc), values.pop("at"))
    equal(row, values)


@case("sea", "kernel")
def positional_parameters(ws):
    """? markers from a list, in order"""
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT ? AS a, ? + 1 AS b, ? AS c", ["x", 41, None])
        equal(tuple(cursor.fetchone()), ("x", 42, None))


@case("sea", "kernel")
def a_parameter_is_a_value_and_never_sql(ws):
    """text with quotes and statements in it is only text"""
    table = f"{ws.schema}.safe"
    hostile = "'); DROP TABLE " + table + "; --"
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {table} (s STRING)")
        cursor.execute(f"INSERT INTO {table} VALUES (:s)", {"s": hostile})
        cursor.execute(f"SELECT count(*) FROM {table} WHERE s = :s", {"s": hostile})
        equal(cursor.fetchone()[0], 1)


@case("sea", "kernel")
def a_missing_parameter_is_named(ws):
    """a marker without a value: UNBOUND_SQL_PARAMETER, 42P02"""
    with ws.connect() as connection, connection.cursor() as cursor:
        error = raises(exc.Error, lambda: cursor.execute("SELECT :absent", {"other": 1}))
    contains(error, "UNBOUND_SQL_PARAMETER", "absent", "42P02")


@case("sea", "kernel")
def executemany_runs_each_set(ws):
    """executemany: one statement for each set of parameters"""
    table = f"{ws.schema}.many"
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {table} (n INT, s STRING)")
        sets = [{"n": n, "s": f"row {n}"} for n in range(5)]
        cursor.executemany(f"INSERT INTO {table} VALUES (:n, :s)", sets)
        if ws.client == "kernel":
            equal(cursor.rowcount, 5)
    equal(ws.sql(f"SELECT n, s FROM {table} ORDER BY n"), [[str(n), f"row {n}"] for n in range(5)])
