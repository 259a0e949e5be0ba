"""The connector: connecting, sessions, credentials, many at once."""

from concurrent.futures import ThreadPoolExecutor

from databricks.sql import exc

from harness import case, contains, equal, raises


@case("sea", "kernel")
def connects_and_selects_one(ws):
    """connect, execute, fetchall: one row, its column name and type"""
    with ws.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 AS one")
        equal([(d[0], d[1]) for d in cursor.description], [("one", "int")])
        equal([tuple(row) for row in cursor.fetchall()], [(1,)])


@case("sea", "kernel")
def context_managers_close_the_session(ws):
    """after the with block the connection is closed, here and on the server"""
    with ws.connect() as connection:
        session = connection.get_session_id()
        equal(connection.open, True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    equal(connection.open, False)
    raises(exc.Error, lambda: connection.cursor())
    raises(exc.Error, lambda: cursor.execute("SELECT 1"))
    gone = ws.http("DELETE", f"/api/2.0/sql/sessions/{session}", params={"warehouse_id": ws.warehouse})
    equal(gone.status_code, 404)


@case("sea", "kernel")
def a_session_has_a_default_catalog_and_schema(ws):
    """connect(catalog=, schema=): names without them resolve there"""
    ws.sql(f"CREATE TABLE {ws.schema}.t AS SELECT 42 AS n")
    catalog, schema = ws.schema.split(".")
    with ws.connect(catalog=catalog, schema=schema) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT n FROM t")
        equal(cursor.fetchone()[0], 42)


@case("sea", "kernel")
def a_wrong_token_is_refused(ws):
    """403 at connect; only the kernel repeats the server's words"""
    error = raises(exc.Error, lambda: ws.connect(access_token="dapi-wrong"))
    contains(error, "Invalid access token" if ws.client == "kernel" else "status 403")


@case("sea", "kernel")
def an_unknown_warehouse_is_refused(ws):
    """404 at connect to a warehouse that is not there; only the kernel repeats the server's words"""
    error = raises(exc.Error, lambda: ws.connect(http_path="/sql/1.0/warehouses/ffffffffffffffff"))
    contains(error, "ffffffffffffffff" if ws.client == "kernel" else "status 404")


@case("sea")
def m2m_by_the_sdks_credentials(ws):
    """OAuth M2M: credentials_provider of databricks-sdk, as the connector documents it"""
    from databricks.sdk.core import Config, oauth_service_principal

    def provider():
        config = Config(host=ws.url, client_id=ws.client_id, client_secret=ws.client_secret)
        return oauth_service_principal(config)

    with ws.connect(credentials_provider=provider) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 'by m2m' AS how")
        equal(cursor.fetchone()[0], "by m2m")


@case("kernel")
def m2m_by_client_id_and_secret(ws):
    """OAuth M2M: oauth_client_id and oauth_client_secret, the kernel fetches the token"""
    options = {"oauth_client_id": ws.client_id, "oauth_client_secret": ws.client_secret}
    with ws.connect(**options) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 'by m2m' AS how")
        equal(cursor.fetchone()[0], "by m2m")


@case("kernel")
def a_wrong_client_secret_is_refused(ws):
    """OAuth M2M with another secret: an error, no session"""
    options = {"oauth_client_id": ws.client_id, "oauth_client_secret": "wrong"}
    contains(raises(exc.Error, lambda: ws.connect(**options)), "client")


@case("sea", "kernel")
def sixteen_threads_at_once(ws):
    """16 threads, each with a connection of its own and ten statements: every answer is its own"""

    def work(worker):
        with ws.connect() as connection, connection.cursor() as cursor:
            answers = []
            for step in range(10):
                cursor.execute(f"SELECT {worker} AS worker, {step} AS step")
                answers.append(tuple(cursor.fetchone()))
            return answers

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(work, range(16)))
    equal(answers, [[(worker, step) for step in range(10)] for worker in range(16)])


@case("sea", "kernel")
def sixteen_writers_of_one_table(ws):
    """16 threads insert into one table at once: every row arrives once"""
    table = f"{ws.schema}.shared"
    ws.sql(f"CREATE TABLE {table} (worker INT, step INT)")

    def work(worker):
        with ws.connect() as connection, connection.cursor() as cursor:
            for step in range(3):
                cursor.execute(f"INSERT INTO {table} VALUES ({worker}, {step})")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    equal(ws.sql(f"SELECT count(*), count(DISTINCT worker * 10 + step) FROM {table}"), [["48", "48"]])
