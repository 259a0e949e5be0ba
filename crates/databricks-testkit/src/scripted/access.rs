//! Scripts that depend on who is asking.

use std::sync::Arc;

use super::{Reply, Script, ScriptedStatement};
use crate::access::{Privilege, Securable, SecurableType};

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
    /// [`Grants`](crate::Grants), or cannot reach the object. May be called many times; with grants that are not
    /// enforced everybody passes.
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
        let usage = |object: &Securable| match object.kind() {
            SecurableType::Catalog => Some(Privilege::UseCatalog),
            SecurableType::Schema => Some(Privilege::UseSchema),
            _ => None,
        };
        let above = std::iter::successors(securable.parent(), Securable::parent);
        let way = above.filter_map(|object| Some((usage(&object)?, object)));
        for (needed, object) in way.chain([(privilege, securable.clone())]) {
            self.denies(privilege, &securable, needed, object);
        }
        self
    }

    /// Adds the script for those whom exactly this privilege is missing first.
    fn denies(&self, privilege: Privilege, securable: &Securable, needed: Privilege, object: Securable) {
        let (matches, securable) = (self.matches.clone(), securable.clone());
        let denied = crate::access::denied("", needed, object.clone());
        let is_it = move |request: &crate::EngineRequest| {
            let missing = request.grants.check(&request.user, privilege, &securable).err();
            missing.is_some_and(|missing| missing.privilege == needed && missing.securable == object)
                && matches(request)
        };
        self.engine.lock().scripts.push(Script {
            name: format!("{}: {needed:?} missing", self.name),
            matches: Arc::new(is_it),
            left: None,
            taken: 0,
            delay: self.delay,
            answer: Reply::Failure(denied.into()),
        });
    }
}
