//! Signed tokens: `authorization: Bearer`, verified with public keys from a file of the artifact or from an address.

mod fetch;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::AUTHORIZATION;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde_json::Value;

use crate::clock::Clock;
use crate::manifest::JwtGuard;
use crate::outbound::Client;
use crate::request::Failure;

use super::{Pass, Seen};
use fetch::Keys;

/// How far the clocks of issuer and host may be apart, in seconds.
const LEEWAY: f64 = 60.0;

/// The keys and rules of one guard.
pub(crate) struct Tokens {
    guard: JwtGuard,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
}

pub(super) struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Tokens {
    pub(super) fn new(
        guard: &JwtGuard,
        file: Option<&[u8]>,
        client: Option<&Client>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let keys = match (file, client) {
            (Some(file), _) => Keys::fixed(keys(file)?),
            (None, _) if !guard.fetches() => {
                return Err(format!("the artifact has no file `{}`", guard.jwks));
            }
            (None, Some(client)) => Keys::fetched(&guard.jwks, client)?,
            (None, None) => return Err(format!("`{}` is in no `grants.http`", guard.jwks)),
        };
        Ok(Self { guard: guard.clone(), keys: Arc::new(keys), clock })
    }

    pub(super) async fn ask(&self, seen: &Seen<'_>) -> Result<Pass, Failure> {
        let mut given = seen.parts.headers.get_all(AUTHORIZATION).iter();
        let (Some(field), None) = (given.next(), given.next()) else { return Err(refused("")) };
        let token = field.to_str().ok().and_then(bearer).ok_or_else(|| refused(""))?;
        let invalid = || refused(" error=\"invalid_token\"");
        let header = jsonwebtoken::decode_header(token).map_err(|_why| invalid())?;
        let known = |keys: &[Key]| keys.iter().any(|key| key.fits(&header));
        let keys = Keys::now(&self.keys, known).await.map_err(Failure::NoGuard)?;
        let claims = keys.iter().filter(|key| key.fits(&header)).find_map(|key| self.claims(token, key));
        let claims = claims.ok_or_else(invalid)?;
        let annotation = |(name, claim): (&String, &String)| Some((name.clone(), text(claims.get(claim)?)?));
        Ok(Pass::As(self.guard.annotate.iter().filter_map(annotation).collect()))
    }

    fn claims(&self, token: &str, key: &Key) -> Option<Value> {
        let decoded = jsonwebtoken::decode::<Value>(token, &key.key, &self.validation(key.algorithm));
        let claims = decoded.ok()?.claims;
        is_in_time(&claims, self.clock.now()).then_some(claims)
    }

    /// `exp` must be there; `iss` and `aud` are compared where there is something to compare. Times are compared by the
    /// host's clock, in [`is_in_time`].
    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        let mut required = vec!["exp"];
        if let Some(issuer) = &self.guard.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        match &self.guard.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                required.push("aud");
            }
            None => validation.validate_aud = false,
        }
        validation.set_required_spec_claims(&required);
        validation
    }
}

/// Whether a token is valid already (`nbf`, if it has one) and still (`exp`).
fn is_in_time(claims: &Value, now: SystemTime) -> bool {
    // A clock before 1970 is wrong, and believes nobody.
    let Ok(now) = now.duration_since(UNIX_EPOCH).map(|now| now.as_secs_f64().floor()) else { return false };
    let ends = claims.get("exp").and_then(Value::as_f64);
    let begins = claims.get("nbf").map(Value::as_f64);
    ends.is_some_and(|ends| ends + LEEWAY >= now)
        && begins.is_none_or(|begins| begins.is_some_and(|begins| begins <= now + LEEWAY))
}

impl Key {
    /// Only keys of the token's algorithm are tried, so that no key is taken for another kind of secret.
    fn fits(&self, header: &Header) -> bool {
        self.algorithm == header.alg && (header.kid.is_none() || self.id.is_none() || self.id == header.kid)
    }
}

fn refused(why: &str) -> Failure {
    Failure::Unauthorized(format!("Bearer realm=\"wharf\"{}{why}", if why.is_empty() { "" } else { "," }))
}

fn bearer(field: &str) -> Option<&str> {
    let (scheme, token) = field.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A claim as an annotation: text as it is, lists of text with spaces between them, other values as JSON.
fn text(claim: &Value) -> Option<String> {
    match claim {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
        }
        other => Some(other.to_string()),
    }
}

/// The keys of a JWKS that can verify: public ones of an algorithm that is known. Shared secrets are passed over.
pub(super) fn keys(json: &[u8]) -> Result<Vec<Key>, String> {
    let set: JwkSet =
        serde_json::from_slice(json).map_err(|error| format!("the keys are no JWKS: {error}"))?;
    let found: Vec<Key> = set.keys.iter().filter_map(key).collect();
    if found.is_empty() { Err("the JWKS has no public key that can be used".to_owned()) } else { Ok(found) }
}

fn key(jwk: &Jwk) -> Option<Key> {
    use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve};
    let other_use = |used: &PublicKeyUse| *used != PublicKeyUse::Signature;
    if jwk.common.public_key_use.as_ref().is_some_and(other_use) {
        return None;
    }
    let named: Option<Algorithm> = match &jwk.common.key_algorithm {
        Some(named) => Some(named.to_string().parse().ok()?),
        None => None,
    };
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => named.unwrap_or(Algorithm::RS256),
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => Algorithm::ES256,
            EllipticCurve::P384 => Algorithm::ES384,
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(_) => Algorithm::EdDSA,
        _ => return None,
    };
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some(Key { id: jwk.common.key_id.clone(), algorithm, key })
}

#[cfg(test)]
mod tests {
    use super::is_in_time;
    use serde_json::json;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_token_is_valid_from_its_beginning_to_its_end_give_or_take_a_minute() {
        let at = |claims: &serde_json::Value, seconds| {
            is_in_time(claims, UNIX_EPOCH + Duration::from_secs(seconds))
        };
        let claims = json!({"nbf": 1_000, "exp": 2_000.5});
        assert!(!at(&claims, 939) && at(&claims, 940) && at(&claims, 2_060) && !at(&claims, 2_061));
        assert!(at(&json!({"exp": 2_000}), 0));
        assert!(!is_in_time(&json!({"exp": 2_000}), UNIX_EPOCH - Duration::from_secs(1)));
        for wrong in
            [json!({}), json!({"exp": "2000"}), json!({"exp": 2_000, "nbf": "0"}), json!({"exp": null})]
        {
            assert!(!at(&wrong, 1_000), "{wrong}");
        }
    }
}
