"""Runs the cases of one client against a workspace: `python run.py sdk|sea|kernel [part of a case's name]`.

The workspace is named by CLIENTS_URL, CLIENTS_TOKEN and CLIENTS_WAREHOUSE, and for OAuth by CLIENTS_CLIENT_ID and
CLIENTS_CLIENT_SECRET. `cargo xtask clients` sets them.
"""

import logging
import sys

import harness


def main():
    client, only = sys.argv[1], (sys.argv[2:] or [""])[0]
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    if client == "sdk":
        import sdk_access, sdk_catalog, sdk_files, sdk_jobs, sdk_statements  # noqa: F401, E401
    else:
        import sql_errors, sql_life, sql_metadata, sql_rows, sql_session, sql_types, sql_writes  # noqa: F401, E401
    harness.run(client, only)


if __name__ == "__main__":
    main()
