//! Scripts that depend on who is asking.

use super::ScriptedStatement;
use crate::access::{Privilege, Securable};

impl ScriptedStatement<'_> {
    /// Answers this user only; for others the next script that matches has its turn.
    ///
    /// ```
    /// # use databricks_testkit::ScriptedEngine;
    /// let engine = ScriptedEngine::new();
    /// engine.on("DROP TABLE t").by_user("ada@example.com").empty();
    /// engine.on("DROP TABLE t").fail("INSUFFICIENT_PERMISSIONS", "42501", "Insufficient privileges.");
    /// ```
    pub fn by_user(self, user: impl Into<String>) -> Self {
        let user = user.into();
        self.and(move |request| request.user == user)
    }

    /// Fails the statement, in the service's words, for users who lack a privilege under the workspace's
    /// [`Grants`](crate::Grants), or cannot reach the object. May be called many times: the first that is missing is
    /// named. With grants that are not enforced everybody passes. A refusal takes no turn.
    ///
    /// ```
    /// # use databricks_testkit::{Column, Privilege, ScriptedEngine, Securable};
    /// # use serde_json::json;
    /// let engine = ScriptedEngine::new();
    /// engine
    ///     .on("SELECT id FROM main.sales.orders")
    ///     .requires(Privilege::Select, Securable::table("main", "sales", "orders"))
    ///     .rows([Column::new("id", "INT")], [[json!(1)]]);
    /// ```
    pub fn requires(self, privilege: Privilege, securable: Securable) -> Self {
        self.needing(privilege, securable)
    }
}
