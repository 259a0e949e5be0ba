//! Names of credentials that no list can hold: `DB_PASSWORD`, `fs.s3a.secret.key`, `personal_access_token`.

/// Words that make a name that of a credential when they end it.
const LAST: [&str; 6] = ["password", "passwd", "pwd", "passphrase", "secret", "token"];
/// Words before `token` that make it a place in a listing, a name of a request, or a symbol of a language model.
const PLAIN_TOKENS: [&str; 14] = [
    "page",
    "next",
    "prev",
    "previous",
    "continuation",
    "idempotency",
    "sync",
    "cursor",
    "pagination",
    "request",
    "bos",
    "eos",
    "pad",
    "unk",
];
/// Words before `key` that make it a credential. Alone it is a name: of a tag, of a task, of a column.
const SECRET_KEYS: [&str; 13] = [
    "access",
    "account",
    "api",
    "encryption",
    "integration",
    "master",
    "private",
    "sas",
    "secret",
    "shared",
    "signing",
    "storage",
    "subscription",
];

/// Whether the words of a name say that a credential stands under it.
pub(super) fn is_credential(name: &str) -> bool {
    let words = words(name);
    let ends = match words.as_slice() {
        [.., before, last] => ends_credential(before, last),
        [last] => LAST.contains(&last.as_str()),
        [] => false,
    };
    ends || is_hadoop_credential(&words)
}

fn ends_credential(before: &str, last: &str) -> bool {
    match (before, last) {
        (before, "token") => !PLAIN_TOKENS.contains(&before),
        (before, "key") => SECRET_KEYS.contains(&before),
        ("activation", "url") | ("jaas", "config") => true,
        (_, last) => LAST.contains(&last),
    }
}

/// Settings of Hadoop and Spark end in the account or the container that they are for.
fn is_hadoop_credential(words: &[String]) -> bool {
    const MIDDLES: [&[&str]; 4] =
        [&["azure", "account", "key"], &["azure", "sas"], &["client", "secret"], &["secret", "key"]];
    let is_setting = words.first().is_some_and(|first| matches!(first.as_str(), "fs" | "spark"));
    let has = |middle: &&[&str]| words.windows(middle.len()).any(|window| *window == **middle);
    // `fs.azure.sas.token.provider.type` names a class.
    let is_class = words.iter().any(|word| matches!(word.as_str(), "type" | "provider"));
    is_setting && !is_class && MIDDLES.iter().any(has)
}

/// The words of a name, in lower case: between dots, underscores and hyphens, and where a capital begins one.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut inside, mut small) = (false, false);
    for c in name.chars() {
        if !c.is_alphanumeric() {
            inside = false;
            continue;
        }
        match words.last_mut().filter(|_| inside && !(small && c.is_uppercase())) {
            Some(word) => word.extend(c.to_lowercase()),
            None => words.push(c.to_lowercase().collect()),
        }
        (inside, small) = (true, !c.is_uppercase());
    }
    words
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn names_end_in_what_they_hold() {
        let credentials = [
            "personal_access_token",
            "aad_token",
            "activation_url",
            "activationUrl",
            "DB_PASSWORD",
            "dbPassword",
            "fs.azure.account.key.acct.dfs.core.windows.net",
            "fs.s3a.secret.key",
            "kafka.sasl.jaas.config",
            "fs.azure.account.oauth2.client.secret",
            "fs.azure.account.oauth2.client.secret.a.dfs.core.windows.net",
            "AWS_SECRET_KEY",
            "AWS_SESSION_TOKEN",
            "spark.hadoop.fs.s3a.secret.key",
            "password",
            "integration_key",
        ];
        let others = [
            "page_token",
            "next_page_token",
            "nextPageToken",
            "idempotency_token",
            "continuation_token",
            "task_key",
            "job_cluster_key",
            "key",
            "primary_key",
            "max_tokens",
            "tokens",
            "secret_scope",
            "password_policy",
            "",
            "fs.azure.sas.token.provider.type",
            "._-",
            "monkey",
            "eos_token",
        ];
        credentials.iter().for_each(|name| assert!(is_credential(name), "{name}"));
        others.iter().for_each(|name| assert!(!is_credential(name), "{name}"));
    }
}
