package servicebus

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/Azure/go-amqp"
)

// answer is the reply to a request: an HTTP status and its text.
type answer struct {
	status int32
	text   string
	body   any
}

// properties returns the status under the names that clients look for. $cbs and $management spell
// the names differently; clients accept the number only as an AMQP int.
func (a answer) properties() map[string]any {
	p := map[string]any{
		"status-code": a.status, "statusCode": a.status,
		"status-description": a.text, "statusDescription": a.text,
	}
	if condition := conditions[a.status]; condition != "" {
		p["errorCondition"] = condition
	}
	return p
}

// conditions maps each status to the condition from which the .NET client makes its failure reason.
var conditions = map[int32]string{
	204: "com.microsoft:message-not-found",
	400: "com.microsoft:argument-error",
	401: "amqp:unauthorized-access",
	404: "com.microsoft:message-not-found",
	410: "com.microsoft:message-lock-lost",
	501: "amqp:not-implemented",
	503: busyCondition,
}

// putToken implements the only operation of $cbs (claims-based security): it notes that the
// connection may use the entity of the audience.
func (c *conn) putToken(m *amqp.Message) answer {
	token, _ := m.Value.(string)
	kind, _ := m.ApplicationProperties["type"].(string)
	audience, _ := m.ApplicationProperties["name"].(string)
	if kind == "jwt" {
		if c.s.checkToken != nil {
			if err := c.s.checkToken(token); err != nil {
				return answer{status: 401, text: err.Error()}
			}
		}
	} else if !c.s.signed(token) {
		return answer{status: 401, text: "InvalidSignature: The token has an invalid signature."}
	}
	u, err := url.Parse(audience)
	if err != nil {
		return answer{status: 400, text: "The audience is not a URI."}
	}
	addr := strings.TrimPrefix(u.Path, "/")
	// Only existing entities are noted, so that a peer cannot fill the memory.
	if q, _ := c.s.entity(addr); q != nil {
		c.claims[strings.ToLower(addr)] = true
	}
	return answer{status: 202, text: "Accepted"}
}

// signed checks the signature of a SAS token, "SharedAccessSignature sr=..&sig=..&se=..&skn=..":
// sig signs the resource exactly as the token spells it. The expiry is not checked, because the
// clock of the namespace may be a test's clock.
func (s *Server) signed(token string) bool {
	query := strings.TrimPrefix(token, "SharedAccessSignature ")
	p, err := url.ParseQuery(query)
	if err != nil || p.Get("skn") != s.keyName {
		return false
	}
	resource, _, _ := strings.Cut(strings.TrimPrefix(query, "sr="), "&")
	h := hmac.New(sha256.New, []byte(s.key))
	h.Write([]byte(resource + "\n" + p.Get("se")))
	want := base64.StdEncoding.EncodeToString(h.Sum(nil))
	return hmac.Equal([]byte(want), []byte(p.Get("sig")))
}
