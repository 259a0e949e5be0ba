"""databricks-sdk: who is calling, and the warehouses."""

from databricks.sdk.errors import NotFound, PermissionDenied

from harness import case, contains, equal, raises


@case("sdk")
def a_token_names_its_user(ws):
    """current_user.me() by PAT"""
    user = ws.sdk().current_user.me()
    equal((user.user_name, user.active), (user.emails[0].value, True))


@case("sdk")
def a_wrong_token_is_refused(ws):
    """another token: PermissionDenied"""
    error = raises(PermissionDenied, lambda: ws.sdk(token="dapi-wrong").current_user.me())
    contains(error, "Invalid access token")


@case("sdk")
def m2m_by_client_id_and_secret(ws):
    """OAuth M2M: discovery, token, a call, a statement"""
    client = ws.sdk(client_id=ws.client_id, client_secret=ws.client_secret)
    equal(client.config.auth_type, "oauth-m2m")
    equal(client.current_user.me().active, True)
    equal(client.statement_execution.execute_statement("SELECT 1", ws.warehouse).result.data_array, [["1"]])


@case("sdk")
def a_wrong_client_secret_is_refused(ws):
    """OAuth M2M with another secret: an error that says so"""
    client = ws.sdk(client_id=ws.client_id, client_secret="wrong")
    equal(client.config.auth_type, "oauth-m2m")
    contains(raises(Exception, lambda: client.current_user.me()), "invalid_client")


@case("sdk")
def the_workspace_has_an_id(ws):
    """get_workspace_id(): a number"""
    equal(ws.sdk().get_workspace_id() > 0, True)


@case("sdk")
def warehouses_are_listed_and_read(ws):
    """warehouses.list and get"""
    client = ws.sdk()
    listed = [warehouse.id for warehouse in client.warehouses.list()]
    equal(listed, [ws.warehouse])
    found = client.warehouses.get(ws.warehouse)
    equal((found.id, found.name), (ws.warehouse, next(iter(client.warehouses.list())).name))
    raises(NotFound, lambda: client.warehouses.get("ffffffffffffffff"))


@case("sdk")
def a_warehouse_is_started(ws):
    """warehouses.start_and_wait ends with RUNNING"""
    equal(ws.sdk().warehouses.start_and_wait(ws.warehouse).state.value, "RUNNING")
