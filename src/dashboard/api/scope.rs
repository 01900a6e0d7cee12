//! What a token may do, in words. A scope never gives more than its user may do in the dashboard.

/// One thing that a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// List and read one's own mail, in an unlock session.
    MailRead,
    /// Delete one's own mail, in an unlock session.
    MailDelete,
    /// See one's own views and devices.
    ViewsRead,
    /// Make and remove them.
    ViewsWrite,
    /// See the audit log.
    AuditRead,
    /// See policies.
    PoliciesRead,
    /// Load policies.
    PoliciesWrite,
    /// See users.
    UsersRead,
    /// Add and change users.
    UsersWrite,
    /// See addresses and domains.
    AddressesRead,
    /// Add and remove addresses.
    AddressesWrite,
    /// See tenants.
    TenantsRead,
    /// Change, make and remove tenants.
    TenantsWrite,
    /// See how the server is.
    StatusRead,
}

impl Scope {
    /// All of them, as a person chooses from.
    pub const ALL: &[Self] = &[
        Self::MailRead,
        Self::MailDelete,
        Self::ViewsRead,
        Self::ViewsWrite,
        Self::AuditRead,
        Self::PoliciesRead,
        Self::PoliciesWrite,
        Self::UsersRead,
        Self::UsersWrite,
        Self::AddressesRead,
        Self::AddressesWrite,
        Self::TenantsRead,
        Self::TenantsWrite,
        Self::StatusRead,
    ];

    /// Its word in documents and rows; it keeps its meaning.
    pub fn word(self) -> &'static str {
        self.texts().0
    }

    /// What a person reads.
    pub fn says(self) -> &'static str {
        self.texts().1
    }

    /// Whether it is of use to those who look after a tenant only.
    pub fn administers(self) -> bool {
        !matches!(
            self,
            Self::MailRead
                | Self::MailDelete
                | Self::ViewsRead
                | Self::ViewsWrite
                | Self::AuditRead
                | Self::PoliciesRead
        )
    }

    /// The scope with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.word() == word)
    }

    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::MailRead => {
                ("mail:read", "List and read your mail, after an unlock with password and code")
            }
            Self::MailDelete => ("mail:delete", "Delete your mail for good, after an unlock"),
            Self::ViewsRead => ("views:read", "See your views and the devices that use them"),
            Self::ViewsWrite => ("views:write", "Change your views and devices; new ones need an unlock"),
            Self::AuditRead => ("audit:read", "Read the audit log, verify it, fetch receipts"),
            Self::PoliciesRead => ("policies:read", "Read the policies"),
            Self::PoliciesWrite => ("policies:write", "Load policies; revealing more needs an unlock"),
            Self::UsersRead => ("users:read", "See the users"),
            Self::UsersWrite => ("users:write", "Change users; new ones need an unlock"),
            Self::AddressesRead => ("addresses:read", "See addresses and DNS records"),
            Self::AddressesWrite => ("addresses:write", "Add and remove addresses"),
            Self::TenantsRead => ("tenants:read", "See the settings of the tenant"),
            Self::TenantsWrite => ("tenants:write", "Change the settings of the tenant"),
            Self::StatusRead => ("status:read", "See versions, storage, certificate"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_has_a_word_of_its_own() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.word()), Some(*scope));
        }
        assert_eq!(Scope::parse("mail:everything"), None);
    }
}
