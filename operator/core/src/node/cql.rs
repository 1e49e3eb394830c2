//! Statements of CQL about roles. Names and passwords are quoted here, and nowhere else.

use casskop_common::names::DEFAULT_ROLE;

/// A statement. Its text may have a password: it is sent, and never printed.
pub struct Statement {
    text: String,
    is_secret: bool,
}

impl Statement {
    /// Creates a role that may log in, unless there is one of the name.
    pub fn create_role(name: &str, password: &str, is_superuser: bool) -> Self {
        Self::secret(format!(
            "CREATE ROLE IF NOT EXISTS {} WITH PASSWORD = {} AND SUPERUSER = {is_superuser} AND LOGIN = true",
            identifier(name),
            literal(password)
        ))
    }

    /// Lets a role that exists log in with a password, as a superuser or not. In one statement: a role that was shut out for its
    /// password never accepts that one again. Cassandra refuses a change of `SUPERUSER` to the role itself.
    pub fn admit_role(name: &str, password: &str, is_superuser: bool) -> Self {
        Self::secret(format!(
            "ALTER ROLE {} WITH PASSWORD = {} AND LOGIN = true AND SUPERUSER = {is_superuser}",
            identifier(name),
            literal(password)
        ))
    }

    /// Changes the password of a role.
    pub fn change_password(name: &str, password: &str) -> Self {
        Self::secret(format!(
            "ALTER ROLE {} WITH PASSWORD = {}",
            identifier(name),
            literal(password)
        ))
    }

    /// Shuts out the role that Cassandra creates by itself. The role stays: Cassandra would create it again, at a start in
    /// which it finds no role at all.
    pub fn shut_out_default(password: &str) -> Self {
        Self::secret(format!(
            "ALTER ROLE {} WITH PASSWORD = {} AND LOGIN = false AND SUPERUSER = false",
            identifier(DEFAULT_ROLE),
            literal(password)
        ))
    }

    /// Shuts out a superuser whose place another one takes.
    pub fn shut_out(name: &str) -> Self {
        Self::plain(format!(
            "ALTER ROLE {} WITH LOGIN = false AND SUPERUSER = false",
            identifier(name)
        ))
    }

    /// Grants a permission to a role, on a table, on a keyspace, or on all keyspaces.
    pub fn grant(
        permission: &str,
        keyspace: Option<&str>,
        table: Option<&str>,
        role: &str,
    ) -> Self {
        Self::plain(format!(
            "GRANT {permission} ON {} TO {}",
            resource(keyspace, table),
            identifier(role)
        ))
    }

    /// Takes a permission back from a role.
    pub fn revoke(
        permission: &str,
        keyspace: Option<&str>,
        table: Option<&str>,
        role: &str,
    ) -> Self {
        Self::plain(format!(
            "REVOKE {permission} ON {} FROM {}",
            resource(keyspace, table),
            identifier(role)
        ))
    }

    /// Reads the permissions of a role on a resource, as a text of JSON: `{"permissions": ["SELECT"]}`. A role that has made many
    /// tables has a row for each of them.
    pub fn permissions(role: &str, resource: &str) -> Self {
        Self::plain(format!(
            "SELECT JSON permissions FROM system_auth.role_permissions WHERE role = {} AND resource = {}",
            literal(role),
            literal(resource)
        ))
    }

    /// Reads whether a keyspace, or a table of it, exists.
    pub fn resource(keyspace: &str, table: Option<&str>) -> Self {
        let keyspace = literal(keyspace);
        Self::plain(match table {
            Some(table) => format!(
                "SELECT table_name FROM system_schema.tables WHERE keyspace_name = {keyspace} AND table_name = {}",
                literal(table)
            ),
            None => format!(
                "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = {keyspace}"
            ),
        })
    }

    /// Reads whether a role may log in, and whether it is a superuser. A role that does not exist has no row.
    pub fn role(name: &str) -> Self {
        Self::plain(format!(
            "SELECT can_login, is_superuser FROM system_auth.roles WHERE role = {}",
            literal(name)
        ))
    }

    /// Reads the data center of the node.
    pub fn data_center() -> Self {
        Self::plain("SELECT data_center FROM system.local".into())
    }

    /// Reads how the roles are replicated.
    pub fn replication() -> Self {
        Self::plain(
            "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = 'system_auth'"
                .into(),
        )
    }

    /// Replicates the roles so many times in each of these data centers, and nowhere else.
    pub fn replicate<'a>(dcs: impl IntoIterator<Item = (&'a String, &'a i32)>) -> Self {
        let factors = dcs.into_iter();
        let factors = factors.map(|(dc, replicas)| format!(", {}: {replicas}", literal(dc)));
        Self::plain(format!(
            "ALTER KEYSPACE system_auth WITH replication = {{'class': 'NetworkTopologyStrategy'{}}}",
            factors.collect::<String>()
        ))
    }

    /// The text to send.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the text has a password, so that words of Cassandra about it may have one, too.
    pub fn is_secret(&self) -> bool {
        self.is_secret
    }

    fn secret(text: String) -> Self {
        Self {
            text,
            is_secret: true,
        }
    }

    fn plain(text: String) -> Self {
        Self {
            text,
            is_secret: false,
        }
    }
}

fn resource(keyspace: Option<&str>, table: Option<&str>) -> String {
    match (keyspace.map(identifier), table.map(identifier)) {
        (Some(keyspace), Some(table)) => format!("TABLE {keyspace}.{table}"),
        (Some(keyspace), None) => format!("KEYSPACE {keyspace}"),
        (None, _) => "ALL KEYSPACES".into(),
    }
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_stay_what_they_are() {
        let statements = [
            Statement::create_role("Ad\"min", "it's; --", true),
            Statement::admit_role("admin", "p", true),
            Statement::change_password("admin", "'"),
            Statement::shut_out_default("p"),
            Statement::shut_out("old"),
            Statement::create_role("orders", "it's", false),
            Statement::admit_role("orders", "it's", true),
            Statement::permissions("orders", "data/orders/t"),
            Statement::grant("SELECT", Some("Or\"ders"), Some("t"), "orders"),
            Statement::grant("MODIFY", Some("orders"), None, "orders"),
            Statement::revoke("DROP", None, None, "orders"),
            Statement::resource("it's", None),
            Statement::resource("orders", Some("t")),
            Statement::role("it's"),
            Statement::data_center(),
            Statement::replication(),
            Statement::replicate([(&"dc1".to_owned(), &3), (&"d'c2".to_owned(), &1)]),
        ];
        let told = statements.iter().map(|statement| {
            let secret = if statement.is_secret() {
                "secret"
            } else {
                "plain"
            };
            format!("{secret}: {}", statement.text())
        });
        insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"));
    }
}
