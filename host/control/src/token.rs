//! Tokens: who may do what. Shown once when they are made; only their SHA-256 is kept.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::artifact::hex;
use crate::error::ControlError;
use crate::record::{TokenRecord, now};
use crate::rollout::{Control, audit};

/// What every token begins with, so that scanners of leaked secrets know it.
const PREFIX: &str = "wharf_";
/// The token in the data folder, and who makes it.
const FIRST: &str = "first";
const AUTHOR: &str = "wharf";
/// Most tokens of one host, and longest name of one.
const MOST: usize = 1_000;
const LONGEST_NAME: usize = 63;

/// What somebody may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Read,
    Deploy(String),
    Admin,
}

/// Whoever showed a token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) name: String,
    roles: Vec<Role>,
}

impl Role {
    fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "read" => Some(Self::Read),
            None if text == "admin" => Some(Self::Admin),
            Some(("deploy", service)) if !service.is_empty() => Some(Self::Deploy(service.to_owned())),
            _ => None,
        }
    }
}

impl Caller {
    /// Everybody with a token may read.
    pub(crate) fn may_deploy(&self, service: &str) -> bool {
        self.roles.iter().any(|role| match role {
            Role::Admin => true,
            Role::Deploy(name) => name == "*" || name == service,
            Role::Read => false,
        })
    }

    /// Whether they may upload: whoever may deploy something.
    pub(crate) fn may_upload(&self) -> bool {
        self.roles.iter().any(|role| *role != Role::Read)
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.roles.contains(&Role::Admin)
    }
}

/// 32 random bytes as text.
pub(crate) fn random() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system has random bytes once it is up");
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn hash(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

impl Control {
    /// Whom a token stands for now.
    pub(crate) async fn caller(&self, token: &str) -> Result<Option<Caller>, ControlError> {
        let (asked, now) = (hash(token), now());
        let mut found = None;
        // All are compared, and each in the same time.
        for (known, record) in self.ledger().tokens().await? {
            let same: bool = known.as_bytes().ct_eq(asked.as_bytes()).into();
            if same && record.expires.is_none_or(|expires| expires > now) {
                found = Some(record);
            }
        }
        Ok(found.map(|record| {
            let roles = record.roles.iter().filter_map(|role| Role::parse(role)).collect();
            Caller { name: record.name, roles }
        }))
    }

    /// Makes a token and returns it, the only time that anyone sees it.
    pub(crate) async fn create_token(
        &self,
        name: &str,
        roles: Vec<String>,
        expires: Option<u64>,
        author: &str,
    ) -> Result<String, ControlError> {
        let refuse = |why: &str| Err(ControlError::Token(why.to_owned()));
        let _alone = self.alone().await;
        let tokens = self.ledger().tokens().await?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        if !(1..=LONGEST_NAME).contains(&name.len()) || !name.chars().all(plain) || name == AUTHOR {
            return refuse("a token's name has 1 to 63 of A-Z, a-z, 0-9, - _ . @, and is not `wharf`");
        }
        if tokens.iter().any(|(_, token)| token.name == name) {
            return refuse("there is a token of that name: revoke it first, or take another name");
        }
        if tokens.len() >= MOST {
            return refuse("there are 1000 tokens: revoke some first");
        }
        if roles.is_empty() || roles.len() > 100 || roles.iter().any(|role| Role::parse(role).is_none()) {
            return refuse("a token needs roles: `read`, `deploy:SERVICE`, `deploy:*` or `admin`");
        }
        let token = format!("{PREFIX}{}", random());
        let record = TokenRecord { name: name.to_owned(), roles, created: now(), expires };
        let line = audit(author, "token-create", name, "done");
        self.ledger().add_token(hash(&token), record, line).await?;
        Ok(token)
    }

    /// Makes a token worthless, from the next request on.
    pub(crate) async fn revoke_token(&self, name: &str, author: &str) -> Result<(), ControlError> {
        let _alone = self.alone().await;
        let tokens = self.ledger().tokens().await?;
        let mut found = false;
        for (hash, _) in tokens.into_iter().filter(|(_, token)| token.name == name) {
            self.ledger().remove_token(hash, audit(author, "token-revoke", name, "done")).await?;
            found = true;
        }
        if found { Ok(()) } else { Err(ControlError::Token(format!("there is no token `{name}`"))) }
    }

    /// Makes the token `first`, for everything, and leaves it in a file that only this user can read. Does nothing where
    /// there is that file: to get another token, delete it and start again.
    ///
    /// # Errors
    /// A file that cannot be written, or records that cannot.
    pub async fn first_token(&self, file: &Path) -> Result<(), ControlError> {
        // An empty one is left of a start that was cut short.
        if fs::metadata(file).is_ok_and(|file| file.len() > 0) {
            return Ok(());
        }
        let tokens = self.ledger().tokens().await?;
        if tokens.iter().any(|(_, token)| token.name == FIRST) {
            self.revoke_token(FIRST, AUTHOR).await?;
        }
        let token = self.create_token(FIRST, vec!["admin".to_owned()], None, AUTHOR).await?;
        let write = || {
            let part = file.with_extension("part");
            let mut options = fs::OpenOptions::new();
            let mut written = options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
            written.write_all(token.as_bytes())?;
            written.sync_all()?;
            fs::rename(part, file)
        };
        let failed = |error: std::io::Error| {
            ControlError::Token(format!("failed to write `{}`: {error}", file.display()))
        };
        write().map_err(failed)
    }
}
