// Package auth signs in to FHIR servers that are not Azure's: SMART Backend
// Services, a client secret at a token endpoint, or a token that somebody gave us.
//
// All of them hand out bearer tokens in the same way: Token gives one from the
// cache while it is good, and Renew one in place of a token that was refused.
// Nothing here prints a key, a secret or a token: errors carry the OAuth error code
// and the status of HTTP, never a body.
package auth
