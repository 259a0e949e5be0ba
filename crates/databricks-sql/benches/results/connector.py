"""One reading of the result by databricks-sql-connector, unmodified: the line that `read` prints for the others.

    python connector.py sea|kernel URL TOKEN WAREHOUSE STATEMENT ROWS SUM_OF_IDS

Rows are taken as Arrow tables of a fixed number of rows, as a program would that does not want to hold all of them.
"""

import json
import resource
import sys
import time
from urllib.parse import urlsplit

import pyarrow.compute as compute
from databricks import sql

#: Rows of one table. The connector's own default is one row less.
ROWS_AT_ONCE = 100_000


def connect(backend, url, token, warehouse):
    options = {"access_token": token, "http_path": f"/sql/1.0/warehouses/{warehouse}", "enable_telemetry": False}
    if backend == "kernel":
        return sql.connect(server_hostname=url, use_kernel=True, **options)
    parts = urlsplit(url)
    return sql.connect(
        server_hostname=f"{parts.scheme}://{parts.hostname}", _port=parts.port, use_sea=True, **options
    )


def peak_rss_mib():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def main(backend, url, token, warehouse, statement, rows, ids):
    began = time.monotonic()
    first, count, total = None, 0, 0
    with connect(backend, url, token, warehouse) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        while True:
            table = cursor.fetchmany_arrow(ROWS_AT_ONCE)
            if table.num_rows == 0:
                break
            first = first or time.monotonic() - began
            count += table.num_rows
            total += compute.sum(table.column(0)).as_py()
        wall = time.monotonic() - began
    if (count, total) != (int(rows), int(ids)):
        sys.exit(f"{count} rows with ids that add up to {total}")
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "wall_s": wall,
                "first_batch_s": first,
                "cpu_s": used.ru_utime + used.ru_stime,
                "peak_rss_mib": peak_rss_mib(),
            }
        )
    )


main(*sys.argv[1:])
