//! The rules of grants, over plain values.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{PermissionDenied, Privilege, Securable, SecurableType};

/// Groups that everybody is in.
const EVERYBODY: [&str; 2] = ["account users", "users"];

/// Everything that was granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) enforced: bool,
    owners: HashMap<Securable, String>,
    granted: BTreeMap<Securable, BTreeMap<String, BTreeSet<Privilege>>>,
    groups: HashMap<String, BTreeSet<String>>,
}

/// A privilege in force on an object, and the object it comes from where that is another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Inherited {
    pub(crate) privilege: Privilege,
    pub(crate) from: Option<Securable>,
}

impl State {
    pub(super) fn add_members(&mut self, group: &str, members: Vec<String>) {
        self.groups.entry(group.to_owned()).or_default().extend(members);
    }

    pub(super) fn grant(&mut self, principal: &str, securable: &Securable, privileges: &[Privilege]) {
        if !privileges.is_empty() {
            let principals = self.granted.entry(securable.clone()).or_default();
            principals.entry(principal.to_owned()).or_default().extend(privileges);
        }
    }

    pub(super) fn revoke(&mut self, principal: &str, securable: &Securable, privileges: &[Privilege]) {
        let Some(principals) = self.granted.get_mut(securable) else { return };
        if let Some(held) = principals.get_mut(principal) {
            held.retain(|privilege| !privileges.contains(privilege));
            if held.is_empty() {
                principals.remove(principal);
            }
        }
        if principals.is_empty() {
            self.granted.remove(securable);
        }
    }

    pub(super) fn set_owner(&mut self, securable: &Securable, principal: &str) {
        self.owners.insert(securable.clone(), principal.to_owned());
    }

    pub(super) fn owner(&self, securable: &Securable) -> Option<&str> {
        self.owners.get(securable).map(String::as_str)
    }

    pub(super) fn forget(&mut self, securable: &Securable) {
        self.owners.retain(|object, _| !object.is_within(securable));
        self.granted.retain(|object, _| !object.is_within(securable));
    }

    /// How many objects have grants or owners.
    pub(super) fn objects(&self) -> usize {
        let owned = self.owners.keys().filter(|object| !self.granted.contains_key(*object));
        owned.count() + self.granted.len()
    }

    pub(super) fn check(
        &self,
        user: &str,
        privilege: Privilege,
        securable: &Securable,
    ) -> Result<(), PermissionDenied> {
        if !self.enforced {
            return Ok(());
        }
        let needed = self.way_to(securable).into_iter().chain([(privilege, securable.clone())]);
        for (privilege, securable) in needed {
            if !self.has(user, privilege, &securable) {
                return Err(PermissionDenied { user: user.to_owned(), privilege, securable });
            }
        }
        Ok(())
    }

    pub(super) fn can_see(&self, user: &str, securable: &Securable) -> bool {
        let privilege = match securable.kind() {
            SecurableType::Metastore => return true,
            SecurableType::Catalog => Privilege::UseCatalog,
            SecurableType::Schema => Privilege::UseSchema,
            SecurableType::Table => Privilege::Select,
            SecurableType::Volume => Privilege::ReadVolume,
            SecurableType::Warehouse => Privilege::CanUse,
        };
        self.check(user, privilege, securable).is_ok()
            || self.granted_to(user, Privilege::Browse, securable)
            || self.manages(user, securable)
    }

    /// What was granted on this very object, by principal.
    pub(super) fn assignments(&self, securable: &Securable) -> BTreeMap<String, Vec<Privilege>> {
        let principals = self.granted.get(securable).into_iter().flatten();
        principals.map(|(principal, held)| (principal.clone(), held.iter().copied().collect())).collect()
    }

    /// What is in force on an object, by principal.
    pub(super) fn effective(&self, securable: &Securable) -> BTreeMap<String, BTreeSet<Inherited>> {
        let mut found: BTreeMap<String, BTreeSet<Inherited>> = BTreeMap::new();
        for object in securable.chain() {
            let from = (object != *securable).then(|| object.clone());
            for (principal, held) in self.granted.get(&object).into_iter().flatten() {
                let inherited = held.iter().map(|&privilege| Inherited { privilege, from: from.clone() });
                found.entry(principal.clone()).or_default().extend(inherited);
            }
        }
        found
    }

    /// The privileges needed on what an object is in, from the catalog down.
    fn way_to(&self, securable: &Securable) -> Vec<(Privilege, Securable)> {
        let mut way: Vec<_> = securable
            .chain()
            .skip(1)
            .filter_map(|object| match object.kind() {
                SecurableType::Catalog => Some((Privilege::UseCatalog, object)),
                SecurableType::Schema => Some((Privilege::UseSchema, object)),
                _ => None,
            })
            .collect();
        way.reverse();
        way
    }

    fn has(&self, user: &str, privilege: Privilege, securable: &Securable) -> bool {
        // Who manages an object can reach what is in it, but reads nothing.
        let by_managing = matches!(
            privilege,
            Privilege::Manage | Privilege::Browse | Privilege::UseCatalog | Privilege::UseSchema
        );
        self.owns(user, securable)
            || self.granted_to(user, privilege, securable)
            || (by_managing && self.manages(user, securable))
    }

    fn manages(&self, user: &str, securable: &Securable) -> bool {
        securable.chain().any(|object| self.owns(user, &object))
            || self.granted_to(user, Privilege::Manage, securable)
    }

    fn owns(&self, user: &str, securable: &Securable) -> bool {
        self.owners.get(securable).is_some_and(|owner| self.is_one_of(user, owner))
    }

    /// Whether a privilege was granted to a user, on an object or on what it is in.
    fn granted_to(&self, user: &str, privilege: Privilege, securable: &Securable) -> bool {
        securable.chain().filter_map(|object| self.granted.get(&object)).flatten().any(|(principal, held)| {
            self.is_one_of(user, principal) && held.iter().any(|held| held.includes(privilege))
        })
    }

    fn is_one_of(&self, user: &str, principal: &str) -> bool {
        user == principal
            || EVERYBODY.contains(&principal)
            || self.groups.get(principal).is_some_and(|members| members.contains(user))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn enforced() -> State {
        State { enforced: true, ..State::default() }
    }

    fn orders() -> Securable {
        Securable::table("main", "sales", "orders")
    }

    fn missing(state: &State, user: &str, privilege: Privilege, securable: &Securable) -> String {
        state
            .check(user, privilege, securable)
            .map_or_else(|denied| denied.to_string(), |()| "allowed".to_owned())
    }

    #[test]
    fn what_is_missing_is_named_from_the_catalog_down() {
        let mut state = enforced();
        let select = |state: &State| missing(state, "ada", Privilege::Select, &orders());
        assert_eq!(select(&state), "User does not have USE CATALOG on Catalog 'main'.");
        state.grant("ada", &Securable::catalog("MAIN"), &[Privilege::UseCatalog]);
        assert_eq!(select(&state), "User does not have USE SCHEMA on Schema 'main.sales'.");
        state.grant("ada", &Securable::schema("main", "sales"), &[Privilege::UseSchema]);
        assert_eq!(select(&state), "User does not have SELECT on Table 'main.sales.orders'.");
        state.grant("ada", &orders(), &[Privilege::Select]);
        assert_eq!(select(&state), "allowed");
        assert_eq!(
            missing(&state, "eve", Privilege::Select, &orders()),
            "User does not have USE CATALOG on Catalog 'main'."
        );
        state.enforced = false;
        assert_eq!(missing(&state, "eve", Privilege::Modify, &orders()), "allowed");
    }

    #[test]
    fn privileges_are_inherited_downward_and_never_sideways() {
        let mut state = enforced();
        state.grant("ada", &Securable::catalog("main"), &[Privilege::UseCatalog, Privilege::UseSchema]);
        state.grant("ada", &Securable::schema("main", "sales"), &[Privilege::AllPrivileges]);
        assert_eq!(missing(&state, "ada", Privilege::Modify, &orders()), "allowed");
        let other = Securable::table("main", "hr", "people");
        assert_eq!(
            missing(&state, "ada", Privilege::Select, &other),
            "User does not have SELECT on Table 'main.hr.people'."
        );
        assert_eq!(
            missing(&state, "ada", Privilege::Manage, &orders()),
            "User does not have MANAGE on Table 'main.sales.orders'."
        );
        let volume = Securable::volume("main", "sales", "orders");
        assert_eq!(missing(&state, "ada", Privilege::WriteVolume, &volume), "allowed");
    }

    #[test]
    fn owners_manage_what_is_below_without_reading_it() {
        let mut state = enforced();
        state.set_owner(&Securable::catalog("main"), "ada");
        assert_eq!(missing(&state, "ada", Privilege::CreateSchema, &Securable::catalog("main")), "allowed");
        assert_eq!(missing(&state, "ada", Privilege::Manage, &orders()), "allowed");
        assert_eq!(
            missing(&state, "ada", Privilege::Select, &orders()),
            "User does not have SELECT on Table 'main.sales.orders'."
        );
        assert!(state.can_see("ada", &orders()) && !state.can_see("eve", &orders()));
        state.set_owner(&Securable::metastore(), "root");
        assert_eq!(missing(&state, "root", Privilege::Manage, &orders()), "allowed");
        assert_eq!(missing(&state, "root", Privilege::CreateCatalog, &Securable::metastore()), "allowed");
    }

    #[test]
    fn groups_share_what_they_are_granted() {
        let mut state = enforced();
        state.add_members("team", vec!["ada".to_owned()]);
        state.grant("team", &Securable::warehouse("w1"), &[Privilege::CanManage]);
        state.grant("account users", &Securable::warehouse("w2"), &[Privilege::CanUse]);
        assert_eq!(missing(&state, "ada", Privilege::CanUse, &Securable::warehouse("w1")), "allowed");
        assert_eq!(
            missing(&state, "eve", Privilege::CanUse, &Securable::warehouse("w1")),
            "User does not have CAN USE on SQL warehouse 'w1'."
        );
        assert_eq!(missing(&state, "eve", Privilege::CanUse, &Securable::warehouse("w2")), "allowed");
    }

    #[test]
    fn what_is_dropped_takes_its_grants_along() {
        let mut state = enforced();
        state.grant("ada", &orders(), &[Privilege::Select]);
        state.set_owner(&Securable::schema("main", "sales"), "ada");
        state.grant("ada", &Securable::catalog("mainly"), &[Privilege::UseCatalog]);
        state.forget(&Securable::catalog("main"));
        assert_eq!((state.objects(), state.owner(&Securable::schema("main", "sales"))), (1, None));
    }

    const SOME: [Privilege; 5] = [
        Privilege::UseCatalog,
        Privilege::UseSchema,
        Privilege::Select,
        Privilege::AllPrivileges,
        Privilege::Manage,
    ];

    fn place(index: usize) -> Securable {
        match index % 4 {
            0 => Securable::metastore(),
            1 => Securable::catalog("main"),
            2 => Securable::schema("main", "sales"),
            _ => orders(),
        }
    }

    proptest! {
        /// A grant never takes anything away, and taking it back leaves what was there before.
        #[test]
        fn grants_only_add_and_revoking_restores(steps in prop::collection::vec((0usize..4, 0usize..5), 0..12), last in (0usize..4, 0usize..5)) {
            let mut state = enforced();
            for (at, what) in steps {
                state.grant("ada", &place(at), &[SOME[what]]);
            }
            let before = state.clone();
            let (at, what) = (place(last.0), SOME[last.1]);
            let held = before.assignments(&at).get("ada").is_some_and(|held| held.contains(&what));
            state.grant("ada", &at, &[what]);
            for privilege in SOME {
                prop_assert!(before.check("ada", privilege, &orders()).is_err() || state.check("ada", privilege, &orders()).is_ok());
            }
            if !held {
                state.revoke("ada", &at, &[what]);
            }
            prop_assert_eq!(state, before);
        }
    }
}
