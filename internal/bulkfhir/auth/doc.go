// Package auth signs in to FHIR servers outside Azure: by SMART Backend Services, by a client
// secret at a token endpoint, or with a fixed token.
//
// Token returns a bearer token from the cache while it is valid. Renew replaces a refused token.
// Keys, secrets and tokens are never printed: errors carry the OAuth error code and the HTTP
// status, never a body.
package auth
