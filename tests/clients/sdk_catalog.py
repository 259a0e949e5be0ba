"""databricks-sdk: Unity Catalog."""

from databricks.sdk.errors import BadRequest, NotFound
from databricks.sdk.service.catalog import VolumeType

from harness import case, equal, raises


@case("sdk")
def catalogs_and_schemas_are_read(ws):
    """catalogs.list and get, schemas.list and get"""
    client, schema = ws.sdk(), ws.schema
    equal("main" in [catalog.name for catalog in client.catalogs.list()], True)
    equal(client.catalogs.get("main").name, "main")
    equal(schema in [found.full_name for found in client.schemas.list("main")], True)
    equal(client.schemas.get(schema).catalog_name, "main")
    raises(NotFound, lambda: client.catalogs.get("nowhere"))
    raises(NotFound, lambda: client.schemas.get("main.nowhere"))


@case("sdk")
def tables_are_read(ws):
    """tables.list, get and exists: columns with types, comments and places"""
    client, table = ws.sdk(), f"{ws.schema}.orders"
    ws.sql(f"CREATE TABLE {table} (id BIGINT NOT NULL COMMENT 'key', total DECIMAL(10,2)) COMMENT 'all'")
    equal([found.full_name for found in client.tables.list(*ws.schema.split("."))], [table])
    found = client.tables.get(table)
    columns = [(c.name, c.type_name.value, c.type_text, c.nullable, c.position, c.comment) for c in found.columns]
    equal(
        columns,
        [("id", "LONG", "bigint", False, 0, "key"), ("total", "DECIMAL", "decimal(10,2)", True, 1, None)],
    )
    equal((found.table_type.value, found.data_source_format.value, found.comment), ("MANAGED", "DELTA", "all"))
    equal(client.tables.exists(table).table_exists, True)
    equal(client.tables.exists(f"{ws.schema}.nowhere").table_exists, False)
    raises(NotFound, lambda: client.tables.get(f"{ws.schema}.nowhere"))


@case("sdk")
def a_table_is_dropped(ws):
    """tables.delete: SQL no longer finds it"""
    table = f"{ws.schema}.gone"
    ws.sql(f"CREATE TABLE {table} (id INT)")
    ws.sdk().tables.delete(table)
    equal(ws.sql(f"SHOW TABLES IN {ws.schema}"), [])


@case("sdk")
def volumes_live_and_die(ws):
    """volumes.create, read, list, delete"""
    client = ws.sdk()
    catalog, schema = ws.schema.split(".")
    made = client.volumes.create(catalog, schema, "v", VolumeType.MANAGED, comment="of a case")
    equal((made.full_name, made.comment), (f"{ws.schema}.v", "of a case"))
    equal(client.volumes.read(made.full_name).volume_id, made.volume_id)
    equal([volume.name for volume in client.volumes.list(catalog, schema)], ["v"])
    raises(BadRequest, lambda: client.volumes.create(catalog, schema, "v", VolumeType.MANAGED))
    client.volumes.delete(made.full_name)
    raises(NotFound, lambda: client.volumes.read(made.full_name))


@case("sdk")
def a_volume_gets_another_comment(ws):
    """volumes.update"""
    client = ws.sdk()
    ws.volume("v")
    equal(client.volumes.update(f"{ws.schema}.v", comment="new").comment, "new")
    equal(client.volumes.read(f"{ws.schema}.v").comment, "new")


@case("sdk")
def catalogs_live_and_die(ws):
    """catalogs.create, update, delete"""
    client, name = ws.sdk(), ws.schema.replace("main.", "catalog_of_")
    equal(client.catalogs.create(name, comment="of a case").comment, "of a case")
    equal(client.catalogs.update(name, comment="new").comment, "new")
    equal([name] in ws.sql("SHOW CATALOGS"), True)
    client.catalogs.delete(name, force=True)
    raises(NotFound, lambda: client.catalogs.get(name))


@case("sdk")
def schemas_live_and_die(ws):
    """schemas.create, update, delete"""
    client, name = ws.sdk(), ws.schema.replace("main.", "schema_of_")
    equal(client.schemas.create(name, "main", comment="of a case").full_name, f"main.{name}")
    equal(client.schemas.update(f"main.{name}", comment="new").comment, "new")
    ws.sql(f"CREATE TABLE main.{name}.t (id INT)")
    raises(BadRequest, lambda: client.schemas.delete(f"main.{name}"))
    client.schemas.delete(f"main.{name}", force=True)
    raises(NotFound, lambda: client.schemas.get(f"main.{name}"))


@case("sdk")
def lists_in_pages(ws):
    """tables.list and volumes.list follow pages of two"""
    client = ws.sdk()
    catalog, schema = ws.schema.split(".")
    for n in range(5):
        ws.sql(f"CREATE TABLE {ws.schema}.t{n} (id INT)")
        ws.sql(f"CREATE VOLUME {ws.schema}.v{n}")
    equal([t.name for t in client.tables.list(catalog, schema, max_results=2)], [f"t{n}" for n in range(5)])
    equal([v.name for v in client.volumes.list(catalog, schema, max_results=2)], [f"v{n}" for n in range(5)])


@case("sdk")
def grants_are_read_and_changed(ws):
    """grants.update and get"""
    from databricks.sdk.service.catalog import PermissionsChange, Privilege

    client = ws.sdk()
    change = PermissionsChange(principal="ada@example.com", add=[Privilege.USE_SCHEMA])
    client.grants.update("schema", ws.schema, changes=[change])
    found = client.grants.get("schema", ws.schema).privilege_assignments
    equal([(grant.principal, grant.privileges) for grant in found], [("ada@example.com", [Privilege.USE_SCHEMA])])
