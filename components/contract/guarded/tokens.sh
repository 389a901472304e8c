#!/bin/sh
# Makes rust/keys.json, the public keys of the guard `token`, and prints the tokens of conformance/cases/guarded.toml.
# The private keys are forgotten: who needs another token runs this again and puts all of them in.
set -eu
cd "$(dirname "$0")"
keys=$(mktemp -d)
trap 'rm -r "$keys"' EXIT

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

openssl genpkey -quiet -algorithm ed25519 -out "$keys/ed"
openssl genpkey -quiet -algorithm rsa -pkeyopt rsa_keygen_bits:2048 -out "$keys/rsa"
openssl genpkey -quiet -algorithm ed25519 -out "$keys/stranger"
x=$(openssl pkey -in "$keys/ed" -pubout -outform der | tail -c 32 | base64url)
n=$(openssl rsa -in "$keys/rsa" -noout -modulus | cut -d= -f2 | xxd -r -p | base64url)
cat > rust/keys.json <<JSON
{
  "keys": [
    { "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "ed", "x": "$x" },
    { "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "rsa", "e": "AQAB", "n": "$n" }
  ]
}
JSON

# token NAME KEY ALGORITHM KID CLAIMS
token() {
  head=$(printf '{"alg":"%s","kid":"%s"}' "$3" "$4" | base64url)
  printf '%s' "$head.$(printf '%s' "$5" | base64url)" > "$keys/signed"
  case $3 in
    EdDSA) signature=$(openssl pkeyutl -sign -inkey "$keys/$2" -rawin -in "$keys/signed" | base64url) ;;
    RS256) signature=$(openssl dgst -sha256 -sign "$keys/$2" "$keys/signed" | base64url) ;;
    *) signature= ;;
  esac
  printf '%s: %s.%s\n' "$1" "$(cat "$keys/signed")" "$signature"
}

ours='"iss":"https://issuer.example","aud":"contract"'
token good ed EdDSA ed "{$ours,\"sub\":\"7\",\"roles\":[\"a\",\"b\"],\"exp\":4102444800}"
token good-rsa rsa RS256 rsa "{$ours,\"sub\":\"8\",\"exp\":4102444800}"
token expired ed EdDSA ed "{$ours,\"sub\":\"7\",\"exp\":1000000000}"
token no-expiry ed EdDSA ed "{$ours,\"sub\":\"7\"}"
token not-yet ed EdDSA ed "{$ours,\"sub\":\"7\",\"nbf\":4102444000,\"exp\":4102444800}"
token other-issuer ed EdDSA ed '{"iss":"https://other.example","aud":"contract","sub":"7","exp":4102444800}'
token other-audience ed EdDSA ed '{"iss":"https://issuer.example","aud":"other","sub":"7","exp":4102444800}'
token stranger stranger EdDSA ed "{$ours,\"sub\":\"7\",\"exp\":4102444800}"
token unsigned ed none ed "{$ours,\"sub\":\"7\",\"exp\":4102444800}"
