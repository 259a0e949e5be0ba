//! Who may do what: privileges that are granted on objects and inherited by what is in them, and owners.

pub(crate) mod guard;
pub(crate) mod permissions;
mod privilege;
mod securable;
mod state;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use privilege::Privilege;
pub use securable::{Securable, SecurableType};
pub(super) use state::Inherited;
use state::State;

use crate::engine::StatementFailure;

/// Who may do what in a workspace. Clones share one set of grants, so a test keeps one and the workspace another.
///
/// Made with [`new`](Self::new) everything is allowed; made with [`enforced`](Self::enforced) only what is granted:
///
/// - A privilege on an object holds for all that is in it: SELECT on a catalog is SELECT on each of its tables.
/// - To reach an object its catalog needs USE CATALOG and its schema USE SCHEMA.
/// - An owner has every privilege on the object itself, and manages all that is in it (grants, owner, dropping)
///   without being able to read it. Who makes an object over REST owns it. The owner of the metastore manages all.
/// - Principals are users, groups named with [`with_group`](Self::with_group), and `account users`: everybody.
///
/// REST calls are refused with 403 `PERMISSION_DENIED`, lists leave out what the caller may not see, files need
/// READ VOLUME or WRITE VOLUME, and statements CAN USE of their warehouse. What a statement does is the engine's to
/// check: the grants come with every [`EngineRequest`](crate::EngineRequest).
///
/// ```
/// use databricks_testkit::{Grants, Privilege, Securable};
///
/// let grants = Grants::enforced()
///     .with_grant("ada@example.com", Securable::catalog("main"), [Privilege::UseCatalog, Privilege::UseSchema])
///     .with_grant("ada@example.com", Securable::table("main", "sales", "orders"), [Privilege::Select]);
/// let orders = Securable::table("main", "sales", "orders");
/// assert!(grants.check("ada@example.com", Privilege::Select, &orders).is_ok());
/// let denied = grants.check("ada@example.com", Privilege::Modify, &orders).unwrap_err();
/// assert_eq!(denied.to_string(), "User does not have MODIFY on Table 'main.sales.orders'.");
/// ```
#[derive(Clone, Default)]
pub struct Grants {
    state: Arc<Mutex<State>>,
}

/// A privilege that a user does not have. Its text is the service's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("User does not have {} on {securable}.", privilege.words())]
#[non_exhaustive]
pub struct PermissionDenied {
    /// Who asked.
    pub user: String,
    /// What would have been needed.
    pub privilege: Privilege,
    /// On what.
    pub securable: Securable,
}

/// As a statement fails that lacks a privilege: class `INSUFFICIENT_PERMISSIONS`, SQLSTATE 42501.
impl From<PermissionDenied> for StatementFailure {
    fn from(denied: PermissionDenied) -> Self {
        Self::sql("INSUFFICIENT_PERMISSIONS", "42501", &format!("Insufficient privileges:\n{denied}"))
    }
}

impl Grants {
    /// Grants that are noted but not enforced: everything is allowed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Grants that are enforced: nothing is allowed but what is granted.
    pub fn enforced() -> Self {
        let grants = Self::default();
        grants.lock().enforced = true;
        grants
    }

    /// Grants privileges on an object.
    #[must_use]
    pub fn with_grant(
        self,
        principal: &str,
        securable: Securable,
        privileges: impl IntoIterator<Item = Privilege>,
    ) -> Self {
        self.grant(principal, &securable, privileges);
        self
    }

    /// Sets the owner of an object.
    #[must_use]
    pub fn with_owner(self, securable: Securable, principal: &str) -> Self {
        self.set_owner(&securable, principal);
        self
    }

    /// Names a group and who is in it; more calls add more members.
    #[must_use]
    pub fn with_group<'a>(self, group: &str, members: impl IntoIterator<Item = &'a str>) -> Self {
        let members: Vec<String> = members.into_iter().map(str::to_owned).collect();
        self.lock().add_members(group, members);
        self
    }

    /// Grants privileges on an object from now on.
    pub fn grant(
        &self,
        principal: &str,
        securable: &Securable,
        privileges: impl IntoIterator<Item = Privilege>,
    ) {
        // The caller's iterator runs before the lock is taken: it may look at these grants itself.
        let privileges: Vec<Privilege> = privileges.into_iter().collect();
        self.lock().grant(principal, securable, &privileges);
    }

    /// Takes privileges back that were granted on this very object; what is inherited stays.
    pub fn revoke(
        &self,
        principal: &str,
        securable: &Securable,
        privileges: impl IntoIterator<Item = Privilege>,
    ) {
        let privileges: Vec<Privilege> = privileges.into_iter().collect();
        self.lock().revoke(principal, securable, &privileges);
    }

    /// Sets the owner of an object from now on.
    pub fn set_owner(&self, securable: &Securable, principal: &str) {
        self.lock().set_owner(securable, principal);
    }

    /// The owner of an object, where one was set.
    pub fn owner(&self, securable: &Securable) -> Option<String> {
        self.lock().owner(securable).map(str::to_owned)
    }

    /// Forgets grants and owners of an object that was dropped, and of all in it.
    pub fn forget(&self, securable: &Securable) {
        self.lock().forget(securable);
    }

    /// Whether anything can be refused at all.
    pub fn is_enforced(&self) -> bool {
        self.lock().enforced
    }

    /// Succeeds when a user may reach an object and has a privilege on it.
    ///
    /// # Errors
    /// [`PermissionDenied`] naming the first privilege that is missing, from the catalog down.
    pub fn check(
        &self,
        user: &str,
        privilege: Privilege,
        securable: &Securable,
    ) -> Result<(), PermissionDenied> {
        self.lock().check(user, privilege, securable)
    }

    /// Whether a user may see that an object is there: by reading it, by BROWSE, or by managing it.
    pub fn can_see(&self, user: &str, securable: &Securable) -> bool {
        self.lock().can_see(user, securable)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Equal are clones of one set of grants, and any two that hold the same.
impl PartialEq for Grants {
    fn eq(&self, other: &Self) -> bool {
        // The same set is not locked twice, and two sets not at once.
        Arc::ptr_eq(&self.state, &other.state) || {
            let own = self.lock().clone();
            own == *other.lock()
        }
    }
}

impl Eq for Grants {}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Grants")
            .field("enforced", &state.enforced)
            .field("objects", &state.objects())
            .finish_non_exhaustive()
    }
}
