package config

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a text that no formatter, encoder or logger prints. The zero value
// is "no secret".
type Secret struct{ text string }

// NewSecret wraps a text that must not be seen.
func NewSecret(text string) Secret { return Secret{text: text} }

// Reveal gives the text, for the one call that needs it.
func (s Secret) Reveal() string { return s.text }

// IsZero says that there is no secret.
func (s Secret) IsZero() bool { return s.text == "" }

// Equal says that two secrets are the same.
func (s Secret) Equal(other Secret) bool { return s.text == other.text }

// String never gives the text.
func (s Secret) String() string { return redacted }

// GoString never gives the text.
func (s Secret) GoString() string { return redacted }

// Format never gives the text, whatever the verb: without it, %x of a struct
// would print the bytes.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalJSON never gives the text.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText never gives the text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue never gives the text.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
